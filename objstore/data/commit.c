#include "objstore/data/commit.h"

#include <errno.h>

#include "objstore/base/errors.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/record.h"
#include "objstore/data/writer.h"

/* Counts the bytes that blobs have in a segment; it may be gone only when something is wrong. */
static int segment_add_live(struct index_txn *txn, uint64_t segment, uint64_t bytes)
{
    struct segment_record record;
    int r = segment_get_record(txn, segment, &record);

    if (r < 0)
        return r == -ENOENT ? CAIRN_ECORRUPT : r;
    record.live += bytes;
    return segment_put_record(txn, segment, &record);
}

/* Records where a finished writer put its blob. The reservation stays undecided until the mutation is. */
static int place_commit(struct index_txn *txn, const struct blob_place *place, uint32_t refs)
{
    const struct reservation *at = place->reservation;
    uint64_t segment = at->segment->id;
    struct blob_record blob = {
        .segment = segment,
        .offset = at->offset,
        .length = place->length,
        .refs = refs,
        .held = place->held,
        .set = (uint16_t)place->set->number,
        .data = (uint8_t)place->set->k,
        .parity = (uint8_t)place->set->m,
        .first = (uint8_t)place->first,
    };
    struct extent_record extent = {.blob = place->id, .length = at->length};
    uint32_t missing = ~place->held & places_all(place->set);

    int r = segment_add_live(txn, segment, at->length);
    if (r == 0)
        r = blob_put(txn, place->id, &blob);
    if (r == 0)
        r = extent_put(txn, TAG_EXTENT, segment, at->offset, &extent);
    if (r == 0 && missing)
        r = heal_put(txn, place->id, missing);
    if (r == 0 && missing)
        r = index_on_commit(txn, damage_tell, NULL, &place->data->damage);
    if (r < 0)
        return r;
    reservation_ref(place->reservation);
    r = index_on_commit(txn, reservation_unref, reservation_unref, place->reservation);
    if (r < 0)
        reservation_unref(place->reservation);
    return r;
}

int blob_commit(struct index_txn *txn, struct blob_writer *writer, uint32_t refs)
{
    struct blob_place place;

    if (!blob_writer_place(writer, &place) || refs == 0)
        return -EINVAL;
    return place_commit(txn, &place, refs);
}

static int extent_free(struct index_txn *txn, struct data *data, uint64_t blob, uint64_t segment, uint64_t offset)
{
    struct extent_record extent;
    int r = extent_get(txn, TAG_EXTENT, segment, offset, &extent);

    if (r == -ENOENT || (r == 0 && extent.blob != blob))
        return CAIRN_ECORRUPT;
    if (r == 0)
        r = extent_put(txn, TAG_FREED, segment, offset, &extent);
    return r < 0 ? r : index_on_commit(txn, chores_wake, NULL, &data->chores);
}

int blob_ref(struct index_txn *txn, struct data *data, uint64_t blob_id, int32_t by)
{
    struct blob_record blob;
    int r = blob_get(txn, blob_id, &blob);

    if (r < 0)
        return r == -ENOENT ? CAIRN_ECORRUPT : r;
    int64_t refs = (int64_t)blob.refs + by;
    if (blob.refs == 0 || refs < 0 || refs > UINT32_MAX) /* a blob that was given up may be punched at any moment */
        return CAIRN_ECORRUPT;
    blob.refs = (uint32_t)refs;
    r = blob_put(txn, blob_id, &blob);
    return r < 0 || refs > 0 ? r : extent_free(txn, data, blob_id, blob.segment, blob.offset);
}

int blob_move_commit(struct index_txn *txn, struct blob_writer *writer, uint64_t segment, uint64_t offset)
{
    struct blob_place place;
    struct blob_record blob;

    if (!blob_writer_place(writer, &place))
        return -EINVAL;
    int r = blob_get(txn, place.id, &blob);
    if (r == -ENOENT || (r == 0 && (blob.segment != segment || blob.offset != offset || blob.refs == 0)))
        return -ESTALE;
    if (r == 0)
        r = extent_free(txn, place.data, place.id, segment, offset);
    if (r == 0)
        r = heal_put(txn, place.id, 0);
    return r < 0 ? r : place_commit(txn, &place, blob.refs);
}
