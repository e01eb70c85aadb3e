/*
 * What S3 does to an object that exists: append, tags, delete, rename.
 */
#include "objstore/namespace/body.h"
#include "objstore/namespace/counters.h"
#include "objstore/namespace/extent.h"
#include "objstore/namespace/garbage.h"
#include "objstore/namespace/key.h"
#include "objstore/namespace/ns_priv.h"

/* The object under key, and its path. CAIRN_ENOKEY. */
static int object_resolve(struct ns_txn *txn, uint64_t bucket, struct span key, struct key_path *path,
                          struct inode *ret_inode)
{
    int r = key_resolve(txn, bucket, key, path);
    if (r < 0)
        return r;
    if (!path->found)
        return CAIRN_ENOKEY;
    r = inode_of(txn, &path->dentry, ret_inode);
    if (r < 0)
        return r;
    return ret_inode->flags & INODE_IMPLICIT ? CAIRN_ENOKEY : 0;
}

static int run_check(ns_check *check, const struct inode *current, void *arg)
{
    int r = check ? check(current, arg) : 0;
    return r < 0 ? r : 0;
}

/* ---- append, attributes ---- */

int ns_key_append(struct ns_txn *txn, uint64_t bucket, struct span key, uint64_t offset, const struct ns_put *put,
                  struct inode *ret_inode)
{
    struct inode inode;
    int r = ns_key_find(txn, bucket, key, &inode);
    if (r < 0)
        return r;
    if (put->attrs.len > ATTRS_MAX)
        return CAIRN_ETOOBIG;
    if (inode.type != INODE_FILE || inode.size != offset || offset > INT64_MAX - body_length(put->body))
        return CAIRN_EBADRANGE;
    r = body_check(put->body);
    if (r == 0)
        r = run_check(put->check, &inode, put->check_arg);
    if (r == 0)
        r = inode_content_changed(txn, &inode);
    if (r < 0)
        return r;
    inode.size += body_length(put->body);
    inode.mtime = put->mtime ? put->mtime : txn->now;
    inode.flags |= put->flags & INODE_ETAG_MD5;
    memcpy(inode.etag, put->etag, sizeof(inode.etag));
    if (put->attrs.len)
        inode.attrs = put->attrs;
    r = body_link(txn, &inode, offset, put->body);
    if (r == 0)
        r = inode_put(txn, &inode);
    event_inode(txn, NS_EVENT_DATA, inode.ino);
    *ret_inode = inode;
    return r;
}

int ns_key_set_attrs(struct ns_txn *txn, uint64_t bucket, struct span key, struct span attrs, struct inode *ret_inode)
{
    struct inode inode;
    int r = ns_key_find(txn, bucket, key, &inode);
    if (r < 0)
        return r;
    if (attrs.len > ATTRS_MAX)
        return CAIRN_ETOOBIG;
    inode.attrs = attrs;
    inode.ctime = txn->now;
    r = inode_put(txn, &inode);
    event_inode(txn, NS_EVENT_ATTR, inode.ino);
    *ret_inode = inode;
    return r;
}

/* ---- delete ---- */

/* An entry went from dirs[depth]: implicit directories that are empty now go too, from the innermost on; the first that
 * stays notes the change. subdirs: 1 when the entry was a directory. */
static int dirs_emptied(struct ns_txn *txn, struct key_path *path, int subdirs)
{
    for (size_t depth = path->depth;; depth--, subdirs = 1) {
        struct inode dir;
        int r = ns_inode(txn, path->dirs[depth], &dir);
        if (r < 0)
            return r;
        if (dir.flags & INODE_IMPLICIT)
            r = dentry_none(txn, dir.ino);
        if (r < 0)
            return r;
        if (r == 0)
            return inode_dir_changed(txn, &dir, -subdirs, false);
        if (depth == 0)
            return CAIRN_ECORRUPT; /* a bucket is never implicit */
        size_t from = path->ends[depth - 1];
        struct span name = span_make(path->key.ptr + from, path->ends[depth] - from);
        struct dentry dentry = {.ino = dir.ino, .type = INODE_DIR};
        r = entry_remove(txn, path->dirs[depth - 1], name, &dentry);
        if (r == 0)
            r = inode_unlink(txn, &dir);
        if (r < 0)
            return r;
    }
}

