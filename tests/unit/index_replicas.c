/* Several replicas: start-up's choices, failures while running, and cuts at any instant. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "tests/support/index_fixture.h"

static struct index *index_;

static void teardown(void)
{
    index_close(&index_);
    fixture_fini();
}

TestSuite(index_replicas, .init = fixture_init, .fini = teardown);

static void put(const char *key, uint64_t value)
{
    cr_assert_eq(fixture_put(index_, key, value, INDEX_DURABLE), 0);
}

static void reopen(size_t count)
{
    index_close(&index_);
    index_ = fixture_open(count);
}

static void reopen_without(size_t count, unsigned missing)
{
    index_close(&index_);
    cr_assert_eq(fixture_open_without(count, missing, &index_), 0);
}

/* Appliers are behind the callers by one commit at most, but they are. */
static bool all_level(void *arg)
{
    struct index_replica_status rows[FIXTURE_REPLICAS];
    size_t count = index_status(index_, rows, FIXTURE_REPLICAS);
    (void)arg;
    for (size_t i = 1; i < count; i++)
        if (rows[i].sequence != rows[0].sequence || rows[i].epoch != rows[0].epoch)
            return false;
    return true;
}

/* Each replica on its own, as if it were the only one; spoils it for the others, which is the last thing a test does.
 */
static void expect_on_each(size_t count, const char *key, int64_t value)
{
    index_close(&index_);
    for (size_t i = 0; i < count; i++) {
        const char *path = fixture_replica(i);
        struct index_options options = {.paths = &path, .count = 1, .write_quorum = 1, .must_exist = true};
        cr_assert_eq(index_open(&options, &index_), 0);
        cr_expect_eq(fixture_get(index_, key), value, "replica %zu", i);
        index_close(&index_);
    }
}

/* ---- start-up ---- */

Test(index_replicas, every_replica_holds_every_commit)
{
    index_ = fixture_open(4);
    for (uint64_t i = 0; i < 50; i++)
        put("k", i);
    put("large", 1);
    fixture_wait(all_level, NULL);
    expect_on_each(4, "k", 49);
}

Test(index_replicas, a_replica_that_lags_is_brought_up_to_date)
{
    index_ = fixture_open(3);
    put("k", 1);
    reopen_without(3, 1u << 1);
    put("k", 2);
    cr_expect(!fixture_status(index_, 1).healthy);
    reopen(3);
    cr_expect(all_level(NULL));
    cr_expect(fixture_status(index_, 1).healthy);
    expect_on_each(3, "k", 2);
}

Test(index_replicas, an_empty_folder_is_filled)
{
    index_ = fixture_open(3);
    put("k", 1);
    index_close(&index_);
    cr_assert_eq(unlink(fixture_database(2)), 0);
    reopen(3);
    expect_on_each(3, "k", 1);
}

static void overwrite(const char *path, long off, const char *bytes, size_t len)
{
    FILE *f = fopen(path, "r+");
    cr_assert(f && fseek(f, off, SEEK_SET) == 0 && fwrite(bytes, 1, len, f) == len);
    fclose(f);
}

Test(index_replicas, damaged_replicas_are_replaced)
{
    static const char zeros[8192];
    index_ = fixture_open(5);
    for (uint64_t i = 0; i < 300; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%u", (unsigned)i);
        put(key, i);
    }
    index_close(&index_);
    overwrite(fixture_database(0), 0, zeros, sizeof(zeros));
    cr_assert_eq(truncate(fixture_database(3), 9000), 0);
    reopen(5);
    cr_expect(all_level(NULL));
    cr_expect_eq(fixture_count(index_), 300);
    expect_on_each(5, "299", 299);
}

Test(index_replicas, too_few_replicas_are_refused)
{
    index_ = fixture_open(4); /* W is 3, so 2 must be there */
    put("k", 1);
    index_close(&index_);
    cr_expect_eq(fixture_open_without(4, 0x7, &index_), CAIRN_EQUORUM);
    cr_assert_eq(truncate(fixture_database(0), 100), 0);
    cr_expect_eq(fixture_open_without(4, 0xc, &index_), CAIRN_ECORRUPT);
    reopen_without(4, 0x8);
    cr_expect_eq(fixture_get(index_, "k"), 1);
}

