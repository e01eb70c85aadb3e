#include "objstore/data/settle.h"

#include <errno.h>

#include "objstore/base/errors.h"
#include "objstore/data/punch.h"
#include "objstore/data/record.h"

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
    r = segment_punch_gaps(segment, record->size, drive_set_online(set->drives), &end, &good);
    if (r == 0)
        good = segment_cut(segment, good, end);
    absent = segment_absent(segment);
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
