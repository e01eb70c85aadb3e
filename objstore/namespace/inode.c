#include <endian.h>
#include <stdio.h>

#include "objstore/base/hash.h"
#include "objstore/namespace/counters.h"
#include "objstore/namespace/garbage.h"
#include "objstore/namespace/inode.h"
#include "objstore/namespace/ns_priv.h"

/* ---- records ---- */

int inode_decode(uint64_t ino, struct span value, struct inode *ret_inode)
{
    struct inode_record rec;
    if (value.len < sizeof(rec))
        return CAIRN_ECORRUPT;
    memcpy(&rec, value.ptr, sizeof(rec));
    if (rec.version != NS_FORMAT)
        return CAIRN_EFORMAT;
    if (rec.type < INODE_FILE || rec.type > INODE_BLOCK || le64toh(rec.size) > (uint64_t)INT64_MAX ||
        value.len - sizeof(rec) > ATTRS_MAX)
        return CAIRN_ECORRUPT;
    *ret_inode = (struct inode){
        .ino = ino,
        .type = rec.type,
        .mode = le32toh(rec.mode),
        .uid = le32toh(rec.uid),
        .gid = le32toh(rec.gid),
        .nlink = le32toh(rec.nlink),
        .flags = le16toh(rec.flags),
        .rdev = le64toh(rec.rdev),
        .size = le64toh(rec.size),
        .blocks = le64toh(rec.blocks),
        .atime = (int64_t)le64toh((uint64_t)rec.atime),
        .mtime = (int64_t)le64toh((uint64_t)rec.mtime),
        .ctime = (int64_t)le64toh((uint64_t)rec.ctime),
        .btime = (int64_t)le64toh((uint64_t)rec.btime),
        .parent = le64toh(rec.parent),
        .version = le64toh(rec.content_version),
        .body = le64toh(rec.body),
        .inlined = le64toh(rec.inlined),
        .tidy_at = le64toh(rec.tidy_at),
        .parts = le32toh(rec.parts),
        .attrs = span_from(value, sizeof(rec)),
    };
    memcpy(ret_inode->etag, rec.etag, sizeof(rec.etag));
    return 0;
}

static void inode_encode(const struct inode *inode, struct inode_record *ret_record)
{
    *ret_record = (struct inode_record){
        .version = NS_FORMAT,
        .type = (uint8_t)inode->type,
        .flags = htole16((uint16_t)inode->flags),
        .mode = htole32(inode->mode),
        .uid = htole32(inode->uid),
        .gid = htole32(inode->gid),
        .nlink = htole32(inode->nlink),
        .parts = htole32(inode->parts),
        .rdev = htole64(inode->rdev),
        .size = htole64(inode->size),
        .blocks = htole64(inode->blocks),
        .atime = (int64_t)htole64((uint64_t)inode->atime),
        .mtime = (int64_t)htole64((uint64_t)inode->mtime),
        .ctime = (int64_t)htole64((uint64_t)inode->ctime),
        .btime = (int64_t)htole64((uint64_t)inode->btime),
        .parent = htole64(inode->parent),
        .content_version = htole64(inode->version),
        .body = htole64(inode->body),
        .inlined = htole64(inode->inlined),
        .tidy_at = htole64(inode->tidy_at),
    };
    memcpy(ret_record->etag, inode->etag, sizeof(inode->etag));
}

int ns_inode(struct ns_txn *txn, uint64_t ino, struct inode *ret_inode)
{
    struct record_key key;
    struct span value;
    struct inode inode;
    int r = index_get(txn->index, key_id(&key, TAG_INODE, ino), &value);
    if (r < 0)
        return r == -ENOENT ? -ESTALE : r;
    r = inode_decode(ino, value, &inode);
    if (r < 0)
        return r;
    if (txn->writable && inode.attrs.len > 0) {
        inode.attrs = arena_dup(&txn->arena, inode.attrs);
        if (!inode.attrs.ptr)
            return -ENOMEM;
    }
    *ret_inode = inode;
    return 0;
}

int inode_of(struct ns_txn *txn, const struct dentry *dentry, struct inode *ret_inode)
{
    int r = ns_inode(txn, dentry->ino, ret_inode);
    if (r == -ESTALE || (r == 0 && ret_inode->type != dentry->type))
        return CAIRN_ECORRUPT;
    return r;
}

int inode_read(struct index_cursor *cursor, const struct dentry *dentry, struct inode *ret_inode)
{
    struct record_key at;
    struct span key, value;
    int r = index_cursor_seek(cursor, key_id(&at, TAG_INODE, dentry->ino), &key, &value);
    if (r == -ENOENT || (r == 0 && !span_eq(key, key_span(&at))))
        return CAIRN_ECORRUPT;
    if (r == 0)
        r = inode_decode(dentry->ino, value, ret_inode);
    return r == 0 && ret_inode->type != dentry->type ? CAIRN_ECORRUPT : r;
}

int inode_put(struct ns_txn *txn, const struct inode *inode)
{
    struct record_key key;
    struct inode_record record;
    char *scratch = txn->ns->scratch;
    assert(inode->attrs.len <= ATTRS_MAX);
    inode_encode(inode, &record);
    memcpy(scratch, &record, sizeof(record));
    if (inode->attrs.len)
        memcpy(scratch + sizeof(record), inode->attrs.ptr, inode->attrs.len);
    int r = index_put(txn->index, key_id(&key, TAG_INODE, inode->ino),
                      span_make(scratch, sizeof(record) + inode->attrs.len));
    return r < 0 ? r : tidy_note(txn, inode);
}

