/* What the store is asked for, by whoever runs it. */
#include "objstore/data/data.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/record.h"

void data_refill_status(struct data *data, struct data_refill_status *ret_status)
{
    struct data_refill_status status = {
        .done_blobs = atomic_load(&data->refilled_blobs),
        .done_bytes = atomic_load(&data->refilled_bytes),
    };

    for (size_t i = 0; i < data->set_count; i++)
        lacks_sum(&data->sets[i].lacks, &status.segments, &status.bytes);
    *ret_status = status;
}

uint32_t data_online(const struct data *data, size_t set)
{
    return set < data->set_count ? drive_set_online(data->sets[set].drives) : 0;
}

void data_on_damage(struct data *data, void (*fn)(void *arg), void *arg)
{
    damage_subscribe(&data->damage, fn, arg);
}

int data_reclaim_wait(struct data *data)
{
    return chores_pass(&data->chores);
}

int data_status(struct data *data, struct data_status *ret_status)
{
    struct data_status status = {
        .degraded_reads = atomic_load(&data->degraded_reads),
        .bitrot_found = atomic_load(&data->bitrot_found),
        .healed_blobs = atomic_load(&data->healed_blobs),
    };
    struct index_txn *txn = NULL;
    int r = index_read_begin(data->index, &txn);

    if (r < 0)
        return r;
    r = record_count(txn, TAG_FREED, &status.blobs_freed_pending);
    if (r == 0)
        r = heal_count(txn, &status.heal_pending, &status.heal_damaged);
    index_read_end(&txn);
    for (size_t i = 0; i < data->set_count; i++) {
        status.total += data->sets[i].k * space_total(&data->allocators[i].space);
        status.free += data->sets[i].k * allocator_space(&data->allocators[i]);
    }
    data_refill_status(data, &status.refill);
    if (r == 0)
        *ret_status = status;
    return r;
}
