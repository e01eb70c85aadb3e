#include <sys/stat.h>

#include "objstore/namespace/body.h"
#include "objstore/namespace/counters.h"
#include "objstore/namespace/extent.h"
#include "objstore/namespace/garbage.h"
#include "objstore/namespace/key.h"
#include "objstore/namespace/ns_priv.h"
#include "objstore/namespace/upload.h"

/* ================================================================ finding */

/* The length of the first component, its '/' included. */
static size_t component(struct span rest)
{
    const char *slash = memchr(rest.ptr, '/', rest.len);
    return slash ? (size_t)(slash - rest.ptr) + 1 : rest.len;
}

static int key_check(struct span key)
{
    if (key.len > NS_KEY_MAX)
        return CAIRN_EKEYTOOLONG;
    return key.len == 0 || memchr(key.ptr, 0, key.len) ? CAIRN_EBADNAME : 0;
}

int key_resolve(struct ns_txn *txn, uint64_t bucket, struct span key, struct key_path *path)
{
    int r = key_check(key);
    if (r < 0)
        return r;
    path->key = key;
    path->depth = 0;
    path->dirs[0] = bucket;
    path->ends[0] = 0;
    path->leaf = key.len - 1;
    while (path->leaf > 0 && key.ptr[path->leaf - 1] != '/')
        path->leaf--;
    path->found = false;
    size_t at = 0;
    while (at < path->leaf) {
        size_t len = component(span_from(key, at));
        r = dentry_get(txn, path->dirs[path->depth], span_make(key.ptr + at, len), &path->dentry);
        if (r < 0)
            return r == -ENOENT ? 0 : r;
        at += len;
        path->depth++;
        path->dirs[path->depth] = path->dentry.ino;
        path->ends[path->depth] = (uint16_t)at;
    }
    r = dentry_get(txn, path->dirs[path->depth], span_from(key, at), &path->dentry);
    path->found = r == 0;
    return r == -ENOENT ? 0 : r;
}

int ns_key_find(struct ns_txn *txn, uint64_t bucket, struct span key, struct inode *ret_inode)
{
    struct dentry dentry;
    struct inode inode;
    uint64_t dir = bucket;
    int r = key_check(key);
    if (r < 0)
        return r;
    for (struct span rest = key; rest.len > 0; dir = dentry.ino) {
        size_t len = component(rest);
        r = dentry_get(txn, dir, span_head(rest, len), &dentry);
        if (r < 0)
            return r == -ENOENT ? CAIRN_ENOKEY : r;
        rest = span_from(rest, len);
    }
    r = inode_of(txn, &dentry, &inode);
    if (r < 0)
        return r;
    if (inode.flags & INODE_IMPLICIT)
        return CAIRN_ENOKEY;
    *ret_inode = inode;
    return 0;
}

/* The object under a resolved key: 1 and the inode, 0 when there is none (inode is then an implicit directory's, or ino
 * is 0). */
static int path_object(struct ns_txn *txn, const struct key_path *path, struct inode *ret_inode)
{
    *ret_inode = (struct inode){0};
    if (!path->found)
        return 0;
    int r = inode_of(txn, &path->dentry, ret_inode);
    if (r < 0)
        return r;
    return ret_inode->flags & INODE_IMPLICIT ? 0 : 1;
}

static struct span path_leaf(const struct key_path *path)
{
    return span_from(path->key, path->leaf);
}

/* ================================================================ putting */

int key_dirs_make(struct ns_txn *txn, struct key_path *path, struct inode *dir)
{
    bool fresh = false;
    for (size_t at = path->ends[path->depth]; at < path->leaf;) {
        size_t len = component(span_from(path->key, at));
        struct ns_owner owner = {.uid = dir->uid, .gid = dir->gid, .mode = 0755 | (dir->mode & S_ISGID)};
        struct inode sub;
        int r = inode_new(txn, INODE_DIR, owner, &sub);
        if (r == 0)
            r = entry_add(txn, dir->ino, span_make(path->key.ptr + at, len), sub.ino, INODE_DIR);
        if (r == 0)
            r = fresh ? (dir->nlink++, inode_put(txn, dir)) : inode_dir_changed(txn, dir, 1, false);
        if (r < 0)
            return r;
        sub.parent = dir->ino;
        sub.flags = INODE_IMPLICIT;
        *dir = sub;
        fresh = true;
        at += len;
        path->depth++;
        path->dirs[path->depth] = sub.ino;
        path->ends[path->depth] = (uint16_t)at;
    }
    return 0;
}

static struct ns_owner put_owner(const struct ns_put *put, const struct inode *old, const struct inode *dir,
                                 bool is_dir)
{
    struct ns_owner owner = {.uid = dir->uid, .gid = dir->gid, .mode = is_dir ? 0755 : 0644};
    if (put->owner)
        return *put->owner;
    if (old->ino) {
        owner.uid = old->uid;
        owner.gid = old->gid;
        if (old->type == INODE_FILE || old->type == INODE_DIR)
            owner.mode = old->mode;
    }
    return owner;
}

/* What put says of an object, beside its body. */
static void put_apply(struct ns_txn *txn, const struct ns_put *put, struct inode *inode)
{
    inode->attrs = put->attrs;
    inode->flags =
        (inode->flags & ~(INODE_ETAG_MD5 | INODE_ETAG_PARTS)) | (put->flags & (INODE_ETAG_MD5 | INODE_ETAG_PARTS));
    memcpy(inode->etag, put->etag, sizeof(inode->etag));
    inode->mtime = put->mtime ? put->mtime : txn->now;
}

