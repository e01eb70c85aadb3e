/* The stripes of a blob that is written: encoded by the caller, checksummed and written by the drives' threads. */
#include <errno.h>
#include <stdlib.h>

#include "objstore/base/cond.h"
#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/data/writer_priv.h"
#include "objstore/drive/drive.h"
#include "objstore/drive/pulse.h"

#define SMALL_BLOB (64u << 10)
#define WRITEBACK_STRIPES 8 /* a drive is told to begin writing so often, so that the sync at the end is short */

/* ---- one shard ---- */

static uint8_t *stripe_shard(const struct stripe *stripe, unsigned shard)
{
    return stripe->buffer + (size_t)shard * stripe->shard;
}

static uint8_t *stripe_sums(const struct stripe *stripe, unsigned shard)
{
    unsigned n = stripe->writer->place.set->n;

    return stripe->buffer + (size_t)n * stripe->shard + (size_t)shard * stripe->columns * GRANULE_SUM;
}

/* The shard of a place as on disk: granule, checksum, granule, checksum … */
static int shard_compose(const struct stripe *stripe, unsigned place, struct iovec *ret_iov)
{
    const struct blob_place *blob = &stripe->writer->place;
    unsigned shard = shard_of_place(blob->first, place, blob->set->n);
    uint8_t *bytes = stripe_shard(stripe, shard), *sums = stripe_sums(stripe, shard);

    for (unsigned c = 0; c < stripe->columns; c++) {
        uint8_t *granule = bytes + (size_t)c * GRANULE, *sum = sums + (size_t)c * GRANULE_SUM;
        uint32_t len = column_length(stripe->shard, c);

        put_le64(sum, xxh3(granule, len, granule_seed(blob->id, stripe->number, shard, c)));
        ret_iov[2 * c] = (struct iovec){granule, len};
        ret_iov[2 * c + 1] = (struct iovec){sum, GRANULE_SUM};
    }
    return (int)(2 * stripe->columns);
}

static int shard_write(const struct stripe *stripe, unsigned place)
{
    const struct blob_writer *w = stripe->writer;
    struct iovec iov[2 * COLUMNS_MAX];
    uint64_t begin = w->offset + stripe_disk_offset(stripe->number, w->place.set->k);
    uint32_t len = shard_disk(stripe->shard);
    int error = 0;
    struct drive_file *file = segment_file(w->segment, place, &error);

    if (!file)
        return error;
    int r = drive_write(file, iov, shard_compose(stripe, place, iov), begin);
    if (r == 0 && stripe->number % WRITEBACK_STRIPES == WRITEBACK_STRIPES - 1)
        drive_start_writeback(file, begin - (WRITEBACK_STRIPES - 1) * (uint64_t)len, WRITEBACK_STRIPES * (uint64_t)len);
    return r;
}

static void stripe_free(struct stripe *stripe)
{
    if (stripe && stripe->buffer)
        pool_put(stripe->pool, stripe->buffer);
    free(stripe);
}

/* A late shard's drive has let go of it. The caller holds the lock, which is given up. */
static void shard_is_let_go(struct stripe *stripe, unsigned place)
{
    struct blob_writer *w = stripe->writer;

    stripe->late &= ~(1u << place);
    w->late--;
    bool last_of_stripe = stripe->orphan && stripe->late == 0, last = w->gone && w->late == 0;
    pthread_mutex_unlock(&w->lock);
    if (last_of_stripe)
        stripe_free(stripe);
    if (last)
        writer_destroy(w);
}

static bool stripe_is_last(const struct stripe *stripe)
{
    return (stripe->number + 1) * DATA_STRIPE >= stripe->writer->place.length;
}

/* A small blob is written by the threads that sync it, right behind: they meet once. With others the one overlaps the
 * other. */
static struct lane *stripe_lane(const struct stripe *stripe, unsigned place)
{
    const struct blob_place *blob = &stripe->writer->place;

    return blob->length <= SMALL_BLOB ? blob->set->syncs[place] : blob->set->writes[place];
}

/* Tasks of a place run one after the other: with the last stripe all is written there. */
static void shard_task_run(struct lane_task *task)
{
    struct shard_task *shard = (struct shard_task *)task;
    struct stripe *stripe = shard->stripe;
    struct blob_writer *w = stripe->writer;
    struct erasure_set *set = w->place.set;
    unsigned place = shard->place;
    int r = shard_write(stripe, place);

    pthread_mutex_lock(&w->lock);
    if (stripe->late >> place & 1) {
        shard_is_let_go(stripe, place);
        return;
    }
    if (r < 0)
        writer_fail(w, place, r);
    if (stripe_is_last(stripe) && w->sync.segment)
        segment_sync_place(&w->sync, place, r);
    stripe->pending &= ~(1u << place);
    if (!stripe->pending)
        pthread_cond_signal(&w->written);
    pthread_mutex_unlock(&w->lock);
    place_note(set, place, true, r);
}

/* ---- waiting; the caller holds the lock ---- */

