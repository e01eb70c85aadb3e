/* A replica's drive hangs: a write or a sync there does not come back. The others go on, and nothing is lost. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "tests/support/index_fixture.h"

static struct index *index_;

/* ---- drives that hang: the index and LMDB find this fdatasync and fallocate before the system's ---- */

enum kind { SYNC, EXTEND, KINDS };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool hangs[KINDS][FIXTURE_REPLICAS];
    unsigned waiting;
} drives = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};

/* The replica that the file belongs to, or FIXTURE_REPLICAS. */
static size_t replica_of(int fd)
{
    char link[64], target[512];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, target, sizeof(target) - 1);
    target[len < 0 ? 0 : len] = 0;
    for (size_t i = 0; i < FIXTURE_REPLICAS; i++)
        if (strncmp(target, fixture_replica(i), strlen(fixture_replica(i))) == 0)
            return i;
    return FIXTURE_REPLICAS;
}

static void wait_while_it_hangs(enum kind kind, int fd)
{
    size_t i = replica_of(fd);
    pthread_mutex_lock(&drives.lock);
    while (i < FIXTURE_REPLICAS && drives.hangs[kind][i]) {
        drives.waiting++;
        pthread_cond_wait(&drives.change, &drives.lock);
        drives.waiting--;
    }
    pthread_mutex_unlock(&drives.lock);
}

int fdatasync(int fd)
{
    wait_while_it_hangs(SYNC, fd);
    return (int)syscall(SYS_fdatasync, fd);
}

int fallocate(int fd, int mode, off_t off, off_t len)
{
    wait_while_it_hangs(EXTEND, fd);
    return (int)syscall(SYS_fallocate, fd, mode, off, len);
}

static void set_hanging_in(enum kind kind, size_t i, bool hangs)
{
    pthread_mutex_lock(&drives.lock);
    drives.hangs[kind][i] = hangs;
    pthread_cond_broadcast(&drives.change);
    pthread_mutex_unlock(&drives.lock);
}

static void set_hanging(size_t i, bool hangs)
{
    set_hanging_in(SYNC, i, hangs);
}

static bool some_wait(void *arg)
{
    pthread_mutex_lock(&drives.lock);
    bool enough = drives.waiting >= *(unsigned *)arg;
    pthread_mutex_unlock(&drives.lock);
    return enough;
}

static void wait_hanging(unsigned threads)
{
    fixture_wait(some_wait, &threads);
}

/* ---- */

static void setup(void)
{
    fixture_init();
    fixture_rejoin_after(20 * NS_PER_MS);
    fixture_late_after(100 * NS_PER_MS);
}

static void teardown(void)
{
    for (size_t i = 0; i < FIXTURE_REPLICAS; i++)
        for (enum kind kind = SYNC; kind < KINDS; kind++)
            set_hanging_in(kind, i, false);
    index_close(&index_);
    fixture_fini();
}

TestSuite(index_hang, .init = setup, .fini = teardown, .timeout = 120);

static void put(const char *key, uint64_t value)
{
    int rc = fixture_put(index_, key, value, INDEX_DURABLE);
    cr_assert_eq(rc, 0, "%s", cairn_errname(rc));
}

static size_t primary(void)
{
    for (size_t i = 0; i < FIXTURE_REPLICAS; i++)
        if (fixture_status(index_, i).primary)
            return i;
    return FIXTURE_REPLICAS;
}

/* Any two of three that are left give what was durable. */
static void expect_without_any(const char *key, int64_t value)
{
    for (unsigned away = 0; away < 3; away++) {
        index_close(&index_);
        cr_assert_eq(fixture_open_without(3, 1u << away, &index_), 0);
        cr_expect_eq(fixture_get(index_, key), value);
    }
}

Test(index_hang, another_is_the_primary_when_the_primarys_drive_hangs)
{
    index_ = fixture_open(3);
    put("k", 1);
    cr_assert(fixture_status(index_, 0).primary);
    set_hanging(0, true);
    put("k", 2);
    cr_expect_not(fixture_status(index_, 0).primary);
    cr_expect_not(fixture_status(index_, 0).healthy);
    cr_expect_eq(fixture_status(index_, 0).error, -ETIMEDOUT);
    cr_expect_eq(fixture_get(index_, "k"), 2);
    put("k", 3);
    set_hanging(0, false);
    fixture_wait_healthy(index_, 3);
    put("k", 4);
    expect_without_any("k", 4);
}