/* A directory that loses its own key but has entries. */
static int directory_becomes_implicit(struct ns_txn *txn, struct inode *inode)
{
    int r = version_grow(txn, inode);
    if (r == 0)
        r = garbage_empty(txn, inode);
    if (r < 0)
        return r;
    inode->flags = (inode->flags & ~(INODE_ETAG_MD5 | INODE_ETAG_PARTS)) | INODE_IMPLICIT;
    inode->parts = 0;
    inode->size = 0;
    inode->attrs = SPAN_EMPTY;
    inode->ctime = txn->now;
    event_inode(txn, NS_EVENT_ATTR, inode->ino);
    return inode_put(txn, inode);
}

/* Takes the entry at the end of path away, and what that empties; the inode keeps its links. */
static int path_remove(struct ns_txn *txn, struct key_path *path)
{
    int r = entry_remove(txn, path->dirs[path->depth], span_from(path->key, path->leaf), &path->dentry);
    return r < 0 ? r : dirs_emptied(txn, path, entry_is_dir(path->key) ? 1 : 0);
}

int ns_key_delete(struct ns_txn *txn, uint64_t bucket, struct span key, ns_check *check, void *check_arg)
{
    struct key_path path;
    struct inode inode;
    int found = object_resolve(txn, bucket, key, &path, &inode);
    if (found < 0 && found != CAIRN_ENOKEY)
        return found;
    int r = run_check(check, found == 0 ? &inode : NULL, check_arg);
    if (r < 0 || found < 0)
        return r < 0 ? r : found;
    if (inode.type == INODE_DIR) {
        r = dentry_none(txn, inode.ino);
        if (r < 0)
            return r;
        if (r == 0)
            return directory_becomes_implicit(txn, &inode);
    }
    r = path_remove(txn, &path);
    return r < 0 ? r : inode_unlink(txn, &inode);
}

/* ---- rename ---- */

/* The entry from moves to to, where old (ino 0: none) stands. */
static int object_move(struct ns_txn *txn, struct key_path *from, struct key_path *to, struct inode *inode,
                       struct inode *dir, struct inode *old)
{
    struct span leaf = span_from(to->key, to->leaf);
    int r = key_dirs_make(txn, to, dir);
    if (r == 0 && old->ino)
        r = entry_replace(txn, dir->ino, leaf, &to->dentry, inode->ino, inode->type);
    else if (r == 0)
        r = entry_add(txn, dir->ino, leaf, inode->ino, inode->type);
    if (r == 0)
        r = inode_dir_changed(txn, dir, 0, false);
    if (r == 0)
        r = path_remove(txn, from);
    if (r == 0 && old->ino)
        r = inode_unlink(txn, old);
    if (r < 0 || old->ino == inode->ino) /* two names of one file: it has lost one, and is put */
        return r;
    inode->ctime = txn->now;
    return inode_put(txn, inode);
}

int ns_key_rename(struct ns_txn *txn, uint64_t bucket, struct span from, struct span to, ns_check *check_from,
                  ns_check *check_to, void *check_arg)
{
    struct key_path from_path, to_path;
    struct inode inode, old = {0}, dir;
    if (entry_is_dir(from) || entry_is_dir(to))
        return CAIRN_EBADNAME;
    int r = object_resolve(txn, bucket, from, &from_path, &inode);
    if (r == 0)
        r = run_check(check_from, &inode, check_arg);
    if (r < 0)
        return r;
    int found = object_resolve(txn, bucket, to, &to_path, &old);
    if (found < 0 && found != CAIRN_ENOKEY)
        return found;
    r = run_check(check_to, found == 0 ? &old : NULL, check_arg);
    if (r == 0)
        r = ns_inode(txn, to_path.dirs[to_path.depth], &dir);
    if (r < 0 || span_eq(from, to))
        return r;
    return object_move(txn, &from_path, &to_path, &inode, &dir, &old);
}
