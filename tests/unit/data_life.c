/* What becomes of blobs: references, reclamation, failures of drives, crashes, recovery. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/data/compact.h"
#include "objstore/data/layout.h"
#include "objstore/data/move.h"
#include "objstore/data/pin.h"
#include "objstore/drive/fault.h"
#include "tests/support/data_bed.h"
#include "tests/support/descriptors.h"

#define MIB (1ull << 20)

static struct bed bed;

static void release(void)
{
    bed_release(&bed);
}

TestSuite(data_life, .fini = release, .timeout = 120);

static int64_t put(uint64_t seed, uint64_t length)
{
    int64_t id = bed_put(&bed, seed, length);

    cr_assert_geq(id, 0, "%s", cairn_errname((int)id));
    return id;
}

static void reclaim(void)
{
    cr_assert_eq(data_reclaim_wait(bed.data), 0);
}

static void reopen(void)
{
    bed_close(&bed);
    bed_open(&bed);
}

struct freeing {
    struct data *data;
    uint64_t id;
};

static int commit_applied(struct index_txn *txn, void *arg)
{
    return blob_commit(txn, arg, 1);
}

static int free_applied(struct index_txn *txn, void *arg)
{
    struct freeing *freeing = arg;

    return blob_ref(txn, freeing->data, freeing->id, -1);
}

/* ---- references and reclamation ---- */

Test(data_life, a_blob_lives_until_its_last_reference)
{
    struct blob_pin *pin = NULL;

    bed_init(&bed, 4);
    int64_t id = put(1, 100000);
    cr_assert_eq(bed_ref(&bed, (uint64_t)id, 2), 0);
    cr_assert_eq(bed_ref(&bed, (uint64_t)id, -2), 0);
    reclaim();
    cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 1, 100000), 0);
    cr_assert_eq(bed_ref(&bed, (uint64_t)id, -2), CAIRN_ECORRUPT, "more than it has");
    cr_assert_eq(bed_ref(&bed, (uint64_t)id, -1), 0);
    cr_assert_eq(bed_pin(&bed, (uint64_t)id, &pin), CAIRN_ECORRUPT);
    reclaim();
    cr_assert_eq(bed_ref(&bed, (uint64_t)id, 1), CAIRN_ECORRUPT, "what is freed stays freed");
    cr_assert_eq(bed_records(&bed, 'B'), 0);
    cr_assert_eq(bed_records(&bed, 'L'), 0);
    cr_assert_eq(bed_records(&bed, 'F'), 0);
}

Test(data_life, reclaiming_gives_space_back_on_every_drive)
{
    bed_init(&bed, 4);
    int64_t keep = put(1, MIB), drop = put(2, 20 * MIB), last = put(3, MIB);
    uint64_t before[4];

    for (unsigned i = 0; i < 4; i++)
        before[i] = bed_disk_used(&bed, i);
    cr_assert_eq(bed_ref(&bed, (uint64_t)drop, -1), 0);
    reclaim();
    for (unsigned i = 0; i < 4; i++)
        cr_assert_leq(bed_disk_used(&bed, i) + 9 * MIB, before[i]);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)keep, 1, MIB), 0);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)last, 3, MIB), 0);
    reopen();
    for (unsigned i = 0; i < 4; i++)
        cr_assert_lt(bed_disk_used(&bed, i), 2 * MIB, "the unused rest of the segment is given back at close");
    cr_assert_eq(bed_check_all(&bed, (uint64_t)keep, 1, MIB), 0);
}

Test(data_life, a_large_blob_has_a_segment_that_goes_with_it)
{
    bed_init(&bed, 2);
    int64_t id = put(1, 70 * MIB);
    reclaim();
    cr_assert_eq(bed_segments(&bed, 0), 1);
    cr_assert_eq(bed_ref(&bed, (uint64_t)id, -1), 0);
    reclaim();
    cr_assert_eq(bed_segments(&bed, 0), 0);
    cr_assert_eq(bed_segments(&bed, 1), 0);
    cr_assert_eq(bed_records(&bed, 'S'), 0);
}

Test(data_life, small_blobs_that_share_pages_give_them_back_with_the_last)
{
    int64_t ids[200];

    bed_init(&bed, 4);
    for (unsigned i = 0; i < 200; i++)
        ids[i] = put(i, 5000);
    reopen();
    for (unsigned i = 1; i < 199; i++) {
        cr_assert_eq(bed_ref(&bed, (uint64_t)ids[i], -1), 0);
        if (i % 37 == 0)
            reclaim();
    }
    reclaim();
    cr_assert_eq(bed_check_all(&bed, (uint64_t)ids[0], 0, 5000), 0);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)ids[199], 199, 5000), 0);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_leq(bed_disk_used(&bed, i), 16384);
}

