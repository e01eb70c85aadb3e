/*
 * Pulse: how the drives of a set answer. For each it is known what is in flight and since when, and how long an operation of a kind usually
 * takes. A drive is slow when something has been in flight there for longer than a limit, which is the larger of
 *
 *   PULSE_FLOOR of the kind    what a healthy disk may take when much is asked of it
 *   PULSE_TIMES the figure     of its peers: the k-th best of them, each with the larger of its usual time and its oldest operation
 *
 * So one drive that hangs is found out, and a set whose drives are all busy, or lie on one disk that is, has none that is slow. At most m are
 * at a time: there are always k others whose figures it is held against.
 *
 *   state  meaning                            leaves when
 *   good   takes part in everything           something is in flight for longer than the limit: slow
 *   slow   is not asked, while others can be  nothing is that old or was left behind, and its time of rest is over: good
 *
 * The rest is PULSE_REST_MIN, twice as long each time it follows on another within PULSE_FORGIVE, up to PULSE_REST_MAX. Then the drive is asked
 * again, as any other is: that is the trial.
 *
 * Times are of clock_mono_ns. Any thread; begin and end are a few atomic operations.
 */
#ifndef CAIRN_DRIVE_PULSE_H
#define CAIRN_DRIVE_PULSE_H

#include <pthread.h>
#include <stdatomic.h>

#include "objstore/base/clock.h"
#include "objstore/drive/set.h"

enum pulse_kind { PULSE_READ, PULSE_WRITE, PULSE_SYNC /* and all else that a disk must have done before it answers */, PULSE_KINDS };

/* A full queue of 32 seeks is 300 ms on a disk that turns. To write what its cache holds takes it a second or two, and a wrong guess costs a
 * blob its redundancy for a while. */
#define PULSE_READ_FLOOR  (500 * NS_PER_MS)
#define PULSE_WRITE_FLOOR (5 * NS_PER_SEC)
#define PULSE_TIMES       8
#define PULSE_REST_MIN    NS_PER_SEC
#define PULSE_REST_MAX    (30 * NS_PER_SEC)
#define PULSE_FORGIVE     (60 * NS_PER_SEC)
#define PULSE_SLOTS       40 /* operations of a kind in flight that are known; more are not looked at */

struct pulse {
    _Atomic int64_t began[PULSE_KINDS][PULSE_SLOTS]; /* 0: free */
    _Atomic int64_t usual[PULSE_KINDS];              /* moving average, ns; 0: not known yet */
    atomic_uint left;                                /* operations in flight that nobody waits for any more */
    /* lock of the group */
    int64_t  slow_since; /* when it was found to be slow the last time */
    int64_t  rest, rest_until;
    int64_t  good_since; /* when the last rest ended; 0: never */
};

struct pulse_group {
    atomic_uint      refs;
    _Atomic int64_t  looked; /* when somebody did */
    pthread_mutex_t  lock;
    unsigned         enough; /* k */
    _Atomic uint32_t members, slow; /* bitmaps of places */
    _Atomic uint64_t times_slow[DRIVE_SET_MAX];
    struct pulse     places[DRIVE_SET_MAX];
};

/* A set of drives of which enough (k) others must do well before one is slow. No member yet; one reference. NULL when memory is short. */
struct pulse_group *pulse_group_new(unsigned enough);
struct pulse_group *pulse_group_ref(struct pulse_group *group);
/* Accepts NULL. */
void pulse_group_unref(struct pulse_group **group);
void pulse_join(struct pulse_group *group, unsigned place);
void pulse_leave(struct pulse_group *group, unsigned place);

/* An operation goes to the disk. What it returns is given to pulse_end when it has come back. */
int  pulse_begin(struct pulse_group *group, unsigned place, enum pulse_kind kind, int64_t now);
void pulse_end(struct pulse_group *group, unsigned place, enum pulse_kind kind, int slot, int64_t now);

/* Somebody stops waiting for an operation (by is 1) whose effect others must not meet: the drive stays slow until it is over (by is -1). */
void pulse_left(struct pulse_group *group, unsigned place, int by);

/* The slow drives, as far as somebody has looked; cheap. */
uint32_t pulse_slow(struct pulse_group *group, int64_t now);
/* Looks at all that is in flight, first. For those who wait for a drive, every PULSE_LOOK. */
uint32_t pulse_look(struct pulse_group *group, int64_t now);
#define PULSE_LOOK (20 * NS_PER_MS)

#endif
