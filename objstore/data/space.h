/*
 * The free bytes of a set's drives, less what each keeps free so that the index can always commit a delete.
 */
#ifndef CAIRN_DATA_SPACE_H
#define CAIRN_DATA_SPACE_H

#include "objstore/drive/set.h"

struct space {
    struct drive_set *drives; /* borrowed */
    uint64_t reserve;         /* of each drive, as data_reserve takes it */

    /* the allocator's lock */
    int64_t at;                   /* when the drives were asked, monotonic; 0: not yet */
    uint64_t free[DRIVE_SET_MAX]; /* then, reserve taken off, less what was taken since */
};

/* ---- the caller holds the allocator's lock ---- */

/* Asks the drives, unless they were asked a moment ago. */
void space_ask(struct space *space);
/* They are asked anew the next time. */
void space_forget(struct space *space);
/* Places whose drive answers and has room for size more bytes, and the least room among them. */
uint32_t space_places(const struct space *space, uint64_t size, uint64_t *ret_least);
/* size bytes of each drive are taken. */
void space_take(struct space *space, uint64_t size);

/* ---- any thread; the drives are asked anew ---- */

/* Of the places given, those whose drive answers and has room for it above the reserve. */
uint32_t space_with_room(const struct space *space, uint32_t places, uint64_t size);
/* Bytes in all, reserve taken off, that the smallest drive allows each. */
uint64_t space_total(const struct space *space);

#endif
