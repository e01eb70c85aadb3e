/*
 * Names as a mount knows them: lookup, create, unlink, rmdir, link.
 */
#include "objstore/namespace/entry.h"
#include "objstore/namespace/ns_priv.h"

/* Why an entry was not found: the directory may not be one. */
static int not_found(struct ns_txn *txn, uint64_t dir)
{
    struct inode inode;
    int r = inode_dir(txn, dir, &inode);
    return r < 0 ? r : -ENOENT;
}

int ns_lookup(struct ns_txn *txn, uint64_t dir, struct span name, struct inode *ret_inode)
{
    struct entry_name stored;
    struct dentry dentry;
    if (span_is(name, ".") || span_is(name, "..")) {
        struct inode inode;
        int r = ns_inode(txn, dir, &inode);
        if (r == 0 && inode.type != INODE_DIR)
            r = -ENOTDIR;
        if (r == 0 && name.len == 2)
            r = ns_inode(txn, inode.parent, &inode);
        if (r == 0)
            *ret_inode = inode;
        return r;
    }
    int r = entry_find(txn, dir, name, &stored, &dentry);
    if (r == -ENOENT)
        return not_found(txn, dir);
    return r < 0 ? r : inode_of(txn, &dentry, ret_inode);
}

/* ---- create ---- */

static int create_check(const struct ns_create *create)
{
    if (create->type < INODE_FILE || create->type > INODE_BLOCK)
        return -EINVAL;
    if (create->type != INODE_SYMLINK)
        return 0;
    if (create->target.len == 0 || memchr(create->target.ptr, 0, create->target.len))
        return -EINVAL;
    return create->target.len >= NS_PATH_MAX ? -ENAMETOOLONG : 0;
}

static int create_bucket(struct ns_txn *txn, struct span name, const struct ns_create *create, struct inode *ret_inode)
{
    struct ns_owner owner = {.uid = create->uid, .gid = create->gid, .mode = create->mode};
    if (create->type != INODE_DIR)
        return -EPERM;
    if (name.len > NS_NAME_MAX)
        return -ENAMETOOLONG;
    if (!name_is_bucket(name))
        return -EINVAL;
    int r = ns_bucket_create(txn, name, owner, SPAN_EMPTY, ret_inode);
    return r == CAIRN_EBUCKETEXISTS ? -EEXIST : r;
}

/* Packs what a special file has beside its mode. The buffer is the caller's to release. */
static int create_attrs(const struct ns_create *create, struct inode *inode, struct buf *packed)
{
    if (create->type == INODE_CHAR || create->type == INODE_BLOCK)
        inode->rdev = create->rdev;
    if (create->type != INODE_SYMLINK)
        return 0;
    inode->size = create->target.len;
    int r = attrs_add(packed, ATTR_TARGET, SPAN_EMPTY, create->target);
    inode->attrs = buf_span(packed);
    return r;
}

static int create_entry(struct ns_txn *txn, struct inode *dir, struct span name, const struct ns_create *create,
                        struct buf *packed, struct inode *ret_inode)
{
    struct inode inode;
    struct ns_owner owner = {.uid = create->uid, .gid = create->gid, .mode = create->mode};
    bool is_dir = create->type == INODE_DIR;
    int r = inode_new(txn, create->type, owner, &inode);
    if (r == 0)
        r = create_attrs(create, &inode, packed);
    if (r < 0)
        return r;
    inode.parent = is_dir ? dir->ino : 0;
    r = inode_put(txn, &inode);
    if (r == 0)
        r = entry_add(txn, dir->ino, name, inode.ino, inode.type);
    if (r == 0)
        r = inode_dir_changed(txn, dir, is_dir ? 1 : 0, true);
    if (r == 0 && inode.attrs.len)
        inode.attrs = arena_dup(&txn->arena, inode.attrs);
    *ret_inode = inode;
    return r;
}