Test(index_replicas, with_fewer_than_the_write_quorum_it_reads_and_refuses_writes)
{
    index_ = fixture_open(4);
    put("k", 1);
    reopen_without(4, 0x3);
    cr_expect_eq(fixture_get(index_, "k"), 1);
    cr_expect_eq(fixture_put(index_, "k", 2, INDEX_DURABLE), CAIRN_EQUORUM);
    cr_expect_eq(fixture_put(index_, "k", 2, INDEX_APPLIED), CAIRN_EQUORUM);
    struct index_stats stats;
    index_stats(index_, &stats);
    cr_expect(!stats.writable);
    reopen(4);
    put("k", 3);
}

Test(index_replicas, a_divergent_replica_of_an_older_epoch_is_overwritten_though_its_sequence_is_higher)
{
    index_ = fixture_open(3);
    put("k", 1);
    index_close(&index_);
    const char *path = fixture_replica(0);
    struct index_options alone = {.paths = &path, .count = 1, .write_quorum = 1};
    cr_assert_eq(index_open(&alone, &index_), 0); /* stands for commits that never reached a quorum */
    for (uint64_t i = 100; i < 150; i++)
        put("k", i);
    put("divergent", 1);
    uint64_t divergent = fixture_status(index_, 0).sequence;
    reopen_without(3, 0x1);
    reopen_without(3, 0x1);
    put("k", 2);
    cr_assert_lt(fixture_status(index_, 1).sequence, divergent);
    reopen(3);
    cr_expect_eq(fixture_get(index_, "divergent"), -ENOENT);
    expect_on_each(3, "k", 2);
}

Test(index_replicas, starts_with_changing_replicas_agree_on_the_last_acknowledged_commit)
{
    index_ = fixture_open(3);
    for (unsigned i = 0; i < 9; i++) {
        reopen_without(3, 1u << i % 3);
        put("k", i);
        uint64_t epoch = fixture_status(index_, (i + 1) % 3).epoch;
        cr_expect_gt(epoch, i);
    }
    reopen(3);
    expect_on_each(3, "k", 8);
}

Test(index_replicas, replicas_of_two_indexes_do_not_mix)
{
    index_ = fixture_open(3);
    put("k", 1);
    index_close(&index_);
    const char *path = fixture_replica(4);
    struct index_options other = {.paths = &path, .count = 1, .write_quorum = 1};
    cr_assert_eq(index_open(&other, &index_), 0);
    index_close(&index_);
    fixture_copy_file(fixture_database(4), fixture_database(1));
    cr_expect_eq(fixture_open_without(3, 0, &index_), CAIRN_EFOREIGN);
}

Test(index_replicas, a_second_opener_is_refused)
{
    index_ = fixture_open(3);
    struct index *second = NULL;
    cr_expect_eq(fixture_open_without(3, 0, &second), -EBUSY);
    cr_expect_null(second);
}

Test(index_replicas, an_index_that_must_exist_is_not_created)
{
    const char *path = fixture_replica(0);
    struct index_options options = {.paths = &path, .count = 1, .write_quorum = 1, .must_exist = true};
    cr_expect_eq(index_open(&options, &index_), CAIRN_EQUORUM);
    options.must_exist = false;
    cr_expect_eq(index_open(&options, &index_), 0);
}

Test(index_replicas, a_lost_database_is_not_taken_for_a_fresh_index)
{
    index_ = fixture_open(2);
    put("k", 1);
    index_close(&index_);
    unlink(fixture_database(0));
    unlink(fixture_database(1));
    cr_expect_eq(fixture_open_without(2, 0, &index_), CAIRN_ECORRUPT);
}

Test(index_replicas, start_up_says_which_replica_was_not_good)
{
    struct buf message = BUF_INIT;
    const char *paths[] = {fixture_replica(0), fixture_replica(1), NULL};
    index_ = fixture_open(3);
    index_close(&index_);
    cr_assert_eq(truncate(fixture_database(1), 5000), 0);
    struct index_options options = {.paths = paths, .count = 3, .write_quorum = 2, .message = &message};
    cr_expect_eq(index_open(&options, &index_), CAIRN_ECORRUPT); /* one good one is too few */
    cr_expect(span_find(buf_span(&message), '/', 0) > 0);
    cr_expect(memmem(message.ptr, message.len, fixture_replica(1), strlen(fixture_replica(1))));
    buf_clear(&message);
    paths[2] = fixture_replica(2);
    cr_expect_eq(index_open(&options, &index_), 0);
    cr_expect(memmem(message.ptr, message.len, "copied anew", 11));
    buf_release(&message);
}