Test(data_life, a_pinned_blob_is_read_after_it_was_freed)
{
    struct blob_pin *pin = NULL;
    char *got = malloc(3 * MIB), *want = malloc(3 * MIB);

    bed_init(&bed, 4);
    int64_t id = put(5, 3 * MIB);
    cr_assert_eq(bed_pin(&bed, (uint64_t)id, &pin), 0);
    cr_assert_eq(bed_ref(&bed, (uint64_t)id, -1), 0);
    reclaim();
    cr_assert_eq(bed_status(&bed).blobs_freed_pending, 1);
    cr_assert_eq(blob_read(pin, 0, got, 3 * MIB), 0);
    bed_fill(5, 0, want, 3 * MIB);
    cr_assert_eq(memcmp(got, want, 3 * MIB), 0);
    blob_unpin(&pin);
    reclaim();
    cr_assert_eq(bed_status(&bed).blobs_freed_pending, 0);
    free(got);
    free(want);
}

Test(data_life, a_snapshot_can_pin_what_was_freed_after_it_began)
{
    struct index_txn *txn = NULL;
    struct blob_pin *pin = NULL;
    char byte, want;

    bed_init(&bed, 2);
    int64_t id = put(5, 1000);
    cr_assert_eq(index_read_begin(bed.index, &txn), 0);
    cr_assert_eq(bed_ref(&bed, (uint64_t)id, -1), 0);
    reclaim(); /* gives up waiting for the snapshot after a while */
    cr_assert_eq(blob_pin(txn, bed.data, (uint64_t)id, &pin), 0);
    index_read_end(&txn);
    reclaim();
    cr_assert_eq(blob_read(pin, 999, &byte, 1), 0);
    bed_fill(5, 999, &want, 1);
    cr_assert_eq(byte, want);
    blob_unpin(&pin);
    reclaim();
    cr_assert_eq(bed_records(&bed, 'B'), 0);
}

Test(data_life, a_blob_freed_right_before_closing_is_reclaimed)
{
    struct blob_writer *writer = NULL;

    bed_init(&bed, 4);
    cr_assert_eq(bed_write(&bed, 1, 1000, &writer), 0);
    cr_assert_eq(index_apply(bed.index, commit_applied, writer, INDEX_APPLIED), 0);
    uint64_t id = blob_writer_id(writer);
    blob_writer_free(&writer);
    struct freeing freeing = {bed.data, id};
    cr_assert_eq(index_apply(bed.index, free_applied, &freeing, INDEX_APPLIED), 0);
    reopen();
    reclaim();
    cr_assert_eq(bed_records(&bed, 'B') + bed_records(&bed, 'S'), 0);
    cr_assert_eq(bed_segments(&bed, 0), 0);
}

/* ---- damaged records ---- */

struct raw {
    struct span key, value;
};

static int put_raw(struct index_txn *txn, void *arg)
{
    struct raw *raw = arg;

    return index_put(txn, raw->key, raw->value);
}

static void spoil(char tag, uint64_t a, uint64_t b, size_t key_len, const char *value, size_t len)
{
    char key[17] = {tag};
    struct raw raw = {span_make(key, key_len), span_make(value, len)};

    put_be64(key + 1, a);
    put_be64(key + 9, b);
    cr_assert_eq(index_apply(bed.index, put_raw, &raw, INDEX_DURABLE), 0);
}

Test(data_life, damaged_records_are_refused_and_harm_no_other)
{
    static const char noise[64] = "\xff\xff\xff\xff\xff\xff\xff\xff and some more that is no record of ours at all";
    struct blob_pin *pin = NULL;

    bed_init(&bed, 4);
    int64_t id = put(1, 100000), drop = put(2, 100000);
    for (size_t len = 0; len <= 64; len += 8) {
        spoil('B', 1000 + len, 0, 9, noise, len);
        cr_assert_eq(bed_pin(&bed, 1000 + len, &pin), CAIRN_ECORRUPT, "%zu bytes", len);
        cr_assert_eq(bed_ref(&bed, 1000 + len, 1), CAIRN_ECORRUPT);
        spoil('F', 1u << 30, len, 17, noise, len);
        spoil('L', 1u << 30, len, 17, noise, len);
        spoil('H', 1000 + len, 0, 9, noise, len);
    }
    cr_assert_eq(bed_ref(&bed, (uint64_t)drop, -1), 0);
    (void)data_reclaim_wait(bed.data);
    cr_assert_eq(bed_pin(&bed, (uint64_t)drop, &pin), CAIRN_ECORRUPT);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 1, 100000), 0);
    reopen();
    cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 1, 100000), 0);
}