static int source_link(struct ns_txn *txn, const struct body_source *source, struct inode *inode)
{
    if (source->upload)
        return upload_assemble(txn, source->upload, source->numbers, source->count, inode);
    inode->size = source->copied ? source->length : body_length(source->writer);
    if (!source->copied)
        return body_link(txn, inode, 0, source->writer);
    if (source->from.type != INODE_SYMLINK)
        return extents_share(txn, source->from.body, source->from_off, source->length, inode, 0);
    struct span target = SPAN_EMPTY;
    attrs_find(source->from.attrs, ATTR_TARGET, SPAN_EMPTY, &target);
    return extents_add_inline(txn, inode, 0, span_head(span_from(target, source->from_off), source->length));
}

/* An object in the place of old, whose ino is 0 when there is none. */
static int put_object(struct ns_txn *txn, const struct key_path *path, const struct ns_put *put,
                      const struct body_source *source, struct inode *dir, struct inode *old, struct inode *ret_inode)
{
    struct inode inode;
    int r = inode_new(txn, INODE_FILE, put_owner(put, old, dir, false), &inode);
    if (r < 0)
        return r;
    put_apply(txn, put, &inode);
    r = source_link(txn, source, &inode);
    if (r == 0)
        r = inode_put(txn, &inode);
    if (r == 0 && old->ino)
        r = entry_replace(txn, dir->ino, path_leaf(path), &path->dentry, inode.ino, INODE_FILE);
    else if (r == 0)
        r = entry_add(txn, dir->ino, path_leaf(path), inode.ino, INODE_FILE);
    if (r == 0)
        r = inode_dir_changed(txn, dir, 0, false);
    if (r == 0 && old->ino)
        r = inode_unlink(txn, old);
    *ret_inode = inode;
    return r;
}

/* A directory that stands there already takes a new body; the old one goes after, since it may be what is copied. */
static int directory_body(struct ns_txn *txn, const struct body_source *source, struct inode *inode)
{
    uint64_t old = inode->blocks ? inode->body : 0;
    int r = old ? number_new(txn, 0, &inode->body) : 0;
    inode->blocks = inode->inlined = 0;
    if (r == 0)
        r = source_link(txn, source, inode);
    if (r == 0 && old)
        r = garbage_add(txn, old, GARBAGE_BODY);
    return r;
}

/* The object of a directory's own key: the directory becomes explicit and has these attributes and this body. */
static int put_directory(struct ns_txn *txn, const struct key_path *path, const struct ns_put *put,
                         const struct body_source *source, struct inode *dir, struct inode *old,
                         struct inode *ret_inode)
{
    struct inode inode = *old;
    struct ns_owner owner = put_owner(put, old, dir, true);
    bool fresh = old->ino == 0;
    int r = fresh ? inode_new(txn, INODE_DIR, owner, &inode) : 0;
    if (r < 0)
        return r;
    inode.parent = dir->ino;
    inode.mode = owner.mode & 07777;
    inode.uid = owner.uid;
    inode.gid = owner.gid;
    inode.flags &= ~INODE_IMPLICIT;
    inode.ctime = txn->now;
    put_apply(txn, put, &inode);
    r = version_grow(txn, &inode);
    if (r == 0)
        r = directory_body(txn, source, &inode);
    if (r == 0)
        r = inode_put(txn, &inode);
    if (r == 0 && fresh)
        r = entry_add(txn, dir->ino, path_leaf(path), inode.ino, INODE_DIR);
    if (r == 0 && fresh)
        r = inode_dir_changed(txn, dir, 1, false);
    if (!fresh)
        event_inode(txn, NS_EVENT_DATA, inode.ino);
    *ret_inode = inode;
    return r;
}

static int put_check(const struct ns_put *put, const struct inode *current)
{
    if (put->attrs.len > ATTRS_MAX)
        return CAIRN_ETOOBIG;
    int r = body_check(put->body);
    return r == 0 && put->check ? put->check(current, put->check_arg) : r;
}

int key_put(struct ns_txn *txn, uint64_t bucket, struct span key, const struct ns_put *put,
            const struct body_source *source, struct inode *ret_inode)
{
    struct key_path path;
    struct inode old, dir;
    int r = key_resolve(txn, bucket, key, &path);
    if (r == 0)
        r = path_object(txn, &path, &old);
    if (r >= 0)
        r = put_check(put, r > 0 ? &old : NULL);
    if (r < 0)
        return r;
    r = inode_dir(txn, path.dirs[path.depth], &dir);
    if (r < 0)
        return r == -ESTALE || r == -ENOENT ? CAIRN_ENOBUCKET : r;
    /* All is checked: from here on only the index can fail. */
    r = key_dirs_make(txn, &path, &dir);
    if (r < 0)
        return r;
    if (entry_is_dir(key))
        return put_directory(txn, &path, put, source, &dir, &old, ret_inode);
    return put_object(txn, &path, put, source, &dir, &old, ret_inode);
}

int ns_key_put(struct ns_txn *txn, uint64_t bucket, struct span key, const struct ns_put *put, struct inode *ret_inode)
{
    struct body_source source = {.writer = put->body};
    return key_put(txn, bucket, key, put, &source, ret_inode);
}

int ns_key_copy(struct ns_txn *txn, uint64_t source, uint64_t off, uint64_t len, uint64_t bucket, struct span key,
                const struct ns_put *put, struct inode *ret_inode)
{
    struct body_source from = {.copied = true, .from_off = off, .length = len};
    if (put->body)
        return -EINVAL;
    int r = ns_inode(txn, source, &from.from);
    if (r < 0)
        return r;
    if (len > from.from.size || off > from.from.size - len)
        return CAIRN_EBADRANGE;
    return key_put(txn, bucket, key, put, &from, ret_inode);
}
