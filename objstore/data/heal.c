/*
 * Healing a blob that is queued: what its 'H' record says is looked at again, and if a drive could have more of it than
 * now the blob moves, whole, to a place where it can (move.c). The mutation that moves it takes the record away, or
 * puts one that names the drives which still lack it.
 *
 *   its shards at the places named are                   then
 *   all there and right (a drive failed for a moment)    the record goes
 *   wrong or missing, on a drive that answers            it moves
 *   missing with the whole file of the segment           refill.c gives the file back; the record goes with that
 *   on drives that do not answer                         it waits
 *   fewer than k right, and all its drives answer        damaged: marked so in the record, tried again now and then
 */
#include <errno.h>

#include "objstore/base/errors.h"
#include "objstore/data/data.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/move.h"
#include "objstore/data/pin.h"
#include "objstore/data/record.h"
#include "objstore/data/verify.h"

struct healing {
    uint64_t id;
    uint32_t queued;      /* the record as it was read */
    struct blob_pin *pin; /* NULL: there is no such blob any more */
};

/* ---- records ---- */

/* Only as it was read: what was found since stays. */
static int record_healed(struct index_txn *txn, void *arg)
{
    const struct healing *h = arg;
    uint32_t now;
    int r = heal_get(txn, h->id, &now);

    if (r == -ENOENT || (r == 0 && now != h->queued))
        return 0;
    return r < 0 && r != CAIRN_ECORRUPT ? r : heal_put(txn, h->id, 0);
}

static int record_damaged(struct index_txn *txn, void *arg)
{
    const struct healing *h = arg;
    uint32_t now;
    int r = heal_get(txn, h->id, &now);

    return r == -ENOENT ? 0 : r < 0 && r != CAIRN_ECORRUPT ? r : heal_put(txn, h->id, HEAL_DAMAGED);
}

static int healing_begin(struct data *data, struct healing *h)
{
    struct index_txn *txn = NULL;
    struct blob_record blob;
    int r = index_read_begin(data->index, &txn);

    if (r < 0)
        return r;
    r = heal_get(txn, h->id, &h->queued);
    if (r == CAIRN_ECORRUPT) { /* it only says where to look: everywhere, then */
        h->queued = UINT16_MAX;
        r = 0;
    }
    if (r == 0 && blob_get(txn, h->id, &blob) == 0 && blob.refs > 0)
        r = blob_pin(txn, data, h->id, &h->pin);
    index_read_end(&txn);
    if (h->pin)
        h->pin->background = true;
    return r;
}

/* ---- one blob ---- */

/* The places that lack the shard, or have it wrong. */
static int healing_look(struct healing *h, const struct data_pace *pace, uint32_t *ret_bad)
{
    const struct blob_record *record = &h->pin->record;
    struct erasure_set *set = &h->pin->data->sets[record->set];
    uint32_t all = places_all(set), lacks = lacks_get(&set->lacks, record->segment), wrong = 0;
    uint32_t doubtful = h->queued & record->held & all & ~lacks & drive_set_online(set->drives);
    int r = blob_verify(h->pin, doubtful, pace, &wrong);

    *ret_bad = (all & ~record->held) | (all & lacks) | wrong | (h->queued & all & ~drive_set_online(set->drives));
    return r;
}

static int healing_move(struct healing *h, uint32_t bad, const struct data_pace *pace)
{
    const struct blob_record *record = &h->pin->record;
    struct data *data = h->pin->data;
    struct erasure_set *set = &data->sets[record->set];
    uint32_t online = drive_set_online(set->drives);

    if ((bad & online & ~lacks_get(&set->lacks, record->segment)) == 0)
        return -EAGAIN;
    int r = blob_move(h->pin, (unsigned)__builtin_popcount(record->held & online & ~bad) + 1, pace);
    if (r == 0)
        atomic_fetch_add(&data->healed_blobs, 1);
    if (!h->pin->unreadable)
        return r == -ESTALE ? 0 : r;
    if (record->held & ~online)
        return -EAGAIN; /* a drive that is away may have what it takes */
    int marked = h->queued & HEAL_DAMAGED ? 0 : index_apply(data->index, record_damaged, h, INDEX_DURABLE);
    return marked < 0 ? marked : r;
}

static int healing_run(struct data *data, struct healing *h, const struct data_pace *pace)
{
    uint32_t bad = 0;
    int r = h->pin ? healing_look(h, pace, &bad) : 0;

    if (r < 0)
        return r;
    return bad ? healing_move(h, bad, pace) : index_apply(data->index, record_healed, h, INDEX_DURABLE);
}

int data_heal(struct data *data, uint64_t blob, const struct data_pace *pace)
{
    struct healing h = {.id = blob};
    int r = healing_begin(data, &h);

    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = healing_run(data, &h, pace);
    blob_unpin(&h.pin);
    return r;
}

/* ---- the queue ---- */

int data_queued_next(struct data *data, uint64_t from, struct data_queued *ret_queued)
{
    struct record_key start = key_id(TAG_HEAL, from);
    struct index_txn *txn = NULL;
    struct index_cursor cursor;
    struct blob_record blob;
    struct span key, value;
    int r = index_read_begin(data->index, &txn);

    if (r < 0)
        return r;
    *ret_queued = (struct data_queued){0};
    r = index_cursor_open(txn, &cursor);
    if (r == 0) {
        r = index_cursor_seek(&cursor, key_span(&start), &key, &value);
        if (r == 0 && !key_parse_id(key, TAG_HEAL, &ret_queued->blob))
            r = -ENOENT;
        index_cursor_close(&cursor);
    }
    if (r == 0 && blob_get(txn, ret_queued->blob, &blob) == 0 && blob.set < data->set_count) {
        ret_queued->set = blob.set;
        ret_queued->length = blob.length;
    }
    if (r == 0)
        ret_queued->damaged = value.len == 4 && get_le32(value.ptr) & HEAL_DAMAGED;
    index_read_end(&txn);
    return r;
}
