/* One drive of a set hangs: reads and durable writes go on, nothing is lost, and the drive comes back. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/drive/fault.h"
#include "objstore/drive/pulse.h"
#include "tests/support/data_bed.h"
#include "tests/support/fast_clock.h"

#define MIB (1ull << 20)

static const uint64_t sizes[] = {1, 5000, 100000, MIB, 5 * MIB + 77};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static struct bed bed;

static void setup(void)
{
    bed.segment_size = 32 * MIB;
    bed_init(&bed, 4);
    fast_clock_start();
}

static void teardown(void)
{
    for (unsigned place = 0; place < 4; place++)
        fault_clear(bed.opened[place]);
    fast_clock_stop();
    bed_release(&bed);
}

TestSuite(data_slow, .init = setup, .fini = teardown, .timeout = 120);

static void hang(unsigned place, unsigned ops)
{
    fault_add(bed.faults[place], &(struct fault_rule){.ops = ops, .kind = FAULT_HANG});
}

static enum drive_state state_of(unsigned place)
{
    struct drive_status status;

    drive_set_status(bed.set, place, &status);
    return status.state;
}

/* Lets the drives go, and waits until all take part again. */
static void recover(void)
{
    for (unsigned place = 0; place < 4; place++)
        fault_clear(bed.faults[place]);
    while (drive_set_online(bed.set) != 0xf)
        usleep(1000);
    clock_shift_ns(2 * PULSE_FORGIVE);
}

static void put_all(int64_t ids[SIZES], uint64_t seed)
{
    for (unsigned i = 0; i < SIZES; i++) {
        ids[i] = bed_put(&bed, seed + i, sizes[i]);
        cr_assert_geq(ids[i], 0, "%llu bytes: %s", (unsigned long long)sizes[i], cairn_errname((int)ids[i]));
    }
}

static void check_all(const int64_t ids[SIZES], uint64_t seed)
{
    for (unsigned i = 0; i < SIZES; i++)
        cr_assert_eq(bed_check_all(&bed, (uint64_t)ids[i], seed + i, sizes[i]), 0);
}

/* ---- reading ---- */

Test(data_slow, reads_go_on_whichever_drive_hangs)
{
    int64_t ids[SIZES];

    put_all(ids, 0);
    for (unsigned place = 0; place < 4; place++) {
        hang(place, FAULT_ALL);
        check_all(ids, 0);
        recover();
        cr_assert_eq(state_of(place), DRIVE_ONLINE);
        check_all(ids, 0);
    }
    cr_assert_gt(bed_status(&bed).degraded_reads, 0);
    cr_assert_eq(data_reclaim_wait(bed.data), 0);
    cr_assert_eq(bed_records(&bed, 'H'), 0, "what is slow is not lost");
}

Test(data_slow, a_slow_drive_is_told_of)
{
    struct drive_status status;
    int64_t id = bed_put(&bed, 1, MIB);

    for (unsigned place = 0; place < 4; place++) /* one of them has data */
        if (place % 2 == 0)
            hang(place, FAULT_READ);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 1, MIB), 0);
    unsigned slow = state_of(0) == DRIVE_SLOW ? 0 : 2;
    drive_set_status(bed.set, slow, &status);
    cr_assert_eq(status.state, DRIVE_SLOW);
    cr_assert_eq(status.error, -ETIMEDOUT);
    cr_assert_eq(status.times_slow, 1);
    recover();
    drive_set_status(bed.set, slow, &status);
    cr_assert_eq(status.state, DRIVE_ONLINE);
    cr_assert_eq(status.error, 0);
}

Test(data_slow, reads_go_on_while_as_many_hang_as_there_is_parity)
{
    int64_t ids[SIZES];

    put_all(ids, 0);
    bed_close(&bed);
    bed_open(&bed);
    hang(1, FAULT_ALL);
    hang(2, FAULT_ALL);
    check_all(ids, 0);
}

