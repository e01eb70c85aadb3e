/*
 * The batch that the writer has open; its thread only. LMDB's codes where not said otherwise.
 */
#ifndef CAIRN_INDEX_BATCH_H
#define CAIRN_INDEX_BATCH_H

#include "objstore/index/index_priv.h"

/* Opens the primary's write transaction for batch. */
int batch_begin(struct index *index, struct batch *batch);
void batch_abort(struct index *index);
/* Aborts, grows the map if asked, begins anew and applies the redo. */
int batch_rebuild(struct index *index, struct batch *batch, bool grow);
/* Runs one mutation, all or nothing; its answer. batch->error is set when the batch itself is lost. */
int batch_run(struct index *index, struct batch *batch, struct request *request);
/* Adds the meta record; nothing may run after. */
int batch_seal(struct index *index, struct batch *batch);
/* room.c: looks at the disks, before anything runs in the batch that is open; */
void room_look(struct index *index);
/* Before a put or delete: counts what it adds. Then whether the mutation may add so much. */
void room_count(struct index_txn *txn, const struct redo_op *op);
bool room_allows(const struct index_txn *txn);
/* Whether the batch, with ran mutations in it, may take another. */
bool room_for_more(struct index *index, const struct batch *batch, unsigned ran);
/* Pages that its commit may write. Disk space for batch->pages of them on every replica: 0, -ENOSPC. */
size_t room_needed(const struct index *index, const struct batch *batch);
int room_reserve(struct index *index, const struct batch *batch);
/* Answers the callbacks after the first keep as dropped. */
void batch_drop_callbacks(struct batch *batch, size_t keep);

#endif
