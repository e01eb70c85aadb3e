/*
 * Segments in use: a table of entries, each with the open files of one segment on all drives of its set. Writers,
 * readers and the keeper share them by reference. Those without a reference stay open for a while, least lately used
 * first out. Any thread.
 */
#ifndef CAIRN_DATA_SEGMENT_H
#define CAIRN_DATA_SEGMENT_H

#include <pthread.h>

#include "objstore/data/erasure_set.h"

struct drive_file;
struct sync_wait;

/* A file's sync, on its drive's thread (sync.c); the segment's lock. */
struct segment_sync {
    struct lane_task task;
    struct segment *segment;
    unsigned place;
    bool queued, running;
    bool kept; /* somebody left it behind: it has a reference to the segment, until it neither is queued nor runs */
    int error; /* once a sync has failed the kernel has dropped what it could not write: the file is lost for writes */
};

struct segment {
    uint64_t id;
    struct erasure_set *set;

    /* the table's lock */
    struct segment *next;                  /* in its hash chain */
    struct segment *idle_prev, *idle_next; /* in the list of those without refs, least lately used first */
    unsigned refs;
    unsigned claims; /* reservations whose fate is open */
    bool retired;    /* takes no more reservations */
    bool listed;     /* in the table; once its files are unlinked, no more */

    struct segment *settle_next; /* the chores' lock */

    pthread_mutex_t lock;                    /* guards what follows */
    struct drive_file *files[DRIVE_SET_MAX]; /* opened on first use; then constant until the segment is freed */
    uint32_t absent;                         /* bitmap of the places where there is no file */
    uint64_t requests;                       /* to sync, so far */
    struct sync_wait *waits;                 /* who waits for one */
    struct segment_sync syncs[DRIVE_SET_MAX];
};

#define SEGMENT_BUCKETS 256

struct segment_table {
    pthread_mutex_t lock; /* guards what follows */
    struct segment *buckets[SEGMENT_BUCKETS];
    struct segment *idle_first, *idle_last;
    unsigned idle_count, idle_max;
};

/* idle_max: how many are kept though nobody uses them. */
void segment_table_init(struct segment_table *table, unsigned idle_max);
/* Closes idle segments; asserts that none is in use. */
void segment_table_release(struct segment_table *table);

/* The segment with one more reference; its files open as they are asked for. NULL when memory is short. */
struct segment *segment_get(struct erasure_set *set, uint64_t id);
/* One more reference to a segment that the caller has one of. */
struct segment *segment_ref(struct segment *segment);
/* Accepts NULL. */
void segment_put(struct segment **segment);
/* The file at a place, as long as the reference is held; NULL and an error when it can't be opened. */
struct drive_file *segment_file(struct segment *segment, unsigned place, int *ret_error);
/* The places where there is no file, of those that were looked at. */
uint32_t segment_absent(struct segment *segment);
/* Removes the files on every drive that answers; who still reads has them open. */
void segment_unlink(struct erasure_set *set, uint64_t id);

/* ---- its open life ---- */

/* A range of it is reserved: its fate is open until it is unclaimed. The caller gets one more reference. */
struct segment *segment_claim(struct segment *segment);
/* What becomes of the range is decided; the caller keeps its reference. True when that was the last claim to a segment that
 * is retired: it is to be settled. */
bool segment_unclaim(struct segment *segment);
/* It takes no more claims. True when it has none: it is to be settled. */
bool segment_retire(struct segment *segment);

/* ---- files that are made ---- */

/* A file at a place that had none; the segment owns it. */
void segment_add_file(struct segment *segment, unsigned place, struct drive_file *file);
/* A segment out of the table, without files but those that the caller puts in: the copy of one that nobody sees yet.
 * One reference. NULL when memory is short. */
struct segment *segment_aside_new(struct erasure_set *set, uint64_t id);
/* Files that were missing are there from now on. */
void segment_appeared(struct erasure_set *set, uint64_t id, uint32_t places);

/* ---- names of its files ---- */

#define SEGMENT_NAME_MAX 32
void segment_name(uint64_t id, char ret_name[SEGMENT_NAME_MAX]);
/* Of a copy that is not complete; start-up removes it. */
void segment_temp_name(uint64_t id, char ret_name[SEGMENT_NAME_MAX]);

#endif