Test(index_replicas, a_creation_cut_short_starts_over)
{
    char in_the_way[160];
    snprintf(in_the_way, sizeof(in_the_way), "%s.new", fixture_database(2));
    cr_assert_eq(mkdir(fixture_replica(2), 0700), 0);
    cr_assert_eq(mkdir(in_the_way, 0700), 0);
    cr_expect_lt(fixture_open_without(3, 0, &index_), 0);
    cr_expect_eq(access(fixture_database(1), F_OK), 0); /* two are made, the third is not */
    cr_assert_eq(rmdir(in_the_way), 0);
    reopen(3);
    put("k", 1);
    expect_on_each(3, "k", 1);
}

Test(index_replicas, bad_options_are_refused)
{
    const char *paths[] = {fixture_replica(0), "/nonexistent/folder/index"};
    cr_expect_eq(index_open(&(struct index_options){.paths = paths, .count = 0, .write_quorum = 1}, &index_), -EINVAL);
    cr_expect_eq(index_open(&(struct index_options){.paths = paths, .count = 2, .write_quorum = 3}, &index_), -EINVAL);
    cr_expect_eq(index_open(&(struct index_options){.paths = paths, .count = 2, .write_quorum = 2}, &index_),
                 CAIRN_EQUORUM);
    cr_expect_eq(index_open(&(struct index_options){.paths = paths + 1, .count = 1, .write_quorum = 1}, &index_),
                 -ENOENT);
}

/* ---- failures while running ---- */

Test(index_replicas, a_failing_secondary_is_left_behind)
{
    index_ = fixture_open(3);
    put("k", 1);
    fixture_replace_files(2, "/dev/null");
    for (uint64_t i = 2; i < 20; i++)
        put("k", i);
    cr_expect(!fixture_status(index_, 2).healthy);
    cr_expect_lt(fixture_status(index_, 2).error, 0);
    cr_expect(fixture_status(index_, 0).healthy && fixture_status(index_, 1).healthy);
    reopen(3);
    expect_on_each(3, "k", 19);
}

Test(index_replicas, when_the_primary_fails_another_is_promoted)
{
    index_ = fixture_open(3);
    put("k", 1);
    cr_assert(fixture_status(index_, 0).primary);
    fixture_replace_files(0, "/dev/null");
    put("k", 2);
    cr_expect(!fixture_status(index_, 0).healthy && !fixture_status(index_, 0).primary);
    cr_expect_eq(fixture_get(index_, "k"), 2);
    for (uint64_t i = 3; i < 20; i++) {
        put("k", i);
        cr_expect_eq(fixture_get(index_, "k"), (int64_t)i);
    }
    reopen(3);
    cr_expect_eq(fixture_get(index_, "k"), 19);
    expect_on_each(3, "k", 19);
}

Test(index_replicas, below_the_quorum_writes_fail_reads_go_on_and_nothing_acknowledged_is_lost)
{
    index_ = fixture_open(3);
    put("k", 1);
    fixture_replace_files(1, "/dev/null");
    put("k", 2);
    fixture_replace_files(2, "/dev/null");
    cr_expect_eq(fixture_put(index_, "k", 3, INDEX_DURABLE), CAIRN_EQUORUM);
    cr_expect_eq(fixture_put(index_, "k", 4, INDEX_DURABLE), CAIRN_EQUORUM);
    cr_expect_geq(fixture_get(index_, "k"), 2);
    reopen(3);
    int64_t found = fixture_get(index_, "k");
    cr_expect(found == 2 || found == 3);
    put("k", 5);
    expect_on_each(3, "k", 5);
}

Test(index_replicas, disks_that_are_all_full_make_the_commit_void)
{
    index_ = fixture_open(3);
    put("k", 1);
    fixture_wait(all_level, NULL);
    for (size_t i = 0; i < 3; i++)
        fixture_replace_files(i, "/dev/full");
    cr_expect_eq(fixture_put(index_, "k", 2, INDEX_DURABLE), -ENOSPC);
    cr_expect_eq(fixture_get(index_, "k"), 1);
    for (size_t i = 0; i < 3; i++)
        fixture_replace_files(i, NULL);
    put("k", 3);
    fixture_wait(all_level, NULL);
    cr_expect(fixture_status(index_, 0).healthy && fixture_status(index_, 1).healthy &&
              fixture_status(index_, 2).healthy);
    expect_on_each(3, "k", 3);
}

