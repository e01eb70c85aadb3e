/*
 * The data layer's insides, as its files share them.
 *
 * Lock order, outer first: allocator.lock → segment_table.lock → stripes.lock → segment.lock → a lane's; those of chores,
 * pins, lacks and damage are innermost. index_apply is called with none but allocator.lock held, and what runs inside a mutation or its
 * callbacks never takes that one.
 */
#ifndef CAIRN_DATA_PRIV_H
#define CAIRN_DATA_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "objstore/data/allocator.h"
#include "objstore/data/buffers.h"
#include "objstore/data/chores.h"
#include "objstore/data/damage.h"
#include "objstore/data/data.h"
#include "objstore/data/erasure_set.h"
#include "objstore/data/format.h"
#include "objstore/data/ids.h"
#include "objstore/data/lacks.h"
#include "objstore/data/pin.h"
#include "objstore/data/pins.h"
#include "objstore/data/segment.h"

struct data;

/* ---- the end of a segment's open life (settle.c) ---- */

/* Ends a segment that is open in the index and takes no more reservations: gives back every byte that no blob has, then
 * records it as sealed; removes it when no blob has any. The same at run time and at recovery. 0, or why it must be
 * tried again. */
int segment_settle(struct erasure_set *set, uint64_t id);
/* Punches every range of a sealed segment that no blob has on the places given; returns those where it worked. */
uint32_t segment_punch_gaps(struct erasure_set *set, uint64_t id, uint64_t size, uint32_t places);
/* Punches [begin, end) rounded inwards to whole pages. A file that is not there, or a drive that can't punch, is
 * success. */
int segment_punch(struct segment *segment, unsigned place, uint64_t begin, uint64_t end);

/* ---- writing (commit.c) ---- */

/* Inside a mutation: the blob, if it still lies at (segment, offset), lies where the writer put it from now on; its old
 * extent is freed. -ESTALE when it does not. */
int blob_move_commit(struct index_txn *txn, struct blob_writer *writer, uint64_t segment, uint64_t offset);

/* ---- what the keeper does (reclaim.c, compact.c) ---- */

/* One walk over the 'F' records. 0, or the first error; goes on after errors. */
int reclaim_pass(struct data *data);
/* Moves the blobs of the first segment from id *from on that is mostly dead, and *from behind it. 1; 0 when there is none,
 * and *from is 0 for another round; negative on errors. */
int compact_step(struct data *data, uint64_t *from);

/* ---- moving (move.c) ---- */

/* Reads all of it into the writer. -ECANCELED when the pace says so; sets pin->unreadable. pace may be NULL. */
int blob_copy(struct blob_pin *pin, struct blob_writer *writer, const struct data_pace *pace);
/* Writes a blob anew, elsewhere, if it still lies where the pin holds it. -EAGAIN when fewer than least drives take it: then
 * it stays. -ESTALE, -ECANCELED, and errors of reading and writing. */
int blob_move(struct blob_pin *pin, unsigned least, const struct data_pace *pace);

struct extent_at {
    uint64_t offset, blob, length;
};
/* The extents of a segment from *from on, up to cap; moves *from behind the last. Returns how many. */
int segment_extents(struct data *data, uint64_t id, uint64_t *from, struct extent_at *ret_extents, int cap);

/* ---- recovery (recover.c) ---- */

/* Whether what the index does not know may be taken from the drives. Not while it only reads: it may lack the last
 * commit, or show one that the next start won't have. */
bool data_may_discard(struct index *index);

int data_recover(struct data *data);
/* Punches the gaps of a sealed segment on the drives that are back, and records that. */
int segment_refresh(struct erasure_set *set, uint64_t id, const struct segment_record *record);

/* ---- all of it ---- */

struct data {
    struct index *index;
    struct erasure_set *sets;
    struct allocator *allocators; /* by set */
    size_t set_count;
    struct buffers buffers;
    struct ids ids;
    struct damage damage;

    struct segment_table segments;
    struct pins pins;
    struct chores chores;
    pthread_t keeper;
    bool keeping; /* the keeper runs */
    atomic_ullong degraded_reads, bitrot_found;
    atomic_ullong healed_blobs, refilled_blobs, refilled_bytes;
};

#endif
