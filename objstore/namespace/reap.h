/*
 * Reaping: taking off what no name leads to any more. What is small goes within the mutation that ended it; of the rest
 * a 'G' record remembers what is still to do, and a thread does it in small steps, also after a restart.
 */
#ifndef CAIRN_NAMESPACE_REAP_H
#define CAIRN_NAMESPACE_REAP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "objstore/namespace/format.h"

struct ns;
struct ns_txn;
struct inode;
struct hold;

#define REAP_INLINE 32 /* records that are taken off within the mutation */
#define REAP_STEP 64   /* records that the reaper takes off in one mutation */

struct reaper {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    pthread_cond_t idle;
    bool stop;
    bool garbage; /* there may be 'G' records */
    bool busy;
    struct hold *orphans; /* given up by their last holder; owned */
};

int reaper_start(struct ns *ns);
void reaper_stop(struct ns *ns);
bool reaper_stopping(struct reaper *reaper);
/* There is garbage; any thread, does not block. */
void reaper_wake(struct reaper *reaper);
/* Takes over a hold whose inode may be reaped. */
void reaper_give(struct reaper *reaper, struct hold *hold);
/* Waits until there is nothing left to do; for tests. */
void reaper_wait(struct ns *ns);

/* In a mutation: the inode's last name and holder are gone. */
int reap_inode(struct ns_txn *txn, const struct inode *inode);
/* In a mutation: all that is keyed by id, at once or with a 'G' record. */
int reap_id(struct ns_txn *txn, uint64_t id, enum garbage_kind kind);

#endif
