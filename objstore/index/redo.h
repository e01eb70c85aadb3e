/*
 * Redo: the puts and deletes of a batch of mutations, in order, as they are to be stored. Each replica applies them,
 * and so does the primary when its transaction has to be made anew. One thread writes; any number may read once it is
 * complete.
 */
#ifndef CAIRN_INDEX_REDO_H
#define CAIRN_INDEX_REDO_H

#include "objstore/base/span.h"

struct redo {
    struct buf bytes;
    size_t ops;
};

/* A place to go back to. */
struct redo_mark {
    size_t len;
    size_t ops;
};

struct redo_op {
    bool is_delete;
    struct span key;
    struct span stored; /* the value with its check; empty for a delete */
};

/* Appends a put, or a delete, and gives the operation as it was recorded; its spans live until the next append.
 * -ENOMEM. */
int redo_put(struct redo *redo, struct span key, struct span value, struct redo_op *ret_op);
int redo_delete(struct redo *redo, struct span key, struct redo_op *ret_op);
/* Reads the operation at *off, which starts at 0, and moves *off past it. False at the end. */
bool redo_next(const struct redo *redo, size_t *off, struct redo_op *ret_op);

struct redo_mark redo_mark(const struct redo *redo);
/* Forgets what came after the mark, and an append that failed. */
void redo_rewind(struct redo *redo, struct redo_mark mark);

/* The value without its check; CAIRN_ECORRUPT when that does not match. */
int record_open(struct span key, struct span stored, struct span *ret_value);

#endif
