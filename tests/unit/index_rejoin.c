/* A replica that failed while running is copied anew and takes part again, while writes and reads go on. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "tests/support/index_fixture.h"

#define MS 1000000LL

static struct index *index_;

static void init(void)
{
    fixture_init();
    fixture_rejoin_after(20 * MS);
}

static void teardown(void)
{
    index_close(&index_);
    fixture_fini();
}

TestSuite(index_rejoin, .init = init, .fini = teardown, .timeout = 120);

static void put(const char *key, uint64_t value)
{
    cr_assert_eq(fixture_put(index_, key, value, INDEX_DURABLE), 0);
}

/* Each replica serves alone what all should hold. */
static void expect_on_each(size_t count, const char *key, int64_t value)
{
    for (size_t i = 0; i < count; i++) {
        index_close(&index_);
        const char *path = fixture_replica(i);
        struct index_options alone = {.paths = &path, .count = 1, .write_quorum = 1, .must_exist = true};
        cr_assert_eq(index_open(&alone, &index_), 0, "replica %zu", i);
        cr_expect_eq(fixture_get(index_, key), value, "%s on %zu", key, i);
    }
}

static bool has_failed(void *arg)
{
    return !fixture_status(index_, *(size_t *)arg).healthy;
}

/* Every write to it fails; and that was noticed. */
static void break_replica(size_t i)
{
    fixture_replace_files(i, "/dev/full");
    put("break", i);
    fixture_wait(has_failed, &i);
}

Test(index_rejoin, a_secondary_that_failed_comes_back)
{
    index_ = fixture_open(3);
    put("before", 1);
    break_replica(2);
    put("while", 2);
    fixture_wait_healthy(index_, 3);
    put("after", 3);
    cr_expect_eq(fixture_status(index_, 2).error, 0);
    cr_expect(!fixture_status(index_, 2).primary);
    expect_on_each(3, "before", 1);
    expect_on_each(3, "while", 2);
    expect_on_each(3, "after", 3);
}

Test(index_rejoin, a_primary_that_failed_comes_back_as_another)
{
    index_ = fixture_open(3);
    put("before", 1);
    break_replica(0);
    cr_expect(!fixture_status(index_, 0).primary);
    fixture_wait_healthy(index_, 3);
    cr_expect_eq(fixture_get(index_, "before"), 1);
    put("after", 2);
    cr_expect(!fixture_status(index_, 0).primary);
    expect_on_each(3, "before", 1);
    expect_on_each(3, "after", 2);
}

Test(index_rejoin, another_serves_at_once_though_a_read_of_the_primary_goes_on)
{
    struct index_txn *txn;
    struct span value;
    index_ = fixture_open(3);
    put("k", 1);
    cr_assert_eq(index_read_begin(index_, &txn), 0);
    break_replica(0);
    put("k", 2);
    cr_expect(!fixture_status(index_, 0).primary);
    cr_assert_eq(index_get(txn, SPAN_LIT("k"), &value), 0);
    cr_expect(span_eq(value, SPAN_LIT("1")));
    cr_expect_eq(fixture_get(index_, "k"), 2);
    index_read_end(&txn);
    fixture_wait_healthy(index_, 3);
    put("k", 3);
    expect_on_each(3, "k", 3);
}

Test(index_rejoin, it_counts_for_the_quorum_again)
{
    index_ = fixture_open(3);
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < 3; i++) {
            break_replica(i);
            fixture_wait_healthy(index_, 3);
            put("k", 10 * round + i);
        }
    expect_on_each(3, "k", 22);
}

Test(index_rejoin, all_that_may_fail_fail_at_once_and_come_back)
{
    index_ = fixture_open(5);
    fixture_replace_files(1, "/dev/full");
    break_replica(4);
    put("k", 1);
    fixture_wait_healthy(index_, 5);
    fixture_replace_files(0, "/dev/full");
    break_replica(2);
    put("k", 2);
    fixture_wait_healthy(index_, 5);
    expect_on_each(5, "k", 2);
}

static atomic_bool writing;

static void *write_on(void *arg)
{
    size_t mine = (size_t)(uintptr_t)arg;
    char key[32];
    snprintf(key, sizeof(key), "writer%zu", mine);
    uint64_t n = 0;
    while (atomic_load(&writing)) {
        char other[48];
        snprintf(other, sizeof(other), "w%zu-%llu", mine, (unsigned long long)(n % 5000));
        int rc = fixture_put(index_, other, n, n % 3 ? INDEX_APPLIED : INDEX_DURABLE);
        cr_assert_eq(rc, 0, "%s", cairn_errname(rc));
        rc = fixture_put(index_, key, ++n, INDEX_DURABLE);
        cr_assert_eq(rc, 0, "%s", cairn_errname(rc));
        int64_t got;
        while ((got = fixture_get(index_, key)) == -EIO) /* LMDB gives nothing from the failure to the promotion */
            ;
        cr_assert_eq(got, (int64_t)n, "%lld instead of %lld", (long long)got, (long long)n);
    }
    return (void *)(uintptr_t)n;
}