/* ---- writers that do not commit ---- */

Test(data_life, an_uncommitted_blob_leaves_nothing)
{
    struct blob_writer *finished = NULL, *begun = NULL;

    bed_init(&bed, 4);
    cr_assert_eq(bed_write(&bed, 1, 2 * MIB, &finished), 0);
    cr_assert_eq(blob_writer_new(bed.data, 5 * MIB, &begun), 0);
    cr_assert_eq(blob_write(begun, finished, 10), 0);
    blob_writer_free(&finished);
    blob_writer_free(&begun);
    reopen();
    reclaim();
    cr_assert_eq(bed_records(&bed, 'S') + bed_records(&bed, 'L') + bed_records(&bed, 'B'), 0);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(bed_segments(&bed, i), 0);
}

Test(data_life, a_large_uncommitted_blob_is_removed_at_once)
{
    struct blob_writer *writer = NULL;

    bed_init(&bed, 2);
    cr_assert_eq(blob_writer_new(bed.data, 100 * MIB, &writer), 0);
    cr_assert_eq(bed_segments(&bed, 0), 1);
    blob_writer_free(&writer);
    reclaim();
    cr_assert_eq(bed_segments(&bed, 0), 0);
}

static int commit_then_fail(struct index_txn *txn, void *arg)
{
    int r = blob_commit(txn, arg, 1);

    cr_assert_eq(r, 0);
    return -ECANCELED;
}

Test(data_life, a_commit_whose_mutation_fails_is_none_and_may_be_repeated)
{
    struct blob_writer *writer = NULL;

    bed_init(&bed, 4);
    cr_assert_eq(bed_write(&bed, 1, 2 * MIB, &writer), 0);
    cr_assert_eq(index_apply(bed.index, commit_then_fail, writer, INDEX_DURABLE), -ECANCELED);
    cr_assert_eq(bed_records(&bed, 'B'), 0);
    cr_assert_eq(bed_commit(&bed, writer), 0);
    uint64_t id = blob_writer_id(writer);
    blob_writer_free(&writer);
    reopen();
    cr_assert_eq(bed_check_all(&bed, id, 1, 2 * MIB), 0);
}

/* ---- failing drives ---- */

Test(data_life, a_write_that_fails_on_a_drive_is_queued_for_healing)
{
    bed_init(&bed, 4);
    put(0, 1000); /* opens the segment */
    fault_add(bed.faults[2], &(struct fault_rule){.ops = FAULT_WRITE, .error = -EIO, .after = 2});
    int64_t id = put(1, 5 * MIB);
    fault_clear(bed.faults[2]);
    cr_assert_eq(bed_records(&bed, 'H'), 1);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 1, 5 * MIB), 0);
    cr_assert_eq(bed_status(&bed).heal_pending, 1);
}

Test(data_life, a_torn_or_silently_wrong_write_is_found_by_reading)
{
    bed_init(&bed, 4);
    put(0, 1000);
    fault_add(bed.faults[0], &(struct fault_rule){.ops = FAULT_WRITE, .kind = FAULT_FLIP});
    fault_add(bed.faults[1], &(struct fault_rule){.ops = FAULT_WRITE, .kind = FAULT_TORN, .error = -EIO, .after = 1});
    int64_t id = put(1, 3 * MIB);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 1, 3 * MIB), 0);
}

Test(data_life, without_a_quorum_a_write_fails_and_harms_nothing)
{
    struct blob_writer *writer = NULL;

    bed_init(&bed, 4);
    int64_t id = put(0, MIB);
    fault_add(bed.faults[0], &(struct fault_rule){.ops = FAULT_SYNC, .error = -EIO});
    fault_add(bed.faults[3], &(struct fault_rule){.ops = FAULT_WRITE, .error = -EIO});
    cr_assert_eq(bed_write(&bed, 1, 3 * MIB, &writer), CAIRN_EQUORUM);
    cr_assert_null(writer);
    fault_clear(bed.faults[0]);
    fault_clear(bed.faults[3]);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 0, MIB), 0);
    int64_t again = put(2, 3 * MIB);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)again, 2, 3 * MIB), 0);
    cr_assert_eq(bed_records(&bed, 'H'), 0);
}

