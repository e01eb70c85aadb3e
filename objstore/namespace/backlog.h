/*
 * The backlog: what is left to the reaper (reaper.h), and what wakes it. Mutations and holders add to it from any
 * thread.
 */
#ifndef CAIRN_NAMESPACE_BACKLOG_H
#define CAIRN_NAMESPACE_BACKLOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct hold;

struct backlog {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    pthread_cond_t idle;
    bool stop;
    bool records; /* there may be 'G' or 'T' records */
    bool busy;
    struct hold *orphans; /* given up by their last holder; owned */
};

/* A backlog that begins with records: what the last process left. 0 or an error of pthread. */
int backlog_init(struct backlog *backlog);
/* The reaper has ended. */
void backlog_release(struct backlog *backlog);

/* There are records to look at; any thread, does not block. */
void backlog_wake(struct backlog *backlog);
/* Takes over a hold whose inode may be reaped. */
void backlog_give(struct backlog *backlog, struct hold *hold);

/* ---- for the reaper ---- */

/* Waits for something to do, and takes on the records: false when it is to end. */
bool backlog_wait(struct backlog *backlog);
/* All orphans there are now, linked by next; the caller owns them. */
struct hold *backlog_orphans(struct backlog *backlog);
/* A round of work failed: everything is to be looked at again, after a pause that only the end cuts short. */
void backlog_failed(struct backlog *backlog);
bool backlog_stopping(struct backlog *backlog);
void backlog_stop(struct backlog *backlog);
/* Waits until there is nothing left to do; for tests. */
void backlog_drained(struct backlog *backlog);

#endif
