/*
 * The open batch: runs mutations in the primary's write transaction, and records what they put and delete.
 *
 * A put can break the whole transaction: the map is full, or memory is short. LMDB then allows nothing but an abort.
 * The batch is made anew from the redo of the mutations that had succeeded (their callers may have been answered and
 * gone, so their functions can't be run again), and only the one that broke it runs once more, or answers the error.
 */
#include <assert.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "objstore/index/batch.h"

/* ---- the transaction ---- */

int batch_begin(struct index *index, struct batch *batch)
{
    struct index_txn *txn = &index->write;
    int rc = mdb_txn_begin(index->primary->env, NULL, 0, &txn->mdb);
    if (rc)
        txn->mdb = NULL;
    txn->index = index;
    txn->dbi = index->primary->dbi;
    txn->replica = index->primary;
    txn->generation = index->generation;
    txn->batch = batch;
    return rc;
}

void batch_abort(struct index *index)
{
    if (index->write.mdb)
        mdb_txn_abort(index->write.mdb);
    index->write.mdb = NULL;
}

static int grow_primary(struct index *index)
{
    if (!gate_close(index))
        return EBUSY;
    int rc = replica_grow(index->primary);
    gate_open(index);
    return rc;
}

int batch_rebuild(struct index *index, struct batch *batch, bool grow)
{
    int rc;
    do {
        batch_abort(index);
        rc = grow ? grow_primary(index) : 0;
        if (!rc)
            rc = batch_begin(index, batch);
        if (!rc)
            rc = replica_redo(index->primary, index->write.mdb, &batch->redo);
        grow = rc == MDB_MAP_FULL && index->write.mdb;
    } while (grow);
    return rc;
}

/* ---- callbacks ---- */

int index_on_commit(struct index_txn *txn, void (*fn)(void *arg), void (*dropped)(void *arg), void *arg)
{
    struct batch *batch = txn->batch;
    assert(batch);
    if (batch->callback_count == batch->callback_cap) {
        size_t cap = batch->callback_cap ? batch->callback_cap * 2 : 64;
        struct callback *grown = reallocarray(batch->callbacks, cap, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        batch->callbacks = grown;
        batch->callback_cap = cap;
    }
    batch->callbacks[batch->callback_count++] = (struct callback){.fn = fn, .dropped = dropped, .arg = arg};
    return 0;
}

void batch_drop_callbacks(struct batch *batch, size_t keep)
{
    for (size_t i = keep; i < batch->callback_count; i++)
        if (batch->callbacks[i].dropped)
            batch->callbacks[i].dropped(batch->callbacks[i].arg);
    batch->callback_count = keep;
}

/* ---- records ---- */

static bool key_valid(struct span key)
{
    return key.len > 0 && key.len <= INDEX_KEY_MAX && key.ptr[0] != 0;
}

int index_get(struct index_txn *txn, struct span key, struct span *ret_value)
{
    if (!key_valid(key))
        return -EINVAL;
    MDB_val at = {key.len, (void *)key.ptr};
    MDB_val stored;
    int rc = mdb_get(txn->mdb, txn->dbi, &at, &stored);
    return record_give(txn, rc, key, &stored, ret_value);
}

/* From here on the mutation can't succeed. */
static int broken(struct index_txn *txn, int failure)
{
    txn->failure = failure;
    return lmdb_error(failure);
}

int index_put(struct index_txn *txn, struct span key, struct span value)
{
    assert(txn->batch);
    if (txn->failure)
        return lmdb_error(txn->failure);
    if (!key_valid(key) || value.len > INDEX_VALUE_MAX)
        return broken(txn, EINVAL);
    struct redo_op op;
    if (redo_put(&txn->batch->redo, key, value, &op) < 0)
        return broken(txn, ENOMEM);
    MDB_val at = {op.key.len, (void *)op.key.ptr};
    MDB_val stored = {op.stored.len, (void *)op.stored.ptr};
    room_count(txn, &op);
    int rc = mdb_put(txn->mdb, txn->dbi, &at, &stored, 0);
    if (rc)
        return broken(txn, rc);
    txn->wrote = true;
    return 0;
}

int index_delete(struct index_txn *txn, struct span key)
{
    assert(txn->batch);
    if (txn->failure)
        return lmdb_error(txn->failure);
    if (!key_valid(key))
        return broken(txn, EINVAL);
    struct redo_mark before = redo_mark(&txn->batch->redo);
    struct redo_op op;
    if (redo_delete(&txn->batch->redo, key, &op) < 0)
        return broken(txn, ENOMEM);
    MDB_val at = {op.key.len, (void *)op.key.ptr};
    room_count(txn, &op);
    int rc = mdb_del(txn->mdb, txn->dbi, &at, NULL);
    if (rc == MDB_NOTFOUND) {
        redo_rewind(&txn->batch->redo, before);
        return -ENOENT;
    }
    if (rc)
        return broken(txn, rc);
    txn->wrote = true;
    return 0;
}

/* ---- mutations ---- */

/* One try. The function's answer; txn->failure says whether the transaction must be made anew. */
static int run_once(struct index_txn *txn, struct request *request)
{
    txn->wrote = false;
    txn->failure = 0;
    txn->growth = 0;
    int rc = request->fn(txn, request->arg);
    if (rc >= 0 && !txn->failure && !room_allows(txn)) {
        txn->failure = ENOSPC;
        rc = -ENOSPC;
    }
    /* An error after a write (a record met on the way is damaged, memory is short) would leave half a mutation. */
    if (rc < 0 && txn->wrote && !txn->failure)
        txn->failure = ECANCELED;
    return rc;
}

int batch_run(struct index *index, struct batch *batch, struct request *request)
{
    struct index_txn *txn = &index->write;
    struct redo_mark redo = redo_mark(&batch->redo);
    size_t callbacks = batch->callback_count;
    int rc = run_once(txn, request);
    while (txn->failure) {
        int failure = txn->failure;
        redo_rewind(&batch->redo, redo);
        batch_drop_callbacks(batch, callbacks);
        batch->error = lmdb_error(batch_rebuild(index, batch, failure == MDB_MAP_FULL));
        if (batch->error || failure != MDB_MAP_FULL)
            return batch->error ? batch->error : rc < 0 ? rc : lmdb_error(failure);
        rc = run_once(txn, request);
    }
    if (rc < 0)
        batch_drop_callbacks(batch, callbacks);
    return rc;
}

/* ---- sealing ---- */

int batch_seal(struct index *index, struct batch *batch)
{
    struct meta meta = index->meta;
    meta.sequence = batch->sequence;
    struct redo_op op;
    if (meta_redo(&batch->redo, &meta, &op) < 0)
        return ENOMEM;
    int rc = meta_put(index->write.mdb, index->write.dbi, &meta);
    if (rc == MDB_MAP_FULL)
        rc = batch_rebuild(index, batch, true);
    batch->pages = room_needed(index, batch);
    return rc;
}
