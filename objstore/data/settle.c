/*
 * The end of a segment's open life, and giving back what no blob has.
 *
 * Order of settling: a commit → gaps punched and the files cut behind the last blob → synced on each drive → recorded
 * as sealed. The commit changes nothing. But the commit of a blob may have failed, and so its range look like a gap,
 * and yet be found by the next start on a replica: until a later one is durable. A crash before the record leaves it
 * open, and the next start settles it again; a drive that is away or fails is recorded as stale, and its gaps are
 * punched when it is back. Without a blob: the record is deleted durably → the files are removed; after a crash between
 * the two, files without a record are removed at the next start.
 */
#include <errno.h>

#include "objstore/base/errors.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/record.h"
#include "objstore/drive/drive.h"

#define PUNCH_ALIGN 4096u
#define GAPS_MAX 512 /* gaps found per read transaction, so that these stay short */

struct range {
    uint64_t begin, end;
};

int segment_punch(struct segment *segment, unsigned place, uint64_t begin, uint64_t end)
{
    int error = 0;
    struct drive_file *file = segment_file(segment, place, &error);

    begin = (begin + PUNCH_ALIGN - 1) / PUNCH_ALIGN * PUNCH_ALIGN;
    end = end / PUNCH_ALIGN * PUNCH_ALIGN;
    if (!file)
        return error == -ENOENT ? 0 : error;
    if (begin >= end)
        return 0;
    int r = drive_punch(file, begin, end - begin);
    return r == -EOPNOTSUPP ? 0 : r;
}

/* ---- gaps ---- */

/* The next gaps at or behind *from, up to GAPS_MAX; moves *from on, to size when all are found. Returns how many,
 * ret_end gets the end of the last blob seen. */
static int gaps_find(struct index *index, uint64_t id, uint64_t size, uint64_t *from, uint64_t *ret_end,
                     struct range *ret_gaps)
{
    struct index_txn *txn = NULL;
    struct index_cursor cursor;
    struct span key, value;
    struct extent_record extent;
    uint64_t at_segment, at;
    int count = 0, r = index_read_begin(index, &txn);

    if (r < 0)
        return r;
    r = index_cursor_open(txn, &cursor);
    if (r < 0) {
        index_read_end(&txn);
        return r;
    }
    struct record_key start = key_place(TAG_EXTENT, id, *from);
    r = index_cursor_seek(&cursor, key_span(&start), &key, &value);
    while (r == 0 && count < GAPS_MAX && key_parse_place(key, TAG_EXTENT, &at_segment, &at) && at_segment == id) {
        r = extent_parse(value, &extent);
        if (r < 0)
            break;
        if (at > *from)
            ret_gaps[count++] = (struct range){*from, at};
        if (at + extent.length > *from)
            *from = *ret_end = at + extent.length;
        r = index_cursor_next(&cursor, &key, &value);
    }
    if (count < GAPS_MAX && (r == 0 || r == -ENOENT)) {
        if (*from < size)
            ret_gaps[count++] = (struct range){*from, size};
        *from = size;
    }
    index_cursor_close(&cursor);
    index_read_end(&txn);
    return r < 0 && r != -ENOENT ? r : count;
}

static uint32_t gaps_punch(struct segment *segment, uint32_t places, const struct range *gaps, int count)
{
    uint32_t good = 0;

    for (uint32_t left = places; left; left &= left - 1) {
        unsigned place = (unsigned)__builtin_ctz(left);
        int r = 0;

        for (int i = 0; r == 0 && i < count; i++)
            r = segment_punch(segment, place, gaps[i].begin, gaps[i].end);
        if (r == 0)
            good |= 1u << place;
        else
            place_note(segment->set, place, true, r);
    }
    return good;
}

/* Punches gaps; returns the places where that worked, or an error of the index. */
static int segment_clear(struct segment *segment, uint64_t size, uint32_t places, uint64_t *ret_end, uint32_t *ret_good)
{
    struct range gaps[GAPS_MAX + 1];
    uint64_t from = 0;

    *ret_end = 0;
    while (from < size) {
        int count = gaps_find(segment->set->index, segment->id, size, &from, ret_end, gaps);
        if (count < 0)
            return count;
        places = gaps_punch(segment, places, gaps, count);
    }
    *ret_good = places;
    return 0;
}

