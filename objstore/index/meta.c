#include <endian.h>

#include "objstore/base/errors.h"
#include "objstore/index/index_priv.h"

static const struct span meta_key = {INDEX_META_KEY, INDEX_META_KEY_LEN};

int meta_redo(struct redo *redo, const struct meta *meta, struct redo_op *ret_op)
{
    struct index_meta_record record = {
        .version = htole32(INDEX_META_VERSION),
        .promised = htole64(meta->promised),
        .epoch = htole64(meta->epoch),
        .sequence = htole64(meta->sequence),
    };
    memcpy(record.magic, INDEX_META_MAGIC, sizeof(record.magic));
    memcpy(record.uuid, meta->uuid, sizeof(record.uuid));
    return redo_put(redo, meta_key, span_make(&record, sizeof(record)), ret_op);
}

int meta_put(MDB_txn *txn, MDB_dbi dbi, const struct meta *meta)
{
    struct redo redo = {0};
    struct redo_op op;
    int rc = meta_redo(&redo, meta, &op);
    if (rc < 0)
        return ENOMEM;
    MDB_val key = {op.key.len, (void *)op.key.ptr};
    MDB_val value = {op.stored.len, (void *)op.stored.ptr};
    rc = mdb_put(txn, dbi, &key, &value, 0);
    buf_release(&redo.bytes);
    return rc;
}

/* What a later version may change comes last: the magic and the version are read before the length and the check. */
static int meta_decode(struct span stored, struct meta *ret_meta)
{
    struct index_meta_record record;
    size_t fixed = offsetof(struct index_meta_record, zero);
    if (stored.len < fixed || memcmp(stored.ptr, INDEX_META_MAGIC, sizeof(record.magic)) != 0)
        return CAIRN_ECORRUPT;
    if (get_le32(stored.ptr + offsetof(struct index_meta_record, version)) != INDEX_META_VERSION)
        return CAIRN_EFORMAT;
    struct span value;
    if (record_open(meta_key, stored, &value) < 0 || value.len != sizeof(record))
        return CAIRN_ECORRUPT;
    memcpy(&record, value.ptr, sizeof(record));
    memcpy(ret_meta->uuid, record.uuid, sizeof(ret_meta->uuid));
    ret_meta->promised = le64toh(record.promised);
    ret_meta->epoch = le64toh(record.epoch);
    ret_meta->sequence = le64toh(record.sequence);
    return 0;
}

int meta_get(MDB_txn *txn, MDB_dbi dbi, struct meta *ret_meta)
{
    MDB_val key = {meta_key.len, (void *)meta_key.ptr};
    MDB_val value;
    int rc = mdb_get(txn, dbi, &key, &value);
    if (rc == MDB_NOTFOUND)
        return CAIRN_ECORRUPT;
    if (rc)
        return lmdb_error(rc);
    return meta_decode(span_make(value.mv_data, value.mv_size), ret_meta);
}
