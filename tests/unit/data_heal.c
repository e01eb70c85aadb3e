/* Redundancy that comes back: queued blobs move, segments get their files back, and neither can do harm. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/data/layout.h"
#include "objstore/data/record.h"
#include "objstore/drive/fault.h"
#include "tests/support/data_bed.h"

#define MIB (1ull << 20)

static struct bed bed;

static void release(void)
{
    bed_release(&bed);
}

TestSuite(data_heal, .fini = release, .timeout = 240);

static uint64_t put(uint64_t seed, uint64_t length)
{
    int64_t id = bed_put(&bed, seed, length);

    cr_assert_geq(id, 0, "%s", cairn_errname((int)id));
    return (uint64_t)id;
}

static void reopen(void)
{
    bed_close(&bed);
    bed_open(&bed);
}

/* What a read found is in the queue once the keeper has had its turn. */
static void settle(void)
{
    cr_assert_eq(data_reclaim_wait(bed.data), 0);
    cr_assert_eq(data_reclaim_wait(bed.data), 0);
}

/* One pass over the queue: the last error, or 0. */
static int heal_all(void)
{
    struct data_queued queued = {0};
    int result = 0;

    for (uint64_t from = 0; data_queued_next(bed.data, from, &queued) == 0; from = queued.blob + 1) {
        int r = data_heal(bed.data, queued.blob, NULL);
        result = r < 0 ? r : result;
    }
    return result;
}

static int refill_all(void)
{
    struct data_refill_at at = {0};
    int result = 0, r;

    while ((r = data_refill(bed.data, &at, NULL)) != 0)
        result = r < 0 ? r : result;
    return result;
}

/* With any two of four drives gone every byte is there. Drives that fail for long are given up: so each pair gets a new
 * start. */
static void check_with_any_two_gone(const uint64_t *ids, const uint64_t *lengths, unsigned count)
{
    for (unsigned a = 0; a < 4; a++)
        for (unsigned b = a + 1; b < 4; b++) {
            fault_gone(bed.faults[a]);
            fault_gone(bed.faults[b]);
            for (unsigned i = 0; i < count; i++)
                cr_assert_eq(bed_check_all(&bed, ids[i], i, lengths[i]), 0, "blob %u without %u and %u", i, a, b);
            reopen();
        }
}

static void drive_do(const char *format, unsigned drive)
{
    char command[400];

    snprintf(command, sizeof(command), format, bed.paths[drive], bed.paths[drive]);
    cr_assert_eq(system(command), 0);
}

static const uint64_t lengths[] = {100, 5000, 200000, 3 * MIB, 70 * MIB, MIB};
enum { BLOBS = 6 };
static uint64_t ids[BLOBS];

static void put_all(void)
{
    for (unsigned i = 0; i < BLOBS; i++)
        ids[i] = put(i, lengths[i]);
}

/* ---- queued blobs ---- */

Test(data_heal, a_blob_that_a_drive_did_not_take_gets_its_shard)
{
    bed_init(&bed, 4);
    put(99, 1000);
    fault_add(bed.faults[2], &(struct fault_rule){.ops = FAULT_WRITE, .error = -EIO, .count = 6});
    put_all();
    fault_clear(bed.faults[2]);
    cr_assert_gt(bed_records(&bed, 'H'), 0);
    cr_assert_eq(heal_all(), 0);
    cr_assert_eq(bed_records(&bed, 'H'), 0);
    cr_assert_gt(bed_status(&bed).healed_blobs, 0);
    check_with_any_two_gone(ids, lengths, BLOBS);
    reopen();
    check_with_any_two_gone(ids, lengths, BLOBS);
}

