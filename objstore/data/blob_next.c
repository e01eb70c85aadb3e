#include <errno.h>

#include "objstore/base/errors.h"
#include "objstore/data/data.h"
#include "objstore/data/record.h"

int blob_next(struct index_txn *txn, uint64_t from, uint64_t *ret_id, uint32_t *ret_refs)
{
    struct index_cursor cursor;
    struct record_key at = key_id(TAG_BLOB, from);
    struct blob_record record;
    struct span key, value;
    int r = index_cursor_open(txn, &cursor);

    if (r < 0)
        return r;
    r = index_cursor_seek(&cursor, key_span(&at), &key, &value);
    if (r == 0 && !key_parse_id(key, TAG_BLOB, ret_id))
        r = -ENOENT;
    if (r == 0)
        r = blob_get(txn, *ret_id, &record);
    if (r == 0)
        *ret_refs = record.refs;
    index_cursor_close(&cursor);
    return r;
}