static bool reads_again(void *arg)
{
    return fixture_get(index_, "bad") == *(int64_t *)arg;
}

Test(index_replicas, a_record_that_rots_while_running_is_served_by_another_replica)
{
    static char bytes[1 << 20];
    int64_t value = 123456789012345;
    index_ = fixture_open(3);
    put("bad", (uint64_t)value);
    fixture_wait(all_level, NULL);
    FILE *f = fopen(fixture_database(0), "r+");
    size_t len = fread(bytes, 1, sizeof(bytes), f);
    for (size_t i = 0; i + 15 < len; i++)
        if (memcmp(bytes + i, "123456789012345", 15) == 0)
            overwrite(fixture_database(0), (long)i, "0", 1);
    fclose(f);
    cr_expect_eq(fixture_get(index_, "bad"), CAIRN_ECORRUPT);
    fixture_wait(reads_again, &value);
    cr_expect_eq(fixture_status(index_, 0).error, CAIRN_ECORRUPT);
    put("k", 1);
    reopen(3);
    cr_expect(fixture_status(index_, 0).healthy);
    expect_on_each(3, "bad", value);
}

/* ---- a cut at any instant ---- */

enum { CUTS = 50, WRITERS = 4, SPREAD = 120 };

/* Shared with the child: the last number each writer was told is durable. */
struct promises {
    _Atomic uint64_t durable[WRITERS];
    _Atomic uint64_t total;
};

static struct promises *promises;

static void *storm(void *arg)
{
    size_t writer = (size_t)arg;
    char key[32], last[32];
    snprintf(last, sizeof(last), "last-%zu", writer);
    for (uint64_t i = promises->durable[writer] + 1;; i++) {
        snprintf(key, sizeof(key), "%zu-%llu", writer, (unsigned long long)i);
        if (fixture_put(index_, key, i, INDEX_APPLIED) < 0 || fixture_put(index_, last, i, INDEX_DURABLE) < 0)
            _exit(1);
        promises->durable[writer] = i;
        promises->total++;
    }
    return NULL;
}

static void child(size_t count)
{
    pthread_t thread;
    if (fixture_open_without(count, 0, &index_) < 0)
        _exit(2);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_create(&thread, NULL, storm, (void *)i);
    for (;;)
        pause();
}

static bool total_reached(void *arg)
{
    return promises->total >= *(uint64_t *)arg;
}

static void cut(size_t count)
{
    uint16_t spread;
    random_bytes(&spread, sizeof(spread));
    uint64_t target = promises->total + spread % SPREAD;
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        child(count);
    fixture_wait(total_reached, &target);
    kill(pid, SIGKILL);
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status), "the child gave up with %d", status);
}

/* What was promised is there, in order and without a hole; of what was not, at most the one under way is. */
static void check_promises(void)
{
    char key[32];
    for (size_t writer = 0; writer < WRITERS; writer++) {
        snprintf(key, sizeof(key), "last-%zu", writer);
        int64_t last = fixture_get(index_, key);
        uint64_t durable = promises->durable[writer];
        cr_assert(last == (int64_t)durable || last == (int64_t)durable + 1 || (durable == 0 && last == -ENOENT));
        for (int64_t i = last; i > 0 && i > last - 5; i--) {
            snprintf(key, sizeof(key), "%zu-%lld", writer, (long long)i);
            cr_assert_eq(fixture_get(index_, key), i);
        }
        promises->durable[writer] = last > 0 ? (uint64_t)last : 0;
    }
}

static void cut_often(size_t count, int cuts)
{
    promises = mmap(NULL, sizeof(*promises), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(promises, MAP_FAILED);
    for (int i = 0; i < cuts; i++) {
        cut(count);
        index_ = fixture_open(count);
        cr_assert(all_level(NULL));
        cr_assert_str_empty(fixture_message()); /* trails sufficed, nothing was copied */
        check_promises();
        index_close(&index_);
    }
    for (size_t i = 0; i < WRITERS; i++)
        cr_expect_gt(promises->durable[i], 0);
}

Test(index_replicas, kill_at_any_instant_loses_nothing_durable, .timeout = 240)
{
    cut_often(3, CUTS);
}

Test(index_replicas, kill_at_any_instant_with_one_replica, .timeout = 240)
{
    cut_often(1, CUTS / 2);
}
