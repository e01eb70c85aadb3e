/*
 * Pins: the extents that readers hold. A pin is taken inside a read transaction whose snapshot still has the blob; the
 * reclaimer waits until no such transaction is left, and looks for pins then, so it sees every pin that can ever be.
 */
#include <errno.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/record.h"

static struct pin_bucket *pin_bucket(struct data *data, uint64_t segment, uint64_t offset)
{
    return &data->pins[(segment * 31 + offset / EXTENT_ALIGN) % PIN_BUCKETS];
}

static struct pin_bucket *bucket_of(const struct blob_pin *pin)
{
    return pin_bucket(pin->data, pin->record.segment, pin->record.offset);
}

/* The record must fit the set as it is, since shards are looked for by it. */
static bool record_fits(const struct data *data, const struct blob_record *record)
{
    if (record->refs == 0 || record->set >= data->set_count)
        return false;
    const struct erasure_set *set = &data->sets[record->set];
    return record->data == set->k && record->parity == set->m;
}

int blob_pin(struct index_txn *txn, struct data *data, uint64_t blob_id, struct blob_pin **ret_pin)
{
    struct blob_record record;
    int r = blob_get(txn, blob_id, &record);

    if (r < 0)
        return r == -ENOENT ? CAIRN_ECORRUPT : r;
    if (!record_fits(data, &record))
        return CAIRN_ECORRUPT;
    struct blob_pin *pin = malloc(sizeof(*pin));
    if (!pin)
        return -ENOMEM;
    *pin = (struct blob_pin){.data = data, .id = blob_id, .record = record};
    struct pin_bucket *bucket = bucket_of(pin);
    pthread_mutex_lock(&bucket->lock);
    pin->next = bucket->first;
    bucket->first = pin;
    pthread_mutex_unlock(&bucket->lock);
    *ret_pin = pin;
    return 0;
}

void blob_unpin(struct blob_pin **pin)
{
    struct blob_pin *p = *pin;

    if (!p)
        return;
    struct data *data = p->data;
    struct pin_bucket *bucket = bucket_of(p);
    pthread_mutex_lock(&bucket->lock);
    struct blob_pin **at = &bucket->first;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    pthread_mutex_unlock(&bucket->lock);
    free(p);
    *pin = NULL;
    if (atomic_load(&data->keeper.pins_block))
        keeper_wake(data);
}

bool pins_have(struct data *data, uint64_t segment, uint64_t offset)
{
    struct pin_bucket *bucket = pin_bucket(data, segment, offset);

    pthread_mutex_lock(&bucket->lock);
    struct blob_pin *pin = bucket->first;
    while (pin && (pin->record.segment != segment || pin->record.offset != offset))
        pin = pin->next;
    pthread_mutex_unlock(&bucket->lock);
    return pin != NULL;
}

uint64_t blob_pin_length(const struct blob_pin *pin)
{
    return pin->record.length;
}
