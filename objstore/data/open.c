#include <errno.h>
#include <stdlib.h>

#include "objstore/data/data.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/keeper.h"
#include "objstore/data/layout.h"
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

static void parts_init(struct data *data, const struct data_options *options)
{
    data->index = options->index;
    ids_init(&data->ids, data->index);
    damage_init(&data->damage);
    chores_init(&data->chores);
    pins_init(&data->pins);
    segment_table_init(&data->segments, idle_segments(options));
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
    parts_init(data, options);
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

/* No thread is left. Chores hold segments, so they go first. */
static void data_release(struct data *data)
{
    chores_release(&data->chores);
    segment_table_release(&data->segments);
    for (size_t i = 0; i < data->set_count; i++) {
        allocator_release(&data->allocators[i]);
        erasure_set_release(&data->sets[i]);
    }
    free(data->sets);
    free(data->allocators);
    buffers_release(&data->buffers);
    pins_release(&data->pins);
    damage_release(&data->damage);
    ids_release(&data->ids);
    free(data);
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
    data_release(d);
}
