#include "objstore/data/stripe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "objstore/base/cond.h"
#include "objstore/base/errors.h"
#include "objstore/data/buffers.h"
#include "objstore/data/layout.h"
#include "objstore/drive/pulse.h"

#define SMALL_BLOB (64u << 10)

struct shard_task {
    struct lane_task task;
    struct stripe *stripe;
    unsigned place;
};

struct stripe {
    struct stripes *stripes;
    struct stripe_image image;
    uint32_t filled;   /* bytes of its data */
    struct pool *pool; /* where its buffer comes from */
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
    uint32_t places = ~stripes->failed & places_all(stripes->site.set);
    pthread_mutex_unlock(&stripes->lock);
    return places;
}

int stripes_check(struct stripes *stripes)
{
    pthread_mutex_lock(&stripes->lock);
    unsigned alive = stripes->site.set->n - (unsigned)__builtin_popcount(stripes->failed);
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
    stripes->failed = ~synced & places_all(stripes->site.set);
    stripes->error = worse_error(stripes->error, error);
    pthread_mutex_unlock(&stripes->lock);
    return synced;
}

/* ---- one shard ---- */

static void stripe_free(struct stripe *stripe)
{
    if (stripe && stripe->image.buffer)
        pool_put(stripe->pool, stripe->image.buffer);
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
    return (stripe->image.number + 1) * DATA_STRIPE >= stripe->stripes->site.length;
}

/* A small blob is written by the threads that sync it, right behind: they meet once. With others the one overlaps the
 * other. */
static struct lane *stripe_lane(const struct stripe *stripe, unsigned place)
{
    const struct stripes *stripes = stripe->stripes;

    return stripes->site.length <= SMALL_BLOB ? stripes->site.set->syncs[place] : stripes->site.set->writes[place];
}

/* Tasks of a place run one after the other: with the last stripe all is written there. */
static void shard_task_run(struct lane_task *task)
{
    struct shard_task *shard = (struct shard_task *)task;
    struct stripe *stripe = shard->stripe;
    struct stripes *stripes = stripe->stripes;
    struct erasure_set *set = stripes->site.set;
    unsigned place = shard->place;
    int r = shard_write(&stripe->image, &stripes->site, place);

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
    uint32_t slow = ~drive_set_look(stripes->site.set->drives);

    for (int i = 0; i < STRIPES_AHEAD; i++)
        for (uint32_t left = stripes->slots[i] ? stripes->slots[i]->pending & slow : 0; left; left &= left - 1)
            shard_leave(stripes->slots[i], (unsigned)__builtin_ctz(left));
}

static void stripe_wait(struct stripes *stripes, const struct stripe *stripe)
{
    struct timespec deadline;

    if (stripe && stripe->pending & ~drive_set_online(stripes->site.set->drives))
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
    size_t need = stripe_image_shape(&stripe->image, &stripes->site, stripes->begun);

    stripe->stripes = stripes;
    stripe->filled = 0;
    if (!stripe->image.buffer) {
        stripe->pool = buffers_for(stripes->buffers, need);
        stripe->image.buffer = pool_get(stripe->pool);
    }
    return stripe->image.buffer ? 0 : -ENOMEM;
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

static void stripe_send(struct stripes *stripes)
{
    struct stripe *stripe = stripes->current;
    uint32_t places = stripes_places(stripes);

    stripes->current = NULL;
    stripe_image_encode(&stripe->image, &stripes->site);
    pthread_mutex_lock(&stripes->lock);
    stripe->pending = places;
    pthread_mutex_unlock(&stripes->lock);
    if (stripe_is_last(stripe) && stripes->synced)
        segment_sync_begin(stripes->site.segment, places, &stripes->sync);
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
    uint32_t room = stripe->image.length - stripe->filled, n = len < room ? (uint32_t)len : room;
    memcpy(stripe->image.buffer + stripe->filled, bytes, n);
    stripe->filled += n;
    *ret_taken = n;
    if (stripe->filled < stripe->image.length)
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
