/*
 * The thread that repairs. It works in passes over what is known to lack something, and sleeps between them:
 *
 *   a pass begins            when                                              and looks at
 *   something was queued     the data layer tells it, PASS_NS after the last   all but blobs marked as damaged
 *   something was left       RETRY_NS after the pass that left it              the same
 *   a drive came or went     looked at every LOOK_NS while something waits     everything
 *   damaged blobs wait       DAMAGED_NS after the last try, ever more rarely   everything
 *
 * A pass takes turns: a segment that lacks files, then a few queued blobs, until it has seen all of both. It holds one
 * stripe or two in memory. How it yields stands at repair_pause.
 */
#include "objstore/repair/repair.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "objstore/base/clock.h"
#include "objstore/base/cond.h"
#include "objstore/base/errors.h"

#define PASS_NS (NS_PER_SEC / 2)
#define RETRY_NS (30 * NS_PER_SEC)
#define LOOK_NS (2 * NS_PER_SEC)
#define DAMAGED_NS (3600 * NS_PER_SEC)
#define DAMAGED_MAX_NS (24 * DAMAGED_NS)
#define IDLE_SHARE 20 /* a long queue of what waits is looked through for at most one in so many parts of the time */
#define BURST 64      /* queued blobs between two segments */

/* Requests come first. After each piece of up to a few hundred KiB it rests as long as that took: so it never has more
 * than half of a drive's time or of a core, and since it has one piece under way at a time, less the more requests
 * there are: they make its pieces take longer, and its rests too. RATE bounds it where drives are so fast that it would
 * take the caches and the bus from others; at that rate a drive of 8 TB is written anew in 9 hours. */
#define RATE (256ull << 20) /* bytes a second */
#define REST_MAX_NS NS_PER_SEC

#define SETS_MAX 256

struct repair {
    struct data *data;
    void (*event)(void *arg, const struct repair_event *event);
    void *event_arg;
    pthread_t thread;
    bool running;

    /* The thread's own. */
    int64_t piece_at;             /* when the piece of work under way began */
    int64_t quiet_until;          /* no pass for what rings in before */
    int64_t retry_at, damaged_at; /* monotonic; 0: no need */
    int64_t damaged_wait;
    uint32_t online[SETS_MAX];               /* at the last pass */
    bool refilling;                          /* REPAIR_BEGINS was told */
    uint64_t refilled_blobs, refilled_bytes; /* then */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t change;
    bool stop, rung;
    struct repair_status status;
};

struct pass {
    bool all; /* damaged blobs too */
    struct data_refill_at refill;
    uint64_t next; /* blob */
    bool refill_done, heal_done;
    bool left;              /* something was */
    int error;              /* … and why */
    int64_t idle_ns;        /* time that went to find that something waits */
    bool blocked[SETS_MAX]; /* no drive of the set took anything: its other blobs need not be tried */
};

/* ---- waiting ---- */

/* Sleeps for ns; true when the thread should end. */
static bool rest(struct repair *repair, int64_t ns)
{
    struct timespec deadline;
    int r = 0;

    cond_deadline(ns, &deadline);
    pthread_mutex_lock(&repair->lock);
    while (r == 0 && !repair->stop)
        r = pthread_cond_timedwait(&repair->change, &repair->lock, &deadline);
    bool stop = repair->stop;
    pthread_mutex_unlock(&repair->lock);
    return stop;
}

static bool repair_pause(void *arg, uint64_t bytes)
{
    struct repair *repair = arg;
    int64_t took = clock_mono_ns() - repair->piece_at, least = (int64_t)(bytes * NS_PER_SEC / RATE) - took;
    int64_t pause = took > least ? took : least;
    bool stop = rest(repair, pause < REST_MAX_NS ? pause : REST_MAX_NS);

    repair->piece_at = clock_mono_ns();
    return stop;
}

static bool repair_stops(struct repair *repair)
{
    pthread_mutex_lock(&repair->lock);
    bool stop = repair->stop;
    pthread_mutex_unlock(&repair->lock);
    return stop;
}

static void ring(void *arg)
{
    struct repair *repair = arg;

    pthread_mutex_lock(&repair->lock);
    repair->rung = true;
    pthread_cond_broadcast(&repair->change);
    pthread_mutex_unlock(&repair->lock);
}

