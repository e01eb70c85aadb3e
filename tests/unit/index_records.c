/* Records, cursors and mutations of an index with one replica. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "objstore/base/errors.h"
#include "tests/support/index_fixture.h"

static struct index *index_;

static void setup(void)
{
    fixture_init();
    index_ = fixture_open(1);
}

static void teardown(void)
{
    index_close(&index_);
    fixture_fini();
}

TestSuite(index_records, .init = setup, .fini = teardown);

static int apply(index_mutation *fn, void *arg)
{
    return index_apply(index_, fn, arg, INDEX_DURABLE);
}

/* ---- order ---- */

static const char *const names[] = {"b", "a/b", "a", "c\xff", "a/", "aa", "c", "a\x01"};
static const char *const sorted[] = {"a", "a\x01", "a/", "a/b", "aa", "b", "c", "c\xff"};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static int put_names(struct index_txn *txn, void *arg)
{
    (void)arg;
    int rc = 0;
    for (int i = 0; i < NAMES && rc == 0; i++)
        rc = index_put(txn, span_cstr(names[i]), span_cstr(names[i]));
    return rc;
}

static int walk_in_order(struct index_txn *txn, void *arg)
{
    (void)arg;
    struct index_cursor cursor;
    struct span key, value;
    cr_assert_eq(index_cursor_open(txn, &cursor), 0);
    int rc = index_cursor_seek(&cursor, SPAN_EMPTY, &key, &value);
    for (int i = 0; i < NAMES; i++) {
        cr_assert_eq(rc, 0);
        cr_expect(span_is(key, sorted[i]), "%d: " SPAN_FMT, i, SPAN_ARG(key));
        cr_expect(span_eq(key, value));
        rc = index_cursor_next(&cursor, &key, &value);
    }
    cr_expect_eq(rc, -ENOENT);
    index_cursor_close(&cursor);
    return 0;
}

Test(index_records, iteration_is_in_byte_order_in_views_and_mutations)
{
    cr_assert_eq(apply(put_names, NULL), 0);
    struct index_txn *txn;
    cr_assert_eq(index_read_begin(index_, &txn), 0);
    walk_in_order(txn, NULL);
    index_read_end(&txn);
    cr_assert_eq(apply(walk_in_order, NULL), 0);
}

static void expect_before(struct index_cursor *cursor, const char *key, const char *expected)
{
    struct span found, value;
    int rc = index_cursor_before(cursor, span_cstr(key), &found, &value);
    if (!expected)
        cr_expect_eq(rc, -ENOENT, "%s", key);
    else
        cr_expect(rc == 0 && span_is(found, expected), "%s", key);
}

Test(index_records, cursor_before_gives_the_last_smaller_record)
{
    cr_assert_eq(apply(put_names, NULL), 0);
    struct index_txn *txn;
    struct index_cursor cursor;
    struct span key, value;
    cr_assert_eq(index_read_begin(index_, &txn), 0);
    cr_assert_eq(index_cursor_open(txn, &cursor), 0);
    expect_before(&cursor, "a", NULL); /* never the index's own record */
    expect_before(&cursor, "a/a", "a/");
    expect_before(&cursor, "b", "aa");
    expect_before(&cursor, "zzz", "c\xff");
    expect_before(&cursor, "a\x01", "a");
    cr_expect_eq(index_cursor_next(&cursor, &key, &value), 0);
    cr_expect(span_is(key, "a\x01"));
    index_cursor_close(&cursor);
    index_read_end(&txn);
}

Test(index_records, an_empty_index_has_no_first_record)
{
    cr_expect_eq(fixture_count(index_), 0);
}

Test(index_records, cursors_are_reused_across_transactions_and_see_the_new_snapshot)
{
    for (uint64_t i = 1; i <= 20; i++) {
        char key[8];
        snprintf(key, sizeof(key), "%03u", (unsigned)i);
        cr_assert_eq(fixture_put(index_, key, i, INDEX_DURABLE), 0);
        cr_expect_eq(fixture_count(index_), i);
    }
}

Test(index_records, several_cursors_and_transactions_at_once)
{
    enum { DEPTH = 12 };
    cr_assert_eq(apply(put_names, NULL), 0);
    struct index_txn *txn[DEPTH];
    struct index_cursor cursors[DEPTH][3];
    struct span key, value;
    for (int i = 0; i < DEPTH; i++) {
        cr_assert_eq(index_read_begin(index_, &txn[i]), 0);
        for (int k = 0; k < 3; k++) {
            cr_assert_eq(index_cursor_open(txn[i], &cursors[i][k]), 0);
            cr_assert_eq(index_cursor_seek(&cursors[i][k], span_cstr(sorted[k]), &key, &value), 0);
        }
    }
    for (int i = 0; i < DEPTH; i++) {
        for (int k = 0; k < 3; k++) {
            cr_assert_eq(index_cursor_next(&cursors[i][k], &key, &value), 0);
            cr_expect(span_is(key, sorted[k + 1]));
            index_cursor_close(&cursors[i][k]);
        }
        index_read_end(&txn[i]);
    }
}

/* ---- values and limits ---- */

static int put_large(struct index_txn *txn, void *arg)
{
    return index_put(txn, SPAN_LIT("large"), *(struct span *)arg);
}

