/*
 * Seats: how many threads wait for events or run. One per core is best for short requests: more only take the core from
 * each other. But a request that blocks (commit, drive, slow socket) must not keep the core idle, so it gives its seat
 * up, and a spare thread takes its place.
 *
 * A thread of the pool is in one of these states:
 *
 *   state    meaning                                   leaves it by
 *   WAITING  in epoll_wait                             seat_run (an event came)
 *   RUNNING  serves a request                          seat_wait (done), seat_leave (about to block)
 *   BLOCKED  waits for something else than an event    seat_return, always at once: it runs on even when all seats
 *                                                      are taken
 *   SPARE    sleeps in seat_wait                       another thread needs a waiter; or it has slept long enough, and
 *                                                      ends
 *
 * Rule: while fewer threads run than there are seats, at least one waits for events. It is restored by whoever breaks
 * it, lazily: a thread that blocks wakes no spare as long as another waits. A thread that came back from blocking may
 * make more than seats run for a moment; the first that finish then become spare.
 *
 * The two counts are one atomic word; the lock guards the spares alone and is not touched while nothing blocks.
 */
#ifndef CAIRN_HTTP_SEATS_H
#define CAIRN_HTTP_SEATS_H

#include <stdbool.h>
#include <stdint.h>

struct seats;

struct seats_options {
    unsigned seats;         /* threads that wait or run: as many as cores */
    unsigned limit;         /* threads in all, at least seats */
    void (*run)(void *arg); /* a thread's life: it begins with seat_wait() and returns when that answers false */
    void *arg;
};

/* Makes the pool; no thread yet. 0, -ENOMEM. */
int seats_new(const struct seats_options *options, struct seats **ret_seats);
/* Starts the first threads. 0 or a negative errno (none runs then). */
int seats_start(struct seats *seats);
/* From now on seat_wait() answers false. Threads in epoll_wait must be woken by the caller. */
void seats_stop(struct seats *seats);
/* Waits until all threads have ended, until deadline (monotonic ns): 0, or CAIRN_EDEADLINE. After seats_stop. */
int seats_join(struct seats *seats, int64_t deadline);
/* All threads must have ended. Accepts NULL. */
void seats_free(struct seats **seats);

/* ---- by a thread of the pool ---- */

/* Done, or just started: becomes WAITING, perhaps after a time as SPARE. false: the thread must end. */
bool seat_wait(struct seats *seats);
/* An event came: WAITING becomes RUNNING. */
void seat_run(struct seats *seats);
/* For a thread that must end without having asked: RUNNING no more. */
void seat_quit(struct seats *seats);
/* Around anything that blocks. They nest: only the outermost pair counts. */
void seat_leave(struct seats *seats);
void seat_return(struct seats *seats);

struct seats_status {
    unsigned running, waiting, spare, total;
};
void seats_status(struct seats *seats, struct seats_status *ret_status);

#endif
