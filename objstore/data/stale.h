/* Stale drives: those that were away when a range of a segment was given back, and so have its bytes still. */
#ifndef CAIRN_DATA_STALE_H
#define CAIRN_DATA_STALE_H

#include <stdint.h>

struct erasure_set;
struct segment_record;

/* Punches the gaps of a sealed segment on the stale drives that are back, and records that. record: as it is now.
 * Blocks on the drives. 0, or an error of index_apply; what could not be punched stays stale. */
int segment_refresh(struct erasure_set *set, uint64_t id, const struct segment_record *record);

#endif
