/*
 * Directories as a mount reads them.
 */
#include <stdlib.h>

#include "objstore/namespace/entry.h"
#include "objstore/namespace/ns_priv.h"

struct ns_dir {
    struct ns_txn *txn;
    struct dentry_cursor entries;
    struct index_cursor inodes;
    bool positioned; /* name and entry are the next to give */
    struct span name;
    struct dentry entry;
    char shown[NAME_SHOWN_MAX];
};

/* Where the directory goes on behind what was given as after: the stored name to seek, and whether an entry of just
 * that name has been given. */
static int position_of(struct ns_txn *txn, uint64_t dir, struct span after, struct entry_name *ret_name)
{
    struct dentry dentry;
    struct span name;
    bool was_dir = entry_is_dir(after);
    struct span shown = was_dir ? span_head(after, after.len - 1) : after;
    int r = entry_find(txn, dir, shown, ret_name, &dentry);
    if (r == 0 && (dentry.type == INODE_DIR || !was_dir))
        return 0;
    if (r < 0 && r != -ENOENT)
        return r;
    /* It is gone since: its name says where it was; of a long one that did not fit, about where. */
    enum name_kind kind = name_read(shown, &name);
    if (name.len)
        memcpy(ret_name->bytes, name.ptr, name.len);
    ret_name->len = name.len;
    if (was_dir && kind != NAME_LONG)
        ret_name->bytes[ret_name->len++] = '/';
    return 0;
}

static int dir_seek(struct ns_dir *dir, uint64_t ino, struct span after)
{
    struct entry_name at = {.len = 0};
    if (after.len > 0) {
        int r = position_of(dir->txn, ino, after, &at);
        if (r < 0)
            return r;
    }
    int r = dentry_seek(&dir->entries, ino, entry_span(&at), &dir->name, &dir->entry);
    if (r == 0 && after.len > 0 && span_eq(dir->name, entry_span(&at)))
        r = dentry_next(&dir->entries, &dir->name, &dir->entry);
    dir->positioned = r == 0;
    return r == -ENOENT ? 0 : r;
}

int ns_dir_open(struct ns_txn *txn, uint64_t ino, struct span after, struct ns_dir **ret_dir)
{
    struct inode inode;
    int r = ns_inode(txn, ino, &inode);
    if (r < 0)
        return r;
    if (inode.type != INODE_DIR)
        return -ENOTDIR;
    struct ns_dir *dir = calloc(1, sizeof(*dir));
    if (!dir)
        return -ENOMEM;
    dir->txn = txn;
    r = dentry_cursor_open(txn, &dir->entries);
    if (r == 0)
        r = index_cursor_open(txn->index, &dir->inodes);
    if (r == 0)
        r = dir_seek(dir, ino, after);
    if (r < 0) {
        ns_dir_close(&dir);
        return r;
    }
    *ret_dir = dir;
    return 0;
}

void ns_dir_close(struct ns_dir **dir)
{
    if (!*dir)
        return;
    if ((*dir)->entries.index.txn)
        dentry_cursor_close(&(*dir)->entries);
    if ((*dir)->inodes.txn)
        index_cursor_close(&(*dir)->inodes);
    free(*dir);
    *dir = NULL;
}

int ns_dir_next(struct ns_dir *dir, struct span *ret_name, uint64_t *ret_ino, enum inode_type *ret_type,
                struct inode *ret_inode)
{
    if (!dir->positioned)
        return -ENOENT;
    int len = entry_show(dir->name, dir->entry.flags, dir->shown);
    if (len < 0)
        return len;
    struct dentry entry = dir->entry;
    if (ret_inode) {
        int r = inode_read(&dir->inodes, &entry, ret_inode);
        if (r < 0)
            return r;
    }
    int r = dentry_next(&dir->entries, &dir->name, &dir->entry);
    if (r < 0 && r != -ENOENT)
        return r;
    dir->positioned = r == 0;
    *ret_name = span_make(dir->shown, (size_t)len);
    *ret_ino = entry.ino;
    *ret_type = entry.type;
    return 0;
}