Test(data_life, full_drives_refuse_a_write_and_keep_what_they_have)
{
    struct blob_writer *writer = NULL;

    bed_init(&bed, 4);
    int64_t id = put(0, MIB);
    for (unsigned i = 0; i < 2; i++) {
        fault_add(bed.faults[i], &(struct fault_rule){.ops = FAULT_WRITE, .error = -ENOSPC});
        fault_add(bed.faults[i], &(struct fault_rule){.ops = FAULT_RESERVE, .error = -ENOSPC});
    }
    cr_assert_eq(bed_write(&bed, 1, 3 * MIB, &writer), -ENOSPC);
    cr_assert_eq(bed_write(&bed, 1, 100 * MIB, &writer), -ENOSPC);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 0, MIB), 0);
    cr_assert_eq(drive_set_online(bed.set), 0xf, "a full drive is not a broken one");
    for (unsigned i = 0; i < 2; i++)
        fault_clear(bed.faults[i]);
    int64_t again = put(2, 100 * MIB);
    cr_assert_eq(bed_check(&bed, (uint64_t)again, 2, 99 * MIB, MIB), 0);
    reopen();
    reclaim();
    cr_assert_eq(bed_segments(&bed, 0), 2, "failed attempts leave no files");
}

Test(data_life, the_reserve_is_kept_free)
{
    struct blob_writer *writer = NULL;

    bed.reserve = UINT64_MAX / 2;
    bed_init(&bed, 2);
    cr_assert_eq(blob_writer_new(bed.data, 1000, &writer), -ENOSPC);
    cr_assert_eq(bed_status(&bed).free, 0);
    cr_assert_eq(bed_segments(&bed, 0), 0);
}

/* ---- crashes ---- */

Test(data_life, committed_blobs_survive_a_power_cut)
{
    static const uint64_t lengths[] = {100, 5000, 200000, 3 * MIB, 70 * MIB};
    int64_t ids[5];

    bed.track = true;
    bed_init(&bed, 4);
    for (uint64_t seed = 0; seed < 3; seed++) {
        struct blob_writer *open = NULL, *finished = NULL;

        for (unsigned i = 0; i < 5; i++)
            ids[i] = put(seed + i, lengths[i]);
        cr_assert_eq(bed_write(&bed, 9, 2 * MIB, &finished), 0);
        cr_assert_eq(blob_writer_new(bed.data, 5 * MIB, &open), 0);
        cr_assert_eq(blob_write(open, lengths, sizeof(lengths)), 0);
        blob_writer_free(&open);
        blob_writer_free(&finished);
        bed_crash(&bed, seed);
        bed_open(&bed);
        for (unsigned i = 0; i < 5; i++)
            cr_assert_eq(bed_check_all(&bed, (uint64_t)ids[i], seed + i, lengths[i]), 0, "seed %d, blob %u", (int)seed,
                         i);
        cr_assert_eq(bed_status(&bed).degraded_reads, 0);
    }
}

Test(data_life, a_power_cut_leaves_no_bytes_that_no_blob_has)
{
    struct blob_writer *writer = NULL;

    bed.track = true;
    bed_init(&bed, 4);
    int64_t id = put(1, 50000);
    cr_assert_eq(bed_write(&bed, 9, 20 * MIB, &writer), 0);
    blob_writer_free(&writer);
    int64_t after = put(2, 50000);
    bed_crash(&bed, 0);
    bed_open(&bed);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_lt(bed_disk_used(&bed, i), 100000);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 1, 50000), 0);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)after, 2, 50000), 0);
}

Test(data_life, reclaiming_goes_on_after_a_power_cut)
{
    bed.track = true;
    bed_init(&bed, 4);
    int64_t keep = put(1, MIB), drop = put(2, 10 * MIB);
    struct blob_pin *pin = NULL;

    cr_assert_eq(bed_pin(&bed, (uint64_t)drop, &pin), 0);
    cr_assert_eq(bed_ref(&bed, (uint64_t)drop, -1), 0);
    blob_unpin(&pin);
    bed_crash(&bed, 11);
    bed_open(&bed);
    reclaim();
    cr_assert_eq(bed_records(&bed, 'F'), 0);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_lt(bed_disk_used(&bed, i), 2 * MIB);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)keep, 1, MIB), 0);
}

