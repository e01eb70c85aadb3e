/* When mutations are applied, durable and visible, and what failures leave. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

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

TestSuite(index_commit, .init = setup, .fini = teardown);

enum { THREADS = 16, ROUNDS = 60 };

static void run_threads(void *(*fn)(void *))
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, fn, (void *)i);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- group commit ---- */

static void *put_durably(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        char key[32];
        snprintf(key, sizeof(key), "%zu-%d", (size_t)arg, i);
        cr_assert_eq(fixture_put(index_, key, 1, INDEX_DURABLE), 0);
    }
    return NULL;
}

Test(index_commit, concurrent_mutations_share_commits)
{
    struct index_stats before, after;
    index_stats(index_, &before);
    run_threads(put_durably);
    index_stats(index_, &after);
    cr_expect_eq(after.mutations - before.mutations, THREADS * ROUNDS);
    cr_expect_lt(after.commits - before.commits, THREADS * ROUNDS / 2);
    cr_expect_eq(after.sequence - before.sequence, after.commits - before.commits);
    cr_expect_eq(fixture_count(index_), THREADS * ROUNDS);
}

static void *read_after_apply(void *arg)
{
    char key[32];
    snprintf(key, sizeof(key), "%zu", (size_t)arg);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        cr_assert_eq(fixture_put(index_, key, i, INDEX_APPLIED), 0);
        cr_assert_eq(fixture_get(index_, key), (int64_t)i);
    }
    return NULL;
}

Test(index_commit, a_read_sees_what_was_applied_before_it)
{
    run_threads(read_after_apply);
}

Test(index_commit, a_snapshot_stays_as_it_was)
{
    struct index_txn *txn;
    struct span value;
    cr_assert_eq(fixture_put(index_, "k", 1, INDEX_DURABLE), 0);
    cr_assert_eq(index_read_begin(index_, &txn), 0);
    uint64_t sequence = index_txn_sequence(txn);
    cr_assert_eq(fixture_put(index_, "k", 2, INDEX_DURABLE), 0);
    cr_assert_eq(index_get(txn, SPAN_LIT("k"), &value), 0);
    cr_expect(span_is(value, "1"));
    index_read_end(&txn);
    cr_assert_eq(index_read_begin(index_, &txn), 0);
    cr_expect_eq(index_txn_sequence(txn), sequence + 1);
    index_read_end(&txn);
}

Test(index_commit, the_oldest_reader_is_known)
{
    struct index_txn *older, *newer;
    cr_assert_eq(fixture_put(index_, "k", 1, INDEX_DURABLE), 0);
    cr_assert_eq(index_read_begin(index_, &older), 0);
    uint64_t sequence = index_txn_sequence(older);
    cr_expect_eq(index_oldest_reader(index_), sequence);
    cr_assert_eq(fixture_put(index_, "k", 2, INDEX_DURABLE), 0);
    cr_assert_eq(index_read_begin(index_, &newer), 0);
    cr_expect_eq(index_oldest_reader(index_), sequence);
    index_read_end(&older);
    cr_expect_eq(index_oldest_reader(index_), sequence + 1);
    cr_assert_eq(fixture_put(index_, "k", 3, INDEX_DURABLE), 0);
    cr_expect_eq(index_oldest_reader(index_), sequence + 1);
    index_read_end(&newer);
    cr_expect_eq(index_oldest_reader(index_), sequence + 2);
}

Test(index_commit, what_is_applied_survives_a_close)
{
    cr_assert_eq(fixture_put(index_, "k", 5, INDEX_APPLIED), 0);
    index_close(&index_);
    index_ = fixture_open(1);
    cr_expect_eq(fixture_get(index_, "k"), 5);
}

/* ---- failing mutations ---- */

static int fail_after_check(struct index_txn *txn, void *arg)
{
    (void)txn, (void)arg;
    return CAIRN_EPRECONDITION;
}

static void *fail_or_put(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        if ((size_t)arg % 2)
            cr_assert_eq(index_apply(index_, fail_after_check, NULL, INDEX_DURABLE), CAIRN_EPRECONDITION);
        else
            cr_assert_eq(index_apply(index_, fail_after_check, NULL, INDEX_APPLIED), CAIRN_EPRECONDITION);
    }
    return put_durably(arg);
}

Test(index_commit, a_failing_mutation_leaves_its_batch_alone)
{
    run_threads(fail_or_put);
    cr_expect_eq(fixture_count(index_), THREADS * ROUNDS);
}

