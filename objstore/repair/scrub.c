/*
 * A pass goes over the blobs by id. Where it is stands in the index: written every SAVE_NS, at its begin and end and
 * when the store closes, so a crash repeats a minute of it. It is spread over the period, but not slower than
 * RATE_LEAST, so that a small store has its pass and then rests; one that was asked for rests as long as each piece
 * took, as healing does, and never goes faster than RATE_MOST.
 */
#include "objstore/repair/scrub.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "objstore/base/clock.h"
#include "objstore/base/cond.h"
#include "objstore/base/errors.h"
#include "objstore/index/index.h"
#include "objstore/repair/format.h"

#define SAVE_NS (60 * NS_PER_SEC)
#define RATE_LEAST (1ull << 20)  /* bytes a second: nothing that a drive would notice */
#define RATE_MOST (256ull << 20) /* as repair's */
#define RETRY_NS (30 * NS_PER_SEC)
#define NAP_MAX_NS (3600 * NS_PER_SEC) /* the clock that tells when a pass is due may be set meanwhile */

struct scrub {
    struct data *data;
    struct index *index;
    int64_t period_ns;
    pthread_t thread;
    bool running;
    int64_t piece_at, saved_at; /* the thread's own; monotonic */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t change;
    bool stop, hurry;
    struct scrub_record record;
};

/* ---- the record ---- */

static int record_save(struct index_txn *txn, void *arg)
{
    char tag = TAG_SCRUB;

    return index_put(txn, span_make(&tag, 1), span_make(arg, sizeof(struct scrub_record)));
}

/* That it could not be saved costs a repetition, no more. */
static void scrub_save(struct scrub *scrub)
{
    pthread_mutex_lock(&scrub->lock);
    struct scrub_record record = scrub->record;
    pthread_mutex_unlock(&scrub->lock);
    (void)index_apply(scrub->index, record_save, &record, INDEX_APPLIED);
    scrub->saved_at = clock_mono_ns();
}

/* A record that is damaged or makes no sense is as none. */
static int scrub_load(struct scrub *scrub)
{
    struct index_txn *txn = NULL;
    struct span value;
    char tag = TAG_SCRUB;
    int r = index_read_begin(scrub->index, &txn);

    if (r < 0)
        return r;
    scrub->record = (struct scrub_record){.state = SCRUB_RESTS};
    if (index_get(txn, span_make(&tag, 1), &value) == 0 && value.len == sizeof(scrub->record))
        memcpy(&scrub->record, value.ptr, sizeof(scrub->record));
    if (scrub->record.state < SCRUB_RESTS || scrub->record.state > SCRUB_HURRIES)
        scrub->record = (struct scrub_record){.state = SCRUB_RESTS};
    index_read_end(&txn);
    return 0;
}

/* ---- pace ---- */

/* Sleeps for ns, or until the pass is to hurry or the thread to end; true for that. */
static bool nap(struct scrub *scrub, int64_t ns, bool hurried)
{
    struct timespec deadline;
    int r = 0;

    cond_deadline(ns, &deadline);
    pthread_mutex_lock(&scrub->lock);
    while (r == 0 && !scrub->stop && (hurried || !scrub->hurry))
        r = pthread_cond_timedwait(&scrub->change, &scrub->lock, &deadline);
    bool stop = scrub->stop;
    pthread_mutex_unlock(&scrub->lock);
    return stop;
}

static uint64_t pass_rate(const struct scrub *scrub, uint64_t total)
{
    uint64_t seconds = (uint64_t)(scrub->period_ns / NS_PER_SEC), rate = seconds ? total / seconds : RATE_LEAST;

    return rate < RATE_LEAST ? RATE_LEAST : rate > RATE_MOST ? RATE_MOST : rate;
}

static bool scrub_pause(void *arg, uint64_t bytes)
{
    struct scrub *scrub = arg;
    int64_t took = clock_mono_ns() - scrub->piece_at;

    pthread_mutex_lock(&scrub->lock);
    if (scrub->hurry)
        scrub->record.state = SCRUB_HURRIES;
    bool hurried = scrub->record.state == SCRUB_HURRIES;
    uint64_t rate = hurried ? RATE_MOST : pass_rate(scrub, scrub->record.total);
    pthread_mutex_unlock(&scrub->lock);
    int64_t rest = (int64_t)(bytes * NS_PER_SEC / rate) - took;
    bool stop = nap(scrub, rest > took ? rest : took, hurried);
    scrub->piece_at = clock_mono_ns();
    return stop;
}

/* ---- a pass ---- */

static void pass_begin(struct scrub *scrub)
{
    uint64_t total = 0;
    (void)data_stored(scrub->data, &total);

    pthread_mutex_lock(&scrub->lock);
    scrub->record = (struct scrub_record){
        .began = clock_real_ns(),
        .ended = scrub->record.ended,
        .total = total,
        .state = scrub->hurry ? SCRUB_HURRIES : SCRUB_RUNS,
    };
    pthread_mutex_unlock(&scrub->lock);
    scrub_save(scrub);
}

