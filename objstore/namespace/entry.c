#include "objstore/namespace/entry.h"
#include "objstore/namespace/ns_priv.h"

/* A stored name without the '/' of a directory. */
static struct span bare(struct span name)
{
    return entry_is_dir(name) ? span_head(name, name.len - 1) : name;
}

static void entry_name_set(struct entry_name *name, struct span bytes, bool is_dir)
{
    assert(bytes.len < sizeof(name->bytes));
    if (bytes.len)
        memcpy(name->bytes, bytes.ptr, bytes.len);
    name->len = bytes.len;
    if (is_dir)
        name->bytes[name->len++] = '/';
}

int entry_show(struct span name, uint8_t dentry_flags, char ret_shown[NAME_SHOWN_MAX])
{
    return name_show(bare(name), dentry_flags & DENTRY_SHADOWED, ret_shown);
}

/* ---- changes ---- */

static void entry_event(struct ns_txn *txn, uint64_t dir, struct span name, uint8_t flags, uint64_t ino)
{
    char shown[NAME_SHOWN_MAX];
    if (!events_wanted(txn))
        return;
    int len = entry_show(name, flags, shown);
    if (len < 0)
        txn->failed = len;
    else
        event_entry(txn, dir, span_make(shown, (size_t)len), ino);
}

/* A directory comes beside the object called name, or goes from there: the object moves to its escape, or back. */
static int shadow(struct ns_txn *txn, uint64_t dir, struct span name, bool shadowed)
{
    struct dentry object;
    int r = dentry_get(txn, dir, name, &object);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    entry_event(txn, dir, name, object.flags, 0);
    object.flags = shadowed ? DENTRY_SHADOWED : 0;
    r = dentry_put(txn, dir, name, &object);
    entry_event(txn, dir, name, object.flags, object.ino);
    return r;
}

static int shadowed_by_dir(struct ns_txn *txn, uint64_t dir, struct span name)
{
    struct entry_name other;
    struct dentry dentry;
    entry_name_set(&other, name, true);
    int r = dentry_get(txn, dir, entry_span(&other), &dentry);
    return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

int entry_add(struct ns_txn *txn, uint64_t dir, struct span name, uint64_t ino, enum inode_type type)
{
    struct dentry dentry = {.ino = ino, .type = (uint8_t)type};
    assert(entry_is_dir(name) == (type == INODE_DIR));
    int r = type == INODE_DIR ? shadow(txn, dir, bare(name), true) : shadowed_by_dir(txn, dir, name);
    if (r < 0)
        return r;
    if (type != INODE_DIR && r > 0)
        dentry.flags = DENTRY_SHADOWED;
    r = dentry_put(txn, dir, name, &dentry);
    entry_event(txn, dir, name, dentry.flags, ino);
    return r;
}

int entry_replace(struct ns_txn *txn, uint64_t dir, struct span name, const struct dentry *old, uint64_t ino,
                  enum inode_type type)
{
    struct dentry dentry = {.ino = ino, .type = (uint8_t)type, .flags = old->flags};
    assert(entry_is_dir(name) == (type == INODE_DIR));
    int r = dentry_put(txn, dir, name, &dentry);
    entry_event(txn, dir, name, dentry.flags, ino);
    return r;
}

int entry_remove(struct ns_txn *txn, uint64_t dir, struct span name, const struct dentry *old)
{
    int r = dentry_delete(txn, dir, name);
    entry_event(txn, dir, name, old->flags, 0);
    if (r == 0 && entry_is_dir(name))
        r = shadow(txn, dir, bare(name), false);
    return r;
}

/* ---- names of a mount ---- */

static int shown_check(struct span shown)
{
    if (shown.len > NAME_SHOWN_MAX)
        return -ENAMETOOLONG;
    if (shown.len == 0 || span_is(shown, ".") || span_is(shown, ".."))
        return -EINVAL;
    return memchr(shown.ptr, '/', shown.len) || memchr(shown.ptr, 0, shown.len) ? -EINVAL : 0;
}

/* The directory called name, or else the object without one beside it. Most names are objects', so they are tried
 * first. */
static int find_plain(struct ns_txn *txn, uint64_t dir, struct span name, struct entry_name *ret_name,
                      struct dentry *ret_dentry)
{
    entry_name_set(ret_name, name, false);
    int r = dentry_get(txn, dir, name, ret_dentry);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0 && !(ret_dentry->flags & DENTRY_SHADOWED))
        return 0;
    entry_name_set(ret_name, name, true);
    return dentry_get(txn, dir, entry_span(ret_name), ret_dentry);
}

static int find_object(struct ns_txn *txn, uint64_t dir, struct span name, struct entry_name *ret_name,
                       struct dentry *ret_dentry)
{
    entry_name_set(ret_name, name, false);
    int r = dentry_get(txn, dir, name, ret_dentry);
    return r < 0 || (ret_dentry->flags & DENTRY_SHADOWED) ? r : -ENOENT;
}

/* Looks through the names that begin with prefix for the one that is shown so. */
static int find_long(struct ns_txn *txn, uint64_t dir, struct span prefix, struct span shown,
                     struct entry_name *ret_name, struct dentry *ret_dentry)
{
    struct dentry_cursor cursor;
    struct span name;
    char form[NAME_SHOWN_MAX];
    int r = dentry_cursor_open(txn, &cursor);
    if (r < 0)
        return r;
    r = dentry_seek(&cursor, dir, prefix, &name, ret_dentry);
    for (; r == 0; r = dentry_next(&cursor, &name, ret_dentry)) {
        if (!span_starts(name, prefix)) {
            r = -ENOENT;
            break;
        }
        int len = entry_show(name, ret_dentry->flags, form);
        if (len < 0 || span_eq(span_make(form, (size_t)len), shown)) {
            r = len < 0 ? len : 0;
            break;
        }
    }
    if (r == 0)
        entry_name_set(ret_name, name, false); /* it has its '/' */
    dentry_cursor_close(&cursor);
    return r;
}

int entry_find(struct ns_txn *txn, uint64_t dir, struct span shown, struct entry_name *ret_name,
               struct dentry *ret_dentry)
{
    struct span name;
    int r = shown_check(shown);
    if (r < 0)
        return r;
    switch (name_read(shown, &name)) {
    case NAME_PLAIN:
        return find_plain(txn, dir, name, ret_name, ret_dentry);
    case NAME_OBJECT:
        return find_object(txn, dir, name, ret_name, ret_dentry);
    case NAME_LONG:
        return find_long(txn, dir, name, shown, ret_name, ret_dentry);
    }
    return -ENOENT;
}

int entry_name_new(struct ns_txn *txn, uint64_t dir, struct span shown, bool is_dir, struct entry_name *ret_name)
{
    struct span name;
    int r = shown_check(shown);
    if (r < 0)
        return r;
    switch (name_read(shown, &name)) {
    case NAME_PLAIN:
        if (name.len == 0 && !is_dir)
            return -EINVAL; /* "" names a directory only: the object would be the directory's own key */
        entry_name_set(ret_name, name, is_dir);
        return 0;
    case NAME_OBJECT:
        r = is_dir ? 0 : shadowed_by_dir(txn, dir, name);
        entry_name_set(ret_name, name, false);
        return r < 0 ? r : r > 0 ? 0 : -EINVAL;
    case NAME_LONG:
        return -EINVAL;
    }
    return -EINVAL;
}
