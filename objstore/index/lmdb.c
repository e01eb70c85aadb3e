#include <errno.h>

#include "objstore/base/errors.h"
#include "objstore/index/index_priv.h"

static const struct {
    int lmdb;
    int code;
} lmdb_codes[] = {
    {MDB_NOTFOUND, -ENOENT},
    {MDB_MAP_FULL, -ENOSPC},
    {EDQUOT, -ENOSPC},
    {EFBIG, -ENOSPC},
    {MDB_CORRUPTED, CAIRN_ECORRUPT},
    {MDB_PAGE_NOTFOUND, CAIRN_ECORRUPT},
    {MDB_INVALID, CAIRN_ECORRUPT},
    {MDB_VERSION_MISMATCH, CAIRN_EFORMAT},
    {MDB_READERS_FULL, -ENOMEM},
    {MDB_BAD_VALSIZE, -EINVAL},
};

int lmdb_error(int rc)
{
    for (size_t i = 0; i < sizeof(lmdb_codes) / sizeof(lmdb_codes[0]); i++)
        if (lmdb_codes[i].lmdb == rc)
            return lmdb_codes[i].code;
    return rc > 0 ? -rc : rc == 0 ? 0 : -EIO;
}

static int redo_one(struct replica *replica, MDB_txn *txn, const struct redo_op *op)
{
    MDB_val key = {op->key.len, (void *)op->key.ptr};
    MDB_val value = {op->stored.len, (void *)op->stored.ptr};
    if (!op->is_delete)
        return mdb_put(txn, replica->dbi, &key, &value, 0);
    int rc = mdb_del(txn, replica->dbi, &key, NULL);
    return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
}

int replica_redo(struct replica *replica, MDB_txn *txn, const struct redo *redo)
{
    struct redo_op op;
    size_t off = 0;
    int rc = 0;
    while (!rc && redo_next(redo, &off, &op))
        rc = redo_one(replica, txn, &op);
    return rc;
}