static void pass_end(struct scrub *scrub)
{
    pthread_mutex_lock(&scrub->lock);
    scrub->record.state = SCRUB_RESTS;
    scrub->record.ended = clock_real_ns();
    scrub->record.from = 0;
    scrub->hurry = false;
    pthread_mutex_unlock(&scrub->lock);
    scrub_save(scrub);
}

/* The next blob; true when the pass is at its end or the thread is to end. */
static bool pass_step(struct scrub *scrub)
{
    const struct data_pace pace = {scrub_pause, scrub};
    struct data_scrubbed scrubbed;
    uint64_t from = scrub->record.from; /* no other thread writes it */

    scrub->piece_at = clock_mono_ns();
    int r = data_scrub(scrub->data, &from, &pace, &scrubbed);
    if (r == 0)
        pass_end(scrub);
    if (r == 0 || r == -ECANCELED)
        return true;
    if (r < 0)
        return nap(scrub, RETRY_NS, true);
    pthread_mutex_lock(&scrub->lock);
    scrub->record.from = from;
    scrub->record.blobs++;
    scrub->record.bytes += scrubbed.bytes;
    scrub->record.wrong += scrubbed.wrong;
    bool stop = scrub->stop;
    pthread_mutex_unlock(&scrub->lock);
    if (clock_mono_ns() - scrub->saved_at >= SAVE_NS)
        scrub_save(scrub);
    return stop;
}

/* ---- the thread ---- */

/* Until a pass is due; true when the thread is to end. */
static bool wait_for_pass(struct scrub *scrub)
{
    for (;;) {
        pthread_mutex_lock(&scrub->lock);
        bool stop = scrub->stop, now = scrub->hurry || scrub->record.state != SCRUB_RESTS;
        int64_t left = scrub->record.began + scrub->period_ns - clock_real_ns();
        pthread_mutex_unlock(&scrub->lock);

        if (stop)
            return true;
        if (now || (scrub->period_ns > 0 && left <= 0))
            return false;
        (void)nap(scrub, left > 0 && left < NAP_MAX_NS ? left : NAP_MAX_NS, false);
    }
}

static void *scrub_main(void *arg)
{
    struct scrub *scrub = arg;

    pthread_setname_np(pthread_self(), "scrub");
    while (!wait_for_pass(scrub)) {
        if (scrub->record.state == SCRUB_RESTS)
            pass_begin(scrub);
        scrub->saved_at = clock_mono_ns();
        while (!pass_step(scrub))
            ;
    }
    scrub_save(scrub);
    return NULL;
}

/* ---- life ---- */

int scrub_start(const struct scrub_options *options, struct scrub **ret_scrub)
{
    struct scrub *scrub = calloc(1, sizeof(*scrub));

    if (!scrub)
        return -ENOMEM;
    scrub->data = options->data;
    scrub->index = options->index;
    scrub->period_ns = options->period_ns;
    pthread_mutex_init(&scrub->lock, NULL);
    cond_init(&scrub->change);
    int r = scrub_load(scrub);
    if (r == 0)
        r = -pthread_create(&scrub->thread, NULL, scrub_main, scrub);
    scrub->running = r == 0;
    if (r < 0)
        scrub_stop(&scrub);
    *ret_scrub = scrub;
    return r;
}

void scrub_stop(struct scrub **scrub)
{
    struct scrub *old = *scrub;

    if (!old)
        return;
    pthread_mutex_lock(&old->lock);
    old->stop = true;
    pthread_cond_broadcast(&old->change);
    pthread_mutex_unlock(&old->lock);
    if (old->running)
        pthread_join(old->thread, NULL);
    pthread_cond_destroy(&old->change);
    pthread_mutex_destroy(&old->lock);
    free(old);
    *scrub = NULL;
}

void scrub_hurry(struct scrub *scrub)
{
    pthread_mutex_lock(&scrub->lock);
    scrub->hurry = true;
    pthread_cond_broadcast(&scrub->change);
    pthread_mutex_unlock(&scrub->lock);
}

void scrub_status(struct scrub *scrub, struct scrub_status *ret_status)
{
    pthread_mutex_lock(&scrub->lock);
    const struct scrub_record *r = &scrub->record;
    *ret_status = (struct scrub_status){
        .runs = r->state != SCRUB_RESTS || scrub->hurry,
        .began = r->began,
        .ended = r->ended,
        .blobs = r->blobs,
        .bytes = r->bytes,
        .wrong = r->wrong,
        .total = r->total,
    };
    pthread_mutex_unlock(&scrub->lock);
}