/* The drives die one after the other operation of a put, a delete and a put; whatever was acknowledged before is there
 * after. */
Test(data_life, power_may_be_cut_after_any_operation)
{
    bed.track = true;
    bed_init(&bed, 2);
    int64_t id = put(1, 300000);
    for (uint64_t after = 0; after < 60; after++) {
        for (unsigned i = 0; i < 2; i++)
            fault_add(bed.faults[i], &(struct fault_rule){.ops = FAULT_ALL, .kind = FAULT_GONE, .after = after});
        int64_t second = bed_put(&bed, 2, 200000);
        int64_t third = bed_put(&bed, 3, 5000);
        bed_crash(&bed, after);
        bed_open(&bed);
        cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 1, 300000), 0, "cut after %d", (int)after);
        if (second >= 0) {
            cr_assert_eq(bed_check_all(&bed, (uint64_t)second, 2, 200000), 0, "cut after %d", (int)after);
            cr_assert_eq(bed_ref(&bed, (uint64_t)second, -1), 0);
        }
        if (third >= 0)
            cr_assert_eq(bed_check_all(&bed, (uint64_t)third, 3, 5000), 0, "cut after %d", (int)after);
    }
    reclaim();
    cr_assert_eq(bed_records(&bed, 'F'), 0);
}

/* The index on the drive at a place can't be written any more. */
static void break_index(unsigned place)
{
    char path[128];
    int fds[16];

    snprintf(path, sizeof(path), "%s/index/data.mdb", bed.paths[place]);
    int count = descriptors_of(path, fds, 16);
    cr_assert_gt(count, 0);
    for (int i = 0; i < count; i++)
        descriptor_replace(fds[i], "/dev/full");
}

/* Its writer is told so, but one of two replicas has the commit, and the next start makes it stand. */
Test(data_life, a_blob_whose_commit_is_in_doubt_keeps_its_bytes)
{
    struct blob_writer *writer = NULL;

    bed_init(&bed, 2);
    int64_t before = put(1, 100000);
    cr_assert_eq(bed_write(&bed, 2, 100000, &writer), 0);
    uint64_t id = blob_writer_id(writer);
    break_index(0);
    cr_assert_eq(bed_commit(&bed, writer), CAIRN_EQUORUM);
    blob_writer_free(&writer);
    reopen();
    cr_assert_eq(bed_check_all(&bed, (uint64_t)before, 1, 100000), 0);
    cr_assert_eq(bed_check_all(&bed, id, 2, 100000), 0);
    cr_assert_eq(bed_status(&bed).degraded_reads, 0);
}

/* ---- recovery ---- */

Test(data_life, files_without_a_record_are_removed_and_others_left_alone)
{
    char path[400];

    bed_init(&bed, 2);
    put(1, 1000);
    bed_close(&bed);
    snprintf(path, sizeof(path), "touch %s/data/0000000000000fff.seg %s/data/notes", bed.paths[0], bed.paths[0]);
    cr_assert_eq(system(path), 0);
    bed_open(&bed);
    cr_assert_eq(bed_segments(&bed, 0), 2);
    snprintf(path, sizeof(path), "%s/data/0000000000000fff.seg", bed.paths[0]);
    cr_assert_eq(access(path, F_OK), -1);
}

Test(data_life, an_index_older_than_the_drives_is_refused_and_nothing_removed)
{
    char command[256];

    bed_init(&bed, 2);
    put(1, 1000);
    bed_close(&bed);
    snprintf(command, sizeof(command), "rm %s/d?/index/*", bed.root);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(bed_try_open(&bed), CAIRN_ECORRUPT);
    cr_assert_eq(bed_segments(&bed, 0), 1);
}

static void move_drive(unsigned i, const char *from, const char *to)
{
    char command[300];

    snprintf(command, sizeof(command), "mv %s%s %s%s", bed.paths[i], from, bed.paths[i], to);
    cr_assert_eq(system(command), 0);
}

Test(data_life, a_drive_that_was_away_gives_back_what_was_freed_meanwhile)
{
    bed_init(&bed, 4);
    int64_t keep = put(1, MIB), drop = put(2, 20 * MIB), large = put(3, 70 * MIB);

    bed_close(&bed);
    move_drive(1, "", ".away");
    bed_open(&bed);
    cr_assert_eq(bed_ref(&bed, (uint64_t)drop, -1), 0);
    cr_assert_eq(bed_ref(&bed, (uint64_t)large, -1), 0);
    reclaim();
    bed_close(&bed);
    move_drive(1, ".away", "");
    cr_assert_gt(bed_disk_used(&bed, 1), 40 * MIB);
    bed_open(&bed);
    cr_assert_lt(bed_disk_used(&bed, 1), 2 * MIB);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)keep, 1, MIB), 0);
    cr_assert_eq(bed_status(&bed).degraded_reads, 0);
}