static void *read_all(void *arg)
{
    check_all(arg, 0);
    return NULL;
}

Test(data_slow, where_too_few_answer_a_read_waits)
{
    int64_t ids[SIZES];
    pthread_t thread;

    put_all(ids, 0);
    for (unsigned place = 0; place < 3; place++)
        hang(place, FAULT_READ);
    pthread_create(&thread, NULL, read_all, ids);
    while (__builtin_popcount(drive_set_online(bed.set)) > 2)
        usleep(1000);
    recover();
    pthread_join(thread, NULL);
}

/* ---- writing ---- */

/* What the repair thread does: blobs that lack a shard move; segments that lack a file get it, and their blobs' shards
 * with it. */
static void make_good(const int64_t ids[SIZES])
{
    struct data_refill_at at = {0};

    cr_assert_eq(data_reclaim_wait(bed.data), 0);
    for (unsigned i = 0; i < SIZES; i++) {
        int r = data_heal(bed.data, (uint64_t)ids[i], NULL);

        cr_assert(r == 0 || r == -EAGAIN, "%s", cairn_errname(r));
    }
    while (data_refill(bed.data, &at, NULL) > 0)
        ;
}

static void check_writes_go_on(unsigned place, unsigned ops)
{
    int64_t before[SIZES], during[SIZES], after[SIZES];

    put_all(before, 0);
    hang(place, ops);
    put_all(during, 10);
    cr_assert_eq(state_of(place), DRIVE_SLOW);
    check_all(before, 0);
    check_all(during, 10);
    recover();
    put_all(after, 20);
    check_all(before, 0);
    check_all(during, 10);
    check_all(after, 20);
    uint64_t lacking = bed_records(&bed, 'H');
    cr_assert_eq(lacking, SIZES, "what it lacks is queued, %u", (unsigned)lacking);
    make_good(during);
    cr_assert_eq(bed_records(&bed, 'H'), 0, "and made good");
    for (unsigned other = 0; other < 4; other++)
        if (other != place && other != (place + 1) % 4)
            fault_gone(bed.faults[other]);
    check_all(during, 10); /* off the drive that had none of it */
}

Test(data_slow, writes_go_on_while_a_drive_hangs_in_writing)
{
    check_writes_go_on(1, FAULT_WRITE);
}

Test(data_slow, writes_go_on_while_a_drive_hangs_in_syncing)
{
    check_writes_go_on(2, FAULT_SYNC);
}

Test(data_slow, writes_go_on_while_a_drive_hangs_in_all)
{
    check_writes_go_on(3, FAULT_ALL);
}

Test(data_slow, writes_go_on_when_a_drive_hangs_as_a_segment_is_made)
{
    int64_t ids[SIZES];

    hang(0, FAULT_OPEN | FAULT_RESERVE | FAULT_NAMES);
    put_all(ids, 0);
    check_all(ids, 0);
    recover();
    int64_t id = bed_put(&bed, 30, MIB);
    cr_assert_geq(id, 0);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 30, MIB), 0);
    cr_assert_eq(bed_segments(&bed, 0), 1, "a segment of before that it lacks, and a new one that it has");
}

Test(data_slow, without_a_quorum_a_write_fails_in_time)
{
    int64_t ids[SIZES];

    put_all(ids, 0);
    hang(1, FAULT_WRITE);
    hang(2, FAULT_SYNC);
    cr_assert_eq(bed_put(&bed, 10, 3 * MIB), CAIRN_EQUORUM);
    cr_assert_eq(bed_put(&bed, 11, 3000), CAIRN_EQUORUM);
    check_all(ids, 0);
    recover();
    put_all(ids, 20);
    check_all(ids, 20);
}

/* ---- late writes ---- */

