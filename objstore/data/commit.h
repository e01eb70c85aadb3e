/*
 * What this layer does inside mutations: a blob becomes part of the store, its references change, it moves. Each runs
 * again when its mutation does, and finds the index as it was. data.h has the calls of the layer's users.
 */
#ifndef CAIRN_DATA_COMMIT_H
#define CAIRN_DATA_COMMIT_H

#include "objstore/data/data.h"

/* Inside a mutation: the blob, if it still lies at (segment, offset), lies where the writer put it from now on; its old
 * extent is freed. -ESTALE when it does not; -EINVAL when the writer is not finished; errors of the index. */
int blob_move_commit(struct index_txn *txn, struct blob_writer *writer, uint64_t segment, uint64_t offset);

#endif
