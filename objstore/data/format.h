/*
 * On-disk format of the data layer: its records in the index, and shards in segment files.
 *
 *   key (integers big-endian, so that they sort)   value (little-endian)
 *   'B'                                            le64: ids below it may have been given to blobs and segments
 *   'B' blob id                                    struct blob_record
 *   'L' segment, offset                            struct extent_record: a blob, or one being reclaimed, lies here
 *   'S' segment                                    struct segment_record
 *   'F' segment, offset                            struct extent_record: to be reclaimed; its 'L' stays until it is
 *   'H' blob id                                    le32: bitmap of the places in its set that lack its shard, or HEAL_DAMAGED
 *
 * A blob of length bytes is cut into stripes of DATA_STRIPE bytes, the last one shorter. A stripe of s bytes is cut into k shards
 * of ceil(s / k) bytes, rounded up to SHARD_ALIGN; data shard i holds bytes [i * shard, (i + 1) * shard) of the stripe, with
 * zeros past its end. Parity shards have the same length. On disk a shard is a run of granules: up to GRANULE bytes, then their
 * checksum, XXH3 seeded with granule_seed(). The shards of a drive's share follow each other, stripe by stripe. Shard s
 * of a set of n lies on the drive at place (first + s) mod n, and first turns, so that data and parity spread over all drives.
 * Segment file: "data/" + 16 hex digits of its id + ".seg"; ".new" while healing writes it anew on a drive.
 */
#ifndef CAIRN_DATA_FORMAT_H
#define CAIRN_DATA_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define GRANULE      32768u
#define GRANULE_SUM  8u
#define SHARD_ALIGN  64u
#define EXTENT_ALIGN 64u /* blobs begin at multiples of it */

#define TAG_BLOB    'B'
#define TAG_EXTENT  'L'
#define TAG_SEGMENT 'S'
#define TAG_FREED   'F'
#define TAG_HEAL    'H'

#define HEAL_DAMAGED 0x80000000u /* healing found fewer than k good shards */

struct blob_record {
    uint64_t segment;
    uint64_t offset;  /* in the segment, equal on all drives */
    uint64_t length;  /* bytes of the blob */
    uint32_t refs;    /* 0: freed, an 'F' record stands */
    uint32_t held;    /* bitmap of the places that have their shard */
    uint16_t set;
    uint8_t  data;    /* k */
    uint8_t  parity;  /* m */
    uint8_t  first;   /* the place that has shard 0 */
    uint8_t  zero[3];
};
_Static_assert(sizeof(struct blob_record) == 40, "on-disk size");

struct extent_record {
    uint64_t blob;
    uint64_t length; /* bytes on each drive */
};
_Static_assert(sizeof(struct extent_record) == 16, "on-disk size");

/* An open segment may have bytes that no 'L' record knows; a sealed one has none, but on stale drives. */
enum segment_state { SEGMENT_OPEN = 1, SEGMENT_SEALED = 2 };

struct segment_record {
    uint64_t size;  /* bytes of each file */
    uint64_t live;  /* the sum of its 'L' records' lengths */
    uint32_t state; /* enum segment_state */
    uint32_t stale; /* bitmap of the places that were away when a range was given back: their gaps are to be punched */
    uint16_t set;
    uint16_t zero[3];
};
_Static_assert(sizeof(struct segment_record) == 32, "on-disk size");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are stored as they lie in memory");

#endif
