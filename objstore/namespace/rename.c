/*
 * rename(2) and renameat2(2). A directory moves by one entry, whatever is below it.
 */
#include "objstore/namespace/entry.h"
#include "objstore/namespace/garbage.h"
#include "objstore/namespace/ns_priv.h"

/* One end of a rename. */
struct end {
    struct span shown;
    struct inode dir;
    struct entry_name name; /* of the entry that is there */
    bool found;
    struct dentry dentry; /* when found */
    struct inode inode;   /* when found */
};

static bool end_is_dir(const struct end *end)
{
    return end->dentry.type == INODE_DIR;
}

static int end_find(struct ns_txn *txn, uint64_t dir, struct span shown, struct end *end)
{
    int r = inode_dir(txn, dir, &end->dir);
    if (r < 0)
        return r;
    end->shown = shown;
    if (span_is(shown, ".") || span_is(shown, ".."))
        return -EBUSY;
    r = entry_find(txn, dir, shown, &end->name, &end->dentry);
    end->found = r == 0;
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return inode_of(txn, &end->dentry, &end->inode);
}

/* ---- checks ---- */

/* Whether ino is dir or above it: 1 or 0. The tree has no cycles, so this ends at the root; a damaged one is known by a
 * directory met again, of which one is remembered after twice as many steps each time. */
static int is_above(struct ns_txn *txn, uint64_t ino, const struct inode *dir)
{
    struct inode at = *dir;
    uint64_t met = 0;
    for (uint64_t steps = 0, turn = 1; at.ino != ino; steps++) {
        if (at.ino == NS_ROOT)
            return 0;
        if (steps == turn) {
            met = at.ino;
            turn *= 2;
        }
        int r = ns_inode(txn, at.parent, &at);
        if (r == -ESTALE || (r == 0 && at.ino == met))
            return CAIRN_ECORRUPT;
        if (r < 0)
            return r;
    }
    return 1;
}

/* A directory does not go into itself. */
static int check_cycle(struct ns_txn *txn, const struct end *moved, const struct end *to)
{
    if (!end_is_dir(moved) || moved->dir.ino == to->dir.ino)
        return 0;
    int r = is_above(txn, moved->inode.ino, &to->dir);
    return r > 0 ? -EINVAL : r;
}

/* Buckets stay buckets. */
static int check_root(const struct end *from, const struct end *to)
{
    bool from_root = from->dir.ino == NS_ROOT, to_root = to->dir.ino == NS_ROOT;
    if (from_root != to_root)
        return -EXDEV;
    return to_root && !name_is_bucket(to->shown) ? -EINVAL : 0;
}

/* What stands at to may be replaced by from. */
static int check_replace(struct ns_txn *txn, const struct end *from, const struct end *to)
{
    if (!to->found)
        return 0;
    if (end_is_dir(from) != end_is_dir(to))
        return end_is_dir(from) ? -ENOTDIR : -EISDIR;
    if (!end_is_dir(from))
        return 0;
    int r = dentry_none(txn, to->inode.ino);
    return r < 0 ? r : r > 0 ? 0 : -ENOTEMPTY;
}

/* The name that what is moved will have at end: what is there has it, or it is new. */
static int moved_name(struct ns_txn *txn, const struct end *end, bool is_dir, struct entry_name *ret_name)
{
    if (end->found && end_is_dir(end) == is_dir) {
        *ret_name = end->name;
        return 0;
    }
    return entry_name_new(txn, end->dir.ino, end->shown, is_dir, ret_name);
}

/* ---- moving ---- */

/* The inode got another name, and if it is a directory perhaps another parent. */
static int moved_put(struct ns_txn *txn, struct inode *inode, uint64_t dir)
{
    inode->ctime = txn->now;
    if (inode->type == INODE_DIR)
        inode->parent = dir;
    event_inode(txn, NS_EVENT_ATTR, inode->ino);
    return inode_put(txn, inode);
}

/* Both directories, which may be one, have changed. */
static int dirs_put(struct ns_txn *txn, struct end *from, int from_subdirs, struct end *to, int to_subdirs)
{
    if (from->dir.ino == to->dir.ino)
        return inode_dir_changed(txn, &from->dir, from_subdirs + to_subdirs, true);
    int r = inode_dir_changed(txn, &from->dir, from_subdirs, true);
    return r < 0 ? r : inode_dir_changed(txn, &to->dir, to_subdirs, true);
}

