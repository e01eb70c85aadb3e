/*
 * The stripes of a blob on their way to the drives: encoded by the caller, checksummed and written by the drives'
 * threads. The caller fills one while the ones before are written: at most STRIPES_AHEAD exist, which bounds memory and
 * lets hashing overlap the disks.
 *
 * A drive that fails a write, or is slow, gets no more of this blob. A shard that a slow drive keeps is left behind: it
 * counts as failed, and what it needs stays until the drive has let go of it, though the stripe's slot is used again
 * and the owner may be done with all of it meanwhile.
 *
 *   a shard is  meaning                              leaves when
 *   pending     queued, or with the drive            written, or failed; the drive is slow: dropped from the queue, or
 *                                                    late
 *   late        with the drive; nobody waits for it  the drive has let go: what only it needed is freed
 */
#ifndef CAIRN_DATA_STRIPE_H
#define CAIRN_DATA_STRIPE_H

#include "objstore/data/shard_write.h"
#include "objstore/data/sync.h"

#define STRIPES_AHEAD 3

struct buffers;
struct stripe;

struct stripes {
    /* What the owner has made it; constant. */
    struct shard_site site;
    unsigned enough; /* drives that must have all of it */
    bool synced;     /* with the last one its sync is asked for */
    const struct buffers *buffers;
    void (*over)(struct stripes *stripes); /* the drives have let go of what the release left to them */

    /* the owner's thread */
    uint64_t begun;
    struct stripe *current;              /* being filled, or NULL */
    struct stripe *slots[STRIPES_AHEAD]; /* NULL until used */
    struct sync_wait sync;               /* begun with the last stripe, when it is synced */

    pthread_mutex_t lock; /* guards what follows, the slots, and what the stripes say */
    pthread_cond_t written;
    uint32_t failed; /* places that lack some of the blob */
    int error;       /* the first of theirs, -ENOSPC before others */
    unsigned late;   /* shards */
    bool gone;       /* released by its owner: the last late shard ends it */
};

/* The constant fields stand, failed may. */
void stripes_init(struct stripes *stripes);
/* Takes bytes into the current stripe, as many as have room; one that is full is sent. Blocks while STRIPES_AHEAD are
 * on their way. 0; -ENOMEM; what stripes_check says, after a stripe was sent. */
int stripes_fill(struct stripes *stripes, const void *bytes, size_t len, size_t *ret_taken);
/* 0 while enough drives have what was sent so far; else -ENOSPC or CAIRN_EQUORUM. */
int stripes_check(struct stripes *stripes);
/* This place lacks some of the blob. The caller holds the lock, or nobody else has the stripes yet. */
void stripes_fail(struct stripes *stripes, unsigned place, int error);
/* Places that have all of what was sent so far. */
uint32_t stripes_places(struct stripes *stripes);
/* Waits until no shard is pending. */
void stripes_wait(struct stripes *stripes);
/* All were sent: waits until they are on stable storage. Returns the places where they are. */
uint32_t stripes_sync(struct stripes *stripes);
/* The owner wants no more of it: waits until no shard is pending. False when late ones keep it: over() is called once
 * they don't, on a drive's thread. Then, or on true, it wants destroying. */
bool stripes_release(struct stripes *stripes);
void stripes_destroy(struct stripes *stripes);

#endif
