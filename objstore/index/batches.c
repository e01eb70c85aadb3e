#include <stdlib.h>

#include "objstore/index/index_priv.h"

struct batch *batch_new(struct index *index)
{
    pthread_mutex_lock(&index->lock);
    struct batch *batch = index->spare;
    if (batch)
        index->spare = batch->next;
    pthread_mutex_unlock(&index->lock);
    if (!batch && !(batch = calloc(1, sizeof(*batch))))
        return NULL;
    batch->refs = 1;
    batch->waiters_end = &batch->waiters;
    return batch;
}

void batch_free(struct batch *batch)
{
    buf_release(&batch->redo.bytes);
    free(batch->callbacks);
    free(batch);
}

/* Empties it and keeps its memory, within a bound. */
static void batch_clear(struct batch *batch)
{
    struct redo redo = batch->redo;
    struct callback *callbacks = batch->callbacks;
    size_t cap = batch->callback_cap;
    if (redo.bytes.cap > BATCH_KEEP_BYTES)
        buf_release(&redo.bytes);
    redo_rewind(&redo, (struct redo_mark){0});
    *batch = (struct batch){.redo = redo, .callbacks = callbacks, .callback_cap = cap};
}

void batch_drop(struct index *index, struct batch *batch)
{
    if (--batch->refs)
        return;
    batch_clear(batch);
    batch->next = index->spare;
    index->spare = batch;
}

void batch_unref(struct index *index, struct batch *batch)
{
    pthread_mutex_lock(&index->lock);
    batch_drop(index, batch);
    pthread_mutex_unlock(&index->lock);
}
