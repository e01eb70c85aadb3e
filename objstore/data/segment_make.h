/* Making a segment: recorded first, then its files. */
#ifndef CAIRN_DATA_SEGMENT_MAKE_H
#define CAIRN_DATA_SEGMENT_MAKE_H

#include <stdint.h>

struct chores;
struct erasure_set;
struct ids;
struct segment;

/* An open segment, for whoever hands out ranges of it. */
struct room {
    struct segment *segment; /* one reference; NULL: there is none */
    uint64_t size, tail;     /* bytes on each drive, and those that were handed out */
    uint32_t passed;         /* places that were full, slow or away when it was made */
};

/* A segment of size bytes with files at these places, or those of them that take it; the caller gets a reference with
 * the room. Its files have their full length, with space for it, from the start: writing later neither fails for want
 * of space nor changes the inode, which keeps fdatasync cheap, and a hole can be punched anywhere. Settling cuts what
 * was not used. Blocks on a commit and on the drives. 0; -ENOSPC or CAIRN_EQUORUM when fewer than a quorum of drives
 * has it, and then it is left to the chores; -ENOMEM; errors of index_apply. */
int segment_make(struct erasure_set *set, struct ids *ids, struct chores *chores, uint64_t size, uint32_t places,
                 struct room *ret_room);

#endif
