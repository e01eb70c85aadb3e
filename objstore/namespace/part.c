#include "objstore/namespace/part.h"

#include <endian.h>

#include "objstore/namespace/ns_priv.h"

int part_decode(struct span key, struct span value, struct part *ret_part)
{
    struct part_record record;
    if (key.len != 13 || value.len < sizeof(record))
        return CAIRN_ECORRUPT;
    memcpy(&record, value.ptr, sizeof(record));
    if (record.version != NS_FORMAT)
        return CAIRN_EFORMAT;
    *ret_part = (struct part){
        .face = {.number = get_be32(key.ptr + 9),
                 .size = le64toh(record.size),
                 .mtime = (int64_t)le64toh((uint64_t)record.mtime),
                 .attrs = span_from(value, sizeof(record))},
        .body = le64toh(record.body),
        .blocks = le64toh(record.blocks),
        .off = le64toh(record.off),
    };
    memcpy(ret_part->face.md5, record.md5, sizeof(record.md5));
    const struct ns_part *face = &ret_part->face;
    if (face->number < 1 || face->number > NS_PART_MAX || face->attrs.len > ATTRS_MAX ||
        face->size > (uint64_t)INT64_MAX || ret_part->off > INT64_MAX - face->size)
        return CAIRN_ECORRUPT;
    return 0;
}

int part_get(struct ns_txn *txn, enum ns_tag tag, uint64_t id, uint32_t number, struct part *ret_part)
{
    struct record_key key;
    struct span value;
    int r = index_get(txn->index, key_number(&key, tag, id, number), &value);
    return r < 0 ? r : part_decode(key_span(&key), value, ret_part);
}

int part_put(struct ns_txn *txn, enum ns_tag tag, uint64_t id, const struct part *part)
{
    struct record_key key;
    struct part_record record = {
        .version = NS_FORMAT,
        .body = htole64(part->body),
        .blocks = htole64(part->blocks),
        .off = htole64(part->off),
        .size = htole64(part->face.size),
        .mtime = (int64_t)htole64((uint64_t)part->face.mtime),
    };
    struct span attrs = part->face.attrs;
    char *value = txn->ns->scratch;
    memcpy(record.md5, part->face.md5, sizeof(record.md5));
    memcpy(value, &record, sizeof(record));
    if (attrs.len)
        memcpy(value + sizeof(record), attrs.ptr, attrs.len);
    return index_put(txn->index, key_number(&key, tag, id, part->face.number),
                     span_make(value, sizeof(record) + attrs.len));
}

int ns_object_part(struct ns_txn *txn, const struct inode *inode, uint32_t number, uint64_t *ret_off,
                   struct ns_part *ret_part)
{
    struct part part = {.face = {.number = 1, .size = inode->size, .mtime = inode->mtime}};
    if (inode->flags & INODE_ETAG_PARTS) {
        int r = part_get(txn, TAG_PARTS, inode->ino, number, &part);
        if (r < 0)
            return r == -ENOENT ? CAIRN_EBADPART : r;
    } else {
        if (number != 1)
            return CAIRN_EBADPART;
        memcpy(part.face.md5, inode->etag, sizeof(part.face.md5));
    }
    *ret_off = part.off;
    *ret_part = part.face;
    return 0;
}
