/*
 * Parts of multipart uploads, and of the objects they have become.
 */
#include <endian.h>

#include "objstore/namespace/body.h"
#include "objstore/namespace/counters.h"
#include "objstore/namespace/extent.h"
#include "objstore/namespace/garbage.h"
#include "objstore/namespace/inode.h"
#include "objstore/namespace/key.h"
#include "objstore/namespace/ns_priv.h"
#include "objstore/namespace/upload.h"

/* ---- records ---- */

/* A part and, in the form of an inode, its body. */
static int part_decode(struct span key, struct span value, struct ns_part *ret_part, struct inode *ret_body)
{
    struct part_record record;
    if (key.len != 13 || value.len < sizeof(record))
        return CAIRN_ECORRUPT;
    memcpy(&record, value.ptr, sizeof(record));
    if (record.version != NS_FORMAT)
        return CAIRN_EFORMAT;
    *ret_part = (struct ns_part){.number = get_be32(key.ptr + 9),
                                 .size = le64toh(record.size),
                                 .mtime = (int64_t)le64toh((uint64_t)record.mtime),
                                 .attrs = span_from(value, sizeof(record))};
    memcpy(ret_part->md5, record.md5, sizeof(record.md5));
    *ret_body = (struct inode){.body = le64toh(record.body), .blocks = le64toh(record.blocks)};
    return 0;
}

static int part_get(struct ns_txn *txn, uint64_t upload, uint32_t number, struct ns_part *ret_part,
                    struct inode *ret_body)
{
    struct record_key key;
    struct span value;
    int r = index_get(txn->index, key_number(&key, TAG_PART, upload, number), &value);
    return r < 0 ? r : part_decode(key_span(&key), value, ret_part, ret_body);
}

static int part_put(struct ns_txn *txn, uint64_t upload, const struct ns_part *part, const struct inode *body)
{
    struct record_key key;
    struct part_record record = {
        .version = NS_FORMAT,
        .body = htole64(body->body),
        .size = htole64(part->size),
        .blocks = htole64(body->blocks),
        .mtime = (int64_t)htole64((uint64_t)part->mtime),
    };
    char *value = txn->ns->scratch;
    memcpy(record.md5, part->md5, sizeof(record.md5));
    memcpy(value, &record, sizeof(record));
    if (part->attrs.len)
        memcpy(value + sizeof(record), part->attrs.ptr, part->attrs.len);
    return index_put(txn->index, key_number(&key, TAG_PART, upload, part->number),
                     span_make(value, sizeof(record) + part->attrs.len));
}

/* ---- putting ---- */

/* Checks what stands before a part is written; *ret_old is the body of the part it replaces, or 0. */
static int part_check(struct ns_txn *txn, const struct ns_upload *upload, uint32_t number, struct span attrs,
                      uint64_t *ret_old)
{
    struct record_key key;
    struct span value;
    struct ns_part old;
    struct inode body;
    if (number < 1 || number > NS_PART_MAX)
        return CAIRN_EBADPART;
    if (attrs.len > ATTRS_MAX)
        return CAIRN_ETOOBIG;
    int r = index_get(txn->index, key_id(&key, TAG_UPLOAD, upload->ino), &value);
    if (r < 0)
        return r == -ENOENT ? CAIRN_ENOUPLOAD : r;
    r = part_get(txn, upload->ino, number, &old, &body);
    *ret_old = r == 0 ? body.body : 0;
    return r == -ENOENT ? 0 : r;
}

static int part_replace(struct ns_txn *txn, const struct ns_upload *upload, const struct ns_part *part,
                        const struct inode *body, uint64_t old)
{
    int r = part_put(txn, upload->ino, part, body);
    return r < 0 || old == 0 ? r : garbage_add(txn, old, GARBAGE_BODY);
}

int ns_upload_put_part(struct ns_txn *txn, const struct ns_upload *upload, uint32_t number, struct body_writer *writer,
                       const uint8_t md5[16], struct span attrs)
{
    struct ns_part part = {.number = number, .size = body_length(writer), .mtime = txn->now, .attrs = attrs};
    struct inode body = {0};
    uint64_t old;
    memcpy(part.md5, md5, sizeof(part.md5));
    int r = part_check(txn, upload, number, attrs, &old);
    if (r == 0)
        r = body_check(writer);
    if (r == 0)
        r = number_new(txn, 0, &body.body);
    if (r == 0)
        r = body_link(txn, &body, 0, writer);
    return r < 0 ? r : part_replace(txn, upload, &part, &body, old);
}

int ns_upload_copy_part(struct ns_txn *txn, const struct ns_upload *upload, uint32_t number, uint64_t source,
                        uint64_t off, uint64_t len, const uint8_t md5[16], struct span attrs)
{
    struct ns_part part = {.number = number, .size = len, .mtime = txn->now, .attrs = attrs};
    struct inode from, body = {0};
    uint64_t old;
    memcpy(part.md5, md5, sizeof(part.md5));
    int r = part_check(txn, upload, number, attrs, &old);
    if (r == 0)
        r = ns_inode(txn, source, &from);
    if (r < 0)
        return r;
    if (from.type != INODE_FILE && from.type != INODE_DIR)
        return -EINVAL;
    if (len > from.size || off > from.size - len)
        return CAIRN_EBADRANGE;
    r = number_new(txn, 0, &body.body);
    if (r == 0)
        r = extents_share(txn, from.body, off, len, &body, 0);
    return r < 0 ? r : part_replace(txn, upload, &part, &body, old);
}

