#include "server/http/seats.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "objstore/base/clock.h"
#include "objstore/base/cond.h"
#include "objstore/base/errors.h"

enum {
    STACK_SIZE = 256 * 1024, /* handlers keep bulk bytes elsewhere */
    SPARE_IDLE_S = 20        /* a spare that nobody needed for so long ends */
};

struct spare {
    struct spare *next;
    pthread_cond_t woken;
    bool taken; /* counted as WAITING by who woke it */
};

struct seats {
    struct seats_options options;
    _Atomic uint64_t counts; /* running << 32 | waiting */
    atomic_bool stopping;
    pthread_mutex_t lock; /* guards all below, and the step from RUNNING to SPARE */
    pthread_cond_t ended;
    struct spare *spares; /* the one that slept the least first: its caches are the warmest */
    unsigned spare_count;
    unsigned total;
    bool has_ended;
    pthread_t last_ended; /* not joined yet */
};

#define RUNNING_ONE (1ull << 32)
#define WAITING_ONE 1ull

static unsigned running_of(uint64_t counts)
{
    return (unsigned)(counts >> 32);
}

static unsigned waiting_of(uint64_t counts)
{
    return (unsigned)counts;
}

static _Thread_local unsigned leave_depth;

static bool needs_waiter(const struct seats *s, uint64_t counts)
{
    return waiting_of(counts) == 0 && running_of(counts) < s->options.seats;
}

int seats_new(const struct seats_options *options, struct seats **ret_seats)
{
    assert(options->seats > 0 && options->limit >= options->seats);
    struct seats *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    cond_init(&s->ended);
    pthread_mutex_init(&s->lock, NULL);
    s->options = *options;
    *ret_seats = s;
    return 0;
}

void seats_free(struct seats **seats)
{
    if (!*seats)
        return;
    assert((*seats)->total == 0);
    pthread_cond_destroy(&(*seats)->ended);
    pthread_mutex_destroy(&(*seats)->lock);
    free(*seats);
    *seats = NULL;
}

/* A thread begins its life as RUNNING; whoever started it has counted it. Each joins the one that ended before it, and
 * seats_join the last, so that none is left half-way through its end. */
static void *thread_main(void *arg)
{
    struct seats *s = arg;
    s->options.run(s->options.arg);
    pthread_mutex_lock(&s->lock);
    bool join = s->has_ended;
    pthread_t before = s->last_ended;
    s->has_ended = true;
    s->last_ended = pthread_self();
    if (--s->total == 0)
        pthread_cond_broadcast(&s->ended);
    pthread_mutex_unlock(&s->lock);
    if (join)
        pthread_join(before, NULL);
    return NULL;
}

/* The caller holds the lock. */
static int start_thread(struct seats *s)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    int rc = pthread_attr_init(&attr);
    if (rc != 0)
        return -rc;
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's; SIGPIPE is nobody's */
    atomic_fetch_add(&s->counts, RUNNING_ONE);
    rc = pthread_create(&thread, &attr, thread_main, s);
    if (rc == 0)
        s->total++;
    else
        atomic_fetch_sub(&s->counts, RUNNING_ONE);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return -rc;
}

int seats_start(struct seats *seats)
{
    int rc = 0;
    pthread_mutex_lock(&seats->lock);
    for (unsigned i = 0; i < seats->options.seats && rc == 0; i++)
        rc = start_thread(seats);
    bool some = seats->total > 0;
    pthread_mutex_unlock(&seats->lock);
    return some ? 0 : rc; /* fewer than wished for is enough: others start when needed */
}

/* The caller holds the lock and counts it as WAITING already. */
static void wake_spare(struct seats *s)
{
    struct spare *spare = s->spares;
    s->spares = spare->next;
    s->spare_count--;
    spare->taken = true;
    pthread_cond_signal(&spare->woken);
}

/* Restores the rule. When the pool is at its limit the next thread that finishes or returns does. */
static void add_waiter(struct seats *s)
{
    pthread_mutex_lock(&s->lock);
    if (needs_waiter(s, atomic_load(&s->counts)) && !atomic_load(&s->stopping)) {
        if (s->spares) {
            atomic_fetch_add(&s->counts, WAITING_ONE);
            wake_spare(s);
        } else if (s->total < s->options.limit) {
            (void)start_thread(s); /* without memory for one more, those that are there must do */
        }
    }
    pthread_mutex_unlock(&s->lock);
}

