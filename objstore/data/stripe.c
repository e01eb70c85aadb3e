#include "objstore/data/stripe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "objstore/base/cond.h"
#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/data/buffers.h"
#include "objstore/data/layout.h"
#include "objstore/drive/drive.h"
#include "objstore/drive/pulse.h"

#define SMALL_BLOB (64u << 10)
#define WRITEBACK_STRIPES 8 /* a drive is told to begin writing so often, so that the sync at the end is short */

struct shard_task {
    struct lane_task task;
    struct stripe *stripe;
    unsigned place;
};

struct stripe {
    struct stripes *stripes;
    uint64_t number;
    uint32_t length; /* bytes of data */
    uint32_t filled;
    uint32_t shard; /* bytes of a shard */
    unsigned columns;
    uint8_t *buffer;   /* n shards in order, then n * columns checksums */
    struct pool *pool; /* where it comes from */
    struct shard_task tasks[DRIVE_SET_MAX];

    /* the blob's lock */
    uint32_t pending, late; /* bitmaps of places */
    bool orphan;            /* out of its slot: the last late shard frees it */
};

/* ---- the blob's drives ---- */

void stripes_fail(struct stripes *stripes, unsigned place, int error)
{
    stripes->failed |= 1u << place;
    stripes->error = worse_error(stripes->error, error);
}

uint32_t stripes_places(struct stripes *stripes)
{
    pthread_mutex_lock(&stripes->lock);
    uint32_t places = ~stripes->failed & places_all(stripes->set);
    pthread_mutex_unlock(&stripes->lock);
    return places;
}

int stripes_check(struct stripes *stripes)
{
    pthread_mutex_lock(&stripes->lock);
    unsigned alive = stripes->set->n - (unsigned)__builtin_popcount(stripes->failed);
    int error = stripes->error;
    pthread_mutex_unlock(&stripes->lock);
    if (alive >= stripes->enough)
        return 0;
    return error == -ENOSPC ? -ENOSPC : CAIRN_EQUORUM;
}

uint32_t stripes_sync(struct stripes *stripes)
{
    int error = 0;
    uint32_t synced = segment_sync_end(&stripes->sync, &error);

    pthread_mutex_lock(&stripes->lock);
    stripes->failed = ~synced & places_all(stripes->set);
    stripes->error = worse_error(stripes->error, error);
    pthread_mutex_unlock(&stripes->lock);
    return synced;
}

/* ---- one shard ---- */

static uint8_t *stripe_shard(const struct stripe *stripe, unsigned shard)
{
    return stripe->buffer + (size_t)shard * stripe->shard;
}

static uint8_t *stripe_sums(const struct stripe *stripe, unsigned shard)
{
    unsigned n = stripe->stripes->set->n;

    return stripe->buffer + (size_t)n * stripe->shard + (size_t)shard * stripe->columns * GRANULE_SUM;
}

/* The shard of a place as on disk: granule, checksum, granule, checksum … */
static int shard_compose(const struct stripe *stripe, unsigned place, struct iovec *ret_iov)
{
    const struct stripes *stripes = stripe->stripes;
    unsigned shard = shard_of_place(stripes->first, place, stripes->set->n);
    uint8_t *bytes = stripe_shard(stripe, shard), *sums = stripe_sums(stripe, shard);

    for (unsigned c = 0; c < stripe->columns; c++) {
        uint8_t *granule = bytes + (size_t)c * GRANULE, *sum = sums + (size_t)c * GRANULE_SUM;
        uint32_t len = column_length(stripe->shard, c);

        put_le64(sum, xxh3(granule, len, granule_seed(stripes->id, stripe->number, shard, c)));
        ret_iov[2 * c] = (struct iovec){granule, len};
        ret_iov[2 * c + 1] = (struct iovec){sum, GRANULE_SUM};
    }
    return (int)(2 * stripe->columns);
}

