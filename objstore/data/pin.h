/*
 * A pinned blob: what whoever reads it knows of it. data.h has the calls of the layer's users.
 */
#ifndef CAIRN_DATA_PIN_H
#define CAIRN_DATA_PIN_H

#include "objstore/data/data.h"
#include "objstore/data/format.h"
#include "objstore/data/pins.h"

struct blob_pin {
    struct data *data;
    struct pinned extent;
    uint64_t id;
    struct blob_record record; /* as the snapshot had it; fits the set */
    bool background;           /* not a caller's: its reads count for nothing and queue nothing */
    bool unreadable;           /* … and one of them found too few good shards */
};

/* A pin for work in the background, of a blob that lies at (segment, offset). -ESTALE when it lies elsewhere by now, or
 * was freed; else as blob_pin, and errors of index_read_begin. */
int blob_pin_at(struct data *data, uint64_t id, uint64_t segment, uint64_t offset, struct blob_pin **ret_pin);

#endif