Test(index_records, values_up_to_the_limit_come_back_as_they_were)
{
    struct buf bytes = BUF_INIT;
    for (uint64_t i = 0; bytes.len < INDEX_VALUE_MAX; i++)
        buf_add(&bytes, &i, sizeof(i));
    struct span value = buf_span(&bytes), found;
    cr_assert_eq(apply(put_large, &value), 0);
    struct index_txn *txn;
    cr_assert_eq(index_read_begin(index_, &txn), 0);
    cr_assert_eq(index_get(txn, SPAN_LIT("large"), &found), 0);
    cr_expect(span_eq(found, value));
    index_read_end(&txn);
    buf_add_char(&bytes, 'x');
    value = buf_span(&bytes);
    cr_expect_eq(apply(put_large, &value), -EINVAL);
    buf_release(&bytes);
}

static int put_key(struct index_txn *txn, void *arg)
{
    int rc = index_put(txn, SPAN_LIT("written before"), SPAN_LIT("x"));
    return rc < 0 ? rc : index_put(txn, *(struct span *)arg, SPAN_EMPTY);
}

Test(index_records, keys_out_of_range_are_refused_and_undo_the_mutation)
{
    char bytes[INDEX_KEY_MAX + 1] = {'k'};
    struct span bad[] = {SPAN_EMPTY, span_make(bytes, sizeof(bytes)), SPAN_LIT("\0meta"), SPAN_LIT("\0")};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_eq(apply(put_key, &bad[i]), -EINVAL, "%zu", i);
    cr_expect_eq(fixture_count(index_), 0);
    struct span longest = span_make(bytes, INDEX_KEY_MAX);
    cr_expect_eq(apply(put_key, &longest), 0);
    cr_expect_eq(fixture_count(index_), 2);
}

static int delete_twice(struct index_txn *txn, void *arg)
{
    (void)arg;
    cr_assert_eq(index_delete(txn, SPAN_LIT("none")), -ENOENT);
    cr_assert_eq(index_delete(txn, SPAN_LIT("a")), 0);
    cr_assert_eq(index_delete(txn, SPAN_LIT("a")), -ENOENT);
    return 7;
}

Test(index_records, a_delete_of_nothing_is_enoent_and_no_failure)
{
    cr_assert_eq(apply(put_names, NULL), 0);
    cr_expect_eq(apply(delete_twice, NULL), 7);
    cr_expect_eq(fixture_count(index_), NAMES - 1);
}

/* ---- mutations ---- */

static int copy_within(struct index_txn *txn, void *arg)
{
    (void)arg;
    struct span value;
    int rc = index_get(txn, SPAN_LIT("b"), &value);
    return rc < 0 ? rc : index_put(txn, SPAN_LIT("copy of b"), value);
}

Test(index_records, a_value_of_the_transaction_may_be_put_again)
{
    cr_assert_eq(fixture_put(index_, "b", 77, INDEX_APPLIED), 0);
    cr_assert_eq(apply(copy_within, NULL), 0);
    cr_expect_eq(fixture_get(index_, "copy of b"), 77);
}

enum { THREADS = 8, ROUNDS = 200 };

static int increment(struct index_txn *txn, void *arg)
{
    (void)arg;
    struct span value;
    uint64_t number = 0;
    if (index_get(txn, SPAN_LIT("counter"), &value) == 0)
        cr_assert_eq(span_to_u64(value, &number), 0);
    char text[24];
    int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)number + 1);
    return index_put(txn, SPAN_LIT("counter"), span_make(text, (size_t)len));
}

static void *increment_often(void *arg)
{
    for (int i = 0; i < ROUNDS; i++)
        cr_assert_eq(index_apply(index_, increment, NULL, i % 2 ? INDEX_DURABLE : INDEX_APPLIED), 0);
    return arg;
}

static void run_threads(void *(*fn)(void *))
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, fn, (void *)i);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

Test(index_records, counters_of_many_threads_are_exact)
{
    run_threads(increment_often);
    cr_expect_eq(fixture_get(index_, "counter"), THREADS * ROUNDS);
}

static int create_exclusively(struct index_txn *txn, void *arg)
{
    struct span value;
    int rc = index_get(txn, SPAN_LIT("only one"), &value);
    if (rc != -ENOENT)
        return rc == 0 ? -EEXIST : rc;
    return index_put(txn, SPAN_LIT("only one"), span_make(arg, sizeof(int)));
}

static atomic_int winners;

static void *create_once(void *arg)
{
    int rc = apply(create_exclusively, &arg);
    cr_assert(rc == 0 || rc == -EEXIST);
    winners += rc == 0;
    return NULL;
}

Test(index_records, a_condition_holds_for_exactly_one)
{
    run_threads(create_once);
    cr_expect_eq(winners, 1);
}

/* ---- damage ---- */

Test(index_records, a_flipped_bit_in_a_value_is_never_given_out)
{
    cr_assert_eq(fixture_put(index_, "good", 1, INDEX_DURABLE), 0);
    cr_assert_eq(fixture_put(index_, "bad", 123456789012345, INDEX_DURABLE), 0);
    index_close(&index_);
    FILE *f = fopen(fixture_database(0), "r+");
    char bytes[65536];
    size_t len = fread(bytes, 1, sizeof(bytes), f);
    for (size_t i = 0; i + 15 < len; i++) {
        if (memcmp(bytes + i, "123456789012345", 15) == 0) {
            fseek(f, (long)i, SEEK_SET);
            fputc('0', f);
        }
    }
    fclose(f);
    index_ = fixture_open(1);
    cr_expect_eq(fixture_get(index_, "bad"), CAIRN_ECORRUPT);
    cr_expect_eq(fixture_get(index_, "good"), 1);
}