/* Cuts the file, and makes that and the punches durable. */
static int segment_cut(struct segment *segment, unsigned place, uint64_t size)
{
    int r = 0;
    struct drive_file *file = segment_file(segment, place, &r);
    uint64_t len, allocated;

    if (!file)
        return r == -ENOENT ? 0 : r;
    r = drive_file_size(file, &len, &allocated);
    if (r == 0 && len > size)
        r = drive_truncate(file, size);
    return r < 0 ? r : drive_file_sync(file, DRIVE_PATIENT);
}

static uint32_t segment_cut_all(struct segment *segment, uint32_t places, uint64_t size)
{
    uint32_t good = 0;

    for (uint32_t left = places; left; left &= left - 1) {
        unsigned place = (unsigned)__builtin_ctz(left);
        int r = segment_cut(segment, place, size);

        if (r == 0)
            good |= 1u << place;
        else
            place_note(segment->set, place, true, r);
    }
    return good;
}

uint32_t segment_punch_gaps(struct erasure_set *set, uint64_t id, uint64_t size, uint32_t places)
{
    struct segment *segment = segment_get(set, id);
    uint32_t good = 0;
    uint64_t end;

    if (!segment)
        return 0;
    if (segment_clear(segment, size, places, &end, &good) < 0)
        good = 0;
    good = segment_cut_all(segment, good, size);
    segment_put(&segment);
    return good;
}

/* ---- sealing ---- */

struct sealing {
    uint64_t id, size;
    uint32_t stale;
};

static int record_sealed(struct index_txn *txn, void *arg)
{
    struct sealing *s = arg;
    struct segment_record record;
    int r = segment_get_record(txn, s->id, &record);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    record.state = SEGMENT_SEALED;
    record.size = s->size;
    record.stale |= s->stale;
    return segment_put_record(txn, s->id, &record);
}

static int record_removed(struct index_txn *txn, void *arg)
{
    struct sealing *s = arg;

    return record_drop(txn, key_id(TAG_SEGMENT, s->id));
}

static int record_kept(struct index_txn *txn, void *arg)
{
    struct sealing *s = arg;
    struct segment_record record;
    int r = segment_get_record(txn, s->id, &record);

    return r < 0 ? r : segment_put_record(txn, s->id, &record);
}

static int settle_used(struct erasure_set *set, uint64_t id, const struct segment_record *record)
{
    struct sealing sealing = {.id = id};
    int r = index_apply(set->index, record_kept, &sealing, INDEX_DURABLE);
    struct segment *segment = r < 0 ? NULL : segment_get(set, id);
    uint32_t all = places_all(set), good = 0, absent = 0;
    uint64_t end = 0;

    if (!segment)
        return r < 0 ? r : -ENOMEM;
    r = segment_clear(segment, record->size, drive_set_online(set->drives), &end, &good);
    if (r == 0)
        good = segment_cut_all(segment, good, end);
    pthread_mutex_lock(&segment->lock);
    absent = segment->absent & all;
    pthread_mutex_unlock(&segment->lock);
    segment_put(&segment);
    sealing.size = end;
    sealing.stale = all & ~good;
    if (r == 0)
        r = index_apply(set->index, record_sealed, &sealing, INDEX_DURABLE);
    return r < 0 ? r : lacks_add(&set->lacks, id, record->live, absent);
}

static int settle_empty(struct erasure_set *set, uint64_t id)
{
    struct sealing sealing = {.id = id};
    int r = index_apply(set->index, record_removed, &sealing, INDEX_DURABLE);

    if (r >= 0)
        segment_unlink(set, id);
    return r;
}

int segment_settle(struct erasure_set *set, uint64_t id)
{
    struct index_txn *txn = NULL;
    struct segment_record record;
    int empty = 0, r = index_read_begin(set->index, &txn);

    if (r < 0)
        return r;
    r = segment_get_record(txn, id, &record);
    if (r == 0)
        empty = segment_is_empty(txn, id);
    index_read_end(&txn);
    if (r == -ENOENT || (r == 0 && record.state == SEGMENT_SEALED))
        return 0;
    if (r < 0 || empty < 0)
        return r < 0 ? r : empty;
    return empty ? settle_empty(set, id) : settle_used(set, id, &record);
}
