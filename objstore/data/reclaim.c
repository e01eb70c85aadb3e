#include "objstore/data/reclaim.h"

#include <errno.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/punch.h"
#include "objstore/data/record.h"
#include "objstore/drive/drive.h"

#define BATCH 256
#define READER_WAIT_NS NS_PER_SEC
#define READER_POLL_NS (NS_PER_MS / 2)

struct freed {
    uint64_t segment, offset;
    struct extent_record extent;
};

struct group { /* freed extents of one segment, in order */
    struct data *data;
    const struct freed *freed;
    int count;
    uint64_t segment;
    struct segment_record record;
    uint32_t stale;
    bool removed;
};

/* ---- 1, 2: what may be reclaimed ---- */

/* The next 'F' records from *from on; *from becomes the place behind them. Returns how many; 0 at the end. */
static int freed_find(struct data *data, struct freed *from, struct freed *ret_freed, uint64_t *ret_sequence)
{
    struct index_txn *txn = NULL;
    struct index_cursor cursor;
    struct span key, value;
    int count = 0, r = index_read_begin(data->index, &txn);

    if (r < 0)
        return r;
    *ret_sequence = index_txn_sequence(txn);
    r = index_cursor_open(txn, &cursor);
    if (r == 0) {
        struct record_key start = key_place(TAG_FREED, from->segment, from->offset);
        struct freed *f = ret_freed;

        r = index_cursor_seek(&cursor, key_span(&start), &key, &value);
        while (r == 0 && count < BATCH && key_parse_place(key, TAG_FREED, &f->segment, &f->offset)) {
            if (extent_parse(value, &f->extent) == 0) {
                count++;
                f++;
            }
            r = index_cursor_next(&cursor, &key, &value);
        }
        index_cursor_close(&cursor);
    }
    index_read_end(&txn);
    if (count > 0)
        *from = (struct freed){.segment = ret_freed[count - 1].segment, .offset = ret_freed[count - 1].offset + 1};
    return r < 0 && r != -ENOENT ? r : count;
}

/* False when an old reader does not end in time: then a later pass tries again. */
static bool readers_are_past(struct data *data, uint64_t sequence)
{
    int64_t deadline = clock_mono_ns() + READER_WAIT_NS;

    while (index_oldest_reader(data->index) < sequence) {
        if (clock_mono_ns() >= deadline)
            return false;
        struct timespec pause = {.tv_nsec = READER_POLL_NS};
        nanosleep(&pause, NULL);
    }
    return true;
}

static int drop_pinned(struct data *data, struct freed *freed, int count)
{
    int kept = 0;

    for (int i = 0; i < count; i++) {
        if (pins_have(&data->pins, freed[i].segment, freed[i].offset))
            continue;
        freed[kept++] = freed[i];
    }
    return kept;
}

/* ---- 3: punching ---- */

/* In a sealed segment all between two living extents is dead: the range of freed ones from *i on grows to them, so that
 * pages shared by small blobs go with the last of them. Moves *i behind the last extent of the range. */
static struct range range_sealed(const struct group *group, struct index_cursor *cursor, int *i)
{
    uint64_t offset, end;
    struct range range = {0, group->record.size};

    if (extent_neighbour(cursor, group->segment, group->freed[*i].offset, false, &offset, &end))
        range.begin = end;
    for (; *i < group->count; ++*i) {
        if (!extent_neighbour(cursor, group->segment, group->freed[*i].offset, true, &offset, &end)) {
            *i = group->count;
            return range;
        }
        if (*i + 1 >= group->count || group->freed[*i + 1].offset != offset)
            break;
    }
    range.end = offset;
    ++*i;
    return range;
}

/* In an open segment a gap may be a writer's: only freed extents that touch are joined. Settling does the rest. */
static struct range range_open(const struct group *group, int *i)
{
    const struct freed *f = &group->freed[*i];
    struct range range = {f->offset, f->offset + f->extent.length};

    while (++*i < group->count && group->freed[*i].offset == range.end)
        range.end += group->freed[*i].extent.length;
    return range;
}

static int ranges_find(const struct group *group, struct range *ret_ranges)
{
    struct index_txn *txn = NULL;
    struct index_cursor cursor;
    int count = 0, r = index_read_begin(group->data->index, &txn);

    if (r < 0)
        return r;
    r = index_cursor_open(txn, &cursor);
    if (r == 0) {
        for (int i = 0; i < group->count;)
            ret_ranges[count++] =
                group->record.state == SEGMENT_SEALED ? range_sealed(group, &cursor, &i) : range_open(group, &i);
        index_cursor_close(&cursor);
    }
    index_read_end(&txn);
    return r < 0 ? r : count;
}

static int place_punch(struct segment *segment, unsigned place, const struct range *ranges, int count)
{
    int r = 0;
    struct drive_file *file = segment_file(segment, place, &r);

    if (!file) /* a copy that is being written has the range; it is punched when that is published, or at the next start
                */
        return r == -ENOENT && !(lacks_get(&segment->set->lacks, segment->id) >> place & 1) ? 0 : r;
    for (int i = 0; r == 0 && i < count; i++)
        r = segment_punch(segment, place, ranges[i]);
    if (r == 0)
        r = drive_file_sync(file, DRIVE_PATIENT);
    if (r < 0)
        place_note(segment->set, place, true, r);
    return r;
}