Test(data_slow, a_late_write_of_a_blob_that_is_gone_leaves_nothing)
{
    int64_t ids[SIZES];

    hang(1, FAULT_WRITE);
    put_all(ids, 0);
    for (unsigned i = 0; i < SIZES; i++)
        cr_assert_eq(bed_ref(&bed, (uint64_t)ids[i], -1), 0);
    cr_assert_eq(data_reclaim_wait(bed.data), 0);
    recover();
    while (fault_hanging(bed.faults[1]) > 0)
        usleep(1000);
    bed_close(&bed);
    bed_open(&bed);
    cr_assert_eq(bed_records(&bed, 'B') + bed_records(&bed, 'S') + bed_records(&bed, 'H'), 0);
    for (unsigned place = 0; place < 4; place++)
        cr_assert_eq(bed_disk_used(&bed, place), 0);
}

Test(data_slow, a_writer_that_gives_up_leaves_nothing_though_a_write_of_it_is_late)
{
    struct blob_writer *writer = NULL;
    static char bytes[3 * MIB];

    hang(1, FAULT_WRITE);
    cr_assert_eq(blob_writer_new(bed.data, 5 * MIB, &writer), 0);
    cr_assert_eq(blob_write(writer, bytes, sizeof(bytes)), 0);
    blob_writer_free(&writer);
    recover();
    bed_close(&bed);
    bed_open(&bed);
    cr_assert_eq(bed_records(&bed, 'S'), 0);
    for (unsigned place = 0; place < 4; place++)
        cr_assert_eq(bed_disk_used(&bed, place), 0);
}

Test(data_slow, closing_waits_only_a_little_for_a_late_write)
{
    static struct data *left; /* what stays is not lost to the process, only to us */

    hang(1, FAULT_WRITE);
    cr_assert_geq(bed_put(&bed, 2, MIB), 0);
    left = bed.data;
    bed_close(&bed);
    cr_assert_not_null(left);
    cr_assert_eq(fault_hanging(bed.opened[1]), 1);
}

/* ---- all at once ---- */

struct worker {
    pthread_t thread;
    uint64_t seed;
    unsigned done;
    int error;
};

static atomic_bool over;

/* Without a quorum for a moment, when this machine is as slow as the drive: tried again, as clients do. */
static int64_t put_at_last(uint64_t seed, uint64_t size)
{
    int64_t id;

    do
        id = bed_put(&bed, seed, size);
    while (id == CAIRN_EQUORUM && !atomic_load(&over));
    return id;
}

static void *work(void *arg)
{
    struct worker *worker = arg;

    for (uint64_t i = 0; worker->error == 0 && !atomic_load(&over); i++) {
        uint64_t seed = worker->seed + i, size = sizes[i % SIZES];
        int64_t id = put_at_last(seed, size);

        if (id == CAIRN_EQUORUM)
            break;
        worker->error = id < 0 ? (int)id : bed_check_all(&bed, (uint64_t)id, seed, size);
        if (worker->error == 0 && i % 2)
            worker->error = bed_ref(&bed, (uint64_t)id, -1);
        worker->done++;
    }
    return NULL;
}

Test(data_slow, a_drive_hangs_and_comes_back_under_load)
{
    static const unsigned ops[] = {FAULT_READ, FAULT_WRITE, FAULT_SYNC, FAULT_ALL};
    struct worker workers[4] = {0};

    for (unsigned i = 0; i < 4; i++) {
        workers[i].seed = i * 1000000;
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    for (unsigned i = 0; i < 6; i++) {
        hang(i % 3, ops[i % 4]);
        while (state_of(i % 3) != DRIVE_SLOW)
            usleep(1000);
        for (unsigned place = 0; place < 4; place++)
            fault_clear(bed.faults[place]);
        while (state_of(i % 3) == DRIVE_SLOW)
            usleep(1000);
    }
    atomic_store(&over, true);
    for (int i = 0; i < 4; i++) {
        pthread_join(workers[i].thread, NULL);
        cr_assert_eq(workers[i].error, 0, "%s", cairn_errname(workers[i].error));
        cr_assert_gt(workers[i].done, 0);
    }
}
