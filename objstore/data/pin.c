#include "objstore/data/pin.h"

#include <errno.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/record.h"

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
    *pin = (struct blob_pin){
        .data = data, .extent = {.segment = record.segment, .offset = record.offset}, .id = blob_id, .record = record};
    pins_add(&data->pins, &pin->extent);
    *ret_pin = pin;
    return 0;
}

int blob_pin_at(struct data *data, uint64_t id, uint64_t segment, uint64_t offset, struct blob_pin **ret_pin)
{
    struct index_txn *txn = NULL;
    struct blob_record blob;
    int r = index_read_begin(data->index, &txn);

    if (r < 0)
        return r;
    r = blob_get(txn, id, &blob);
    if (r == -ENOENT || (r == 0 && (blob.refs == 0 || blob.segment != segment || blob.offset != offset)))
        r = -ESTALE;
    if (r == 0)
        r = blob_pin(txn, data, id, ret_pin);
    index_read_end(&txn);
    if (r == 0)
        (*ret_pin)->background = true;
    return r;
}

void blob_unpin(struct blob_pin **pin)
{
    struct blob_pin *p = *pin;

    if (!p)
        return;
    struct data *data = p->data;
    bool awaited = pins_remove(&data->pins, &p->extent);
    free(p);
    *pin = NULL;
    if (awaited)
        chores_wake(&data->chores);
}

uint64_t blob_pin_length(const struct blob_pin *pin)
{
    return pin->record.length;
}
