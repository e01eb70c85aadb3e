/*
 * Ids of blobs and segments. None is given twice, not after a crash either: checksums are seeded with them. So they are
 * taken from the index by the thousand, durably, and those that are left when the process ends are lost.
 */
#ifndef CAIRN_DATA_IDS_H
#define CAIRN_DATA_IDS_H

#include <pthread.h>

#include "objstore/index/index.h"

struct ids {
    struct index *index;  /* borrowed */
    pthread_mutex_t lock; /* guards the two; held over index_apply, alone or below allocator.lock */
    uint64_t next, limit;
};

/* Ids that begin at 0, until they are loaded. */
void ids_init(struct ids *ids, struct index *index);
void ids_release(struct ids *ids);
/* At start: goes on where the index says. 0; CAIRN_ECORRUPT. */
int ids_load(struct ids *ids, struct index_txn *txn);
/* An id that was never given before. Blocks on a commit now and then. 0, or an error of index_apply. */
int ids_new(struct ids *ids, uint64_t *ret_id);
/* Whether this one may have been given. At start. */
bool ids_given(const struct ids *ids, uint64_t id);

#endif