Test(data_heal, rot_that_a_read_found_is_healed)
{
    bed_init(&bed, 4);
    uint64_t id = put(0, 3 * MIB), length = 3 * MIB;
    reopen();
    bed_flip(bed_segment_path(&bed, 1), 70000, 3);
    bed_flip(bed_segment_path(&bed, 3), 700000, 3);
    cr_assert_eq(bed_check_all(&bed, id, 0, length), 0);
    settle();
    cr_assert_eq(bed_status(&bed).heal_pending, 1);
    cr_assert_eq(heal_all(), 0);
    cr_assert_eq(bed_status(&bed).heal_pending, 0);
    check_with_any_two_gone(&id, &length, 1);
}

Test(data_heal, a_read_error_that_passes_moves_nothing)
{
    bed_init(&bed, 4);
    uint64_t id = put(0, MIB);
    fault_add(bed.faults[0], &(struct fault_rule){.ops = FAULT_READ, .error = -EIO});
    fault_add(bed.faults[1], &(struct fault_rule){.ops = FAULT_READ, .error = -EIO});
    cr_assert_eq(bed_check_all(&bed, id, 0, MIB), 0);
    settle();
    fault_clear(bed.faults[0]);
    fault_clear(bed.faults[1]);
    cr_assert_eq(bed_records(&bed, 'H'), 1);
    cr_assert_eq(heal_all(), 0);
    cr_assert_eq(bed_records(&bed, 'H'), 0);
    cr_assert_eq(bed_status(&bed).healed_blobs, 0);
}

Test(data_heal, what_no_drive_could_take_waits)
{
    bed_init(&bed, 4);
    put(99, 1000);
    bed_close(&bed);
    drive_do("mv %s %s.away", 2);
    bed_open(&bed);
    put_all();
    uint64_t used = bed_disk_used(&bed, 0);
    cr_assert_eq(bed_records(&bed, 'H'), BLOBS);
    cr_assert_eq(heal_all(), -EAGAIN);
    cr_assert_eq(bed_records(&bed, 'H'), BLOBS);
    cr_assert_eq(bed_disk_used(&bed, 0), used, "nothing was written");
    bed_close(&bed);
    drive_do("mv %s.away %s", 2);
    bed_open(&bed);
    cr_assert_eq(heal_all(), -EAGAIN, "their segments come first");
    cr_assert_eq(refill_all(), 0);
    cr_assert_eq(bed_records(&bed, 'H'), 0);
    cr_assert_eq(bed_status(&bed).refill.segments, 0);
    cr_assert_eq(bed_status(&bed).degraded_reads, 0);
    check_with_any_two_gone(ids, lengths, BLOBS);
}

Test(data_heal, what_can_not_be_read_is_damaged_until_it_can)
{
    bed_init(&bed, 4);
    uint64_t id = put(0, 3 * MIB);
    reopen();
    for (unsigned i = 0; i < 3; i++)
        bed_flip(bed_segment_path(&bed, i), 70000, 3);
    cr_assert_eq(bed_check_all(&bed, id, 0, 3 * MIB), CAIRN_EBITROT);
    settle();
    cr_assert_eq(heal_all(), CAIRN_EBITROT);
    cr_assert_eq(heal_all(), CAIRN_EBITROT);
    cr_assert_eq(bed_status(&bed).heal_pending, 1);
    cr_assert_eq(bed_status(&bed).heal_damaged, 1);
    reopen();
    cr_assert_eq(bed_status(&bed).heal_damaged, 1, "it is remembered");
    bed_flip(bed_segment_path(&bed, 1), 70000, 3);
    cr_assert_eq(heal_all(), 0);
    cr_assert_eq(bed_status(&bed).heal_damaged + bed_status(&bed).heal_pending, 0);
    cr_assert_eq(bed_check_all(&bed, id, 0, 3 * MIB), 0);
}

