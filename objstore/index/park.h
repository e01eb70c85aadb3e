/*
 * Sleeping on a word of memory, by futex(2). An event is waited for by one thread; a tide by many, and its rising costs
 * a system call only when somebody waits.
 */
#ifndef CAIRN_INDEX_PARK_H
#define CAIRN_INDEX_PARK_H

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline void futex_wait(atomic_uint *word, unsigned seen)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

/* … for at most ns, under a second. */
static inline void futex_wait_for(atomic_uint *word, unsigned seen, long ns)
{
    struct timespec limit = {.tv_nsec = ns};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, &limit, NULL, 0);
}

static inline void futex_wake(atomic_uint *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

struct event {
    atomic_uint set;
};

static inline void event_wait(struct event *event)
{
    while (!atomic_load_explicit(&event->set, memory_order_acquire))
        futex_wait(&event->set, 0);
}

/* The waiter may return, and the event be gone, before the wake: then that wakes nobody, or somebody who looks again.
 */
static inline void event_set(struct event *event)
{
    atomic_store_explicit(&event->set, 1, memory_order_release);
    futex_wake(&event->set, 1);
}

/* The waiter: tide_enter, then until what it waits for is there, { tide_look, check, tide_wait }, then tide_leave. */
struct tide {
    atomic_uint level;
    atomic_uint waiters;
};

static inline void tide_enter(struct tide *tide)
{
    atomic_fetch_add(&tide->waiters, 1);
}

static inline unsigned tide_look(struct tide *tide)
{
    return atomic_load(&tide->level);
}

static inline void tide_wait(struct tide *tide, unsigned seen)
{
    futex_wait(&tide->level, seen);
}

static inline void tide_leave(struct tide *tide)
{
    atomic_fetch_sub(&tide->waiters, 1);
}

static inline void tide_rise(struct tide *tide)
{
    atomic_fetch_add(&tide->level, 1);
    if (atomic_load(&tide->waiters))
        futex_wake(&tide->level, INT_MAX);
}

#endif
