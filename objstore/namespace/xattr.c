/*
 * Extended attributes: one record each, so that many, or large ones, do not weigh on the inode.
 */
#include "objstore/namespace/inode.h"
#include "objstore/namespace/ns_priv.h"

#define NAME_MAX_LEN 255 /* as Linux has it */

static int xattr_key(struct record_key *key, uint64_t ino, struct span name)
{
    if (name.len == 0 || name.len > NAME_MAX_LEN || memchr(name.ptr, 0, name.len))
        return -ERANGE;
    key_name(key, TAG_XATTR, ino, name);
    return 0;
}

int ns_xattr_get(struct ns_txn *txn, uint64_t ino, struct span name, struct span *ret_value)
{
    struct record_key key;
    int r = xattr_key(&key, ino, name);
    if (r == 0)
        r = index_get(txn->index, key_span(&key), ret_value);
    return r == -ENOENT ? -ENODATA : r;
}

/* The inode of a change; what is set on a directory must outlive its last entry. */
static int xattr_changed(struct ns_txn *txn, struct inode *inode)
{
    inode->ctime = txn->now;
    inode->flags &= ~INODE_IMPLICIT;
    event_inode(txn, NS_EVENT_ATTR, inode->ino);
    return inode_put(txn, inode);
}

int ns_xattr_set(struct ns_txn *txn, uint64_t ino, struct span name, struct span value, uint32_t flags)
{
    struct record_key key;
    struct inode inode;
    struct span old;
    int r = xattr_key(&key, ino, name);
    if (r == 0)
        r = ns_inode(txn, ino, &inode);
    if (r < 0)
        return r;
    if (value.len > NS_XATTR_MAX)
        return -E2BIG;
    r = index_get(txn->index, key_span(&key), &old);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0 && (flags & NS_XATTR_CREATE))
        return -EEXIST;
    if (r == -ENOENT && (flags & NS_XATTR_REPLACE))
        return -ENODATA;
    r = index_put(txn->index, key_span(&key), value);
    return r < 0 ? r : xattr_changed(txn, &inode);
}

int ns_xattr_remove(struct ns_txn *txn, uint64_t ino, struct span name)
{
    struct record_key key;
    struct inode inode;
    struct span old;
    int r = xattr_key(&key, ino, name);
    if (r == 0)
        r = ns_inode(txn, ino, &inode);
    if (r == 0)
        r = index_get(txn->index, key_span(&key), &old);
    if (r < 0)
        return r == -ENOENT ? -ENODATA : r;
    r = index_delete(txn->index, key_span(&key));
    return r < 0 ? r : xattr_changed(txn, &inode);
}

int ns_xattr_next(struct ns_txn *txn, uint64_t ino, struct span after, struct span *ret_name)
{
    struct index_cursor cursor;
    struct record_key from;
    struct span key, value;
    int r = index_cursor_open(txn->index, &cursor);
    if (r < 0)
        return r;
    key_name(&from, TAG_XATTR, ino, span_head(after, NAME_MAX_LEN));
    from.bytes[from.len++] = 0; /* the first key that is greater */
    r = index_cursor_seek(&cursor, key_span(&from), &key, &value);
    if (r == 0 && !key_of(key, TAG_XATTR, ino, 1))
        r = -ENOENT;
    if (r == 0)
        *ret_name = span_from(key, 9);
    index_cursor_close(&cursor);
    return r == -ENOENT ? -ENODATA : r;
}