Test(data_heal, a_blob_that_was_freed_leaves_the_queue)
{
    struct blob_pin *pin = NULL;

    bed_init(&bed, 4);
    put(99, 1000);
    fault_add(bed.faults[2], &(struct fault_rule){.ops = FAULT_WRITE, .error = -EIO, .count = 1});
    uint64_t id = put(0, 100000);
    cr_assert_eq(bed_pin(&bed, id, &pin), 0);
    cr_assert_eq(bed_ref(&bed, id, -1), 0);
    cr_assert_eq(heal_all(), 0);
    cr_assert_eq(bed_records(&bed, 'H'), 0);
    blob_unpin(&pin);
    settle();
    cr_assert_eq(bed_records(&bed, 'B') + bed_records(&bed, 'F'), 1);
}

Test(data_heal, readers_of_the_old_place_go_on)
{
    struct blob_pin *pin = NULL;
    char byte, want;

    bed_init(&bed, 4);
    put(99, 1000);
    fault_add(bed.faults[2], &(struct fault_rule){.ops = FAULT_WRITE, .error = -EIO, .count = 1});
    uint64_t id = put(0, 100000);
    cr_assert_eq(bed_pin(&bed, id, &pin), 0);
    cr_assert_eq(heal_all(), 0);
    settle();
    cr_assert_eq(bed_records(&bed, 'F'), 1);
    cr_assert_eq(blob_read(pin, 99999, &byte, 1), 0);
    bed_fill(0, 99999, &want, 1);
    cr_assert_eq(byte, want);
    blob_unpin(&pin);
    settle();
    cr_assert_eq(bed_records(&bed, 'F'), 0);
    cr_assert_eq(bed_check_all(&bed, id, 0, 100000), 0);
}

Test(data_heal, full_drives_are_left_as_they_are)
{
    bed_init(&bed, 4);
    uint64_t id = put(0, 3 * MIB), length = 3 * MIB;
    reopen();
    bed_flip(bed_segment_path(&bed, 1), 70000, 3);
    cr_assert_eq(bed_check_all(&bed, id, 0, length), 0);
    settle();
    for (unsigned i = 0; i < 4; i++)
        fault_add(bed.faults[i], &(struct fault_rule){.ops = FAULT_RESERVE | FAULT_WRITE, .error = -ENOSPC});
    cr_assert_eq(heal_all(), -ENOSPC);
    cr_assert_eq(bed_records(&bed, 'H'), 1);
    cr_assert_eq(bed_check_all(&bed, id, 0, length), 0);
    cr_assert_eq(drive_set_online(bed.set), 0xf);
    for (unsigned i = 0; i < 4; i++)
        fault_clear(bed.faults[i]);
    cr_assert_eq(heal_all(), 0);
    check_with_any_two_gone(&id, &length, 1);
}

Test(data_heal, a_segment_is_made_on_a_drive_again_once_it_has_room)
{
    bed_init(&bed, 4);
    fault_add(bed.faults[1], &(struct fault_rule){.ops = FAULT_RESERVE, .error = -ENOSPC, .count = 1});
    uint64_t id = put(0, MIB), length = MIB;
    cr_assert_eq(bed_records(&bed, 'H'), 1);
    reopen();
    cr_assert_eq(bed_status(&bed).refill.segments, 1);
    cr_assert_eq(refill_all(), 0);
    check_with_any_two_gone(&id, &length, 1);
}

/* ---- scrub ---- */

/* A pass: shards that were wrong. */
static uint64_t scrub_all(void)
{
    struct data_scrubbed scrubbed;
    uint64_t from = 0, wrong = 0;
    int r;

    while ((r = data_scrub(bed.data, &from, NULL, &scrubbed)) == 1)
        wrong += scrubbed.wrong;
    cr_assert_eq(r, 0, "%s", cairn_errname(r));
    return wrong;
}