static void shard_leave(struct stripe *stripe, unsigned place)
{
    struct blob_writer *w = stripe->writer;

    stripe->pending &= ~(1u << place);
    writer_fail(w, place, -ETIMEDOUT);
    if (lane_drop(stripe_lane(stripe, place), &stripe->tasks[place].task))
        return;
    stripe->late |= 1u << place;
    w->late++;
}

static void writer_leave_slow(struct blob_writer *w)
{
    uint32_t slow = ~drive_set_look(w->place.set->drives);

    for (int i = 0; i < WRITER_STRIPES; i++)
        for (uint32_t left = w->slots[i] ? w->slots[i]->pending & slow : 0; left; left &= left - 1)
            shard_leave(w->slots[i], (unsigned)__builtin_ctz(left));
}

static void stripe_wait(struct blob_writer *w, const struct stripe *stripe)
{
    struct timespec deadline;

    if (stripe && stripe->pending & ~drive_set_online(w->place.set->drives))
        writer_leave_slow(w); /* it is known already */
    while (stripe && stripe->pending) {
        cond_deadline(PULSE_LOOK, &deadline);
        if (pthread_cond_timedwait(&w->written, &w->lock, &deadline) == ETIMEDOUT)
            writer_leave_slow(w);
    }
}

void stripes_wait(struct blob_writer *w)
{
    pthread_mutex_lock(&w->lock);
    for (int i = 0; i < WRITER_STRIPES; i++)
        stripe_wait(w, w->slots[i]);
    pthread_mutex_unlock(&w->lock);
}

/* ---- a stripe's life ---- */

/* Empties a slot that is not pending. Returns the stripe when it can be used again. */
static struct stripe *slot_take(struct stripe **slot)
{
    struct stripe *stripe = *slot;

    *slot = NULL;
    if (!stripe || !stripe->late)
        return stripe;
    stripe->orphan = true;
    return NULL;
}

/* Room for a stripe of the length that the writer is at. */
static int stripe_prepare(struct stripe *stripe, struct blob_writer *w)
{
    struct erasure_set *set = w->place.set;

    stripe->writer = w;
    stripe->number = w->stripes_begun;
    stripe->length = stripe_length(w->place.length, stripe->number);
    stripe->filled = 0;
    stripe->shard = shard_length(stripe->length, set->k);
    stripe->columns = shard_columns(stripe->shard);
    size_t need = (size_t)set->n * shard_disk(stripe->shard);
    if (!stripe->buffer) {
        stripe->pool = need <= SCRAP_SIZE ? w->place.data->scraps : w->place.data->stripes;
        stripe->buffer = pool_get(stripe->pool);
    }
    return stripe->buffer ? 0 : -ENOMEM;
}

int stripe_begin(struct blob_writer *w)
{
    struct stripe **slot = &w->slots[w->stripes_begun % WRITER_STRIPES];

    pthread_mutex_lock(&w->lock);
    stripe_wait(w, *slot);
    struct stripe *stripe = slot_take(slot);
    pthread_mutex_unlock(&w->lock);
    if (!stripe)
        stripe = calloc(1, sizeof(*stripe));
    int r = stripe ? stripe_prepare(stripe, w) : -ENOMEM;
    if (r < 0) {
        free(stripe);
        return r;
    }
    pthread_mutex_lock(&w->lock);
    *slot = stripe;
    pthread_mutex_unlock(&w->lock);
    w->stripes_begun++;
    w->current = stripe;
    return 0;
}

static void stripe_encode(struct stripe *stripe)
{
    struct erasure_set *set = stripe->writer->place.set;
    uint8_t *shards[DRIVE_SET_MAX];

    memset(stripe->buffer + stripe->length, 0, (size_t)set->k * stripe->shard - stripe->length);
    for (unsigned i = 0; i < set->n; i++)
        shards[i] = stripe_shard(stripe, i);
    ec_encode(set->ec, shards, stripe->shard);
}

void stripe_send(struct blob_writer *w)
{
    struct stripe *stripe = w->current;
    uint32_t places = writer_alive(w);

    w->current = NULL;
    stripe_encode(stripe);
    pthread_mutex_lock(&w->lock);
    stripe->pending = places;
    pthread_mutex_unlock(&w->lock);
    if (stripe_is_last(stripe) && w->place.reservation)
        segment_sync_begin(w->segment, places, &w->sync);
    for (; places; places &= places - 1) {
        unsigned place = (unsigned)__builtin_ctz(places);

        stripe->tasks[place] = (struct shard_task){.task = {.run = shard_task_run}, .stripe = stripe, .place = place};
        lane_add(stripe_lane(stripe, place), &stripe->tasks[place].task);
    }
}

bool stripes_release(struct blob_writer *w)
{
    struct stripe *taken[WRITER_STRIPES];

    pthread_mutex_lock(&w->lock);
    for (int i = 0; i < WRITER_STRIPES; i++)
        taken[i] = slot_take(&w->slots[i]);
    w->gone = true;
    bool last = w->late == 0;
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < WRITER_STRIPES; i++)
        stripe_free(taken[i]);
    return last;
}
