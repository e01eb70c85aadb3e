/*
 * The sealed segments of a set that have no file where they should: the drive was replaced, or was away when the file
 * was made. Found by comparing what the drives have with what the index names, so nothing records it and nothing can be
 * wrong about it. A sorted array, since start-up finds them in order. Any thread; nothing blocks.
 */
#ifndef CAIRN_DATA_LACKS_H
#define CAIRN_DATA_LACKS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct damage;

struct lack {
    uint64_t segment;
    uint64_t live;   /* bytes of blobs that the file had */
    uint32_t places; /* bitmap of those that lack it */
};

struct lacks {
    struct damage *damage; /* is told of what is added */
    pthread_mutex_t lock;  /* guards what follows; innermost */
    struct lack *at;       /* by segment */
    size_t count, cap;
};

/* damage is borrowed until the release. */
void lacks_init(struct lacks *lacks, struct damage *damage);
void lacks_release(struct lacks *lacks);
/* The segment lacks its file at these places too; 0 places: nothing. 0, -ENOMEM. */
int lacks_add(struct lacks *lacks, uint64_t segment, uint64_t live, uint32_t places);
/* It does not lack it there any more. */
void lacks_drop(struct lacks *lacks, uint64_t segment, uint32_t places);
/* The places where it does; 0 for a segment that lacks nothing. */
uint32_t lacks_get(struct lacks *lacks, uint64_t segment);
/* The first from a segment on; false at the end. */
bool lacks_next(struct lacks *lacks, uint64_t from, struct lack *ret_lack);
/* Adds up what is lacking: segments, and bytes of shards. */
void lacks_sum(struct lacks *lacks, uint64_t *segments, uint64_t *bytes);

#endif