int inode_new(struct ns_txn *txn, enum inode_type type, struct ns_owner owner, struct inode *ret_inode)
{
    uint64_t ino;
    int r = number_new(txn, 1, &ino);
    if (r < 0)
        return r;
    *ret_inode = (struct inode){
        .ino = ino,
        .body = ino,
        .type = type,
        .mode = owner.mode & 07777,
        .uid = owner.uid,
        .gid = owner.gid,
        .nlink = type == INODE_DIR ? 2 : 1,
        .atime = txn->now,
        .mtime = txn->now,
        .ctime = txn->now,
        .btime = txn->now,
        .version = 1,
    };
    return 0;
}

int inode_dir(struct ns_txn *txn, uint64_t ino, struct inode *ret_inode)
{
    int r = ns_inode(txn, ino, ret_inode);
    if (r < 0)
        return r;
    if (ret_inode->type != INODE_DIR)
        return -ENOTDIR;
    return ret_inode->nlink == 0 ? -ENOENT : 0;
}

/* ---- changes ---- */

int inode_reap(struct ns_txn *txn, const struct inode *inode)
{
    struct record_key key;
    event_reaped(txn, inode->ino);
    int r = index_delete(txn->index, key_id(&key, TAG_INODE, inode->ino));
    if (r == 0)
        r = inodes_count(txn, -1);
    if (r == 0)
        r = garbage_add(txn, inode->ino, GARBAGE_INODE);
    if (r == 0 && inode->body != inode->ino)
        r = garbage_add(txn, inode->body, GARBAGE_BODY);
    return r;
}

int inode_unlink(struct ns_txn *txn, struct inode *inode)
{
    static const struct orphan_record orphan = {.version = NS_FORMAT};
    bool is_dir = inode->type == INODE_DIR;
    struct record_key key;
    inode->nlink = is_dir ? 0 : inode->nlink - 1;
    inode->ctime = txn->now;
    bool held = inode->nlink == 0 && holds_orphan(&txn->ns->holds, inode->ino, index_txn_sequence(txn->index));
    if (inode->nlink > 0 || held || is_dir) /* its other names, and who has it open or stands in it, see that */
        event_inode(txn, NS_EVENT_ATTR, inode->ino);
    if (inode->nlink == 0 && !held) {
        event_reaped(txn, inode->ino);
        return inode_reap(txn, inode);
    }
    int r = inode_put(txn, inode);
    if (r < 0 || inode->nlink > 0)
        return r;
    return index_put(txn->index, key_id(&key, TAG_ORPHAN, inode->ino), span_make(&orphan, sizeof(orphan)));
}

int inode_dir_changed(struct ns_txn *txn, struct inode *dir, int subdirs, bool posix)
{
    dir->nlink = (uint32_t)((int64_t)dir->nlink + subdirs);
    dir->mtime = dir->ctime = txn->now;
    if (posix)
        dir->flags &= ~INODE_IMPLICIT;
    int r = version_grow(txn, dir);
    return r < 0 ? r : inode_put(txn, dir);
}

/* attrs without the checksums, in the arena of the mutation. */
static int attrs_drop_checksums(struct ns_txn *txn, struct span attrs, struct span *ret_attrs)
{
    struct span rest = attrs;
    struct attr attr;
    char *out = NULL;
    size_t len = 0;
    int r;
    if (attrs.len > 0 && !(out = arena_alloc(&txn->arena, attrs.len)))
        return -ENOMEM;
    for (struct span from = rest; (r = attrs_next(&rest, &attr)) > 0; from = rest) {
        if (attr.tag == ATTR_CHECKSUM || attr.tag == ATTR_CHECKSUM_COMPOSITE)
            continue;
        memcpy(out + len, from.ptr, from.len - rest.len);
        len += from.len - rest.len;
    }
    *ret_attrs = span_make(out, len);
    return r;
}

int inode_content_changed(struct ns_txn *txn, struct inode *inode)
{
    int r = attrs_drop_checksums(txn, inode->attrs, &inode->attrs);
    if (r == 0)
        r = version_grow(txn, inode);
    if (r < 0)
        return r;
    inode->mtime = inode->ctime = txn->now;
    inode->flags &= ~(INODE_ETAG_MD5 | INODE_ETAG_PARTS);
    inode->parts = 0;
    memset(inode->etag, 0, sizeof(inode->etag));
    return 0;
}

/* ---- ETag ---- */

static const uint8_t md5_of_nothing[16] = {0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04,
                                           0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e};

void inode_etag(const struct inode *inode, char ret_text[INODE_ETAG_MAX])
{
    if (inode->flags & INODE_ETAG_PARTS) {
        hex_encode(inode->etag, 16, ret_text);
        snprintf(ret_text + 32, INODE_ETAG_MAX - 32, "-%u", inode->parts);
    } else if (inode->flags & INODE_ETAG_MD5) {
        hex_encode(inode->etag, 16, ret_text);
    } else if (inode->type == INODE_DIR && inode->size == 0) {
        hex_encode(md5_of_nothing, 16, ret_text);
    } else {
        uint8_t identity[16], digest[16];
        put_le64(identity, inode->ino);
        put_le64(identity + 8, inode->version);
        put_be64(digest, xxh3(identity, sizeof(identity), 0));
        put_be64(digest + 8, xxh3(identity, sizeof(identity), 1));
        hex_encode(digest, 16, ret_text);
        memcpy(ret_text + 32, "-1", 3);
    }
}
