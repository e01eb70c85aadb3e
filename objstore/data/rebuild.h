/* Rebuilding granules: the same column of k other shards tells what one has. */
#ifndef CAIRN_DATA_REBUILD_H
#define CAIRN_DATA_REBUILD_H

#include "objstore/data/shard_read.h"

/* Columns of data shards that are wanted and not good. */
uint32_t columns_missing(const struct stripe_read *read);
/* Reads other shards of these columns until k of each are good, slow drives last, and puts what is wanted of them and
 * is not good into its place. The stripe has a spare buffer. Blocks on the drives. 0; CAIRN_EBITROT, or -EIO, when
 * fewer than k are good. */
int columns_rebuild(struct stripe_read *read, uint32_t columns);

#endif