static int group_punch(struct group *group)
{
    struct erasure_set *set = &group->data->sets[group->record.set];
    struct range ranges[BATCH];
    int count = ranges_find(group, ranges);

    if (count < 0)
        return count;
    struct segment *segment = segment_get(set, group->segment);
    if (!segment)
        return -ENOMEM;
    for (unsigned place = 0; place < set->n; place++)
        if (!drive_set_get(set->drives, place) || place_punch(segment, place, ranges, count) < 0)
            group->stale |= 1u << place;
    segment_put(&segment);
    return 0;
}

/* ---- 4: the records ---- */

static int record_reclaim(struct index_txn *txn, const struct freed *f, uint64_t *ret_bytes)
{
    struct extent_record extent;
    struct blob_record blob;
    int r = record_drop(txn, key_place(TAG_FREED, f->segment, f->offset));

    if (r == 0)
        r = extent_get(txn, TAG_EXTENT, f->segment, f->offset, &extent);
    if (r == 0) {
        *ret_bytes += extent.length;
        r = record_drop(txn, key_place(TAG_EXTENT, f->segment, f->offset));
    }
    if (r < 0 && r != -ENOENT)
        return r;
    r = blob_get(txn, f->extent.blob, &blob);
    if (r < 0 || blob.refs > 0 || blob.segment != f->segment || blob.offset != f->offset)
        return r == -ENOENT ? 0 : r;
    r = record_drop(txn, key_id(TAG_BLOB, f->extent.blob));
    return r < 0 ? r : heal_put(txn, f->extent.blob, 0);
}

static int records_reclaim(struct index_txn *txn, void *arg)
{
    struct group *group = arg;
    struct segment_record record;
    uint64_t bytes = 0;
    int r = 0;

    group->removed = false;
    for (int i = 0; r == 0 && i < group->count; i++)
        r = record_reclaim(txn, &group->freed[i], &bytes);
    if (r < 0)
        return r;
    r = segment_get_record(txn, group->segment, &record);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    int empty = segment_is_empty(txn, group->segment);
    if (empty < 0)
        return empty;
    if (empty && record.state == SEGMENT_SEALED) {
        group->removed = true;
        return record_drop(txn, key_id(TAG_SEGMENT, group->segment));
    }
    record.live -= bytes < record.live ? bytes : record.live;
    record.stale |= group->stale;
    return segment_put_record(txn, group->segment, &record);
}

/* ---- the pass ---- */

/* Whether nothing but this group lies in the segment, and nothing will: 1 or 0. Reads its record. */
static int group_is_whole(struct group *group)
{
    struct index_txn *txn = NULL;
    struct index_cursor cursor;
    uint64_t offset = 0, end;
    int r = index_read_begin(group->data->index, &txn), at = 0;

    if (r < 0)
        return r;
    r = segment_get_record(txn, group->segment, &group->record);
    if (r == 0 && group->record.set >= group->data->set_count)
        r = CAIRN_ECORRUPT;
    if (r == 0)
        r = index_cursor_open(txn, &cursor);
    if (r == 0) {
        bool more = extent_neighbour(&cursor, group->segment, UINT64_MAX, true, &offset, &end);
        while (more && at < group->count && group->freed[at].offset == offset) {
            at++;
            more = extent_neighbour(&cursor, group->segment, offset, true, &offset, &end);
        }
        index_cursor_close(&cursor);
        r = !more && group->record.state == SEGMENT_SEALED;
    }
    index_read_end(&txn);
    return r;
}

static int group_reclaim(struct group *group)
{
    int r = group_is_whole(group);

    if (r == 0)
        r = group_punch(group);
    if (r < 0 && r != -ENOENT)
        return r;
    r = index_apply(group->data->index, records_reclaim, group, INDEX_DURABLE);
    if (r >= 0 && group->removed)
        segment_unlink(&group->data->sets[group->record.set], group->segment);
    return r;
}

static int batch_reclaim(struct data *data, const struct freed *freed, int count)
{
    int result = 0;

    for (int i = 0; i < count;) {
        struct group group = {.data = data, .freed = freed + i, .segment = freed[i].segment};

        while (i < count && freed[i].segment == group.segment) {
            group.count++;
            i++;
        }
        int r = group_reclaim(&group);
        if (r < 0)
            result = r;
    }
    return result;
}

int reclaim_pass(struct data *data)
{
    struct freed batch[BATCH], from = {0};
    uint64_t sequence = 0;
    int result = 0;

    pins_walk(&data->pins);
    if (!may_discard(data->index))
        return CAIRN_EQUORUM;
    for (;;) {
        int count = freed_find(data, &from, batch, &sequence);
        if (count <= 0)
            return count < 0 ? count : result;
        if (!readers_are_past(data, sequence))
            return result;
        count = drop_pinned(data, batch, count);
        int r = batch_reclaim(data, batch, count);
        if (r < 0)
            result = r;
    }
}