/* Blob 0 is two stripes long; each drive has one shard of it, be it data or parity. */
Test(data_heal, rot_in_what_nobody_reads_is_found_and_healed)
{
    uint64_t length = 2 * MIB;

    bed_init(&bed, 4);
    uint64_t id = put(0, length);
    reopen();
    cr_assert_eq(scrub_all(), 0);
    cr_assert_eq(bed_records(&bed, 'H'), 0);
    for (unsigned i = 0; i < 4; i++) { /* what is healed lies elsewhere, the only segment of the next start */
        bed_flip(bed_segment_path(&bed, i), 600000, 3);
        cr_assert_eq(scrub_all(), 1);
        cr_assert_eq(bed_records(&bed, 'H'), 1);
        cr_assert_eq(heal_all(), 0);
        settle();
        cr_assert_eq(scrub_all(), 0);
        check_with_any_two_gone(&id, &length, 1);
        settle();
        (void)heal_all();
        settle();
    }
    cr_assert_eq(bed_status(&bed).degraded_reads, 0);
}

Test(data_heal, scrub_leaves_to_others_what_they_do_and_passes_over_what_is_freed)
{
    bed_init(&bed, 4);
    uint64_t keep = put(0, MIB), drop = put(1, MIB);
    bed_close(&bed);
    drive_do("rm %s/data/*", 1);
    bed_open(&bed);
    struct blob_pin *pin = NULL;
    cr_assert_eq(bed_pin(&bed, drop, &pin), 0);
    cr_assert_eq(bed_ref(&bed, drop, -1), 0);
    cr_assert_eq(scrub_all(), 0, "a file that is known to be missing is refilled");
    cr_assert_eq(bed_records(&bed, 'H'), 0);
    blob_unpin(&pin);
    cr_assert_eq(bed_check_all(&bed, keep, 0, MIB), 0);
}

/* ---- whole files ---- */

Test(data_heal, a_drive_that_lost_everything_gets_its_files_back)
{
    bed_init(&bed, 4);
    put_all();
    bed_close(&bed);
    drive_do("rm %s/data/*", 2);
    bed_open(&bed);
    struct data_status before = bed_status(&bed);
    cr_assert_eq(before.refill.segments, 2);
    cr_assert_gt(before.refill.bytes, 37 * MIB);
    for (unsigned i = 0; i < BLOBS; i++)
        cr_assert_eq(bed_check_all(&bed, ids[i], i, lengths[i]), 0);
    settle();
    cr_assert_eq(bed_records(&bed, 'H'), 0, "what is known to be missing is not queued");
    cr_assert_eq(refill_all(), 0);
    struct data_status after = bed_status(&bed);
    cr_assert_eq(after.refill.segments + after.refill.bytes, 0);
    cr_assert_eq(after.refill.done_blobs, BLOBS);
    cr_assert_eq(after.refill.done_bytes, before.refill.bytes);
    check_with_any_two_gone(ids, lengths, BLOBS);
    reopen();
    cr_assert_eq(bed_status(&bed).refill.segments, 0);
    check_with_any_two_gone(ids, lengths, BLOBS);
}

Test(data_heal, two_drives_get_their_files_back_at_once)
{
    bed_init(&bed, 4);
    put_all();
    bed_close(&bed);
    drive_do("rm %s/data/*", 0);
    drive_do("rm %s/data/*", 3);
    bed_open(&bed);
    cr_assert_eq(refill_all(), 0);
    cr_assert_eq(bed_status(&bed).refill.done_blobs, BLOBS, "each blob is read once");
    check_with_any_two_gone(ids, lengths, BLOBS);
}

Test(data_heal, a_blob_that_can_not_be_read_is_left_out_of_the_copy_and_queued)
{
    bed_init(&bed, 4);
    uint64_t keep = put(1, MIB), lost = put(0, 3 * MIB);
    bed_close(&bed);
    for (unsigned i = 0; i < 2; i++)
        bed_flip(bed_segment_path(&bed, i), 700000, 3);
    drive_do("rm %s/data/*", 2);
    bed_open(&bed);
    cr_assert_eq(refill_all(), 0);
    uint64_t rot = bed_status(&bed).bitrot_found;
    cr_assert_eq(bed_records(&bed, 'H'), 1);
    cr_assert_eq(bed_check_all(&bed, lost, 0, 3 * MIB), CAIRN_EBITROT);
    cr_assert_eq(bed_check_all(&bed, keep, 1, MIB), 0);
    settle();
    cr_assert_geq(bed_status(&bed).bitrot_found, rot);
    cr_assert_eq(heal_all(), CAIRN_EBITROT);
    cr_assert_eq(bed_status(&bed).heal_damaged, 1);
}

