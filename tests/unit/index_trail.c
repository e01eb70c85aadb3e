/* A replica that is a little behind gets what it lacks from another's trail, and a copy only when that does not reach.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/index_fixture.h"

static struct index *index_;

static void teardown(void)
{
    index_close(&index_);
    fixture_fini();
}

TestSuite(index_trail, .init = fixture_init, .fini = teardown, .timeout = 60);

static void put(const char *key, uint64_t value)
{
    cr_assert_eq(fixture_put(index_, key, value, INDEX_DURABLE), 0);
}

static int delete (struct index_txn *txn, void *arg)
{
    return index_delete(txn, span_cstr(arg));
}

static void reopen(unsigned missing)
{
    index_close(&index_);
    cr_assert_eq(fixture_open_without(3, missing, &index_), 0);
}

static bool was_copied(void)
{
    return strstr(fixture_message(), "copied anew") != NULL;
}

/* Replica 2 is brought level, and then serves alone what all of them should hold. */
static void expect_on_2(const char *key, int64_t value)
{
    index_close(&index_);
    const char *path = fixture_replica(2);
    struct index_options alone = {.paths = &path, .count = 1, .write_quorum = 1, .must_exist = true};
    cr_assert_eq(index_open(&alone, &index_), 0);
    cr_expect_eq(fixture_get(index_, key), value, "%s", key);
}

static void trail_name(size_t i, char ret_name[256])
{
    snprintf(ret_name, 256, "%s/redo.log", fixture_replica(i));
}

Test(index_trail, puts_and_deletes_are_caught_up_without_a_copy)
{
    reopen(0);
    put("gone", 1);
    put("kept", 1);
    reopen(1u << 2);
    for (uint64_t i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%u", (unsigned)i);
        put(key, i);
    }
    cr_assert_eq(index_apply(index_, delete, "gone", INDEX_DURABLE), 0);
    put("kept", 2);
    reopen(0);
    cr_expect_not(was_copied());
    cr_expect_eq(fixture_count(index_), 101);
    expect_on_2("gone", -ENOENT);
    cr_expect_eq(fixture_get(index_, "kept"), 2);
    cr_expect_eq(fixture_count(index_), 101);
}

Test(index_trail, it_goes_on_over_several_starts)
{
    reopen(0);
    for (uint64_t i = 1; i <= 5; i++) {
        reopen(1u << 2);
        put("k", i);
        reopen(1u << 2);
        reopen(0);
        cr_expect_not(was_copied());
        reopen(1u << i % 2); /* the one that was behind helps another */
        put("k", i * 10);
        reopen(0);
        cr_expect_not(was_copied());
    }
    expect_on_2("k", 50);
}

Test(index_trail, a_void_commit_is_no_part_of_it)
{
    reopen(0);
    put("k", 1);
    reopen(1u << 2);
    put("k", 2);
    fixture_replace_files(0, "/dev/full");
    fixture_replace_files(1, "/dev/full");
    cr_expect_eq(fixture_put(index_, "void", 1, INDEX_DURABLE), -ENOSPC);
    cr_expect_eq(fixture_put(index_, "void", 1, INDEX_DURABLE), -ENOSPC);
    fixture_replace_files(0, NULL);
    fixture_replace_files(1, NULL);
    put("after", 3);
    reopen(0);
    cr_expect_not(was_copied());
    expect_on_2("void", -ENOENT);
    cr_expect_eq(fixture_get(index_, "after"), 3);
}

Test(index_trail, without_one_the_replica_is_copied)
{
    char name[256];
    reopen(0);
    put("k", 1);
    reopen(1u << 2);
    put("k", 2);
    index_close(&index_);
    for (size_t i = 0; i < 2; i++) {
        trail_name(i, name);
        cr_assert_eq(unlink(name), 0);
    }
    reopen(0);
    cr_expect(was_copied());
    expect_on_2("k", 2);
}

static void flip_byte(const char *name, long off)
{
    FILE *f = fopen(name, "r+");
    cr_assert_not_null(f);
    fseek(f, off, SEEK_SET);
    int byte = fgetc(f);
    fseek(f, off, SEEK_SET);
    fputc(byte ^ 0x10, f);
    fclose(f);
}

static long length(const char *name)
{
    FILE *f = fopen(name, "r");
    cr_assert_not_null(f);
    fseek(f, 0, SEEK_END);
    long len = ftell(f);
    fclose(f);
    return len;
}

/* Wherever the damage is: what it hides is copied, and nothing wrong is applied. */
Test(index_trail, a_damaged_one_is_never_believed)
{
    char name[256];
    reopen(0);
    for (uint64_t round = 0; round < 12; round++) {
        reopen(1u << 2);
        put("k", round);
        put("l", round);
        index_close(&index_);
        for (size_t i = 0; i < 2; i++) {
            trail_name(i, name);
            flip_byte(name, length(name) * (long)round / 12);
        }
        reopen(0);
        cr_expect_eq(fixture_get(index_, "k"), (int64_t)round);
        cr_expect_eq(fixture_get(index_, "l"), (int64_t)round);
        cr_expect_eq(fixture_count(index_), 2);
    }
    expect_on_2("k", 11);
}