int ns_upload_part_next(struct ns_txn *txn, const struct ns_upload *upload, uint32_t after, struct ns_part *ret_part)
{
    struct index_cursor cursor;
    struct record_key from;
    struct span key, value;
    struct inode body;
    if (after >= NS_PART_MAX)
        return CAIRN_ENOUPLOAD;
    int r = index_cursor_open(txn->index, &cursor);
    if (r < 0)
        return r;
    r = index_cursor_seek(&cursor, key_number(&from, TAG_PART, upload->ino, after + 1), &key, &value);
    if (r == 0)
        r = key_of(key, TAG_PART, upload->ino, 4) ? part_decode(key, value, ret_part, &body) : -ENOENT;
    index_cursor_close(&cursor);
    return r == -ENOENT ? CAIRN_ENOUPLOAD : r;
}

/* ---- completion ---- */

static int boundary_put(struct ns_txn *txn, uint64_t ino, uint32_t number, uint64_t off, const struct ns_part *part)
{
    struct record_key key;
    struct boundary_record record = {
        .version = NS_FORMAT,
        .off = htole64(off),
        .size = htole64(part->size),
        .mtime = (int64_t)htole64((uint64_t)part->mtime),
    };
    char *value = txn->ns->scratch;
    memcpy(record.md5, part->md5, sizeof(record.md5));
    memcpy(value, &record, sizeof(record));
    if (part->attrs.len)
        memcpy(value + sizeof(record), part->attrs.ptr, part->attrs.len);
    return index_put(txn->index, key_number(&key, TAG_PARTS, ino, number),
                     span_make(value, sizeof(record) + part->attrs.len));
}

int upload_assemble(struct ns_txn *txn, const struct ns_upload *upload, const uint32_t *numbers, size_t count,
                    struct inode *inode)
{
    inode->size = 0;
    inode->parts = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct record_key key;
        struct ns_part part;
        struct inode body;
        int r = part_get(txn, upload->ino, numbers[i], &part, &body);
        if (r == 0)
            r = boundary_put(txn, inode->ino, (uint32_t)i + 1, inode->size, &part);
        if (r == 0)
            r = extents_move(txn, body.body, inode, inode->size);
        if (r == 0)
            r = index_delete(txn->index, key_number(&key, TAG_PART, upload->ino, numbers[i]));
        if (r < 0)
            return r;
        inode->size += part.size;
    }
    return 0;
}

/* The parts are there, each once, and make a file that is not too large. */
static int complete_check(struct ns_txn *txn, const struct ns_upload *upload, const uint32_t *numbers, size_t count)
{
    uint64_t size = 0;
    if (count == 0 || count > NS_PART_MAX)
        return CAIRN_EBADPART;
    for (size_t i = 0; i < count; i++) {
        struct ns_part part;
        struct inode body;
        if (i > 0 && numbers[i] <= numbers[i - 1])
            return CAIRN_EPARTORDER;
        int r = part_get(txn, upload->ino, numbers[i], &part, &body);
        if (r < 0)
            return r == -ENOENT ? CAIRN_EBADPART : r;
        size += part.size;
    }
    return size > (uint64_t)INT64_MAX ? CAIRN_ETOOBIG : 0;
}

int ns_upload_complete(struct ns_txn *txn, uint64_t bucket, const struct ns_upload *upload, const uint32_t *numbers,
                       size_t count, const struct ns_put *put, struct inode *ret_inode)
{
    struct body_source source = {.upload = upload, .numbers = numbers, .count = count};
    struct ns_upload kept = *upload;
    struct ns_put kept_put = *put;
    int r = complete_check(txn, upload, numbers, count);
    if (r < 0)
        return r;
    /* key and attributes may be spans of the upload's record, which goes while they are still wanted */
    kept.key = arena_dup(&txn->arena, upload->key);
    kept_put.attrs = arena_dup(&txn->arena, put->attrs);
    if (!kept.key.ptr || !kept_put.attrs.ptr)
        return -ENOMEM;
    r = key_put(txn, bucket, kept.key, &kept_put, &source, ret_inode);
    return r < 0 ? r : ns_upload_abort(txn, bucket, &kept);
}

/* ---- parts of an object ---- */

int ns_object_part(struct ns_txn *txn, const struct inode *inode, uint32_t number, uint64_t *ret_off,
                   struct ns_part *ret_part)
{
    struct record_key key;
    struct span value;
    struct boundary_record record;
    if (!(inode->flags & INODE_ETAG_PARTS)) {
        if (number != 1)
            return CAIRN_EBADPART;
        *ret_part = (struct ns_part){.number = 1, .size = inode->size, .mtime = inode->mtime};
        memcpy(ret_part->md5, inode->etag, sizeof(ret_part->md5));
        *ret_off = 0;
        return 0;
    }
    int r = index_get(txn->index, key_number(&key, TAG_PARTS, inode->ino, number), &value);
    if (r < 0)
        return r == -ENOENT ? CAIRN_EBADPART : r;
    if (value.len < sizeof(record))
        return CAIRN_ECORRUPT;
    memcpy(&record, value.ptr, sizeof(record));
    if (record.version != NS_FORMAT)
        return CAIRN_EFORMAT;
    *ret_part = (struct ns_part){.number = number,
                                 .size = le64toh(record.size),
                                 .mtime = (int64_t)le64toh((uint64_t)record.mtime),
                                 .attrs = span_from(value, sizeof(record))};
    memcpy(ret_part->md5, record.md5, sizeof(record.md5));
    *ret_off = le64toh(record.off);
    return 0;
}
