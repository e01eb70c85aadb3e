/*
 * Verification of inodes: the entries of a directory, the extents of a body.
 */
#include "objstore/namespace/entry.h"
#include "objstore/namespace/extent.h"
#include "objstore/namespace/ns_priv.h"
#include "objstore/namespace/verify.h"

/* ---- directories ---- */

/* Whether there is a directory of this object's name, against its mark. */
static int check_shadow(struct verify *v, uint64_t dir, struct span name, const struct dentry *entry)
{
    char beside[DENTRY_NAME_MAX + 1];
    struct dentry other;
    memcpy(beside, name.ptr, name.len);
    beside[name.len] = '/';
    int r = dentry_get(v->txn, dir, span_make(beside, name.len + 1), &other);
    if (r < 0 && r != -ENOENT)
        return r;
    if ((r == 0) != ((entry->flags & DENTRY_SHADOWED) != 0))
        verify_finding(v, "directory %lu: \"" SPAN_FMT "\" has a wrong mark of a directory beside it", dir,
                       SPAN_ARG(name));
    return 0;
}

static int check_entry(struct verify *v, const struct inode *dir, struct span name, const struct dentry *entry)
{
    struct inode inode;
    v->entries++;
    int r = numbers_add(&v->names, entry->ino);
    if (r == 0)
        r = ns_inode(v->txn, entry->ino, &inode);
    if (r == -ESTALE) {
        verify_finding(v, "directory %lu: \"" SPAN_FMT "\" names inode %lu, which is missing", dir->ino, SPAN_ARG(name),
                       entry->ino);
        return 0;
    }
    if (r < 0)
        return verify_damage(v, r, "inode", entry->ino);
    if (inode.type != entry->type || entry_is_dir(name) != (inode.type == INODE_DIR))
        verify_finding(v, "directory %lu: \"" SPAN_FMT "\" is of another type than inode %lu", dir->ino, SPAN_ARG(name),
                       entry->ino);
    if (inode.type == INODE_DIR && inode.parent != dir->ino)
        verify_finding(v, "directory %lu has parent %lu but is in %lu", inode.ino, inode.parent, dir->ino);
    return inode.type == INODE_DIR ? 0 : check_shadow(v, dir->ino, name, entry);
}

static int check_directory(struct verify *v, const struct inode *dir)
{
    struct dentry_cursor cursor;
    struct dentry entry;
    struct span name;
    uint32_t subdirs = 0, entries = 0;
    int r = dentry_cursor_open(v->txn, &cursor);
    if (r < 0)
        return r;
    r = dentry_seek(&cursor, dir->ino, SPAN_EMPTY, &name, &entry);
    for (; r == 0; r = dentry_next(&cursor, &name, &entry)) {
        r = check_entry(v, dir, name, &entry);
        if (r < 0)
            break;
        entries++;
        subdirs += entry.type == INODE_DIR;
    }
    dentry_cursor_close(&cursor);
    if (r != -ENOENT)
        return verify_damage(v, r, "directory", dir->ino);
    if (dir->nlink != (dir->nlink ? 2 + subdirs : 0))
        verify_finding(v, "directory %lu has %u subdirectories and a link count of %u", dir->ino, subdirs, dir->nlink);
    if (entries == 0 && dir->nlink && (dir->flags & INODE_IMPLICIT))
        verify_finding(v, "directory %lu is implicit and empty", dir->ino);
    if (entries > 0 && dir->nlink == 0)
        verify_finding(v, "directory %lu is removed but has entries", dir->ino);
    return 0;
}

/* ---- extents ---- */

static int check_extents(struct verify *v, const struct inode *inode)
{
    struct index_cursor cursor;
    struct extent extent;
    uint64_t end = 0, blocks = 0, inlined = 0;
    int r = index_cursor_open(v->txn->index, &cursor);
    if (r < 0)
        return r;
    r = extent_seek(&cursor, inode->body, 0, &extent);
    for (; r == 0; r = extent_next(&cursor, inode->body, &extent)) {
        if (extent.off < end)
            verify_finding(v, "inode %lu: extents overlap at %lu", inode->ino, extent.off);
        end = extent.off + extent.len;
        blocks += extent.len;
        inlined += extent.bytes.len;
    }
    index_cursor_close(&cursor);
    if (r != -ENOENT)
        return verify_damage(v, r, "body", inode->body);
    if (end > inode->size)
        verify_finding(v, "inode %lu: an extent ends at %lu, behind the size %lu", inode->ino, end, inode->size);
    if (blocks != inode->blocks || inlined != inode->inlined)
        verify_finding(v, "inode %lu: extents cover %lu bytes, %lu in the index, not %lu and %lu", inode->ino, blocks,
                       inlined, inode->blocks, inode->inlined);
    return 0;
}

/* ---- inodes ---- */

static int check_orphan(struct verify *v, const struct inode *inode)
{
    struct record_key key;
    struct span value;
    int r = index_get(v->txn->index, key_id(&key, TAG_ORPHAN, inode->ino), &value);
    if (r < 0 && r != -ENOENT)
        return r;
    if ((r == 0) != (inode->nlink == 0))
        verify_finding(v, "inode %lu has a link count of %u and is %s orphan", inode->ino, inode->nlink,
                       r == 0 ? "an" : "no");
    return 0;
}

static int check_inode(struct verify *v, const struct inode *inode)
{
    struct links links = {.ino = inode->ino, .names = inode->nlink};
    if (inode->type == INODE_DIR)
        links.names = inode->nlink && inode->ino != NS_ROOT ? 1 : 0;
    v->inodes++;
    verify_number(v, inode->ino);
    verify_number(v, inode->body);
    int r = buf_add(&v->links, &links, sizeof(links));
    if (r == 0)
        r = numbers_add(&v->bodies, inode->body);
    if (r == 0)
        r = check_orphan(v, inode);
    if (r == 0 && inode->type == INODE_DIR)
        r = check_directory(v, inode);
    return r < 0 || inode->type == INODE_SYMLINK ? r : check_extents(v, inode);
}

static int each_inode(struct verify *v, uint64_t ino, struct span key, struct span value)
{
    struct inode inode;
    int r = key.len == 9 ? inode_decode(ino, value, &inode) : CAIRN_ECORRUPT;
    return r < 0 ? verify_damage(v, r, "inode", ino) : check_inode(v, &inode);
}

int verify_inodes(struct verify *v)
{
    return verify_each(v, TAG_INODE, each_inode);
}
