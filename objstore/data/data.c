/* Opening and closing the data layer, and what its parts share: sets with their threads, status. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "objstore/base/clock.h"
#include "objstore/base/cond.h"
#include "objstore/base/errors.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/keeper.h"
#include "objstore/data/layout.h"
#include "objstore/data/record.h"
#include "objstore/drive/pulse.h"

#define SEGMENT_SIZE (256ull << 20)
#define RESERVE_SHARE 50
#define RESERVE_MAX (1ull << 30)
#define FILES_MAX 512 /* segment files kept open though nobody uses them */
#define STRIPES_KEPT 8
#define SCRAPS_KEPT 64
#define CLOSE_PATIENCE (2 * NS_PER_SEC) /* with a drive that hangs */

/* ---- drives at work ---- */

int worse_error(int a, int b)
{
    if (a == -ENOSPC || b == -ENOSPC)
        return -ENOSPC;
    return a ? a : b;
}

void place_note(struct erasure_set *set, unsigned place, bool writing, int result)
{
    if (result == -ENOSPC || result == -ETIMEDOUT) /* full or slow is not broken */
        return;
    drive_set_note(set->drives, place,
                   result >= 0 ? DRIVE_GOOD
                   : writing   ? DRIVE_WRITE_ERROR
                               : DRIVE_READ_ERROR,
                   result);
}

struct run {
    struct erasure_set *set;
    place_task *fn;
    void *arg;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t done;
    uint32_t pending, good;
    int error;
};

struct run_task {
    struct lane_task task;
    struct run *run;
    unsigned place;
};

static void run_task_run(struct lane_task *task)
{
    struct run_task *rt = (struct run_task *)task;
    struct run *run = rt->run;
    int r = run->fn(run->set, rt->place, run->arg);

    pthread_mutex_lock(&run->lock);
    if (r < 0)
        run->error = worse_error(run->error, r);
    else
        run->good |= 1u << rt->place;
    run->pending &= ~(1u << rt->place);
    if (!run->pending)
        pthread_cond_signal(&run->done);
    pthread_mutex_unlock(&run->lock);
}

/* What waits in a slow drive's lane is taken back; what runs there comes back by itself. The caller holds the lock. */
static void run_drop_slow(struct run *run, struct run_task *tasks)
{
    uint32_t slow = run->pending & ~drive_set_look(run->set->drives);

    for (; slow; slow &= slow - 1) {
        unsigned place = (unsigned)__builtin_ctz(slow);

        if (!lane_drop(run->set->writes[place], &tasks[place].task))
            continue;
        run->pending &= ~(1u << place);
        run->error = worse_error(run->error, -ETIMEDOUT);
    }
}

static void run_wait(struct run *run, struct run_task *tasks)
{
    struct timespec deadline;

    pthread_mutex_lock(&run->lock);
    while (run->pending) {
        cond_deadline(PULSE_LOOK, &deadline);
        if (pthread_cond_timedwait(&run->done, &run->lock, &deadline) == ETIMEDOUT)
            run_drop_slow(run, tasks);
    }
    pthread_mutex_unlock(&run->lock);
}

uint32_t places_run(struct erasure_set *set, uint32_t places, place_task *fn, void *arg, int *ret_error)
{
    struct run run = {.set = set, .fn = fn, .arg = arg, .pending = places};
    struct run_task tasks[DRIVE_SET_MAX];

    pthread_mutex_init(&run.lock, NULL);
    cond_init(&run.done);
    for (; places; places &= places - 1) {
        unsigned place = (unsigned)__builtin_ctz(places);

        tasks[place] = (struct run_task){.task = {.run = run_task_run}, .run = &run, .place = place};
        lane_add(set->writes[place], &tasks[place].task);
    }
    run_wait(&run, tasks);
    pthread_cond_destroy(&run.done);
    pthread_mutex_destroy(&run.lock);
    if (ret_error)
        *ret_error = run.error;
    return run.good;
}

/* ---- opening ---- */

static int set_init(struct erasure_set *set, struct data *data, unsigned index, struct drive_set *drives)
{
    set->data = data;
    set->drives = drives;
    set->index = index;
    set->k = drive_set_data(drives);
    set->m = drive_set_parity(drives);
    set->n = set->k + set->m;
    pthread_mutex_init(&set->lock, NULL);
    lacks_init(&set->lacks, &data->damage);
    int r = ec_new(set->k, set->m, &set->ec);
    for (unsigned i = 0; r == 0 && i < set->n; i++) {
        r = lane_new(1, &set->writes[i]);
        if (r == 0)
            r = lane_new(1, &set->syncs[i]);
    }
    return r;
}