static int shard_write(const struct stripe *stripe, unsigned place)
{
    const struct stripes *stripes = stripe->stripes;
    struct iovec iov[2 * COLUMNS_MAX];
    uint64_t begin = stripes->offset + stripe_disk_offset(stripe->number, stripes->set->k);
    uint32_t len = shard_disk(stripe->shard);
    int error = 0;
    struct drive_file *file = segment_file(stripes->segment, place, &error);

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
    struct stripes *stripes = stripe->stripes;

    stripe->late &= ~(1u << place);
    stripes->late--;
    bool last_of_stripe = stripe->orphan && stripe->late == 0, last = stripes->gone && stripes->late == 0;
    pthread_mutex_unlock(&stripes->lock);
    if (last_of_stripe)
        stripe_free(stripe);
    if (last)
        stripes->over(stripes);
}

static bool stripe_is_last(const struct stripe *stripe)
{
    return (stripe->number + 1) * DATA_STRIPE >= stripe->stripes->length;
}

/* A small blob is written by the threads that sync it, right behind: they meet once. With others the one overlaps the
 * other. */
static struct lane *stripe_lane(const struct stripe *stripe, unsigned place)
{
    const struct stripes *stripes = stripe->stripes;

    return stripes->length <= SMALL_BLOB ? stripes->set->syncs[place] : stripes->set->writes[place];
}

/* Tasks of a place run one after the other: with the last stripe all is written there. */
static void shard_task_run(struct lane_task *task)
{
    struct shard_task *shard = (struct shard_task *)task;
    struct stripe *stripe = shard->stripe;
    struct stripes *stripes = stripe->stripes;
    struct erasure_set *set = stripes->set;
    unsigned place = shard->place;
    int r = shard_write(stripe, place);

    pthread_mutex_lock(&stripes->lock);
    if (stripe->late >> place & 1) {
        shard_is_let_go(stripe, place);
        return;
    }
    if (r < 0)
        stripes_fail(stripes, place, r);
    if (stripe_is_last(stripe) && stripes->sync.segment)
        segment_sync_place(&stripes->sync, place, r);
    stripe->pending &= ~(1u << place);
    if (!stripe->pending)
        pthread_cond_signal(&stripes->written);
    pthread_mutex_unlock(&stripes->lock);
    place_note(set, place, true, r);
}

/* ---- waiting; the caller holds the lock ---- */

static void shard_leave(struct stripe *stripe, unsigned place)
{
    struct stripes *stripes = stripe->stripes;

    stripe->pending &= ~(1u << place);
    stripes_fail(stripes, place, -ETIMEDOUT);
    if (lane_drop(stripe_lane(stripe, place), &stripe->tasks[place].task))
        return;
    stripe->late |= 1u << place;
    stripes->late++;
}

static void stripes_leave_slow(struct stripes *stripes)
{
    uint32_t slow = ~drive_set_look(stripes->set->drives);

    for (int i = 0; i < STRIPES_AHEAD; i++)
        for (uint32_t left = stripes->slots[i] ? stripes->slots[i]->pending & slow : 0; left; left &= left - 1)
            shard_leave(stripes->slots[i], (unsigned)__builtin_ctz(left));
}

static void stripe_wait(struct stripes *stripes, const struct stripe *stripe)
{
    struct timespec deadline;

    if (stripe && stripe->pending & ~drive_set_online(stripes->set->drives))
        stripes_leave_slow(stripes); /* it is known already */
    while (stripe && stripe->pending) {
        cond_deadline(PULSE_LOOK, &deadline);
        if (pthread_cond_timedwait(&stripes->written, &stripes->lock, &deadline) == ETIMEDOUT)
            stripes_leave_slow(stripes);
    }
}

