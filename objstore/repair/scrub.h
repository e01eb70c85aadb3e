/*
 * Scrub: one thread that verifies every shard of every blob, slowly, again and again, so that rot in what nobody reads
 * is found while there is enough left to heal it.
 */
#ifndef CAIRN_REPAIR_SCRUB_H
#define CAIRN_REPAIR_SCRUB_H

#include "objstore/data/data.h"

struct scrub;

struct scrub_options {
    struct data *data; /* borrowed until scrub_stop, as index */
    struct index *index;
    int64_t
        period_ns; /* a pass begins so long after the last one began, and is spread over that; 0: only when asked for */
};

struct scrub_status {
    bool runs;
    int64_t began,
        ended; /* of the pass that runs or the last one; of the last that came to its end: ns since 1970, 0: none */
    uint64_t blobs, bytes, wrong; /* of the pass that runs, or the last one: looked at; shards that were wrong */
    uint64_t total;               /* bytes that there were when it began */
};

/* Goes on with the pass that the last process was in. 0, -ENOMEM, -EAGAIN, errors of the index. */
int scrub_start(const struct scrub_options *options, struct scrub **ret_scrub);
/* Accepts NULL. */
void scrub_stop(struct scrub **scrub);
/* A pass begins now, and does not take its time; one that runs goes on without taking it. */
void scrub_hurry(struct scrub *scrub);
/* Any thread; does not block. */
void scrub_status(struct scrub *scrub, struct scrub_status *ret_status);

#endif
