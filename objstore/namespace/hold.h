/*
 * Holds: inodes that somebody has open, counted in memory. A mutation that takes the last name of a held inode leaves
 * it as an orphan (record 'O'); the last holder's unhold, or ns_reap_orphans after a restart, has it reaped.
 *
 * A view may find an inode that a mutation after its snapshot has reaped, and then come too late to hold it. So the
 * latest reaped inodes are remembered with their commit's number: a hold from an older snapshot answers -ESTALE.
 */
#ifndef CAIRN_NAMESPACE_HOLD_H
#define CAIRN_NAMESPACE_HOLD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLDS_REAPED 8192 /* remembered: about 100 ms of the fastest deletes, far longer than a view lives */

struct hold {
    uint64_t ino;
    uint32_t count;
    bool orphan;       /* the last name is gone, or was about to */
    struct hold *next; /* of its slot; of the backlog */
};

struct reaped {
    uint64_t ino;      /* 0: it was not, in the end */
    uint64_t sequence; /* of the commit that takes it */
};

struct holds {
    pthread_mutex_t lock; /* guards all */
    struct hold **slots;  /* size is a power of two */
    size_t size;
    size_t used;
    struct reaped reaped[HOLDS_REAPED];
    uint64_t reaped_count; /* since open: the newest is at (reaped_count - 1) % HOLDS_REAPED */
};

int holds_init(struct holds *holds);
void holds_release(struct holds *holds);

/* Holds an inode that was found in the snapshot of a commit's number (UINT64_MAX: in a mutation). -ESTALE when a later
 * commit has reaped it; -ENOMEM. */
int holds_take(struct holds *holds, uint64_t ino, uint64_t snapshot, bool orphan);
/* The hold when this was the last holder, which the caller owns then; else NULL. */
struct hold *holds_drop(struct holds *holds, uint64_t ino);

/* In a mutation that takes the last name of ino: whether it is held, and then it is marked an orphan; if it is not, it
 * is remembered as reaped by commit sequence. */
bool holds_orphan(struct holds *holds, uint64_t ino, uint64_t sequence);
/* Whether ino is held; changes nothing. */
bool holds_has(struct holds *holds, uint64_t ino);
/* The mutation that reaped ino was dropped. */
void holds_unreap(struct holds *holds, uint64_t ino);

#endif
