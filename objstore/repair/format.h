/*
 * On-disk format of repair: one record in the index.
 *
 *   key    value
 *   'K'    struct scrub_record
 */
#ifndef CAIRN_REPAIR_FORMAT_H
#define CAIRN_REPAIR_FORMAT_H

#include <stdint.h>

#define TAG_SCRUB 'K'

enum scrub_state { SCRUB_RESTS = 1, SCRUB_RUNS = 2, SCRUB_HURRIES = 3 };

struct scrub_record {
    uint64_t from;  /* the next blob */
    int64_t began;  /* the pass that runs, or the last one: ns since 1970 */
    int64_t ended;  /* the last one that came to its end; 0: none has */
    uint64_t blobs; /* of the pass that runs, or the last one */
    uint64_t bytes;
    uint64_t wrong; /* shards */
    uint64_t total; /* bytes that there were when it began */
    uint32_t state; /* enum scrub_state */
    uint32_t zero;
};
_Static_assert(sizeof(struct scrub_record) == 64, "on-disk size");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are stored as they lie in memory");

#endif
