/*
 * Files by inode: attributes, bytes, holes.
 */
#include "objstore/namespace/body.h"
#include "objstore/namespace/extent.h"
#include "objstore/namespace/garbage.h"
#include "objstore/namespace/inode.h"
#include "objstore/namespace/ns_priv.h"

static int inode_file(struct ns_txn *txn, uint64_t ino, struct inode *ret_inode)
{
    int r = ns_inode(txn, ino, ret_inode);
    if (r < 0)
        return r;
    return ret_inode->type == INODE_FILE ? 0 : ret_inode->type == INODE_DIR ? -EISDIR : -EINVAL;
}

/* Ends a change of contents. */
static int content_put(struct ns_txn *txn, const struct inode *inode, struct inode *ret_inode)
{
    event_inode(txn, NS_EVENT_DATA, inode->ino);
    *ret_inode = *inode;
    return inode_put(txn, inode);
}

/* ---- attributes ---- */

static int setattr_check(const struct inode *inode, const struct ns_setattr *set)
{
    if (!(set->valid & NS_SET_SIZE))
        return 0;
    if (inode->type != INODE_FILE)
        return inode->type == INODE_DIR ? -EISDIR : -EINVAL;
    return set->size > (uint64_t)INT64_MAX ? -EFBIG : 0;
}

static int set_size(struct ns_txn *txn, struct inode *inode, uint64_t size)
{
    int r = inode_content_changed(txn, inode);
    if (r == 0 && size == 0)
        r = garbage_empty(txn, inode);
    else if (r == 0 && size < inode->size)
        r = extents_clear(txn, inode, size, inode->size);
    inode->size = size;
    return r;
}

static void set_fields(const struct ns_setattr *set, struct inode *inode)
{
    if (set->valid & NS_SET_MODE)
        inode->mode = set->mode & 07777;
    if (set->valid & NS_SET_UID)
        inode->uid = set->uid;
    if (set->valid & NS_SET_GID)
        inode->gid = set->gid;
    if (set->valid & NS_SET_ATIME)
        inode->atime = set->atime;
    if (set->valid & NS_SET_MTIME)
        inode->mtime = set->mtime;
    if (set->valid & NS_SET_CTIME)
        inode->ctime = set->ctime;
}

int ns_setattr(struct ns_txn *txn, uint64_t ino, const struct ns_setattr *set, struct inode *ret_inode)
{
    struct inode inode;
    int r = ns_inode(txn, ino, &inode);
    if (r == 0)
        r = setattr_check(&inode, set);
    if (r < 0)
        return r;
    inode.ctime = txn->now;
    if (set->valid & NS_SET_SIZE)
        r = set_size(txn, &inode, set->size);
    if (r < 0)
        return r;
    set_fields(set, &inode);
    if (set->valid & ~NS_SET_ATIME) /* what is set must outlive the last entry */
        inode.flags &= ~INODE_IMPLICIT;
    if (set->valid & NS_SET_SIZE)
        return content_put(txn, &inode, ret_inode);
    event_inode(txn, NS_EVENT_ATTR, ino);
    *ret_inode = inode;
    return inode_put(txn, &inode);
}

/* ---- bytes ---- */

/* [off, off + len) becomes a hole that is to be covered; the file reaches to its end at least. */
static int make_room(struct ns_txn *txn, struct inode *inode, uint64_t off, uint64_t len)
{
    int r = inode_content_changed(txn, inode);
    if (r == 0)
        r = extents_clear(txn, inode, off, off + len);
    if (len > 0 && inode->size < off + len)
        inode->size = off + len;
    return r;
}

int ns_write(struct ns_txn *txn, uint64_t ino, uint64_t off, struct body_writer *body, struct inode *ret_inode)
{
    struct inode inode;
    uint64_t len = body_length(body);
    int r = inode_file(txn, ino, &inode);
    if (r == 0)
        r = body_check(body);
    if (r < 0)
        return r;
    if (len > INT64_MAX || off > INT64_MAX - len)
        return -EFBIG;
    r = make_room(txn, &inode, off, len);
    if (r == 0)
        r = body_link(txn, &inode, off, body);
    return r < 0 ? r : content_put(txn, &inode, ret_inode);
}

int ns_punch(struct ns_txn *txn, uint64_t ino, uint64_t off, uint64_t len, struct inode *ret_inode)
{
    struct inode inode;
    int r = inode_file(txn, ino, &inode);
    if (r < 0)
        return r;
    uint64_t end = off < inode.size ? off + (len < inode.size - off ? len : inode.size - off) : off;
    r = inode_content_changed(txn, &inode);
    if (r == 0)
        r = extents_clear(txn, &inode, off, end);
    return r < 0 ? r : content_put(txn, &inode, ret_inode);
}

/* The files of a copy, the range cut at the end of the first. */
static int copy_check(const struct inode *from, uint64_t from_off, uint64_t to, uint64_t to_off, uint64_t *len)
{
    if (from_off >= from->size)
        *len = 0;
    else if (*len > from->size - from_off)
        *len = from->size - from_off;
    if (to_off > INT64_MAX - *len)
        return -EFBIG;
    if (from->ino == to && from_off < to_off + *len && to_off < from_off + *len)
        return -EINVAL;
    return 0;
}

int ns_copy_range(struct ns_txn *txn, uint64_t from, uint64_t from_off, uint64_t to, uint64_t to_off, uint64_t len,
                  struct inode *ret_inode)
{
    struct inode source, inode;
    int r = inode_file(txn, from, &source);
    if (r == 0)
        r = inode_file(txn, to, &inode);
    if (r == 0)
        r = to_off > INT64_MAX ? -EFBIG : copy_check(&source, from_off, to, to_off, &len);
    if (r < 0)
        return r;
    r = make_room(txn, &inode, to_off, len);
    if (r == 0)
        r = extents_share(txn, source.body, from_off, len, &inode, to_off);
    return r < 0 ? r : content_put(txn, &inode, ret_inode);
}

/* ---- holes ---- */

/* From off on, within data: where the first hole begins. extent is the one that off is in. */
static int hole_after(struct index_cursor *cursor, uint64_t body, struct extent *extent, uint64_t *ret_off)
{
    int r;
    do {
        *ret_off = extent->off + extent->len;
        r = extent_next(cursor, body, extent);
    } while (r == 0 && extent->off == *ret_off);
    return r == -ENOENT ? 0 : r;
}

int ns_seek(struct ns_txn *txn, const struct inode *inode, uint64_t off, bool hole, uint64_t *ret_off)
{
    struct index_cursor cursor;
    struct extent extent;
    uint64_t at = off;
    if (off >= inode->size)
        return -ENXIO;
    int r = index_cursor_open(txn->index, &cursor);
    if (r < 0)
        return r;
    r = extent_seek(&cursor, inode->body, off, &extent);
    if (hole && r == 0 && extent.off <= off)
        r = hole_after(&cursor, inode->body, &extent, &at);
    else if (hole && r == -ENOENT)
        r = 0;
    else if (!hole && r == 0 && extent.off > off)
        at = extent.off;
    index_cursor_close(&cursor);
    if (r < 0)
        return r == -ENOENT ? -ENXIO : r;
    if (!hole && at >= inode->size)
        return -ENXIO;
    *ret_off = at < inode->size ? at : inode->size;
    return 0;
}
