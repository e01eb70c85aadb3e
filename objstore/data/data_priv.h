/*
 * The data layer's insides, as its files share them.
 *
 * Lock order, outer first: allocator.lock → segment_table.lock → stripes.lock → segment.lock → a lane's; those of
 * chores, pins, lacks and damage are innermost. index_apply is called with none but allocator.lock held, and what runs
 * inside a mutation or its callbacks never takes that one.
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
