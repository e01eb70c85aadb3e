/*
 * The walk of a bucket: S3's byte order of keys is a depth-first walk of entries, since a directory's name ends in '/'.
 *
 * One cursor of entries serves all depths: it steps within a directory and seeks on the way down and up. On the way up
 * it looks for the directory's own name with '0' in the place of its '/', which no name between can begin with. A
 * second cursor reads inodes; those of neighbours mostly lie side by side.
 */
#include <stdlib.h>

#include "objstore/namespace/dentry.h"
#include "objstore/namespace/inode.h"
#include "objstore/namespace/ns_priv.h"

struct level {
    uint64_t dir;
    size_t end; /* of this directory's key in path */
};

struct ns_walk {
    struct ns_txn *txn;
    struct dentry_cursor entries;
    struct index_cursor inodes;
    struct buf prefix; /* of the keys that are wanted */
    struct buf path;   /* the key given last; the directories on the way are its beginning */
    struct buf levels; /* struct level; the bucket first */
    bool positioned;   /* entry is the next to look at; else the cursor's next one is */
    bool entered;      /* the innermost directory's own key is the next to look at */
    int found;         /* positioned: what the seek answered */
    struct span name;
    struct dentry entry;
};

/* ---- levels ---- */

static size_t depth_of(const struct ns_walk *walk)
{
    return walk->levels.len / sizeof(struct level);
}

static struct level *level_at(const struct ns_walk *walk, size_t depth)
{
    return (struct level *)(void *)walk->levels.ptr + depth;
}

static struct level *innermost(const struct ns_walk *walk)
{
    return level_at(walk, depth_of(walk) - 1);
}

/* path becomes the innermost directory's key and name. */
static int path_set(struct ns_walk *walk, struct span name)
{
    walk->path.len = innermost(walk)->end;
    return buf_add_span(&walk->path, name);
}

static void look_at(struct ns_walk *walk, struct span from)
{
    walk->found = dentry_seek(&walk->entries, innermost(walk)->dir, from, &walk->name, &walk->entry);
    walk->positioned = true;
}

/* Down into the directory that path names. */
static int descend(struct ns_walk *walk, uint64_t dir)
{
    struct level level = {.dir = dir, .end = walk->path.len};
    int r = buf_add(&walk->levels, &level, sizeof(level));
    walk->entered = r == 0;
    return r;
}

/* Up, behind the directory that was the innermost. */
static void ascend(struct ns_walk *walk)
{
    char behind[DENTRY_NAME_MAX];
    size_t end = innermost(walk)->end;
    walk->levels.len -= sizeof(struct level);
    size_t begin = innermost(walk)->end;
    assert(end - begin <= sizeof(behind));
    memcpy(behind, walk->path.ptr + begin, end - begin);
    behind[end - begin - 1] = '/' + 1;
    look_at(walk, span_make(behind, end - begin));
}

/* ---- opening and seeking ---- */

int ns_walk_open(struct ns_txn *txn, uint64_t bucket, struct span prefix, struct ns_walk **ret_walk)
{
    struct level level = {.dir = bucket};
    struct ns_walk *walk = calloc(1, sizeof(*walk));
    if (!walk)
        return -ENOMEM;
    walk->txn = txn;
    int r = buf_add_span(&walk->prefix, prefix);
    if (r == 0)
        r = buf_add(&walk->levels, &level, sizeof(level));
    if (r == 0)
        r = dentry_cursor_open(txn, &walk->entries);
    if (r == 0)
        r = index_cursor_open(txn->index, &walk->inodes);
    if (r == 0)
        r = ns_walk_seek(walk, prefix);
    if (r < 0) {
        ns_walk_close(&walk);
        return r;
    }
    *ret_walk = walk;
    return 0;
}

void ns_walk_close(struct ns_walk **walk)
{
    if (!*walk)
        return;
    if ((*walk)->entries.index.txn)
        dentry_cursor_close(&(*walk)->entries);
    if ((*walk)->inodes.txn)
        index_cursor_close(&(*walk)->inodes);
    buf_release(&(*walk)->prefix);
    buf_release(&(*walk)->path);
    buf_release(&(*walk)->levels);
    free(*walk);
    *walk = NULL;
}