void seats_stop(struct seats *seats)
{
    pthread_mutex_lock(&seats->lock);
    atomic_store(&seats->stopping, true);
    while (seats->spares) {
        atomic_fetch_add(&seats->counts, WAITING_ONE);
        wake_spare(seats);
    }
    pthread_mutex_unlock(&seats->lock);
}

int seats_join(struct seats *seats, int64_t deadline)
{
    struct timespec until = {deadline / NS_PER_SEC, deadline % NS_PER_SEC};
    int rc = 0;
    pthread_mutex_lock(&seats->lock);
    while (seats->total > 0 && rc == 0)
        rc = pthread_cond_timedwait(&seats->ended, &seats->lock, &until);
    bool all = seats->total == 0, join = all && seats->has_ended;
    if (join)
        seats->has_ended = false;
    pthread_mutex_unlock(&seats->lock);
    if (join)
        pthread_join(seats->last_ended, NULL);
    return all ? 0 : CAIRN_EDEADLINE;
}

static void unlink_spare(struct seats *s, const struct spare *spare)
{
    for (struct spare **at = &s->spares; *at; at = &(*at)->next) {
        if (*at == spare) {
            *at = spare->next;
            s->spare_count--;
            return;
        }
    }
}

/* Sleeps as a spare; true when woken to be a waiter. The caller holds the lock. */
static bool sleep_as_spare(struct seats *s)
{
    struct spare self = {.next = s->spares};
    struct timespec until;
    cond_init(&self.woken);
    cond_deadline(SPARE_IDLE_S * NS_PER_SEC, &until);
    s->spares = &self;
    s->spare_count++;
    int rc = 0;
    while (!self.taken && rc == 0)
        rc = pthread_cond_timedwait(&self.woken, &s->lock, &until);
    if (!self.taken)
        unlink_spare(s, &self);
    pthread_cond_destroy(&self.woken);
    return self.taken;
}

/* Takes one of two steps at once: RUNNING to WAITING while seats are free (true), or out of RUNNING (false). */
static bool step_to_waiting(struct seats *s, bool may_leave)
{
    uint64_t now = atomic_load(&s->counts), next;
    bool free_seat;
    do {
        free_seat = running_of(now) - 1 + waiting_of(now) < s->options.seats;
        if (!free_seat && !may_leave)
            return false;
        next = now - RUNNING_ONE + (free_seat ? WAITING_ONE : 0);
    } while (!atomic_compare_exchange_weak(&s->counts, &now, next));
    return free_seat;
}

static bool become_spare(struct seats *s)
{
    pthread_mutex_lock(&s->lock);
    bool go_on = step_to_waiting(s, true) || (!atomic_load(&s->stopping) && sleep_as_spare(s));
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

bool seat_wait(struct seats *seats)
{
    if (!step_to_waiting(seats, false) && !become_spare(seats))
        return false;
    if (!atomic_load_explicit(&seats->stopping, memory_order_relaxed))
        return true;
    atomic_fetch_sub(&seats->counts, WAITING_ONE);
    return false;
}

void seat_run(struct seats *seats)
{
    uint64_t now = atomic_fetch_add(&seats->counts, RUNNING_ONE - WAITING_ONE) + RUNNING_ONE - WAITING_ONE;
    if (needs_waiter(seats, now))
        add_waiter(seats);
}

void seat_quit(struct seats *seats)
{
    atomic_fetch_sub(&seats->counts, RUNNING_ONE);
}

void seat_leave(struct seats *seats)
{
    if (leave_depth++ > 0)
        return;
    uint64_t now = atomic_fetch_sub(&seats->counts, RUNNING_ONE) - RUNNING_ONE;
    if (needs_waiter(seats, now))
        add_waiter(seats);
}

void seat_return(struct seats *seats)
{
    assert(leave_depth > 0);
    if (--leave_depth == 0)
        atomic_fetch_add(&seats->counts, RUNNING_ONE);
}

void seats_status(struct seats *seats, struct seats_status *ret_status)
{
    pthread_mutex_lock(&seats->lock);
    uint64_t counts = atomic_load(&seats->counts);
    *ret_status = (struct seats_status){running_of(counts), waiting_of(counts), seats->spare_count, seats->total};
    pthread_mutex_unlock(&seats->lock);
}