static bool free_once(void *arg, uint64_t bytes)
{
    uint64_t *id = arg;

    (void)bytes;
    if (*id > 0)
        cr_assert_eq(bed_ref(&bed, *id, -1), 0);
    *id = 0;
    return false;
}

Test(data_heal, what_is_freed_while_its_file_is_written_is_given_back)
{
    bed_init(&bed, 4);
    uint64_t keep = put(1, MIB), drop = put(2, 20 * MIB);
    bed_close(&bed);
    drive_do("rm %s/data/*", 1);
    bed_open(&bed);
    struct data_refill_at at = {0};
    struct data_pace pace = {free_once, &drop};
    cr_assert_eq(data_refill(bed.data, &at, &pace), 1);
    settle();
    cr_assert_eq(bed_records(&bed, 'F'), 0);
    reopen();
    for (unsigned i = 0; i < 4; i++)
        cr_assert_lt(bed_disk_used(&bed, i), 2 * MIB);
    cr_assert_eq(bed_check_all(&bed, keep, 1, MIB), 0);
}

static bool give_up(void *arg, uint64_t bytes)
{
    int *left = arg;

    (void)bytes;
    return --*left < 0;
}

Test(data_heal, work_that_is_broken_off_leaves_nothing)
{
    bed_init(&bed, 4);
    put_all();
    bed_close(&bed);
    drive_do("rm %s/data/*", 2);
    bed_open(&bed);
    for (int after = 0; after < 20; after += 3) {
        struct data_refill_at at = {0};
        int left = after;
        struct data_pace pace = {give_up, &left};
        while (data_refill(bed.data, &at, &pace) > 0)
            ;
    }
    drive_do("! ls %s/data | grep new", 2);
    cr_assert_eq(refill_all(), 0);
    check_with_any_two_gone(ids, lengths, BLOBS);
}

Test(data_heal, a_full_drive_is_not_filled_to_its_end)
{
    bed_init(&bed, 4);
    uint64_t id = put(0, 3 * MIB), length = 3 * MIB;
    bed_close(&bed);
    drive_do("rm %s/data/*", 1);
    bed.reserve = UINT64_MAX / 2;
    bed_open(&bed);
    cr_assert_eq(refill_all(), -ENOSPC);
    bed_close(&bed);
    bed.reserve = 1;
    bed_open(&bed);
    fault_add(bed.faults[1], &(struct fault_rule){.ops = FAULT_WRITE, .error = -ENOSPC, .after = 1});
    cr_assert_eq(refill_all(), -ENOSPC);
    fault_clear(bed.faults[1]);
    drive_do("! ls %s/data | grep .", 1);
    cr_assert_eq(refill_all(), 0);
    check_with_any_two_gone(&id, &length, 1);
}

/* ---- crashes ---- */

/* The power goes after any operation of the drives while blobs are healed and files refilled, over and over: nothing is
 * lost, and in the end everything is whole. */
