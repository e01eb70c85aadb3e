/*
 * Multipart uploads.
 *
 * An upload is a record 'U' and an entry of its bucket's hidden directory, named key, NUL, id: keys hold no NUL, so
 * entries sort by key, then by id. The id is the time and the number of the upload in hex, so that an order by id is
 * one by time.
 */
#include <endian.h>

#include "objstore/base/hash.h"
#include "objstore/namespace/body.h"
#include "objstore/namespace/counters.h"
#include "objstore/namespace/dentry.h"
#include "objstore/namespace/extent.h"
#include "objstore/namespace/garbage.h"
#include "objstore/namespace/inode.h"
#include "objstore/namespace/key.h"
#include "objstore/namespace/ns_priv.h"
#include "objstore/namespace/upload.h"

#define ID_LEN 32

_Static_assert(ID_LEN < NS_UPLOAD_ID_MAX, "an id and its NUL");
_Static_assert(NS_KEY_MAX + 1 + ID_LEN <= DENTRY_NAME_MAX, "an upload's entry");

/* ---- records ---- */

static uint64_t uploads_of(uint64_t bucket)
{
    return bucket | NS_UPLOADS_BIT;
}

static void id_make(struct ns_upload *upload)
{
    uint8_t bytes[16];
    put_be64(bytes, (uint64_t)upload->initiated);
    put_be64(bytes + 8, upload->ino);
    hex_encode(bytes, sizeof(bytes), upload->id);
}

/* The name of an upload's entry, in ret_name[DENTRY_NAME_MAX]. */
static struct span entry_name_of(struct span key, struct span id, char *ret_name)
{
    if (key.len)
        memcpy(ret_name, key.ptr, key.len);
    ret_name[key.len] = 0;
    if (id.len)
        memcpy(ret_name + key.len + 1, id.ptr, id.len);
    return span_make(ret_name, key.len + 1 + id.len);
}

static int upload_decode(uint64_t ino, struct span value, uint64_t *ret_bucket, struct ns_upload *ret_upload)
{
    struct upload_record record;
    if (value.len < sizeof(record))
        return CAIRN_ECORRUPT;
    memcpy(&record, value.ptr, sizeof(record));
    struct span rest = span_from(value, sizeof(record));
    size_t key_len = le16toh(record.key_len);
    if (record.version != NS_FORMAT)
        return CAIRN_EFORMAT;
    if (key_len > rest.len || key_len > NS_KEY_MAX || rest.len - key_len > ATTRS_MAX)
        return CAIRN_ECORRUPT;
    *ret_bucket = le64toh(record.bucket);
    *ret_upload = (struct ns_upload){.ino = ino,
                                     .initiated = (int64_t)le64toh((uint64_t)record.initiated),
                                     .key = span_head(rest, key_len),
                                     .attrs = span_from(rest, key_len)};
    id_make(ret_upload);
    return 0;
}

static int upload_get(struct ns_txn *txn, uint64_t ino, uint64_t *ret_bucket, struct ns_upload *ret_upload)
{
    struct record_key key;
    struct span value;
    int r = index_get(txn->index, key_id(&key, TAG_UPLOAD, ino), &value);
    return r < 0 ? r : upload_decode(ino, value, ret_bucket, ret_upload);
}

static int upload_put(struct ns_txn *txn, uint64_t bucket, const struct ns_upload *upload)
{
    struct record_key key;
    struct upload_record record = {
        .version = NS_FORMAT,
        .key_len = htole16((uint16_t)upload->key.len),
        .bucket = htole64(bucket),
        .initiated = (int64_t)htole64((uint64_t)upload->initiated),
    };
    char *value = txn->ns->scratch;
    size_t len = sizeof(record) + upload->key.len;
    memcpy(value, &record, sizeof(record));
    memcpy(value + sizeof(record), upload->key.ptr, upload->key.len);
    if (upload->attrs.len)
        memcpy(value + len, upload->attrs.ptr, upload->attrs.len);
    return index_put(txn->index, key_id(&key, TAG_UPLOAD, upload->ino), span_make(value, len + upload->attrs.len));
}

/* ---- life of an upload ---- */

