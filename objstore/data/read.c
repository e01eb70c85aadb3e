/*
 * Reading a blob, stripe by stripe. The unit is the granule: column c of shard s. Those that the request covers whole
 * are read straight into the caller's memory, with their checksums beside; the one or two that it only touches go to a
 * bounce buffer.
 *
 *   1  read the wanted granules from the data shards' drives (shard_read.h)
 *   2  where a granule is missing, wrong or slow to come, read the same column of other shards until k are good, and
 *      rebuild it (rebuild.h)
 *   3  copy what bounced
 *
 * Bytes are given to the caller only if each came from a granule that verified or was rebuilt from k that did.
 */
#include <errno.h>
#include <string.h>

#include "objstore/data/data.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/rebuild.h"
#include "objstore/data/shard_read.h"

/* A stripe's part of what is asked for. */
struct request {
    uint32_t begin, end;     /* the bytes of the stripe */
    uint8_t *out;            /* where they go */
    struct buffers *buffers; /* which these two are from, NULL until needed: */
    uint8_t *bounce;         /* scraps; a granule each that has an end of the request inside it */
    uint8_t *spare;          /* stripes; what only serves to rebuild */
    unsigned bounced;
    struct stripe_read read; /* without a value until it is initialised */
};

/* ---- what is wanted, and where it goes ---- */

/* The part of the request that a granule has, as offsets in the stripe; false when it has none. */
static bool granule_part(const struct request *q, unsigned shard, unsigned column, uint32_t *ret_begin,
                         uint32_t *ret_end)
{
    uint32_t first = shard * q->read.shard + column * GRANULE, last = first + column_length(q->read.shard, column);

    *ret_begin = first > q->begin ? first : q->begin;
    *ret_end = last < q->end ? last : q->end;
    return *ret_begin < *ret_end;
}

static int granule_want(struct request *q, unsigned shard, unsigned column)
{
    struct stripe_read *read = &q->read;
    uint32_t begin, end;

    if (!granule_part(q, shard, column, &begin, &end))
        return 0;
    read->want[shard] |= 1u << column;
    if (end - begin == column_length(read->shard, column)) {
        read->at[shard][column] = q->out + (begin - q->begin);
        return 0;
    }
    if (!q->bounce)
        q->bounce = pool_get(q->buffers->scraps);
    if (!q->bounce)
        return -ENOMEM;
    /* Only a granule with an end of the request inside it bounces: two at most. */
    read->at[shard][column] = q->bounce + (size_t)q->bounced++ * GRANULE;
    return 0;
}

static int request_want(struct request *q)
{
    unsigned first = q->begin / q->read.shard, last = (q->end - 1) / q->read.shard;
    int r = 0;

    for (unsigned s = first; r == 0 && s <= last; s++)
        for (unsigned c = 0; r == 0 && c < q->read.columns; c++)
            r = granule_want(q, s, c);
    return r;
}

static void request_copy_bounced(const struct request *q)
{
    const struct stripe_read *read = &q->read;

    for (unsigned s = 0; q->bounced > 0 && s < read->set->k; s++) {
        for (uint32_t left = read->want[s]; left; left &= left - 1) {
            unsigned c = (unsigned)__builtin_ctz(left);
            uint32_t begin, end, first = s * read->shard + c * GRANULE;

            granule_part(q, s, c, &begin, &end);
            if (end - begin < column_length(read->shard, c))
                memcpy(q->out + (begin - q->begin), read->at[s][c] + (begin - first), end - begin);
        }
    }
}

/* ---- reading it ---- */

static void wanted_read(struct stripe_read *read)
{
    for (unsigned s = 0; s < read->set->k; s++)
        if (read->want[s])
            shard_ask(read, s, read->want[s]);
    runs_read(read);
}

static int missing_rebuild(struct request *q, uint32_t missing)
{
    q->spare = q->read.spare = pool_get(q->buffers->stripes);
    return q->spare ? columns_rebuild(&q->read, missing) : -ENOMEM;
}

static int request_run(struct request *q, bool *degraded)
{
    int r = request_want(q);

    if (r < 0)
        return r;
    wanted_read(&q->read);
    uint32_t missing = columns_missing(&q->read);
    if (missing) {
        *degraded = true;
        r = missing_rebuild(q, missing);
    }
    if (r == 0)
        request_copy_bounced(q);
    return r;
}

static int stripe_read_part(const struct blob_pin *pin, struct segment *segment, uint64_t off, uint8_t *out,
                            uint32_t len, bool *degraded)
{
    struct data *data = pin->data;
    struct request q;

    q.begin = (uint32_t)(off % DATA_STRIPE);
    q.end = q.begin + len;
    q.out = out;
    q.buffers = &data->buffers;
    q.bounce = q.spare = NULL;
    q.bounced = 0;
    stripe_read_init(&q.read, pin, segment, off / DATA_STRIPE);
    int r = request_run(&q, degraded);
    pool_put(data->buffers.scraps, q.bounce);
    pool_put(data->buffers.stripes, q.spare);
    if (q.read.rotten)
        atomic_fetch_add(&data->bitrot_found, q.read.rotten);
    if (q.read.lost && !pin->background)
        chores_heal(&data->chores, pin->id, q.read.lost);
    return r;
}

int blob_read(struct blob_pin *pin, uint64_t off, void *ret_bytes, size_t len)
{
    uint8_t *out = ret_bytes;
    bool degraded = false;
    int r = 0;

    if (off > pin->record.length || len > pin->record.length - off)
        return -EINVAL;
    struct segment *segment = segment_get(&pin->data->sets[pin->record.set], pin->record.segment);
    if (!segment)
        return -ENOMEM;
    while (r == 0 && len > 0) {
        uint32_t room = DATA_STRIPE - (uint32_t)(off % DATA_STRIPE), n = len < room ? (uint32_t)len : room;

        r = stripe_read_part(pin, segment, off, out, n, &degraded);
        off += n;
        out += n;
        len -= n;
    }
    segment_put(&segment);
    if (degraded && !pin->background)
        atomic_fetch_add(&pin->data->degraded_reads, 1);
    return r;
}