Test(index_commit, a_mutation_that_puts_nothing_makes_no_commit)
{
    struct index_stats before, after;
    index_stats(index_, &before);
    cr_assert_eq(index_apply(index_, fail_after_check, NULL, INDEX_DURABLE), CAIRN_EPRECONDITION);
    index_stats(index_, &after);
    cr_expect_eq(before.sequence, after.sequence);
}

/* ---- callbacks ---- */

static int called, dropped;

static void on_call(void *arg)
{
    cr_assert_eq((int)(size_t)arg, called);
    called++;
}

static void on_drop(void *arg)
{
    (void)arg;
    dropped++;
}

struct registers {
    size_t first;
    int result;
    bool puts;
};

static int register_two(struct index_txn *txn, void *arg)
{
    struct registers *r = arg;
    cr_assert_eq(index_on_commit(txn, on_call, on_drop, (void *)r->first), 0);
    cr_assert_eq(index_on_commit(txn, on_call, NULL, (void *)(r->first + 1)), 0);
    return r->puts ? index_put(txn, SPAN_LIT("k"), SPAN_LIT("v")) : r->result;
}

Test(index_commit, callbacks_run_in_order_before_the_caller_goes_on)
{
    for (size_t i = 0; i < 10; i += 2) {
        struct registers r = {.first = i, .puts = i % 4};
        cr_assert_eq(index_apply(index_, register_two, &r, INDEX_DURABLE), 0);
        cr_expect_eq(called, (int)i + 2);
    }
    struct registers r = {.result = -EEXIST};
    cr_expect_eq(index_apply(index_, register_two, &r, INDEX_DURABLE), -EEXIST);
    cr_expect_eq(called, 10);
    cr_expect_eq(dropped, 1);
}

/* ---- the map grows ---- */

static void open_with_map(size_t map_size)
{
    const char *path = fixture_replica(0);
    struct index_options options = {.paths = &path, .count = 1, .write_quorum = 1, .map_size = map_size};
    index_close(&index_);
    cr_assert_eq(index_open(&options, &index_), 0);
}