Test(index_rejoin, it_catches_up_under_writes)
{
    pthread_t threads[4];
    void *last[4];
    index_ = fixture_open(3);
    atomic_store(&writing, true);
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, write_on, (void *)i), 0);
    for (size_t round = 0; round < 6; round++) {
        break_replica(round % 3);
        fixture_wait_healthy(index_, 3);
    }
    atomic_store(&writing, false);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], &last[i]);
    size_t records = fixture_count(index_);
    for (size_t i = 0; i < 4; i++) {
        char key[32];
        snprintf(key, sizeof(key), "writer%zu", i);
        cr_expect_eq(fixture_get(index_, key), (int64_t)(uintptr_t)last[i]);
        expect_on_each(3, key, (int64_t)(uintptr_t)last[i]);
        cr_expect_eq(fixture_count(index_), records);
    }
}

Test(index_rejoin, a_drive_that_stays_broken_is_tried_again_and_harms_nothing)
{
    char command[300];
    index_ = fixture_open(3);
    put("k", 1);
    snprintf(command, sizeof(command), "mkdir %s/data.mdb.new", fixture_replica(2));
    cr_assert_eq(system(command), 0);
    break_replica(2);
    for (uint64_t i = 2; i < 200; i++)
        put("k", i);
    cr_expect(!fixture_status(index_, 2).healthy);
    snprintf(command, sizeof(command), "rmdir %s/data.mdb.new", fixture_replica(2));
    cr_assert_eq(system(command), 0);
    fixture_wait_healthy(index_, 3);
    expect_on_each(3, "k", 199);
}

/* Four replicas, of which the last commit is on one, and that one is away when the others are opened: two of them for
 * reading, the third when there is room for its copy. Were it to make a quorum then, its first commit would bear the
 * number of the one that is away. */
Test(index_rejoin, it_makes_no_quorum_of_an_index_that_was_opened_for_reading)
{
    char command[256], saved[256];
    index_ = fixture_open(4);
    put("k", 1);
    for (size_t i = 1; i < 4; i++) {
        snprintf(saved, sizeof(saved), "%s.saved", fixture_database(i));
        fixture_copy_file(fixture_database(i), saved);
    }
    put("k", 2);
    index_close(&index_);
    for (size_t i = 1; i < 4; i++) {
        snprintf(saved, sizeof(saved), "%s.saved", fixture_database(i));
        fixture_copy_file(i < 3 ? saved : "/dev/null", fixture_database(i));
    }
    snprintf(command, sizeof(command), "mkdir %s/data.mdb.new", fixture_replica(3));
    cr_assert_eq(system(command), 0);
    fixture_rejoin_after(1);
    cr_assert_eq(fixture_open_without(4, 1, &index_), 0);
    cr_expect_eq(fixture_get(index_, "k"), 1);
    snprintf(command, sizeof(command), "rmdir %s/data.mdb.new", fixture_replica(3));
    cr_assert_eq(system(command), 0);
    for (int i = 0; i < 100; i++, usleep(1000))
        cr_assert_eq(fixture_put(index_, "k", 3, INDEX_DURABLE), CAIRN_EQUORUM);
    index_close(&index_);
    index_ = fixture_open(4);
    cr_expect_eq(fixture_get(index_, "k"), 2);
    put("k", 4);
    expect_on_each(4, "k", 4);
}

Test(index_rejoin, closing_breaks_it_off)
{
    for (int i = 0; i < 20; i++) {
        fixture_rejoin_after(1 + i * MS / 2);
        index_ = fixture_open(3);
        break_replica((size_t)i % 3);
        put("k", (uint64_t)i);
        index_close(&index_);
        index_ = fixture_open(3);
        cr_expect_eq(fixture_get(index_, "k"), i);
        index_close(&index_);
    }
}

/* A process is killed while a replica comes back: what it was told is durable is there. */
Test(index_rejoin, kill_at_any_instant_loses_nothing)
{
    for (int cut = 0; cut < 25; cut++) {
        int pipes[2];
        uint64_t told = 0, got;
        cr_assert_eq(pipe(pipes), 0);
        pid_t child = fork();
        if (child == 0) {
            close(pipes[0]);
            fixture_rejoin_after(1 * MS);
            index_ = fixture_open(3);
            fixture_replace_files((size_t)cut % 3, "/dev/full");
            for (uint64_t n = 1000 * (uint64_t)cut + 1;; n++) {
                if (fixture_put(index_, "k", n, INDEX_DURABLE) < 0 || write(pipes[1], &n, sizeof(n)) != sizeof(n))
                    _exit(1);
            }
        }
        close(pipes[1]);
        for (int i = 0; i < 3 + cut * 4; i++) {
            cr_assert_eq(read(pipes[0], &got, sizeof(got)), sizeof(got));
            told = got;
        }
        cr_assert_eq(kill(child, SIGKILL), 0);
        waitpid(child, NULL, 0);
        while (read(pipes[0], &got, sizeof(got)) == sizeof(got))
            told = got;
        close(pipes[0]);
        fixture_rejoin_after(20 * MS);
        index_ = fixture_open(3);
        cr_assert_geq(fixture_get(index_, "k"), (int64_t)told, "cut %d", cut);
        index_close(&index_);
    }
}