/* ---- loss of power ---- */

/* Its entry, and that of the start before it, are as long as those of put_p and put_q. */
static int put_pair(struct index_txn *txn, void *arg)
{
    char p[41], q[42];
    snprintf(p, sizeof(p), "%040d", *(int *)arg);
    snprintf(q, sizeof(q), "%041d", *(int *)arg);
    int rc = index_put(txn, SPAN_LIT("p"), span_cstr(p));
    return rc < 0 ? rc : index_put(txn, SPAN_LIT("q"), span_cstr(q));
}

static int put_p(struct index_txn *txn, void *arg)
{
    return index_put(txn, SPAN_LIT("p"), span_cstr(arg));
}

static int put_q(struct index_txn *txn, void *arg)
{
    return index_put(txn, SPAN_LIT("q"), span_cstr(arg));
}

static void apply(index_mutation *fn, void *arg)
{
    cr_assert_eq(index_apply(index_, fn, arg, INDEX_DURABLE), 0);
}

struct bytes {
    char name[256], bytes[4096];
    long from, len;
};

static void take(struct bytes *ret, size_t i, long from, long end)
{
    trail_name(i, ret->name);
    ret->from = from;
    ret->len = end - from;
    FILE *f = fopen(ret->name, "r");
    fseek(f, from, SEEK_SET);
    cr_assert_eq(fread(ret->bytes, 1, (size_t)ret->len, f), ret->len);
    fclose(f);
}

static void bring_back(const struct bytes *bytes)
{
    FILE *f = fopen(bytes->name, "r+");
    fseek(f, bytes->from, SEEK_SET);
    cr_assert_eq(fwrite(bytes->bytes, 1, (size_t)bytes->len, f), bytes->len);
    fclose(f);
}

static void save_database(size_t i, bool back)
{
    char copy[256];
    snprintf(copy, sizeof(copy), "%s.saved", fixture_database(i));
    fixture_copy_file(back ? copy : fixture_database(i), back ? fixture_database(i) : copy);
}

/* Two commits are lost with the power, their entries are cut off, and after the next start others come to the same
 * place: their bytes are as many, their sequences follow. A second cut brings the old bytes back. */
Test(index_trail, entries_of_lost_commits_that_come_back_are_not_believed)
{
    struct bytes old[2];
    long begin[2];
    int made = 2222;
    reopen(0);
    put("k", 1);
    reopen(1u << 2);
    for (size_t i = 0; i < 2; i++) {
        save_database(i, false);
        trail_name(i, old[i].name);
        begin[i] = length(old[i].name);
    }
    apply(put_p, "1111");
    apply(put_q, "1111");
    index_close(&index_);
    for (size_t i = 0; i < 2; i++) {
        take(&old[i], i, begin[i], length(old[i].name));
        save_database(i, true);
    }
    reopen(1u << 2);
    apply(put_pair, &made);
    cr_assert_eq(length(old[0].name), begin[0] + old[0].len);
    put("z", 1);
    index_close(&index_);
    for (size_t i = 0; i < 2; i++)
        bring_back(&old[i]);
    reopen(0);
    expect_on_2("p", 2222);
    cr_expect_eq(fixture_get(index_, "q"), 2222);
    cr_expect_eq(fixture_get(index_, "z"), 1);
}

static int put_much(struct index_txn *txn, void *arg)
{
    char key[32];
    struct buf value = BUF_INIT;
    int rc = buf_reserve(&value, INDEX_VALUE_MAX);
    cr_assert_eq(rc, 0);
    memset(value.ptr, 'v', INDEX_VALUE_MAX);
    snprintf(key, sizeof(key), "large %d", *(int *)arg % 3);
    rc = index_put(txn, span_cstr(key), span_make(value.ptr, INDEX_VALUE_MAX));
    buf_release(&value);
    return rc;
}

Test(index_trail, it_is_bounded_and_reaches_back_over_two_files)
{
    char name[256];
    reopen(0);
    put("k", 1);
    reopen(1u << 2);
    for (int i = 0; i < 50; i++) /* three files' worth: the first is gone */
        cr_assert_eq(index_apply(index_, put_much, &i, INDEX_DURABLE), 0);
    trail_name(0, name);
    cr_expect_lt(length(name), 20 << 20);
    reopen(0);
    cr_expect(was_copied());
    reopen(1u << 2);
    for (int i = 0; i < 15; i++)
        cr_assert_eq(index_apply(index_, put_much, &i, INDEX_DURABLE), 0);
    reopen(0);
    cr_expect_not(was_copied());
    expect_on_2("k", 1);
    cr_expect_eq(fixture_count(index_), 4);
}