static int put_kilobytes(struct index_txn *txn, void *arg)
{
    char key[32], value[4000];
    memset(value, 'v', sizeof(value));
    for (int i = 0; i < 8; i++) {
        int len = snprintf(key, sizeof(key), "%zu.%d", *(size_t *)arg, i);
        int rc = index_put(txn, span_make(key, (size_t)len), span_make(value, sizeof(value)));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void *put_and_read_much(void *arg)
{
    for (size_t i = 0; i < 10; i++) {
        size_t number = (size_t)arg * 10 + i;
        cr_assert_eq(index_apply(index_, put_kilobytes, &number, i % 3 ? INDEX_APPLIED : INDEX_DURABLE), 0);
        fixture_get(index_, "none");
    }
    return NULL;
}

Test(index_commit, the_map_grows_under_readers_and_applied_callers)
{
    open_with_map(128 << 10);
    run_threads(put_and_read_much);
    cr_expect_eq(index_flush(index_), 0);
    cr_expect_eq(fixture_count(index_), THREADS * 10 * 8);
    index_close(&index_);
    index_ = fixture_open(1);
    cr_expect_eq(fixture_count(index_), THREADS * 10 * 8);
}

/* ---- the disk is full ---- */

static void limit_files(rlim_t bytes)
{
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

enum { MANY = 200000 };

static int put_many(struct index_txn *txn, void *arg)
{
    char key[32];
    int rc = 0;
    (void)arg;
    for (int i = 0; i < MANY && rc == 0; i++) {
        int len = snprintf(key, sizeof(key), "many.%06d", i);
        rc = index_put(txn, span_make(key, (size_t)len), SPAN_LIT("x"));
    }
    return rc;
}

Test(index_commit, a_mutation_of_many_records_asks_for_no_more_room_than_they_take)
{
    limit_files(256 << 20);
    cr_expect_eq(index_apply(index_, put_many, NULL, INDEX_DURABLE), 0);
    limit_files(RLIM_INFINITY);
    cr_expect_eq(fixture_count(index_), MANY);
}

static int delete_kilobytes(struct index_txn *txn, void *arg)
{
    char key[32];
    int rc = 0;
    for (int i = 0; i < 8 && rc == 0; i++) {
        int len = snprintf(key, sizeof(key), "%zu.%d", *(size_t *)arg, i);
        rc = index_delete(txn, span_make(key, (size_t)len));
    }
    return rc;
}

Test(index_commit, a_full_disk_refuses_the_mutation_harms_nothing_and_deletes_make_room)
{
    limit_files(4 << 20);
    size_t number = 0;
    int rc;
    while ((rc = index_apply(index_, put_kilobytes, &number, INDEX_DURABLE)) == 0)
        number++;
    cr_expect_eq(rc, -ENOSPC);
    cr_expect_gt(number, 20);
    cr_expect_eq(fixture_count(index_), number * 8);
    for (size_t i = 0; i < number; i++)
        cr_assert_eq(index_apply(index_, delete_kilobytes, &i, i % 2 ? INDEX_DURABLE : INDEX_APPLIED), 0, "%zu", i);
    cr_expect_eq(index_flush(index_), 0);
    cr_expect_eq(fixture_count(index_), 0);
    for (size_t i = 0; i < number * 3 / 4; i++)
        cr_assert_eq(index_apply(index_, put_kilobytes, &i, INDEX_DURABLE), 0, "%zu", i);
    cr_expect_eq(fixture_count(index_), number * 3 / 4 * 8);
    while ((rc = index_apply(index_, put_kilobytes, &number, INDEX_DURABLE)) == 0)
        number++;
    cr_expect_eq(rc, -ENOSPC);
    size_t count = fixture_count(index_);
    limit_files(RLIM_INFINITY);
    cr_expect_eq(index_apply(index_, put_kilobytes, &number, INDEX_DURABLE), 0);
    cr_expect_eq(fixture_count(index_), count + 8);
    index_close(&index_);
    index_ = fixture_open(1);
    cr_expect_eq(fixture_count(index_), count + 8);
}

Test(index_commit, a_commit_that_fails_is_void_and_the_next_one_starts_clean)
{
    struct registers r = {.puts = true};
    cr_assert_eq(fixture_put(index_, "before", 1, INDEX_DURABLE), 0);
    fixture_replace_files(0, "/dev/full");
    cr_expect_eq(index_apply(index_, register_two, &r, INDEX_DURABLE), -ENOSPC);
    cr_expect_eq(dropped, 1);
    cr_expect_eq(fixture_get(index_, "k"), -ENOENT);
    fixture_replace_files(0, NULL);
    cr_expect_eq(fixture_put(index_, "after", 2, INDEX_DURABLE), 0);
    cr_expect_eq(fixture_count(index_), 2);
    cr_expect_eq(fixture_get(index_, "before"), 1);
}

Test(index_commit, a_flush_tells_each_mark_once_that_an_applied_mutation_was_lost)
{
    uint64_t mine = index_mark(index_), yours = index_mark(index_);
    cr_expect_eq(index_flush_since(index_, &mine), 0);
    fixture_replace_files(0, "/dev/full");
    cr_expect_eq(fixture_put(index_, "lost", 1, INDEX_APPLIED), 0);
    cr_expect_eq(index_flush_since(index_, &mine), -ENOSPC);
    cr_expect_eq(index_flush_since(index_, &mine), 0);
    cr_expect_eq(index_flush_since(index_, &yours), -ENOSPC);
    cr_expect_eq(index_flush(index_), -ENOSPC);
    cr_expect_eq(index_flush(index_), 0);
    fixture_replace_files(0, NULL);
    cr_expect_eq(fixture_put(index_, "kept", 1, INDEX_APPLIED), 0);
    cr_expect_eq(index_flush_since(index_, &yours), 0);
    cr_expect_eq(fixture_get(index_, "lost"), -ENOENT);
}

Test(index_commit, a_drive_that_fails_refuses_writes_and_goes_on_reading)
{
    cr_assert_eq(fixture_put(index_, "before", 1, INDEX_DURABLE), 0);
    fixture_replace_files(0, "/dev/null"); /* can't be synced */
    cr_expect_lt(fixture_put(index_, "k", 1, INDEX_DURABLE), 0);
    fixture_replace_files(0, NULL);
    cr_expect_eq(fixture_put(index_, "k", 1, INDEX_DURABLE), CAIRN_EQUORUM);
    cr_expect_eq(fixture_get(index_, "before"), 1);
    index_close(&index_);
    index_ = fixture_open(1);
    cr_expect_eq(fixture_put(index_, "k", 1, INDEX_DURABLE), 0);
    cr_expect_eq(fixture_count(index_), 2);
}