void stripes_wait(struct stripes *stripes)
{
    pthread_mutex_lock(&stripes->lock);
    for (int i = 0; i < STRIPES_AHEAD; i++)
        stripe_wait(stripes, stripes->slots[i]);
    pthread_mutex_unlock(&stripes->lock);
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
static int stripe_prepare(struct stripe *stripe, struct stripes *stripes)
{
    struct erasure_set *set = stripes->set;

    stripe->stripes = stripes;
    stripe->number = stripes->begun;
    stripe->length = stripe_length(stripes->length, stripe->number);
    stripe->filled = 0;
    stripe->shard = shard_length(stripe->length, set->k);
    stripe->columns = shard_columns(stripe->shard);
    size_t need = (size_t)set->n * shard_disk(stripe->shard);
    if (!stripe->buffer) {
        stripe->pool = buffers_for(stripes->buffers, need);
        stripe->buffer = pool_get(stripe->pool);
    }
    return stripe->buffer ? 0 : -ENOMEM;
}

static int stripe_begin(struct stripes *stripes)
{
    struct stripe **slot = &stripes->slots[stripes->begun % STRIPES_AHEAD];

    pthread_mutex_lock(&stripes->lock);
    stripe_wait(stripes, *slot);
    struct stripe *stripe = slot_take(slot);
    pthread_mutex_unlock(&stripes->lock);
    if (!stripe)
        stripe = calloc(1, sizeof(*stripe));
    int r = stripe ? stripe_prepare(stripe, stripes) : -ENOMEM;
    if (r < 0) {
        free(stripe);
        return r;
    }
    pthread_mutex_lock(&stripes->lock);
    *slot = stripe;
    pthread_mutex_unlock(&stripes->lock);
    stripes->begun++;
    stripes->current = stripe;
    return 0;
}

static void stripe_encode(struct stripe *stripe)
{
    struct erasure_set *set = stripe->stripes->set;
    uint8_t *shards[DRIVE_SET_MAX];

    memset(stripe->buffer + stripe->length, 0, (size_t)set->k * stripe->shard - stripe->length);
    for (unsigned i = 0; i < set->n; i++)
        shards[i] = stripe_shard(stripe, i);
    ec_encode(set->ec, shards, stripe->shard);
}

static void stripe_send(struct stripes *stripes)
{
    struct stripe *stripe = stripes->current;
    uint32_t places = stripes_places(stripes);

    stripes->current = NULL;
    stripe_encode(stripe);
    pthread_mutex_lock(&stripes->lock);
    stripe->pending = places;
    pthread_mutex_unlock(&stripes->lock);
    if (stripe_is_last(stripe) && stripes->synced)
        segment_sync_begin(stripes->segment, places, &stripes->sync);
    for (; places; places &= places - 1) {
        unsigned place = (unsigned)__builtin_ctz(places);

        stripe->tasks[place] = (struct shard_task){.task = {.run = shard_task_run}, .stripe = stripe, .place = place};
        lane_add(stripe_lane(stripe, place), &stripe->tasks[place].task);
    }
}

/* ---- all of them ---- */

void stripes_init(struct stripes *stripes)
{
    pthread_mutex_init(&stripes->lock, NULL);
    cond_init(&stripes->written);
}

void stripes_destroy(struct stripes *stripes)
{
    pthread_cond_destroy(&stripes->written);
    pthread_mutex_destroy(&stripes->lock);
}

int stripes_fill(struct stripes *stripes, const void *bytes, size_t len, size_t *ret_taken)
{
    int r = stripes->current ? 0 : stripe_begin(stripes);

    if (r < 0)
        return r;
    struct stripe *stripe = stripes->current;
    uint32_t room = stripe->length - stripe->filled, n = len < room ? (uint32_t)len : room;
    memcpy(stripe->buffer + stripe->filled, bytes, n);
    stripe->filled += n;
    *ret_taken = n;
    if (stripe->filled < stripe->length)
        return 0;
    stripe_send(stripes);
    return stripes_check(stripes);
}

bool stripes_release(struct stripes *stripes)
{
    struct stripe *taken[STRIPES_AHEAD];

    stripes_wait(stripes);
    segment_sync_release(&stripes->sync);
    pthread_mutex_lock(&stripes->lock);
    for (int i = 0; i < STRIPES_AHEAD; i++)
        taken[i] = slot_take(&stripes->slots[i]);
    stripes->gone = true;
    bool last = stripes->late == 0;
    pthread_mutex_unlock(&stripes->lock);
    for (int i = 0; i < STRIPES_AHEAD; i++)
        stripe_free(taken[i]);
    return last;
}
