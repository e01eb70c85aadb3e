/* Opening and closing the data layer, and what it is asked for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "objstore/base/errors.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/keeper.h"
#include "objstore/data/layout.h"
#include "objstore/data/record.h"
#include "objstore/data/recover.h"

#define SEGMENT_SIZE (256ull << 20)
#define FILES_MAX 512 /* segment files kept open though nobody uses them */

/* How many segments may stay open though nobody uses them. */
static unsigned idle_segments(const struct data_options *options)
{
    unsigned widest = 1;

    for (size_t i = 0; i < options->set_count; i++) {
        unsigned n = drive_set_data(options->sets[i]) + drive_set_parity(options->sets[i]);

        widest = n > widest ? n : widest;
    }
    return FILES_MAX / widest;
}

static void locks_init(struct data *data)
{
    ids_init(&data->ids, data->index);
    damage_init(&data->damage);
    chores_init(&data->chores);
    pins_init(&data->pins);
}

static void locks_destroy(struct data *data)
{
    ids_release(&data->ids);
    damage_release(&data->damage);
    pins_release(&data->pins);
}

static int set_build(struct data *data, const struct data_options *options, unsigned number)
{
    struct erasure_set *set = &data->sets[number];
    struct allocator *allocator = &data->allocators[number];

    *set = (struct erasure_set){
        .number = number,
        .drives = options->sets[number],
        .index = data->index,
        .segments = &data->segments,
    };
    *allocator = (struct allocator){
        .set = set,
        .ids = &data->ids,
        .chores = &data->chores,
        .segment_size = options->segment_size ? options->segment_size : SEGMENT_SIZE,
        .space = {.drives = options->sets[number], .reserve = options->reserve},
    };
    allocator_init(allocator);
    return erasure_set_init(set, &data->damage);
}

/* Sets and buffers; the count of sets grows with each that wants releasing. */
static int data_build(struct data *data, const struct data_options *options)
{
    size_t stripe = 0;

    data->sets = calloc(options->set_count, sizeof(data->sets[0]));
    data->allocators = calloc(options->set_count, sizeof(data->allocators[0]));
    if (!data->sets || !data->allocators)
        return -ENOMEM;
    for (unsigned i = 0; i < options->set_count; i++) {
        const struct erasure_set *set = &data->sets[data->set_count++];
        int r = set_build(data, options, i);
        if (r < 0)
            return r;
        size_t need = (size_t)set->n * shard_disk(shard_length(DATA_STRIPE, set->k));
        stripe = need > stripe ? need : stripe;
    }
    return buffers_init(&data->buffers, stripe);
}

int data_open(const struct data_options *options, struct data **ret_data)
{
    if (options->set_count < 1 || options->set_count > 256)
        return -EINVAL;
    struct data *data = calloc(1, sizeof(*data));
    if (!data)
        return -ENOMEM;
    data->index = options->index;
    locks_init(data);
    segment_table_init(&data->segments, idle_segments(options));
    int r = data_build(data, options);
    if (r == 0)
        r = data_recover(data);
    if (r == 0)
        r = keeper_start(data);
    if (r < 0)
        data_close(&data);
    *ret_data = data;
    return r;
}

void data_close(struct data **data)
{
    struct data *d = *data;

    if (!d)
        return;
    (void)index_flush(d->index); /* what was applied calls back when it is durable */
    for (size_t i = 0; i < d->set_count; i++)
        allocator_retire(&d->allocators[i]);
    keeper_stop(d);
    *data = NULL;
    bool all = true;
    for (size_t i = 0; i < d->set_count; i++)
        all = erasure_set_stop(&d->sets[i]) && all;
    if (!all)
        return;
    chores_release(&d->chores);
    segment_table_release(&d->segments);
    for (size_t i = 0; i < d->set_count; i++) {
        allocator_release(&d->allocators[i]);
        erasure_set_release(&d->sets[i]);
    }
    free(d->sets);
    free(d->allocators);
    buffers_release(&d->buffers);
    locks_destroy(d);
    free(d);
}

/* ---- what others ask ---- */

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