Test(data_heal, power_may_be_cut_after_any_operation_of_healing)
{
    static const uint64_t sizes[] = {3000, 300000, 2 * MIB};
    uint64_t blobs[3];

    bed.track = true;
    bed_init(&bed, 4);
    for (unsigned i = 0; i < 3; i++)
        blobs[i] = put(i, sizes[i]);
    for (uint64_t after = 0; after < 70; after++) {
        if (after % 2 == 0) { /* a whole file is lost, or a shard of each blob */
            bed_close(&bed);
            drive_do("rm -f %s/data/*", after / 2 % 4);
            bed_open(&bed);
        } else {
            fault_add(bed.faults[after / 2 % 4],
                      &(struct fault_rule){.ops = FAULT_READ, .kind = FAULT_FLIP, .count = 40});
            for (unsigned i = 0; i < 3; i++)
                cr_assert_eq(bed_check_all(&bed, blobs[i], i, sizes[i]), 0, "before %d", (int)after);
            settle();
        }
        for (unsigned i = 0; i < 4; i++)
            fault_add(bed.faults[i], &(struct fault_rule){.ops = FAULT_ALL, .kind = FAULT_GONE, .after = after});
        (void)refill_all();
        (void)heal_all();
        bed_crash(&bed, after);
        bed_open(&bed);
        for (unsigned i = 0; i < 3; i++)
            cr_assert_eq(bed_check_all(&bed, blobs[i], i, sizes[i]), 0, "cut after %d", (int)after);
        settle();
        cr_assert_eq(refill_all(), 0, "after %d", (int)after);
        cr_assert_eq(heal_all(), 0, "after %d", (int)after);
        check_with_any_two_gone(blobs, sizes, 3);
        settle();
        cr_assert_eq(heal_all(), 0, "after %d", (int)after);
    }
    cr_assert_eq(bed_records(&bed, 'B'), 3);
    cr_assert_eq(bed_records(&bed, 'L'), 3);
    cr_assert_eq(bed_records(&bed, 'H'), 0);
}

/* ---- many at once ---- */

static atomic_bool churning;

static void *churn(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg, n = 0, mine[8] = {0}, length[8] = {0};

    for (int i = 0; i < 60; i++) {
        unsigned slot = (unsigned)(i % 8);

        if (length[slot] > 0)
            cr_assert_eq(bed_ref(&bed, mine[slot], -1), 0);
        n = n * 6364136223846793005u + seed * 2 + 1;
        length[slot] = 1 + (n >> 33) % (i % 7 == 0 ? 2 * MIB : 40000);
        mine[slot] = put(seed * 8 + slot, length[slot]);
        unsigned other = (unsigned)(n >> 20) % 8;
        if (length[other] > 0)
            cr_assert_eq(bed_check_all(&bed, mine[other], seed * 8 + other, length[other]), 0);
    }
    for (unsigned slot = 0; slot < 8; slot++)
        cr_assert_eq(bed_check_all(&bed, mine[slot], seed * 8 + slot, length[slot]), 0);
    return NULL;
}

static void *heal_on(void *arg)
{
    (void)arg;
    while (atomic_load(&churning)) {
        (void)refill_all();
        (void)heal_all();
    }
    return NULL;
}

Test(data_heal, healing_goes_on_under_writes_reads_and_deletes)
{
    pthread_t threads[6], healer;

    bed.segment_size = 4 * MIB;
    bed_init(&bed, 4);
    put_all();
    bed_close(&bed);
    drive_do("rm %s/data/*", 1);
    bed_open(&bed);
    fault_add(bed.faults[0], &(struct fault_rule){.ops = FAULT_READ, .kind = FAULT_FLIP, .after = 50, .count = 60});
    atomic_store(&churning, true);
    cr_assert_eq(pthread_create(&healer, NULL, heal_on, NULL), 0);
    for (size_t i = 0; i < 6; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, churn, (void *)(i + 10)), 0);
    for (size_t i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&churning, false);
    pthread_join(healer, NULL);
    settle();
    fault_clear(bed.faults[0]);
    cr_assert_eq(refill_all(), 0);
    cr_assert_eq(heal_all(), 0);
    settle();
    cr_assert_eq(bed_records(&bed, 'H'), 0);
    cr_assert_eq(bed_records(&bed, 'F'), 0);
    cr_assert_eq(bed_records(&bed, 'B'), 48 + BLOBS);
    check_with_any_two_gone(ids, lengths, BLOBS);
}