static int move(struct ns_txn *txn, struct end *from, struct end *to, struct span name)
{
    int dirs = end_is_dir(from) ? 1 : 0;
    bool bucket = from->dir.ino == NS_ROOT;
    int r = entry_remove(txn, from->dir.ino, entry_span(&from->name), &from->dentry);
    if (r == 0 && to->found)
        r = entry_replace(txn, to->dir.ino, name, &to->dentry, from->inode.ino, from->inode.type);
    else if (r == 0)
        r = entry_add(txn, to->dir.ino, name, from->inode.ino, from->inode.type);
    if (r == 0)
        r = moved_put(txn, &from->inode, to->dir.ino);
    if (r == 0)
        r = dirs_put(txn, from, -dirs, to, to->found ? 0 : dirs);
    if (r < 0 || !to->found)
        return r;
    if (bucket)
        r = garbage_add(txn, to->inode.ino | NS_UPLOADS_BIT, GARBAGE_UPLOADS);
    return r < 0 ? r : inode_unlink(txn, &to->inode);
}

static int exchange(struct ns_txn *txn, struct end *from, struct end *to, struct span from_name, struct span to_name)
{
    int from_dirs = end_is_dir(from) ? 1 : 0, to_dirs = end_is_dir(to) ? 1 : 0;
    int r = entry_remove(txn, from->dir.ino, entry_span(&from->name), &from->dentry);
    if (r == 0)
        r = entry_remove(txn, to->dir.ino, entry_span(&to->name), &to->dentry);
    if (r == 0)
        r = entry_add(txn, from->dir.ino, from_name, to->inode.ino, to->inode.type);
    if (r == 0)
        r = entry_add(txn, to->dir.ino, to_name, from->inode.ino, from->inode.type);
    if (r == 0)
        r = moved_put(txn, &from->inode, to->dir.ino);
    if (r == 0)
        r = moved_put(txn, &to->inode, from->dir.ino);
    return r < 0 ? r : dirs_put(txn, from, to_dirs - from_dirs, to, from_dirs - to_dirs);
}

/* ---- the call ---- */

static int rename_checked(struct ns_txn *txn, struct end *from, struct end *to)
{
    struct entry_name name;
    int r = check_replace(txn, from, to);
    if (r == 0)
        r = moved_name(txn, to, end_is_dir(from), &name);
    return r < 0 ? r : move(txn, from, to, entry_span(&name));
}

/* A name of a kind that is not at end yet may be another entry's: the object beside the directory that goes from there.
 */
static int name_free(struct ns_txn *txn, const struct end *end, bool is_dir, const struct entry_name *name)
{
    struct dentry dentry;
    if (end_is_dir(end) == is_dir)
        return 0;
    int r = dentry_get(txn, end->dir.ino, entry_span(name), &dentry);
    return r == 0 ? -EEXIST : r == -ENOENT ? 0 : r;
}

static int exchange_checked(struct ns_txn *txn, struct end *from, struct end *to)
{
    struct entry_name from_name, to_name;
    int r = check_cycle(txn, to, from);
    if (r == 0)
        r = moved_name(txn, from, end_is_dir(to), &from_name);
    if (r == 0)
        r = moved_name(txn, to, end_is_dir(from), &to_name);
    if (r == 0)
        r = name_free(txn, from, end_is_dir(to), &from_name);
    if (r == 0)
        r = name_free(txn, to, end_is_dir(from), &to_name);
    return r < 0 ? r : exchange(txn, from, to, entry_span(&from_name), entry_span(&to_name));
}

int ns_rename(struct ns_txn *txn, uint64_t from_dir, struct span from_name, uint64_t to_dir, struct span to_name,
              uint32_t flags)
{
    struct end from, to;
    if (flags != 0 && flags != NS_RENAME_NOREPLACE && flags != NS_RENAME_EXCHANGE)
        return -EINVAL;
    int r = end_find(txn, from_dir, from_name, &from);
    if (r == 0)
        r = end_find(txn, to_dir, to_name, &to);
    if (r < 0)
        return r;
    if (!from.found || (flags == NS_RENAME_EXCHANGE && !to.found))
        return -ENOENT;
    if (to.found && flags == NS_RENAME_NOREPLACE)
        return -EEXIST;
    if (to.found && from.inode.ino == to.inode.ino)
        return 0;
    r = check_root(&from, &to);
    if (r == 0)
        r = check_cycle(txn, &from, &to);
    if (r < 0)
        return r;
    return flags == NS_RENAME_EXCHANGE ? exchange_checked(txn, &from, &to) : rename_checked(txn, &from, &to);
}