int ns_upload_create(struct ns_txn *txn, uint64_t bucket, struct span key, struct span attrs,
                     struct ns_upload *ret_upload)
{
    char name[DENTRY_NAME_MAX];
    struct inode dir;
    struct ns_upload upload = {.key = key, .initiated = txn->now, .attrs = attrs};
    if (key.len > NS_KEY_MAX)
        return CAIRN_EKEYTOOLONG;
    if (key.len == 0 || memchr(key.ptr, 0, key.len))
        return CAIRN_EBADNAME;
    if (attrs.len > ATTRS_MAX)
        return CAIRN_ETOOBIG;
    int r = inode_dir(txn, bucket, &dir);
    if (r < 0)
        return r == -ESTALE || r == -ENOENT ? CAIRN_ENOBUCKET : r;
    r = number_new(txn, 0, &upload.ino);
    if (r < 0)
        return r;
    id_make(&upload);
    struct dentry dentry = {.ino = upload.ino, .type = DENTRY_UPLOAD};
    r = dentry_put(txn, uploads_of(bucket), entry_name_of(key, span_cstr(upload.id), name), &dentry);
    if (r == 0)
        r = upload_put(txn, bucket, &upload);
    *ret_upload = upload;
    return r;
}

int ns_upload_find(struct ns_txn *txn, uint64_t bucket, struct span key, struct span id, struct ns_upload *ret_upload)
{
    struct ns_upload upload;
    uint64_t ino, of_bucket;
    if (id.len != ID_LEN || span_hex_to_u64(span_from(id, 16), &ino) < 0)
        return CAIRN_ENOUPLOAD;
    int r = upload_get(txn, ino, &of_bucket, &upload);
    if (r == -ENOENT)
        return CAIRN_ENOUPLOAD;
    if (r < 0)
        return r;
    if (of_bucket != bucket || !span_eq(upload.key, key) || !span_is(id, upload.id))
        return CAIRN_ENOUPLOAD;
    *ret_upload = upload;
    return 0;
}

/* The parts that it still has go, too. The key and id are read before anything changes. */
int ns_upload_abort(struct ns_txn *txn, uint64_t bucket, const struct ns_upload *upload)
{
    struct record_key record;
    char name[DENTRY_NAME_MAX];
    int r = dentry_delete(txn, uploads_of(bucket), entry_name_of(upload->key, span_cstr(upload->id), name));
    if (r == 0)
        r = index_delete(txn->index, key_id(&record, TAG_UPLOAD, upload->ino));
    return r < 0 ? r : garbage_add(txn, upload->ino, GARBAGE_UPLOAD);
}

/* ---- listing ---- */

/* The upload that an entry of the hidden directory names: its record says the same, or a listing could go round. */
static int upload_of(struct ns_txn *txn, uint64_t bucket, const struct dentry *dentry, struct span name,
                     struct ns_upload *ret_upload)
{
    char again[DENTRY_NAME_MAX];
    uint64_t of_bucket;
    int r = upload_get(txn, dentry->ino, &of_bucket, ret_upload);
    if (r < 0)
        return r == -ENOENT ? CAIRN_ECORRUPT : r;
    bool same = span_eq(name, entry_name_of(ret_upload->key, span_cstr(ret_upload->id), again));
    return same && of_bucket == bucket ? 0 : CAIRN_ECORRUPT;
}

int ns_upload_next(struct ns_txn *txn, uint64_t bucket, struct span after_key, struct span after_id,
                   struct arena *arena, struct ns_upload *ret_upload)
{
    char name[DENTRY_NAME_MAX];
    struct dentry_cursor cursor;
    struct dentry dentry;
    struct span from = SPAN_EMPTY, found;
    struct ns_upload upload;
    after_key = span_head(after_key, NS_KEY_MAX);
    if (after_key.len > 0) {
        from = entry_name_of(after_key, span_head(after_id, ID_LEN), name);
        if (after_id.len == 0)
            name[after_key.len] = 1; /* behind all ids of that key, before any longer key */
    }
    int r = dentry_cursor_open(txn, &cursor);
    if (r < 0)
        return r;
    r = dentry_seek(&cursor, uploads_of(bucket), from, &found, &dentry);
    if (r == 0 && from.len > 0 && span_eq(found, from))
        r = dentry_next(&cursor, &found, &dentry);
    if (r == 0)
        r = upload_of(txn, bucket, &dentry, found, &upload);
    dentry_cursor_close(&cursor);
    if (r < 0)
        return r == -ENOENT ? CAIRN_ENOUPLOAD : r;
    upload.key = arena_dup(arena, upload.key);
    upload.attrs = arena_dup(arena, upload.attrs);
    if (!upload.key.ptr || !upload.attrs.ptr)
        return -ENOMEM;
    *ret_upload = upload;
    return 0;
}