/* Leaves the directories that key does not lead through. */
static void levels_keep(struct ns_walk *walk, struct span key)
{
    while (depth_of(walk) > 1 && !span_starts(key, span_make(walk->path.ptr, innermost(walk)->end)))
        walk->levels.len -= sizeof(struct level);
    walk->path.len = innermost(walk)->end;
}

int ns_walk_seek(struct ns_walk *walk, struct span key)
{
    if (span_cmp(key, buf_span(&walk->prefix)) < 0)
        key = buf_span(&walk->prefix);
    levels_keep(walk, key);
    walk->entered = walk->positioned = false;
    struct span rest = span_from(key, innermost(walk)->end);
    for (;;) {
        struct dentry dentry;
        const char *slash = rest.len ? memchr(rest.ptr, '/', rest.len) : NULL;
        struct span name = slash ? span_head(rest, (size_t)(slash - rest.ptr) + 1) : rest;
        if (!slash && rest.len == 0 && depth_of(walk) > 1) {
            walk->entered = true; /* key is a directory's own */
            return 0;
        }
        int r = slash ? dentry_get(walk->txn, innermost(walk)->dir, name, &dentry) : -ENOENT;
        if (r == -ENOENT) {
            look_at(walk, name);
            return walk->found == -ENOENT ? 0 : walk->found;
        }
        if (r == 0)
            r = path_set(walk, name);
        if (r == 0)
            r = descend(walk, dentry.ino);
        if (r < 0)
            return r;
        walk->entered = false;
        rest = span_from(rest, name.len);
    }
}

/* ---- stepping ---- */

/* The innermost directory's own key: 1 when it is an object, 0 when it is implicit. It must be in the one above, and be
 * none that the walk is in already: among damaged records it could go round. */
static int own_key(struct ns_walk *walk, struct inode *ret_inode)
{
    struct dentry dentry = {.ino = innermost(walk)->dir, .type = INODE_DIR};
    walk->entered = false;
    int r = inode_read(&walk->inodes, &dentry, ret_inode);
    if (r == 0 &&
        (ret_inode->parent != level_at(walk, depth_of(walk) - 2)->dir || dentry.ino == level_at(walk, 0)->dir))
        r = CAIRN_ECORRUPT;
    look_at(walk, SPAN_EMPTY);
    return r < 0 ? r : !(ret_inode->flags & INODE_IMPLICIT);
}

/* Whether keys that begin with path, a directory's, can have the prefix at all; false also once the walk is past them.
 */
static bool leads_to_prefix(const struct ns_walk *walk)
{
    size_t len = walk->path.len < walk->prefix.len ? walk->path.len : walk->prefix.len;
    return len == 0 || memcmp(walk->path.ptr, walk->prefix.ptr, len) == 0;
}

/* The next entry of the innermost directory: 0, or -ENOENT when it has no more. */
static int next_entry(struct ns_walk *walk)
{
    int r = walk->found;
    if (!walk->positioned)
        r = dentry_next(&walk->entries, &walk->name, &walk->entry);
    walk->positioned = false;
    return r;
}

int ns_walk_next(struct ns_walk *walk, struct span *ret_key, struct inode *ret_inode)
{
    struct inode own;
    for (;;) {
        int r;
        if (walk->entered) {
            r = own_key(walk, ret_inode ? ret_inode : &own);
            if (r < 0)
                return r;
            if (r > 0 && span_starts(buf_span(&walk->path), buf_span(&walk->prefix)))
                break;
            continue;
        }
        r = next_entry(walk);
        if (r == -ENOENT && depth_of(walk) > 1) {
            ascend(walk);
            continue;
        }
        if (r == 0)
            r = path_set(walk, walk->name);
        if (r < 0)
            return r == -ENOENT ? CAIRN_ENOKEY : r;
        if (!leads_to_prefix(walk))
            return CAIRN_ENOKEY;
        if (walk->entry.type == INODE_DIR) {
            r = descend(walk, walk->entry.ino);
            if (r < 0)
                return r;
            continue;
        }
        r = ret_inode ? inode_read(&walk->inodes, &walk->entry, ret_inode) : 0;
        if (r < 0)
            return r;
        break;
    }
    *ret_key = buf_span(&walk->path);
    return 0;
}
