/*
 * Space for the blobs of a set: which segment, and where in it.
 *
 * There is at most one shared segment that takes blobs; places in it are handed out by moving its tail. A large blob
 * gets a segment of its own, so that reclaiming it is an unlink. The life of a segment:
 *
 *   state     in the index  meaning                                        leaves when
 *   new       open          recorded first, then its files are made        its files are durable: current
 *   current   open          hands out ranges                               full, or the store closes: retired
 *   retired   open          its last reservations are being decided        none is left: the keeper settles it
 *   sealed    sealed        every byte is a blob's or was given back       its last blob is reclaimed: removed
 */
#ifndef CAIRN_DATA_ALLOCATOR_H
#define CAIRN_DATA_ALLOCATOR_H

#include <pthread.h>
#include <stdatomic.h>

#include "objstore/data/segment_make.h"
#include "objstore/data/space.h"

struct allocator {
    struct erasure_set *set; /* borrowed, as the next two */
    struct ids *ids;
    struct chores *chores; /* get the segments that are to be settled */
    uint64_t segment_size; /* of a shared one, on one drive */

    pthread_mutex_t lock; /* guards what follows; held over index_apply */
    struct room current;  /* in the shared segment that takes blobs */
    struct space space;
};

/* All but the lock the caller has made what it is. */
void allocator_init(struct allocator *allocator);
void allocator_release(struct allocator *allocator);
/* No more blobs go into the current segment. */
void allocator_retire(struct allocator *allocator);
/* Free bytes of the fullest drive that a write needs, reserve taken off. */
uint64_t allocator_space(struct allocator *allocator);

/* A range of a segment that a writer has to itself. It ends committed or not: with its last reference (the writer's,
 * and one per mutation that commits it and is not settled yet) the index knows. Then the segment may be settled. */
struct reservation {
    struct allocator *allocator;
    struct segment *segment; /* one reference */
    uint64_t offset, length;
    atomic_uint refs;
};
/* length bytes on each drive for a blob of blob_length. Blocks when a segment is to be made. 0; -ENOSPC; CAIRN_EQUORUM;
 * -ENOMEM; errors of index_apply. */
int reservation_new(struct allocator *allocator, uint64_t blob_length, uint64_t length,
                    struct reservation **ret_reservation);
void reservation_ref(struct reservation *reservation);
/* arg is the struct reservation: for a mutation's callbacks too. */
void reservation_unref(void *arg);

#endif
