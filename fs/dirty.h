/*
 * Dirty: the bytes of one file that were written here and are not stored yet, as extents: runs of bytes, each in one
 * slot of the slab. No I/O and no locks: the owner's lock guards a map.
 *
 *   state    where                         what may happen to it
 *   fresh    fresh[], by offset, disjoint  writes extend it; newer bytes over it cut it; it is taken to be sent
 *   sending  sending[], disjoint           nothing changes it; fresh extents may lie over it, and win
 *   idle     sending[], its send failed    it is taken again before anything else
 *
 * An extent is taken only when it touches none that is being sent, so the server gets overlapping bytes in the order in
 * which they were written.
 */
#ifndef CAIRN_FS_DIRTY_H
#define CAIRN_FS_DIRTY_H

#include <stdbool.h>

#include "fs/slab.h"

#define DIRTY_GAPS_MAX 32            /* of one overlay */
#define DIRTY_BATCH_MAX 128          /* extents sent together */
#define DIRTY_BATCH_BYTES (1u << 20) /* bytes of them, unless it is a single one */
#define DIRTY_ALONE (256u << 10)     /* an extent past that is sent alone, as a stream */

struct extent {
    uint64_t off;
    size_t len;
    size_t start; /* of its bytes in the slot: what was cut off in front */
    enum slab_class class;
    char *slot;
    int64_t since;   /* monotonic ns of its first write */
    uint64_t number; /* in the order of making; for whoever waits for all up to one */
    bool idle;
};

struct extents {
    struct extent **items;
    size_t count, cap;
};

struct dirty {
    struct slab *slab;
    struct extents fresh, sending;
    uint64_t numbers; /* given so far */
};

struct batch {
    struct extent *extents[DIRTY_BATCH_MAX];
    size_t count;
    size_t bytes;
};

struct gap {
    uint64_t off;
    size_t len;
};

void dirty_init(struct dirty *d, struct slab *slab);
/* Gives everything up. Nothing may be under way. */
void dirty_release(struct dirty *d);
bool dirty_empty(const struct dirty *d);
/* Where the last byte of it ends; 0 when it is empty. */
uint64_t dirty_end(const struct dirty *d);

/* Takes bytes in: how many (some, maybe not all); 0 when there is no slot for them now; -ENOMEM. now: monotonic ns. */
ptrdiff_t dirty_write(struct dirty *d, uint64_t off, const char *bytes, size_t len, int64_t now);

/* Copies what is dirty of [off, off + len) to its place in out, and tells what is not: gaps, ascending. Their number,
 * or -E2BIG when they are more than DIRTY_GAPS_MAX. */
int dirty_overlay(const struct dirty *d, uint64_t off, size_t len, char *out, struct gap ret_gaps[DIRTY_GAPS_MAX]);

/* Moves extents that may be sent now to *ret_batch: idle ones, then fresh ones that are full, or older than before
 * (INT64_MAX: all). False when there is none. A batch is one extent over DIRTY_ALONE, or several smaller ones. */
bool dirty_take(struct dirty *d, int64_t before, struct batch *ret_batch);
/* The batch is stored, or given up: its slots go back. */
void dirty_sent(struct dirty *d, const struct batch *batch);
/* It is to be sent again. */
void dirty_unsent(struct dirty *d, const struct batch *batch);

/* The time from which on dirty_take() has something, if extents are to be taken at that age: 0 for now, INT64_MAX for
 * never. */
int64_t dirty_due(const struct dirty *d, int64_t age);
/* Whether an extent with a number up to this one is still there. */
bool dirty_pending(const struct dirty *d, uint64_t number);

#endif
