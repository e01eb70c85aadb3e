/*
 * A blob on its way to the drives, as writer.c (its life) and stripe.c (its stripes) share it.
 *
 * A stripe's shards are written by the drives' threads. One that a slow drive keeps is left behind: it counts as failed, and what it needs
 * stays until the drive has let go of it, though the stripe's slot is used again and the writer may be freed meanwhile.
 *
 *   a shard is  meaning                              leaves when
 *   pending     queued, or with the drive            written, or failed; the drive is slow: dropped from the queue, or late
 *   late        with the drive; nobody waits for it  the drive has let go: what only it needed is freed
 */
#ifndef CAIRN_DATA_WRITER_PRIV_H
#define CAIRN_DATA_WRITER_PRIV_H

#include "objstore/data/data_priv.h"
#include "objstore/data/layout.h"
#include "objstore/data/sync.h"

#define WRITER_STRIPES 3

struct shard_task {
    struct lane_task task;
    struct stripe *stripe;
    unsigned place;
};

struct stripe {
    struct blob_writer *writer;
    uint64_t number;
    uint32_t length; /* bytes of data */
    uint32_t filled;
    uint32_t shard; /* bytes of a shard */
    unsigned columns;
    uint8_t *buffer;   /* n shards in order, then n * columns checksums */
    struct pool *pool; /* where it comes from */
    struct shard_task tasks[DRIVE_SET_MAX];

    /* writer->lock */
    uint32_t pending, late; /* bitmaps of places */
    bool orphan;            /* out of its slot: the last late shard frees it */
};

struct blob_writer {
    struct blob_place place;
    struct segment *segment; /* where it lies: the reservation's, or one aside, with a reference */
    uint64_t offset;
    unsigned enough; /* drives that must have all of it */
    uint64_t taken;  /* bytes of the blob that were given */
    uint64_t stripes_begun;
    bool finished;
    struct stripe *current;               /* being filled, or NULL */
    struct stripe *slots[WRITER_STRIPES]; /* NULL until used */
    struct sync_wait sync;                /* begun with the last stripe, but of one aside */

    pthread_mutex_t lock; /* guards what follows, and what the stripes say */
    pthread_cond_t written;
    uint32_t failed; /* places that lack some of the blob */
    int error;       /* the first of theirs, -ENOSPC before others */
    unsigned late;   /* shards */
    bool gone;       /* freed by its owner: the last late shard frees it */
};

/* ---- writer.c ---- */

/* The caller holds the lock, or nobody else has the writer yet. */
void writer_fail(struct blob_writer *w, unsigned place, int error);
/* Places that have all of what was written so far. */
uint32_t writer_alive(struct blob_writer *w);
/* Nothing uses it any more. */
void writer_destroy(struct blob_writer *w);

/* ---- stripe.c ---- */

/* Prepares the next stripe, once its slot is free. 0, -ENOMEM. */
int stripe_begin(struct blob_writer *w);
/* The current stripe is full: encodes it, and has its shards written. */
void stripe_send(struct blob_writer *w);
/* Waits until no shard is pending. */
void stripes_wait(struct blob_writer *w);
/* Takes the stripes from a writer that has none pending. False when late shards keep some, and the writer. */
bool stripes_release(struct blob_writer *w);

#endif