/* Ends its threads. False when one is left behind, in a write that does not come back. */
static bool set_stop(struct erasure_set *set)
{
    bool all = true;

    for (unsigned i = 0; i < set->n; i++) {
        all = lane_free(&set->writes[i], CLOSE_PATIENCE) == 0 && all;
        all = lane_free(&set->syncs[i], CLOSE_PATIENCE) == 0 && all;
    }
    return all;
}

static void set_release(struct erasure_set *set)
{
    ec_free(&set->ec);
    lacks_release(&set->lacks);
    pthread_mutex_destroy(&set->lock);
}

static void locks_init(struct data *data)
{
    ids_init(&data->ids, data->index);
    pthread_mutex_init(&data->table_lock, NULL);
    damage_init(&data->damage);
    chores_init(&data->chores);
    pins_init(&data->pins);
}

static void locks_destroy(struct data *data)
{
    ids_release(&data->ids);
    pthread_mutex_destroy(&data->table_lock);
    damage_release(&data->damage);
    pins_release(&data->pins);
}

/* Sets and buffers; the count of sets grows with each that wants releasing. */
static int data_build(struct data *data, const struct data_options *options)
{
    size_t stripe = 0;
    unsigned widest = 1;

    data->sets = calloc(options->set_count, sizeof(data->sets[0]));
    if (!data->sets)
        return -ENOMEM;
    for (size_t i = 0; i < options->set_count; i++) {
        struct erasure_set *set = &data->sets[data->set_count++];
        int r = set_init(set, data, (unsigned)i, options->sets[i]);
        if (r < 0)
            return r;
        size_t need = (size_t)set->n * shard_disk(shard_length(DATA_STRIPE, set->k));
        stripe = need > stripe ? need : stripe;
        widest = set->n > widest ? set->n : widest;
    }
    data->idle_max = FILES_MAX / widest;
    int r = pool_new(stripe, STRIPES_KEPT, &data->stripes);
    return r < 0 ? r : pool_new(SCRAP_SIZE, SCRAPS_KEPT, &data->scraps);
}

int data_open(const struct data_options *options, struct data **ret_data)
{
    if (options->set_count < 1 || options->set_count > 256)
        return -EINVAL;
    struct data *data = calloc(1, sizeof(*data));
    if (!data)
        return -ENOMEM;
    data->index = options->index;
    data->segment_size = options->segment_size ? options->segment_size : SEGMENT_SIZE;
    data->reserve = options->reserve;
    locks_init(data);
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
        set_retire_current(&d->sets[i]);
    keeper_stop(d);
    *data = NULL;
    bool all = true;
    for (size_t i = 0; i < d->set_count; i++)
        all = set_stop(&d->sets[i]) && all;
    if (!all)
        return;
    chores_release(&d->chores);
    segment_table_clear(d);
    for (size_t i = 0; i < d->set_count; i++)
        set_release(&d->sets[i]);
    free(d->sets);
    pool_free(&d->stripes);
    pool_free(&d->scraps);
    locks_destroy(d);
    free(d);
}

/* ---- what others ask ---- */

uint64_t data_reserve(uint64_t option, uint64_t total)
{
    if (option)
        return option;
    return total / RESERVE_SHARE < RESERVE_MAX ? total / RESERVE_SHARE : RESERVE_MAX;
}

/* What the smallest of the set's drives allows each. */
static uint64_t set_total(struct erasure_set *set)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < set->n; i++) {
        struct drive_space space;

        if (drive_set_space(set->drives, i, &space) < 0)
            continue;
        uint64_t reserve = data_reserve(set->data->reserve, space.total);
        uint64_t usable = space.total > reserve ? space.total - reserve : 0;
        least = usable < least ? usable : least;
    }
    return least == UINT64_MAX ? 0 : least;
}

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
        status.total += data->sets[i].k * set_total(&data->sets[i]);
        status.free += data->sets[i].k * set_free(&data->sets[i]);
    }
    data_refill_status(data, &status.refill);
    if (r == 0)
        *ret_status = status;
    return r;
}
