/*
 * Grouped syncs: whoever has written to a segment waits until its file is on stable storage on each drive; one
 * fdatasync answers all who asked before it began. A drive's sync thread does it; who waits leaves a drive behind that
 * is slow, and then the segment stays until the drive has let go.
 */
#ifndef CAIRN_DATA_SYNC_H
#define CAIRN_DATA_SYNC_H

#include "objstore/data/segment.h"

/* Who waits until its writes to a segment are on stable storage on some drives; woken once, by the drive that answers
 * last. */
struct sync_wait {
    struct segment *segment;    /* NULL: not begun */
    struct sync_wait *next;     /* the segment's lock, as all below */
    uint32_t asked, left, good; /* places whose sync was asked for; … that have not answered; … where all is safe */
    uint32_t behind;            /* places that were not waited for */
    uint64_t numbers[DRIVE_SET_MAX]; /* of the requests, by place */
    int error;
    pthread_cond_t answered;
};

/* The places are waited for; the caller holds a reference to the segment until the release. */
void segment_sync_begin(struct segment *segment, uint32_t places, struct sync_wait *wait);
/* All is written at a place: its sync is asked for; or it failed. Without effect for one that is not waited for any
 * more. */
void segment_sync_place(struct sync_wait *wait, unsigned place, int error);
/* Waits, for slow drives only until they are known to be. Returns the places where all is on stable storage. */
uint32_t segment_sync_end(struct sync_wait *wait, int *ret_error);
/* Accepts one that was not begun, or has not ended. */
void segment_sync_release(struct sync_wait *wait);

/* A sync failed: what that drive has of later writes would not count. */
bool segment_is_broken(struct segment *segment);

#endif
