#include "objstore/data/verify.h"

#include <errno.h>

#include "objstore/data/data_priv.h"
#include "objstore/data/shard_read.h"

/* All granules of the shards that the places have of a stripe. *bad gets the places where one is not good. */
static int stripe_verify(const struct blob_pin *pin, struct segment *segment, uint64_t number, uint32_t places,
                         uint32_t *bad)
{
    struct data *data = pin->data;
    struct stripe_read read;

    stripe_read_init(&read, pin, segment, number);
    read.spare = pool_get(data->buffers.stripes);
    if (!read.spare)
        return -ENOMEM;
    uint32_t all = read.columns == 32 ? UINT32_MAX : (1u << read.columns) - 1;
    for (uint32_t left = places; left; left &= left - 1)
        shard_ask(&read, shard_of_place(pin->record.first, (unsigned)__builtin_ctz(left), read.set->n), all);
    runs_read(&read);
    for (; places; places &= places - 1) {
        unsigned place = (unsigned)__builtin_ctz(places);

        if (read.good[shard_of_place(pin->record.first, place, read.set->n)] != all)
            *bad |= 1u << place;
    }
    pool_put(data->buffers.stripes, read.spare);
    if (read.rotten)
        atomic_fetch_add(&data->bitrot_found, read.rotten);
    return 0;
}

int blob_verify(struct blob_pin *pin, uint32_t places, const struct data_pace *pace, uint32_t *ret_bad)
{
    struct segment *segment = segment_get(&pin->data->sets[pin->record.set], pin->record.segment);
    uint64_t stripes = (pin->record.length + DATA_STRIPE - 1) / DATA_STRIPE;
    uint32_t bad = 0;
    int r = segment ? 0 : -ENOMEM;

    for (uint64_t i = 0; r == 0 && places && i < stripes; i++) {
        r = stripe_verify(pin, segment, i, places, &bad);
        uint64_t bytes = (uint64_t)__builtin_popcount(places) * (DATA_STRIPE / pin->record.data);
        places &= ~bad; /* one that lacks a stripe lacks the shard */
        if (r == 0 && pace && pace->pause(pace->arg, bytes))
            r = -ECANCELED;
    }
    segment_put(&segment);
    if (r == 0)
        *ret_bad = bad;
    return r;
}
