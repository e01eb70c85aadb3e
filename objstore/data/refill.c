/*
 * Giving a segment its files back on drives that have none of it: a drive that was replaced, or was away when the
 * segment was made. The blobs stay where they are; each shard is written into the place that it always had, which on
 * that drive was never written. So one file costs its own bytes, not those of all drives, and no blob moves.
 *
 * Its order:
 *
 *   step                                                   a crash after it leaves
 *   1  "ID.new" made on the drives, shards written,        a copy that is not complete; the next start removes it
 *      blob by blob
 *   2  their records: held, and out of the queue           'B' says held where the file is still missing, as it does
 *                                                          after a drive was replaced: the missing file decides
 *   3  files synced, the records durable                   the same
 *   4  renamed to "ID.seg", the folder synced              done: the segment lacks nothing there any more
 *   5  gaps that came meanwhile are punched                they are stale in 'S', and punched at the next start
 *
 * Nobody reads the copy before 4, so there are no half-written shards to be mistaken for rot. A blob that can't be read
 * is left out, and its record says so.
 */
#include <errno.h>

#include "objstore/base/errors.h"
#include "objstore/data/data.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/extent_map.h"
#include "objstore/data/move.h"
#include "objstore/data/pin.h"
#include "objstore/data/record.h"
#include "objstore/data/stale.h"
#include "objstore/data/writer.h"
#include "objstore/drive/drive.h"

#define BATCH 64 /* blobs whose records change in one mutation */

struct refill {
    struct data *data;
    struct erasure_set *set;
    const struct data_pace *pace;
    uint64_t id;
    uint32_t places; /* those that went well so far */
    int error;       /* of one that did not */
    struct segment *aside;
    uint64_t blobs, bytes;
    int count; /* the batch */
    struct {
        struct extent_at at;
        bool written;
    } batch[BATCH];
};

/* ---- files ---- */

static void place_fail(struct refill *refill, unsigned place, int error)
{
    refill->places &= ~(1u << place);
    refill->error = worse_error(refill->error, error);
}

typedef int file_task(struct refill *refill, struct drive *drive, unsigned place);

static void each_place(struct refill *refill, file_task *fn)
{
    for (uint32_t left = refill->places; left; left &= left - 1) {
        unsigned place = (unsigned)__builtin_ctz(left);
        struct drive *drive = drive_set_get(refill->set->drives, place);
        int r = drive ? fn(refill, drive, place) : -ENODEV;

        if (r < 0)
            place_fail(refill, place, r);
        if (r < 0 && drive)
            place_note(refill->set, place, true, r);
    }
}

static int file_make(struct refill *refill, struct drive *drive, unsigned place)
{
    struct drive_file *file = NULL;
    char name[SEGMENT_NAME_MAX];

    segment_temp_name(refill->id, name);
    int r = drive_unlink(drive, name);
    if (r == 0 || r == -ENOENT)
        r = drive_open(drive, name, DRIVE_CREATE, &file);
    if (r == 0)
        segment_add_file(refill->aside, place, file);
    return r;
}

static int file_sync(struct refill *refill, struct drive *drive, unsigned place)
{
    int r = 0;
    struct drive_file *file = segment_file(refill->aside, place, &r);

    (void)drive;
    return file ? drive_file_sync(file, DRIVE_PATIENT) : r;
}

static int file_publish(struct refill *refill, struct drive *drive, unsigned place)
{
    char temp[SEGMENT_NAME_MAX], name[SEGMENT_NAME_MAX];

    (void)place;
    segment_temp_name(refill->id, temp);
    segment_name(refill->id, name);
    int r = drive_rename(drive, temp, name);
    return r < 0 ? r : drive_sync_folder(drive, DRIVE_DATA_FOLDER);
}

static void files_discard(struct refill *refill, uint32_t places)
{
    char name[SEGMENT_NAME_MAX];

    segment_temp_name(refill->id, name);
    for (; places; places &= places - 1) {
        struct drive *drive = drive_set_get(refill->set->drives, (unsigned)__builtin_ctz(places));

        if (drive)
            (void)drive_unlink(drive, name); /* or the next start does */
    }
}

/* ---- blobs ---- */

static int record_refilled(struct index_txn *txn, void *arg)
{
    struct refill *refill = arg;
    int r = 0;

    for (int i = 0; r == 0 && i < refill->count; i++) {
        const struct extent_at *at = &refill->batch[i].at;
        struct blob_record blob;

        r = blob_get(txn, at->blob, &blob);
        if (r == -ENOENT || r == CAIRN_ECORRUPT ||
            (r == 0 && (blob.refs == 0 || blob.segment != refill->id || blob.offset != at->offset))) {
            r = 0;
            continue;
        }
        uint32_t held = refill->batch[i].written ? blob.held | refill->places : blob.held & ~refill->places;
        if (r == 0 && held != blob.held) {
            blob.held = held;
            r = blob_put(txn, at->blob, &blob);
        }
        if (r == 0)
            r = refill->batch[i].written ? heal_clear(txn, at->blob, refill->places)
                                         : heal_put(txn, at->blob, refill->places);
    }
    return r;
}

