/*
 * Handles: the open files of one session, handle → inode. A hash table with open addressing; the caller locks.
 */
#ifndef CAIRN_POSIX_HANDLES_H
#define CAIRN_POSIX_HANDLES_H

#include "objstore/base/span.h"

struct handle {
    uint64_t handle; /* 0: the place is free */
    uint64_t ino;
};

struct handles {
    struct handle *places;
    size_t size; /* a power of two, or 0 */
    size_t used;
};

/* Room for count more, so that so many handles_put can't fail. -ENOMEM. */
int handles_reserve(struct handles *handles, size_t count);
/* False when the handle is there already; it keeps its inode. */
bool handles_put(struct handles *handles, uint64_t handle, uint64_t ino);
/* Takes a handle off; false when it is not there. */
bool handles_take(struct handles *handles, uint64_t handle, uint64_t *ret_ino);
void handles_release(struct handles *handles);

#endif