/* ---- telling ---- */

static void tell(struct repair *repair, const struct repair_event *event)
{
    if (repair->event)
        repair->event(repair->event_arg, event);
}

static void set_status(struct repair *repair, struct repair_status status)
{
    pthread_mutex_lock(&repair->lock);
    repair->status = status;
    pthread_mutex_unlock(&repair->lock);
}

static void tell_refill(struct repair *repair)
{
    struct data_refill_status now;

    data_refill_status(repair->data, &now);
    if (now.segments > 0 && !repair->refilling) {
        repair->refilling = true;
        repair->refilled_blobs = now.done_blobs;
        repair->refilled_bytes = now.done_bytes;
        tell(repair, &(struct repair_event){.kind = REPAIR_BEGINS, .count = now.segments, .bytes = now.bytes});
    } else if (now.segments == 0 && repair->refilling) {
        repair->refilling = false;
        tell(repair, &(struct repair_event){.kind = REPAIR_ENDS,
                                            .count = now.done_blobs - repair->refilled_blobs,
                                            .bytes = now.done_bytes - repair->refilled_bytes});
    }
}

/* ---- a pass ---- */

static void pass_note(struct pass *pass, int error)
{
    pass->left = true;
    if (error != -EAGAIN && error != CAIRN_EBITROT)
        pass->error = error;
}

static void pass_refill(struct repair *repair, struct pass *pass)
{
    const struct data_pace pace = {repair_pause, repair};

    repair->piece_at = clock_mono_ns();
    int r = data_refill(repair->data, &pass->refill, &pace);
    pass->refill_done = r == 0;
    if (r < 0)
        pass_note(pass, r);
}

static bool is_damage(int r)
{
    return r == CAIRN_EBITROT || r == -EIO;
}

static void pass_heal_one(struct repair *repair, struct pass *pass, const struct data_queued *queued)
{
    const struct data_pace pace = {repair_pause, repair};

    if (queued->damaged && !pass->all)
        return;
    if (pass->blocked[queued->set]) {
        pass->left = true;
        return;
    }
    repair->piece_at = clock_mono_ns();
    int r = data_heal(repair->data, queued->blob, &pace);
    if (r == -EAGAIN)
        pass->idle_ns += clock_mono_ns() - repair->piece_at;
    if (r == -ENOSPC || r == CAIRN_EQUORUM)
        pass->blocked[queued->set] = true;
    if (is_damage(r) && !queued->damaged)
        tell(repair, &(struct repair_event){.kind = REPAIR_DAMAGED, .blob = queued->blob, .error = r});
    if (is_damage(r) && repair->damaged_at == 0)
        repair->damaged_at = clock_mono_ns() + repair->damaged_wait;
    else if (r < 0 && !is_damage(r))
        pass_note(pass, r);
    if (r == 0)
        (void)repair_pause(repair, 0);
}

static void pass_heal(struct repair *repair, struct pass *pass)
{
    struct data_queued queued;

    for (int i = 0; i < BURST && !pass->heal_done && !repair_stops(repair); i++) {
        int r = data_queued_next(repair->data, pass->next, &queued);

        pass->heal_done = r < 0;
        if (r < 0 && r != -ENOENT)
            pass_note(pass, r);
        if (r < 0)
            return;
        pass->next = queued.blob + 1;
        pass_heal_one(repair, pass, &queued);
    }
}

static void pass_run(struct repair *repair, bool all)
{
    struct pass pass = {.all = all};

    repair->retry_at = 0;
    if (all)
        repair->damaged_at = 0;
    for (size_t i = 0; i < SETS_MAX; i++)
        repair->online[i] = data_online(repair->data, i);
    tell_refill(repair);
    while (!(pass.refill_done && pass.heal_done) && !repair_stops(repair)) {
        if (!pass.refill_done)
            pass_refill(repair, &pass);
        pass_heal(repair, &pass);
    }
    tell_refill(repair);
    repair->quiet_until = clock_mono_ns() + PASS_NS + IDLE_SHARE * pass.idle_ns;
    if (pass.left)
        repair->retry_at = repair->quiet_until + RETRY_NS;
    if (pass.error && !repair_stops(repair))
        tell(repair, &(struct repair_event){.kind = REPAIR_FAILED, .error = pass.error});
    set_status(repair, (struct repair_status){.waiting = pass.left, .error = pass.error});
}

