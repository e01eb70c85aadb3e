/*
 * An erasure set: drives in order, the code over them, and a thread per drive and purpose. A place is a drive's number
 * in its set. All but lacks stays as it is from start to end; any thread.
 */
#ifndef CAIRN_DATA_ERASURE_SET_H
#define CAIRN_DATA_ERASURE_SET_H

#include "objstore/data/lacks.h"
#include "objstore/drive/lane.h"
#include "objstore/drive/set.h"
#include "objstore/ec/ec.h"

struct index;
struct segment_table;

struct erasure_set {
    unsigned number;                /* among the store's, as records have it */
    struct drive_set *drives;       /* borrowed, as the next two */
    struct index *index;            /* what is recorded of its segments */
    struct segment_table *segments; /* those in use */
    unsigned k, m, n;
    struct ec *ec;
    struct lane *writes[DRIVE_SET_MAX]; /* by place; of one thread each */
    struct lane *syncs[DRIVE_SET_MAX];
    struct lacks lacks; /* segments without a file on some drive */
};

/* Of number, drives, index and segments the caller has made what they are. damage is borrowed, too. 0, -ENOMEM,
 * -EAGAIN; the set wants stopping and releasing in any case. */
int erasure_set_init(struct erasure_set *set, struct damage *damage);
/* Ends its threads. False when one is left behind, in a write that does not come back: then the set must stay as it is.
 */
bool erasure_set_stop(struct erasure_set *set);
void erasure_set_release(struct erasure_set *set);

/* The bitmap of all its places. */
static inline uint32_t places_all(const struct erasure_set *set)
{
    return (1u << set->n) - 1;
}

typedef int place_task(struct erasure_set *set, unsigned place, void *arg);
/* Runs fn(set, place, arg) for each place of the bitmap on the drives' write threads, all at once, and waits. Returns
 * the bitmap of those that answered 0; ret_error, unless NULL, gets an error of the others, -ENOSPC before any. fn may
 * use the drives' bounded operations, not drive_write. */
uint32_t places_run(struct erasure_set *set, uint32_t places, place_task *fn, void *arg, int *ret_error);
/* Tells the drive set how an operation went. */
void place_note(struct erasure_set *set, unsigned place, bool writing, int result);
/* Errors of two drives: the one to tell the caller. */
int worse_error(int a, int b);

#endif
