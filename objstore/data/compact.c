#include "objstore/data/compact.h"

#include <errno.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/extent_map.h"
#include "objstore/data/move.h"
#include "objstore/data/pin.h"
#include "objstore/data/record.h"

#define LIVE_SHARE 4 /* worth it when at most one byte in so many lives */
#define BATCH 64
#define RATE (64u << 20) /* bytes a second, so that it never crowds out requests */

struct victim {
    uint64_t segment;
    int count;
    struct extent_at blobs[BATCH];
};

/* ---- choosing a segment ---- */

static bool segment_is_worth(const struct segment_record *record)
{
    return record->state == SEGMENT_SEALED && record->live > 0 && record->live <= record->size / LIVE_SHARE;
}

/* The first segment from id on that is worth it. -ENOENT at the end. */
static int victim_segment(struct index_cursor *cursor, uint64_t from, uint64_t *ret_segment)
{
    struct record_key start = key_id(TAG_SEGMENT, from);
    struct segment_record record;
    struct span key, value;
    int r = index_cursor_seek(cursor, key_span(&start), &key, &value);

    while (r == 0 && key_parse_id(key, TAG_SEGMENT, ret_segment)) {
        if (segment_parse(value, &record) == 0 && segment_is_worth(&record))
            return 0;
        r = index_cursor_next(cursor, &key, &value);
    }
    return r < 0 ? r : -ENOENT;
}

static int victim_find(struct data *data, uint64_t from, struct victim *ret_victim)
{
    struct index_txn *txn = NULL;
    struct index_cursor cursor;
    uint64_t first = 0;
    int r = index_read_begin(data->index, &txn);

    if (r < 0)
        return r;
    r = index_cursor_open(txn, &cursor);
    if (r == 0) {
        r = victim_segment(&cursor, from, &ret_victim->segment);
        index_cursor_close(&cursor);
    }
    index_read_end(&txn);
    if (r == 0)
        r = ret_victim->count = segment_extents(data->index, ret_victim->segment, &first, ret_victim->blobs, BATCH);
    return r < 0 ? r : 0;
}

/* On as many drives as it is now, or it stays. */
static int victim_move(struct data *data, uint64_t segment, const struct extent_at *at)
{
    struct blob_pin *pin = NULL;
    int r = blob_pin_at(data, at->blob, segment, at->offset, &pin);

    if (r == 0)
        r = blob_move(pin, (unsigned)__builtin_popcount(pin->record.held), NULL);
    blob_unpin(&pin);
    return r;
}

int compact_step(struct data *data, uint64_t *from)
{
    struct victim victim;
    int r = victim_find(data, *from, &victim);

    if (r < 0) {
        *from = 0;
        return r == -ENOENT ? 0 : r;
    }
    *from = victim.segment + 1;
    for (int i = 0; i < victim.count; i++) {
        r = victim_move(data, victim.segment, &victim.blobs[i]);
        if (r == -ENOSPC || r == CAIRN_EQUORUM || r == -EAGAIN)
            return r;
        if (chores_pause(&data->chores, (int64_t)(victim.blobs[i].length * NS_PER_SEC / RATE)))
            break;
    }
    return 1;
}
