#include "objstore/data/ids.h"

#include <errno.h>

#include "objstore/base/errors.h"
#include "objstore/data/format.h"

#define ID_BATCH 65536 /* taken from the index at a time */

void ids_init(struct ids *ids, struct index *index)
{
    ids->index = index;
    ids->next = ids->limit = 0;
    pthread_mutex_init(&ids->lock, NULL);
}

void ids_release(struct ids *ids)
{
    pthread_mutex_destroy(&ids->lock);
}

int ids_load(struct ids *ids, struct index_txn *txn)
{
    struct span value;
    char tag = TAG_BLOB;
    int r = index_get(txn, span_make(&tag, 1), &value);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (value.len != 8)
        return CAIRN_ECORRUPT;
    ids->next = ids->limit = get_le64(value.ptr);
    return 0;
}

static int record_high_water(struct index_txn *txn, void *arg)
{
    char tag = TAG_BLOB, value[8];

    put_le64(value, *(uint64_t *)arg);
    return index_put(txn, span_make(&tag, 1), span_make(value, sizeof(value)));
}

int ids_new(struct ids *ids, uint64_t *ret_id)
{
    int r = 0;

    pthread_mutex_lock(&ids->lock);
    if (ids->next == ids->limit) {
        uint64_t limit = ids->limit + ID_BATCH;
        r = index_apply(ids->index, record_high_water, &limit, INDEX_DURABLE);
        if (r >= 0)
            ids->limit = limit;
    }
    if (r >= 0)
        *ret_id = ids->next++;
    pthread_mutex_unlock(&ids->lock);
    return r < 0 ? r : 0;
}

bool ids_given(const struct ids *ids, uint64_t id)
{
    return id < ids->next;
}