Test(index_hang, one_that_is_left_behind_does_not_come_back_before_its_drive_answers)
{
    index_ = fixture_open(3);
    put("k", 1);
    set_hanging(0, true);
    for (uint64_t i = 2; i < 500; i++)
        put("k", i);
    cr_expect_not(fixture_status(index_, 0).healthy);
    cr_expect_lt(fixture_status(index_, 0).sequence + 400, fixture_status(index_, 1).sequence);
    set_hanging(0, false);
    fixture_wait_healthy(index_, 3);
    expect_without_any("k", 499);
}

Test(index_hang, each_primary_in_turn)
{
    index_ = fixture_open(3);
    for (uint64_t i = 0; i < 6; i++) {
        size_t last = primary();
        set_hanging(last, true);
        put("k", i);
        cr_assert_neq(primary(), last);
        set_hanging(last, false);
        fixture_wait_healthy(index_, 3);
    }
    expect_without_any("k", 5);
}

Test(index_hang, as_many_hang_as_may)
{
    index_ = fixture_open(5);
    put("k", 0);
    set_hanging(0, true);
    put("k", 1);
    set_hanging(primary(), true);
    put("k", 2);
    put("k", 3);
    cr_expect_eq(fixture_get(index_, "k"), 3);
    for (size_t i = 0; i < 5; i++)
        set_hanging(i, false);
    fixture_wait_healthy(index_, 5);
    put("k", 4);
    cr_expect_eq(fixture_get(index_, "k"), 4);
}

static void *put_seven(void *arg)
{
    (void)arg;
    put("k", 7);
    return NULL;
}

/* With two replicas each is needed. */
Test(index_hang, without_a_quorum_of_others_all_wait_for_the_drive)
{
    pthread_t thread;
    index_ = fixture_open(2);
    put("k", 1);
    set_hanging(0, true);
    cr_assert_eq(pthread_create(&thread, NULL, put_seven, NULL), 0);
    wait_hanging(1);
    for (int i = 0; i < 300; i++, usleep(1000)) /* three times what makes it late */
        cr_assert(fixture_status(index_, 0).primary && fixture_status(index_, 0).healthy);
    set_hanging(0, false);
    pthread_join(thread, NULL);
    cr_expect_eq(fixture_get(index_, "k"), 7);
    cr_expect(fixture_status(index_, 0).primary && fixture_status(index_, 0).healthy);
}

/* ---- under load ---- */

static atomic_bool writing;

static void *write_on(void *arg)
{
    char key[32];
    uint64_t n = 0;
    snprintf(key, sizeof(key), "writer%zu", (size_t)(uintptr_t)arg);
    while (atomic_load(&writing)) {
        n++;
        int rc = fixture_put(index_, key, n, n % 3 ? INDEX_APPLIED : INDEX_DURABLE);
        cr_assert_eq(rc, 0, "%s", cairn_errname(rc));
        int64_t got = fixture_get(index_, key);
        cr_assert_eq(got, (int64_t)n, "%lld instead of %lld", (long long)got, (long long)n);
    }
    return (void *)(uintptr_t)n;
}

Test(index_hang, every_change_is_seen_at_once_and_kept_under_load)
{
    pthread_t threads[6];
    void *last[6];
    char key[32];
    index_ = fixture_open(3);
    put("k", 0);
    atomic_store(&writing, true);
    for (size_t i = 0; i < 6; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, write_on, (void *)i), 0);
    for (uint64_t round = 0; round < 5; round++) {
        size_t hung = primary();
        set_hanging(hung, true);
        put("k", round);
        cr_assert_neq(primary(), hung);
        set_hanging(hung, false);
        fixture_wait_healthy(index_, 3);
    }
    atomic_store(&writing, false);
    for (size_t i = 0; i < 6; i++)
        pthread_join(threads[i], &last[i]);
    cr_assert_eq(index_flush(index_), 0);
    for (size_t i = 0; i < 6; i++) {
        snprintf(key, sizeof(key), "writer%zu", i);
        expect_without_any(key, (int64_t)(uintptr_t)last[i]);
    }
}

