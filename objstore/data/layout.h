/*
 * Layout: where the bytes of a blob lie (format.h), as arithmetic. Pure; any thread.
 */
#ifndef CAIRN_DATA_LAYOUT_H
#define CAIRN_DATA_LAYOUT_H

#include "objstore/data/data.h"
#include "objstore/data/format.h"

#define COLUMNS_MAX     (DATA_STRIPE / GRANULE)  /* granules of the longest shard, k = 1 */
#define BLOB_LENGTH_MAX (5ull << 30)             /* an S3 part */
#define TURN            (64ull << 20)            /* many times a device's read-ahead, which goes past its end */

/* Bytes of data in a stripe of a blob. */
static inline uint32_t stripe_length(uint64_t blob_length, uint64_t stripe)
{
    uint64_t left = blob_length - stripe * DATA_STRIPE;

    return left < DATA_STRIPE ? (uint32_t)left : DATA_STRIPE;
}

/* Bytes of one shard of a stripe of len bytes over k drives, padding included. */
static inline uint32_t shard_length(uint32_t len, unsigned k)
{
    return ((len + k - 1) / k + SHARD_ALIGN - 1) / SHARD_ALIGN * SHARD_ALIGN;
}

/* Granules of a shard: its columns. */
static inline unsigned shard_columns(uint32_t shard)
{
    return (shard + GRANULE - 1) / GRANULE;
}

static inline uint32_t column_length(uint32_t shard, unsigned column)
{
    uint32_t left = shard - column * GRANULE;

    return left < GRANULE ? left : GRANULE;
}

/* Bytes of a shard on disk, checksums included. */
static inline uint32_t shard_disk(uint32_t shard)
{
    return shard + shard_columns(shard) * GRANULE_SUM;
}

/* Where stripe s begins in its blob's extent, on each drive: all before it are full ones. */
static inline uint64_t stripe_disk_offset(uint64_t stripe, unsigned k)
{
    return stripe * shard_disk(shard_length(DATA_STRIPE, k));
}

/* Bytes that a blob takes on each drive. */
static inline uint64_t extent_length(uint64_t blob_length, unsigned k)
{
    uint64_t last = (blob_length - 1) / DATA_STRIPE;
    uint64_t end = stripe_disk_offset(last, k) + shard_disk(shard_length(stripe_length(blob_length, last), k));

    return (end + EXTENT_ALIGN - 1) / EXTENT_ALIGN * EXTENT_ALIGN;
}

/* The place that gets shard 0 of a blob at an offset of a segment. It stays the same for TURN bytes of each drive, so that a stream
 * over neighbouring blobs finds long runs of data in the files it reads: with a turn at each blob, the parity between them came along
 * with the kernel's read-ahead, as many bytes again. Over many segments every drive has its part of data and of parity. */
static inline unsigned first_place(uint64_t segment, uint64_t offset, unsigned n)
{
    return (unsigned)((segment + offset / TURN) % n);
}

static inline unsigned shard_of_place(unsigned first, unsigned place, unsigned n)
{
    return (place + n - first) % n;
}

static inline unsigned place_of_shard(unsigned first, unsigned shard, unsigned n)
{
    return (first + shard) % n;
}

/* Ids are never used twice, and an odd multiplier maps them one to one; the position takes the low bits: stripe, shard, column. */
static inline uint64_t granule_seed(uint64_t blob, uint64_t stripe, unsigned shard, unsigned column)
{
    return blob * 0x9e3779b97f4a7c15ull + (stripe << 9 | shard << 5 | column);
}

#endif
