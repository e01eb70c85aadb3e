/*
 * Which bytes of a segment are blobs', as its 'L' records say. What only looks; read transactions are short, however
 * many there are.
 */
#ifndef CAIRN_DATA_EXTENT_MAP_H
#define CAIRN_DATA_EXTENT_MAP_H

#include <stdbool.h>

#include "objstore/index/index.h"

struct range {
    uint64_t begin, end;
};

struct extent_at {
    uint64_t offset, blob, length;
};

/* ---- in a transaction ---- */

/* 1 when no blob lies in the segment, 0 when one does, or an error of the index. */
int segment_is_empty(struct index_txn *txn, uint64_t id);
/* The extent that lies behind, or before, a place in a segment; false when there is none. One whose record is damaged
 * has no end. */
bool extent_neighbour(struct index_cursor *cursor, uint64_t segment, uint64_t offset, bool behind, uint64_t *ret_offset,
                      uint64_t *ret_end);

/* ---- with one of their own ---- */

/* The extents of a segment from *from on, up to cap; moves *from behind the last. Damaged records are passed over.
 * Returns how many, or an error of the index. */
int segment_extents(struct index *index, uint64_t id, uint64_t *from, struct extent_at *ret_extents, int cap);

#define GAPS_MAX 512 /* found at a time */

/* The next gaps at or behind *from, up to GAPS_MAX; moves *from on, to size when all are found. Returns how many,
 * CAIRN_ECORRUPT or an error of the index; ret_end gets the end of the last blob seen, and stays when there is none.
 * ret_gaps has room for GAPS_MAX + 1. */
int segment_gaps(struct index *index, uint64_t id, uint64_t size, uint64_t *from, uint64_t *ret_end,
                 struct range *ret_gaps);

#endif