/* 0 also when the blob can't be read, or is no more. */
static int refill_blob(struct refill *refill, const struct extent_at *at, bool *ret_written)
{
    struct blob_writer *writer = NULL;
    struct blob_pin *pin = NULL;
    int r = blob_pin_at(refill->data, at->blob, refill->id, at->offset, &pin);

    if (r == -ESTALE || r == CAIRN_ECORRUPT)
        return 0;
    if (r == 0)
        r = blob_writer_new_at(refill->aside, pin, refill->places, &writer);
    if (r == 0)
        r = blob_copy(pin, writer, refill->pace);
    if (r == 0) {
        int error = 0;
        refill->places = blob_writer_drain(writer, &error);
        refill->error = worse_error(refill->error, error);
        refill->blobs++;
        refill->bytes += at->length;
        *ret_written = true;
    }
    if (r < 0 && pin && pin->unreadable)
        r = 0;
    blob_writer_free(&writer);
    blob_unpin(&pin);
    return r;
}

/* The next blobs of the segment: their shards, then their records. 0 at the end. */
static int refill_batch(struct refill *refill, uint64_t *from)
{
    struct data *data = refill->data;
    struct extent_at extents[BATCH];
    int count = segment_extents(data->index, refill->id, from, extents, BATCH), r = count < 0 ? count : 0;

    refill->count = 0;
    for (int i = 0; r == 0 && i < count; i++) {
        refill->batch[i].at = extents[i];
        refill->batch[i].written = false;
        r = refill_blob(refill, &extents[i], &refill->batch[i].written);
        refill->count++;
        if (refill->places == 0)
            r = refill->error ? refill->error : -EIO;
    }
    if (r == 0 && count > 0)
        r = index_apply(data->index, record_refilled, refill, INDEX_APPLIED);
    return r < 0 ? r : count;
}

/* ---- a segment ---- */

static int record_read(struct data *data, uint64_t id, struct segment_record *ret_record)
{
    struct index_txn *txn = NULL;
    int r = index_read_begin(data->index, &txn);

    if (r < 0)
        return r;
    r = segment_get_record(txn, id, ret_record);
    index_read_end(&txn);
    return r;
}

/* 4 and 5. A segment that was removed meanwhile takes the copy along. */
static int refill_publish(struct refill *refill)
{
    struct data *data = refill->data;
    struct segment_record record;

    each_place(refill, file_sync);
    int r = index_flush(data->index);
    if (r < 0)
        return r;
    each_place(refill, file_publish);
    segment_appeared(refill->set, refill->id, refill->places);
    lacks_drop(&refill->set->lacks, refill->id, refill->places);
    r = record_read(data, refill->id, &record);
    if (r == -ENOENT)
        segment_unlink(refill->set, refill->id);
    else if (r == 0 && record.stale & refill->places)
        r = segment_refresh(refill->set, refill->id, &record);
    return r == -ENOENT ? 0 : r;
}

static int refill_run(struct refill *refill)
{
    uint64_t from = 0;
    int r = 1;

    each_place(refill, file_make);
    while (r > 0 && refill->places)
        r = refill_batch(refill, &from);
    if (r == 0 && refill->places)
        r = refill_publish(refill);
    return r == 0 && refill->places == 0 ? refill->error : r;
}

static int segment_refill(struct data *data, struct erasure_set *set, const struct lack *lack,
                          const struct data_pace *pace)
{
    struct refill refill = {.data = data, .set = set, .pace = pace, .id = lack->segment};
    struct segment_record record;
    int r = record_read(data, lack->segment, &record);

    if (r == -ENOENT)
        lacks_drop(&set->lacks, lack->segment, lack->places);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    uint32_t wanted = refill.places = space_with_room(&data->allocators[set->number].space, lack->places, record.live);
    if (wanted == 0)
        return -ENOSPC;
    refill.aside = segment_aside_new(set, lack->segment);
    if (!refill.aside)
        return -ENOMEM;
    r = refill_run(&refill);
    segment_put(&refill.aside);
    files_discard(&refill, r < 0 ? wanted : wanted & ~refill.places);
    atomic_fetch_add(&data->refilled_blobs, r < 0 ? 0 : refill.blobs);
    atomic_fetch_add(&data->refilled_bytes, r < 0 ? 0 : refill.bytes * (uint64_t)__builtin_popcount(refill.places));
    return r;
}

int data_refill(struct data *data, struct data_refill_at *at, const struct data_pace *pace)
{
    for (; at->set < data->set_count; at->set++, at->segment = 0) {
        struct erasure_set *set = &data->sets[at->set];
        struct lack lack;

        while (lacks_next(&set->lacks, at->segment, &lack)) {
            at->segment = lack.segment + 1;
            if ((lack.places & drive_set_online(set->drives)) == 0)
                continue;
            int r = segment_refill(data, set, &lack, pace);
            return r < 0 ? r : 1;
        }
    }
    *at = (struct data_refill_at){0};
    return 0;
}