/* ---- compaction ---- */

Test(data_life, compaction_moves_what_lives_and_removes_the_segment)
{
    int64_t ids[40];
    struct blob_pin *pin = NULL;
    uint64_t from = 0;
    char byte, want;

    bed_init(&bed, 4);
    for (unsigned i = 0; i < 40; i++)
        ids[i] = put(i, 60000);
    reopen();
    cr_assert_eq(bed_pin(&bed, (uint64_t)ids[0], &pin), 0);
    for (unsigned i = 0; i < 40; i++)
        if (i % 10 != 0)
            cr_assert_eq(bed_ref(&bed, (uint64_t)ids[i], -1), 0);
    reclaim();
    while (compact_step(bed.data, &from) > 0)
        ;
    reclaim();
    for (unsigned i = 0; i < 40; i += 10)
        cr_assert_eq(bed_check_all(&bed, (uint64_t)ids[i], i, 60000), 0);
    cr_assert_eq(bed_segments(&bed, 0), 2, "the old one stays for its reader");
    cr_assert_eq(blob_read(pin, 59999, &byte, 1), 0);
    bed_fill(0, 59999, &want, 1);
    cr_assert_eq(byte, want);
    blob_unpin(&pin);
    reclaim();
    cr_assert_eq(bed_segments(&bed, 0), 1);
    cr_assert_eq(bed_records(&bed, 'B'), 4);
    cr_assert_eq(bed_records(&bed, 'L'), 4);
}

Test(data_life, moving_a_blob_heals_it)
{
    bed_init(&bed, 4);
    put(0, 1000);
    fault_add(bed.faults[2], &(struct fault_rule){.ops = FAULT_WRITE, .error = -EIO});
    int64_t id = put(1, 5 * MIB);
    fault_clear(bed.faults[2]);
    struct blob_pin *pin = NULL;
    cr_assert_eq(bed_pin(&bed, (uint64_t)id, &pin), 0);
    cr_assert_eq(blob_move(pin, 5, NULL), -EAGAIN, "not on fewer drives than asked for");
    cr_assert_eq(blob_move(pin, 4, NULL), 0);
    cr_assert_eq(blob_move(pin, 4, NULL), -ESTALE);
    blob_unpin(&pin);
    cr_assert_eq(bed_records(&bed, 'H'), 0);
    fault_gone(bed.faults[0]);
    fault_gone(bed.faults[1]);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 1, 5 * MIB), 0);
}

/* ---- many at once ---- */

static void *churn(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg, n = 0;
    int64_t ids[8] = {0};
    uint64_t lengths[8] = {0};

    for (int i = 0; i < 60; i++) {
        unsigned slot = (unsigned)(i % 8);

        if (lengths[slot] > 0)
            cr_assert_eq(bed_ref(&bed, (uint64_t)ids[slot], -1), 0);
        n = n * 6364136223846793005u + seed * 2 + 1;
        lengths[slot] = 1 + (n >> 33) % (i % 7 == 0 ? 2 * MIB : 40000);
        ids[slot] = put(seed * 8 + slot, lengths[slot]);
        unsigned other = (unsigned)(n >> 20) % 8;
        if (lengths[other] > 0)
            cr_assert_eq(bed_check_all(&bed, (uint64_t)ids[other], seed * 8 + other, lengths[other]), 0);
    }
    for (unsigned slot = 0; slot < 8; slot++)
        cr_assert_eq(bed_check_all(&bed, (uint64_t)ids[slot], seed * 8 + slot, lengths[slot]), 0);
    return NULL;
}

Test(data_life, many_writers_readers_and_the_reclaimer_share_segments)
{
    pthread_t threads[8];

    bed.segment_size = 4 * MIB;
    bed_init(&bed, 4);
    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    reclaim();
    cr_assert_eq(bed_records(&bed, 'F'), 0);
    cr_assert_eq(bed_records(&bed, 'B'), 64);
    cr_assert_eq(bed_records(&bed, 'L'), 64);
    cr_assert_eq(bed_status(&bed).degraded_reads, 0);
}
