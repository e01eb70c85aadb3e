/* Giving back what no blob has: holes in the files of a segment, and their ends. All block on the drives. */
#ifndef CAIRN_DATA_PUNCH_H
#define CAIRN_DATA_PUNCH_H

#include "objstore/data/extent_map.h"
#include "objstore/data/segment.h"

/* Whether what the index does not know may be taken from the drives. Not while it only reads: it may lack the last
 * commit, or show one that the next start won't have. */
bool may_discard(struct index *index);
/* Punches a range rounded inwards to whole pages. A file that is not there, or a drive that can't punch, is success. */
int segment_punch(struct segment *segment, unsigned place, struct range range);
/* Punches every range below size that no blob has, at the places. 0, and ret_good gets those where it worked, ret_end
 * the end of the last blob, 0 without one; or an error of the index. */
int segment_punch_gaps(struct segment *segment, uint64_t size, uint32_t places, uint64_t *ret_end, uint32_t *ret_good);
/* Cuts the files at size, and makes that and the punches durable. Returns the places where it worked. */
uint32_t segment_cut(struct segment *segment, uint32_t places, uint64_t size);

#endif
