/*
 * The store: what its parts are, for the files that work on several of them. The parts know nothing of it.
 *
 * Lock order, outer first: allocator.lock → ids.lock → segment_table.lock → stripes.lock → segment.lock → a lane's;
 * those of chores, pins, lacks and damage are innermost. index_apply is called with none but the first two held, and
 * what runs inside a mutation or its callbacks never takes those.
 */
#ifndef CAIRN_DATA_PRIV_H
#define CAIRN_DATA_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "objstore/data/allocator.h"
#include "objstore/data/buffers.h"
#include "objstore/data/chores.h"
#include "objstore/data/damage.h"
#include "objstore/data/erasure_set.h"
#include "objstore/data/ids.h"
#include "objstore/data/pins.h"
#include "objstore/data/segment.h"

struct data {
    struct index *index; /* borrowed */
    size_t set_count;
    struct erasure_set *sets;
    struct allocator *allocators; /* by set */
    struct segment_table segments;
    struct ids ids;
    struct buffers buffers;
    struct pins pins;
    struct damage damage;

    struct chores chores;
    pthread_t keeper; /* keeper.c's, as the next */
    bool keeping;     /* it runs */

    atomic_ullong degraded_reads, bitrot_found; /* since start, as all of these */
    atomic_ullong healed_blobs, refilled_blobs, refilled_bytes;
};

#endif