/* ---- files that grow ---- */

enum { GROWERS = 4, GROW_EACH = 15, GROW_LEN = 200000 };

static int put_large(struct index_txn *txn, void *arg)
{
    static char bytes[GROW_LEN];
    return index_put(txn, span_cstr(arg), span_make(bytes, sizeof(bytes)));
}

/* The first error, or 0. */
static void *grow(void *arg)
{
    char key[32];
    int failed = 0;
    for (unsigned n = 0; n < GROW_EACH; n++) {
        snprintf(key, sizeof(key), "%c%u", (char)('a' + (size_t)(uintptr_t)arg), n);
        int rc = index_apply(index_, put_large, key, n % 2 ? INDEX_APPLIED : INDEX_DURABLE);
        failed = failed ? failed : rc;
    }
    return (void *)(intptr_t)failed;
}

/* More than the files have room for, while that of replica i can't be extended: how it ended. */
static int grow_without(size_t i)
{
    pthread_t threads[GROWERS];
    void *result;
    int failed = 0;
    set_hanging_in(EXTEND, i, true);
    for (size_t t = 0; t < GROWERS; t++)
        cr_assert_eq(pthread_create(&threads[t], NULL, grow, (void *)t), 0);
    wait_hanging(1);
    clock_shift_ns(11 * NS_PER_SEC);
    for (size_t t = 0; t < GROWERS; t++) {
        pthread_join(threads[t], &result);
        failed = failed ? failed : (int)(intptr_t)result;
    }
    return failed;
}

static void grows_without(size_t i)
{
    index_ = fixture_open(3);
    put("k", 1);
    cr_assert_eq(grow_without(i), 0);
    cr_assert_eq(index_flush(index_), 0);
    cr_expect_not(fixture_status(index_, i).healthy);
    cr_expect_not(fixture_status(index_, i).primary);
    cr_expect_eq(fixture_count(index_), GROWERS * GROW_EACH + 1);
    set_hanging_in(EXTEND, i, false);
    fixture_wait_healthy(index_, 3);
    put("k", 2);
    expect_without_any("k", 2);
    cr_expect_eq(fixture_count(index_), GROWERS * GROW_EACH + 1);
}

Test(index_hang, a_primary_whose_file_is_not_extended_in_time_hands_its_batch_to_another)
{
    grows_without(0);
}

Test(index_hang, a_secondary_whose_file_is_not_extended_in_time_is_given_up)
{
    grows_without(2);
}

Test(index_hang, without_a_quorum_writes_fail_until_the_drive_answers)
{
    index_ = fixture_open(2);
    put("k", 1);
    cr_assert_eq(grow_without(0), CAIRN_EQUORUM);
    cr_expect_eq(fixture_get(index_, "k"), 1);
    cr_expect_eq(fixture_put(index_, "k", 2, INDEX_DURABLE), CAIRN_EQUORUM);
    set_hanging_in(EXTEND, 0, false);
    fixture_wait_healthy(index_, 2);
    put("k", 3);
    cr_expect_eq(fixture_get(index_, "k"), 3);
}

/* ---- closing ---- */

Test(index_hang, closing_does_not_wait_for_a_drive_that_hangs)
{
    index_ = fixture_open(3);
    put("k", 1);
    set_hanging(0, true);
    put("k", 2);
    int64_t began = clock_mono_ns();
    index_close(&index_);
    cr_expect_lt(clock_mono_ns() - began, 5 * NS_PER_SEC);
    cr_assert_eq(fixture_open_without(3, 1, &index_), 0, "the others are free");
    cr_expect_eq(fixture_get(index_, "k"), 2);
    put("k", 3);
}

Test(index_hang, closing_leaves_a_secondary_that_has_hung_for_some_seconds)
{
    index_ = fixture_open(3);
    put("k", 1);
    set_hanging(2, true);
    put("k", 2);
    wait_hanging(1);
    clock_shift_ns(11 * NS_PER_SEC);
    index_close(&index_);
    cr_assert_eq(fixture_open_without(3, 4, &index_), 0, "the others are free");
    cr_expect_eq(fixture_get(index_, "k"), 2);
}