/* ---- when ---- */

static bool drives_changed(const struct repair *repair)
{
    for (size_t i = 0; i < SETS_MAX; i++)
        if (repair->online[i] != data_online(repair->data, i))
            return true;
    return false;
}

enum wake { WAKE_STOP, WAKE_QUEUED, WAKE_ALL };

/* Sleeps once, for a moment when something is to be looked at again; true when what rings in is due. */
static bool sleep_once(struct repair *repair, bool *ret_stop)
{
    struct timespec deadline;
    int64_t quiet = repair->quiet_until - clock_mono_ns();
    bool looks = repair->retry_at != 0 || repair->damaged_at != 0;

    cond_deadline(quiet > 0 && quiet < LOOK_NS ? quiet : LOOK_NS, &deadline);
    pthread_mutex_lock(&repair->lock);
    bool due = repair->rung && quiet <= 0;
    if (!repair->stop && !due && (looks || repair->rung))
        pthread_cond_timedwait(&repair->change, &repair->lock, &deadline);
    else if (!repair->stop && !due)
        pthread_cond_wait(&repair->change, &repair->lock);
    if (due)
        repair->rung = false;
    *ret_stop = repair->stop;
    pthread_mutex_unlock(&repair->lock);
    return due;
}

/* Sleeps until there is a reason for a pass. */
static enum wake repair_sleep(struct repair *repair)
{
    bool stop = false;

    while (!stop) {
        int64_t now = clock_mono_ns();

        if (drives_changed(repair) || (repair->damaged_at != 0 && now >= repair->damaged_at))
            return WAKE_ALL;
        if (repair->retry_at != 0 && now >= repair->retry_at)
            return WAKE_QUEUED;
        if (sleep_once(repair, &stop))
            return WAKE_QUEUED;
    }
    return WAKE_STOP;
}

/* Each try that fails doubles the wait until the next. */
static void back_off(struct repair *repair)
{
    repair->damaged_wait *= 2;
    if (repair->damaged_wait > DAMAGED_MAX_NS)
        repair->damaged_wait = DAMAGED_MAX_NS;
}

static void *repair_main(void *arg)
{
    struct repair *repair = arg;
    enum wake wake = WAKE_ALL; /* what the last process left */

    pthread_setname_np(pthread_self(), "repair");
    while (wake != WAKE_STOP) {
        set_status(repair, (struct repair_status){.healing = true});
        pass_run(repair, wake == WAKE_ALL);
        if (wake == WAKE_ALL)
            back_off(repair);
        wake = repair_sleep(repair);
    }
    return NULL;
}

/* ---- life ---- */

static struct repair *repair_new(const struct repair_options *options)
{
    struct repair *repair = calloc(1, sizeof(*repair));

    if (!repair)
        return NULL;
    repair->data = options->data;
    repair->event = options->event;
    repair->event_arg = options->event_arg;
    repair->damaged_wait = DAMAGED_NS;
    pthread_mutex_init(&repair->lock, NULL);
    cond_init(&repair->change);
    return repair;
}

int repair_start(const struct repair_options *options, struct repair **ret_repair)
{
    struct repair *repair = repair_new(options);

    if (!repair)
        return -ENOMEM;
    data_on_damage(repair->data, ring, repair);
    int r = -pthread_create(&repair->thread, NULL, repair_main, repair);
    repair->running = r == 0;
    if (r < 0)
        repair_stop(&repair);
    *ret_repair = repair;
    return r;
}

void repair_stop(struct repair **repair)
{
    struct repair *old = *repair;

    if (!old)
        return;
    data_on_damage(old->data, NULL, NULL);
    pthread_mutex_lock(&old->lock);
    old->stop = true;
    pthread_cond_broadcast(&old->change);
    pthread_mutex_unlock(&old->lock);
    if (old->running)
        pthread_join(old->thread, NULL);
    pthread_cond_destroy(&old->change);
    pthread_mutex_destroy(&old->lock);
    free(old);
    *repair = NULL;
}

void repair_status(struct repair *repair, struct repair_status *ret_status)
{
    pthread_mutex_lock(&repair->lock);
    *ret_status = repair->status;
    pthread_mutex_unlock(&repair->lock);
}