/* The stored name for a new entry that is to be shown as name, where nothing stands. */
static int free_name(struct ns_txn *txn, uint64_t dir, struct span name, bool is_dir, struct entry_name *ret_name)
{
    struct dentry there;
    if (span_is(name, ".") || span_is(name, ".."))
        return -EEXIST;
    int r = entry_find(txn, dir, name, ret_name, &there);
    if (r != -ENOENT)
        return r < 0 ? r : -EEXIST;
    return entry_name_new(txn, dir, name, is_dir, ret_name);
}

int ns_create(struct ns_txn *txn, uint64_t dir, struct span name, const struct ns_create *create,
              struct inode *ret_inode)
{
    struct entry_name stored;
    struct inode parent;
    struct buf packed = BUF_INIT;
    int r = create_check(create);
    if (r == 0 && dir == NS_ROOT)
        return create_bucket(txn, name, create, ret_inode);
    if (r == 0)
        r = inode_dir(txn, dir, &parent);
    if (r == 0)
        r = free_name(txn, dir, name, create->type == INODE_DIR, &stored);
    if (r == 0)
        r = create_entry(txn, &parent, entry_span(&stored), create, &packed, ret_inode);
    buf_release(&packed);
    return r;
}

int ns_link(struct ns_txn *txn, uint64_t ino, uint64_t dir, struct span name, struct inode *ret_inode)
{
    struct entry_name stored;
    struct inode parent, inode;
    int r = ns_inode(txn, ino, &inode);
    if (r == 0)
        r = inode_dir(txn, dir, &parent);
    if (r < 0)
        return r;
    if (inode.type == INODE_DIR || dir == NS_ROOT)
        return -EPERM;
    if (inode.nlink == 0)
        return -ENOENT;
    if (inode.nlink >= NS_LINK_MAX)
        return -EMLINK;
    r = free_name(txn, dir, name, false, &stored);
    if (r < 0)
        return r;
    inode.nlink++;
    inode.ctime = txn->now;
    r = inode_put(txn, &inode);
    if (r == 0)
        r = entry_add(txn, dir, entry_span(&stored), ino, inode.type);
    if (r == 0)
        r = inode_dir_changed(txn, &parent, 0, true);
    event_inode(txn, NS_EVENT_ATTR, ino);
    *ret_inode = inode;
    return r;
}

/* ---- remove ---- */

int ns_unlink(struct ns_txn *txn, uint64_t dir, struct span name, struct inode *ret_inode)
{
    struct entry_name stored;
    struct dentry dentry;
    struct inode parent, inode;
    int r = inode_dir(txn, dir, &parent);
    if (r == 0)
        r = span_is(name, ".") || span_is(name, "..") ? -EISDIR : entry_find(txn, dir, name, &stored, &dentry);
    if (r == 0)
        r = dentry.type == INODE_DIR ? -EISDIR : inode_of(txn, &dentry, &inode);
    if (r < 0)
        return r;
    r = entry_remove(txn, dir, entry_span(&stored), &dentry);
    if (r == 0)
        r = inode_dir_changed(txn, &parent, 0, true);
    if (r == 0)
        r = inode_unlink(txn, &inode);
    *ret_inode = inode;
    return r;
}

int ns_rmdir(struct ns_txn *txn, uint64_t dir, struct span name)
{
    struct entry_name stored;
    struct dentry dentry;
    struct inode parent, inode;
    int r = inode_dir(txn, dir, &parent);
    if (r < 0)
        return r;
    if (span_is(name, ".") || span_is(name, ".."))
        return name.len == 1 ? -EINVAL : -ENOTEMPTY;
    r = entry_find(txn, dir, name, &stored, &dentry);
    if (r == 0)
        r = dentry.type != INODE_DIR ? -ENOTDIR : dir == NS_ROOT ? 0 : dentry_none(txn, dentry.ino);
    if (r < 0)
        return r;
    if (dir == NS_ROOT)
        return ns_bucket_delete(txn, name);
    if (r == 0)
        return -ENOTEMPTY;
    r = inode_of(txn, &dentry, &inode);
    if (r == 0)
        r = entry_remove(txn, dir, entry_span(&stored), &dentry);
    if (r == 0)
        r = inode_dir_changed(txn, &parent, -1, true);
    return r < 0 ? r : inode_unlink(txn, &inode);
}
