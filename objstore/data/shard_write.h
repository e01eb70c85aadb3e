/* The shards of a stripe as they go to the drives: encoded, checksummed, written. The caller sees to threads and to memory. */
#ifndef CAIRN_DATA_SHARD_WRITE_H
#define CAIRN_DATA_SHARD_WRITE_H

#include "objstore/data/segment.h"

/* Where a blob's shards go. */
struct shard_site {
    struct erasure_set *set;
    struct segment *segment; /* the caller has a reference */
    uint64_t offset;         /* of the blob in it, on each drive */
    uint64_t id, length;     /* of the blob */
    unsigned first;          /* the place of shard 0 */
};

struct stripe_image {
    uint64_t number;
    uint32_t length; /* bytes of data */
    uint32_t shard;  /* bytes of a shard */
    unsigned columns;
    uint8_t
        *buffer; /* the caller's: n shards in order, then n * columns checksums; the first length bytes are the data */
};

/* The shape of a stripe of the blob; the buffer stays as it is. Returns how many bytes it must have. */
size_t stripe_image_shape(struct stripe_image *image, const struct shard_site *site, uint64_t number);
/* The data are there: makes the rest of the data shards zeros, and parity. */
void stripe_image_encode(struct stripe_image *image, const struct shard_site *site);
/* Writes the shard of a place, with its checksums; places at once, but not one place twice. Blocks until the drive has it. 0, or an error
 * of the drive. */
int shard_write(const struct stripe_image *image, const struct shard_site *site, unsigned place);

#endif
