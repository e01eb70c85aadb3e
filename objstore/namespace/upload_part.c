/*
 * Parts of an upload: put, copied, listed, and at its end joined to an object's body.
 */
#include "objstore/namespace/body.h"
#include "objstore/namespace/counters.h"
#include "objstore/namespace/extent.h"
#include "objstore/namespace/garbage.h"
#include "objstore/namespace/ns_priv.h"
#include "objstore/namespace/part.h"
#include "objstore/namespace/upload.h"

/* ---- putting ---- */

/* Checks what stands before a part is written; *ret_old is the body of the part it replaces, or 0. */
static int part_check(struct ns_txn *txn, const struct ns_upload *upload, uint32_t number, struct span attrs,
                      uint64_t *ret_old)
{
    struct record_key key;
    struct span value;
    struct part old = {.body = 0};
    if (number < 1 || number > NS_PART_MAX)
        return CAIRN_EBADPART;
    if (attrs.len > ATTRS_MAX)
        return CAIRN_ETOOBIG;
    int r = index_get(txn->index, key_id(&key, TAG_UPLOAD, upload->ino), &value);
    if (r < 0)
        return r == -ENOENT ? CAIRN_ENOUPLOAD : r;
    r = part_get(txn, TAG_PART, upload->ino, number, &old);
    *ret_old = old.body;
    return r == -ENOENT ? 0 : r;
}

/* Puts the part, whose body is written, in the place of one with the body old. */
static int part_replace(struct ns_txn *txn, const struct ns_upload *upload, struct part *part, const struct inode *body,
                        uint64_t old)
{
    part->body = body->body;
    part->blocks = body->blocks;
    part->face.mtime = txn->now;
    int r = part_put(txn, TAG_PART, upload->ino, part);
    return r < 0 || old == 0 ? r : garbage_add(txn, old, GARBAGE_BODY);
}

int ns_upload_put_part(struct ns_txn *txn, const struct ns_upload *upload, uint32_t number, struct body_writer *writer,
                       const uint8_t md5[16], struct span attrs)
{
    struct part part = {.face = {.number = number, .size = body_length(writer), .attrs = attrs}};
    struct inode body = {0};
    uint64_t old;
    memcpy(part.face.md5, md5, sizeof(part.face.md5));
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
    struct part part = {.face = {.number = number, .size = len, .attrs = attrs}};
    struct inode from, body = {0};
    uint64_t old;
    memcpy(part.face.md5, md5, sizeof(part.face.md5));
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

/* ---- listing ---- */

int ns_upload_part_next(struct ns_txn *txn, const struct ns_upload *upload, uint32_t after, struct ns_part *ret_part)
{
    struct index_cursor cursor;
    struct record_key from;
    struct span key, value;
    struct part part;
    if (after >= NS_PART_MAX)
        return CAIRN_ENOUPLOAD;
    int r = index_cursor_open(txn->index, &cursor);
    if (r < 0)
        return r;
    r = index_cursor_seek(&cursor, key_number(&from, TAG_PART, upload->ino, after + 1), &key, &value);
    if (r == 0)
        r = key_of(key, TAG_PART, upload->ino, 4) ? part_decode(key, value, &part) : -ENOENT;
    index_cursor_close(&cursor);
    if (r < 0)
        return r == -ENOENT ? CAIRN_ENOUPLOAD : r;
    *ret_part = part.face;
    return 0;
}

/* ---- joining ---- */

/* Moves one part behind what the object has, as its nth. */
static int part_move(struct ns_txn *txn, const struct ns_upload *upload, uint32_t number, uint32_t nth,
                     struct inode *inode)
{
    struct record_key key;
    struct part part;
    int r = part_get(txn, TAG_PART, upload->ino, number, &part);
    if (r < 0)
        return r;
    struct part moved = {.face = part.face, .off = inode->size};
    moved.face.number = nth;
    r = part_put(txn, TAG_PARTS, inode->ino, &moved);
    if (r == 0)
        r = extents_move(txn, part.body, inode, inode->size);
    if (r == 0)
        r = index_delete(txn->index, key_number(&key, TAG_PART, upload->ino, number));
    inode->size += part.face.size;
    return r;
}

int upload_assemble(struct ns_txn *txn, const struct ns_upload *upload, const uint32_t *numbers, size_t count,
                    struct inode *inode)
{
    int r = 0;
    inode->size = 0;
    inode->parts = (uint32_t)count;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = part_move(txn, upload, numbers[i], (uint32_t)i + 1, inode);
    return r;
}
