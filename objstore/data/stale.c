#include "objstore/data/stale.h"

#include <errno.h>

#include "objstore/data/punch.h"
#include "objstore/data/record.h"

struct fresh {
    uint64_t id;
    uint32_t places;
};

static int record_fresh(struct index_txn *txn, void *arg)
{
    struct fresh *fresh = arg;
    struct segment_record record;
    int r = segment_get_record(txn, fresh->id, &record);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    record.stale &= ~fresh->places;
    return segment_put_record(txn, fresh->id, &record);
}

/* Returns the places where it worked. */
static uint32_t gaps_punch(struct erasure_set *set, uint64_t id, uint64_t size, uint32_t places)
{
    struct segment *segment = segment_get(set, id);
    uint32_t good = 0;
    uint64_t end;

    if (!segment)
        return 0;
    if (segment_punch_gaps(segment, size, places, &end, &good) < 0)
        good = 0;
    good = segment_cut(segment, good, size);
    segment_put(&segment);
    return good;
}

int segment_refresh(struct erasure_set *set, uint64_t id, const struct segment_record *record)
{
    struct fresh fresh = {.id = id};
    uint32_t back = record->stale & drive_set_online(set->drives);

    if (back && may_discard(set->index))
        fresh.places = gaps_punch(set, id, record->size, back);
    return fresh.places ? index_apply(set->index, record_fresh, &fresh, INDEX_APPLIED) : 0;
}
