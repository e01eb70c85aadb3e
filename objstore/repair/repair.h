/*
 * Repair: one thread that brings redundancy back, with what objstore/data offers for it (README.md has the order of
 * steps).
 */
#ifndef CAIRN_REPAIR_REPAIR_H
#define CAIRN_REPAIR_REPAIR_H

#include "objstore/data/data.h"

struct repair;

enum repair_event_kind {
    REPAIR_BEGINS,  /* files of segments are missing on drives that answer: count segments, bytes */
    REPAIR_ENDS,    /* none is any more: count blobs and bytes were written since REPAIR_BEGINS */
    REPAIR_DAMAGED, /* blob can't be healed: fewer than k of its shards are good; told once for each */
    REPAIR_FAILED   /* it could not go on, and tries again: error */
};

struct repair_event {
    enum repair_event_kind kind;
    uint64_t blob;
    uint64_t count, bytes;
    int error;
};

struct repair_options {
    struct data *data; /* borrowed until repair_stop */
    /* Told what an operator wants to know, on repair's thread; NULL: nobody is. */
    void (*event)(void *arg, const struct repair_event *event);
    void *event_arg;
};

struct repair_status {
    bool healing; /* something is being written anew at this moment */
    bool waiting; /* something is left that no drive could take at the last try */
    int error;    /* why, when it was not for a drive that is away: -ENOSPC, CAIRN_EQUORUM …; 0 otherwise */
};

/* 0, -ENOMEM, -EAGAIN. */
int repair_start(const struct repair_options *options, struct repair **ret_repair);
/* Breaks off what is under way; nothing is left behind by that. Accepts NULL. */
void repair_stop(struct repair **repair);
/* Any thread; does not block. */
void repair_status(struct repair *repair, struct repair_status *ret_status);

#endif
