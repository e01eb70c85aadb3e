#include "objstore/namespace/entry.h"
#include "objstore/namespace/garbage.h"
#include "objstore/namespace/ns_priv.h"

#define BUCKET_NAME_MAX 63

/* "name/", the entry in the root. */
struct bucket_entry {
    size_t len;
    char bytes[BUCKET_NAME_MAX + 1];
};

static int bucket_entry(struct span name, struct bucket_entry *ret_entry)
{
    if (name.len == 0 || name.len > BUCKET_NAME_MAX || span_is(name, ".") || span_is(name, "..") ||
        memchr(name.ptr, '/', name.len) || memchr(name.ptr, 0, name.len))
        return CAIRN_EBADNAME;
    memcpy(ret_entry->bytes, name.ptr, name.len);
    ret_entry->bytes[name.len] = '/';
    ret_entry->len = name.len + 1;
    return 0;
}

static int bucket_get(struct ns_txn *txn, const struct bucket_entry *entry, struct dentry *ret_dentry)
{
    int r = dentry_get(txn, NS_ROOT, span_make(entry->bytes, entry->len), ret_dentry);
    return r == -ENOENT ? CAIRN_ENOBUCKET : r;
}

int ns_bucket_create(struct ns_txn *txn, struct span name, struct ns_owner owner, struct span attrs,
                     struct inode *ret_bucket)
{
    struct bucket_entry entry;
    struct dentry dentry;
    struct inode root, bucket;
    int r = bucket_entry(name, &entry);
    if (r < 0)
        return r;
    if (attrs.len > ATTRS_MAX)
        return CAIRN_ETOOBIG;
    r = bucket_get(txn, &entry, &dentry);
    if (r != CAIRN_ENOBUCKET)
        return r < 0 ? r : CAIRN_EBUCKETEXISTS;
    r = ns_inode(txn, NS_ROOT, &root);
    if (r == 0)
        r = inode_new(txn, INODE_DIR, owner, &bucket);
    if (r < 0)
        return r;
    bucket.parent = NS_ROOT;
    bucket.attrs = attrs;
    r = inode_put(txn, &bucket);
    if (r == 0)
        r = entry_add(txn, NS_ROOT, span_make(entry.bytes, entry.len), bucket.ino, INODE_DIR);
    if (r == 0)
        r = inode_dir_changed(txn, &root, 1, true);
    *ret_bucket = bucket;
    return r;
}

int ns_bucket_find(struct ns_txn *txn, struct span name, struct inode *ret_bucket)
{
    struct bucket_entry entry;
    struct dentry dentry;
    if (bucket_entry(name, &entry) < 0)
        return CAIRN_ENOBUCKET;
    int r = bucket_get(txn, &entry, &dentry);
    return r == 0 ? inode_of(txn, &dentry, ret_bucket) : r;
}

int ns_bucket_delete(struct ns_txn *txn, struct span name)
{
    struct bucket_entry entry;
    struct dentry dentry;
    struct inode root, bucket;
    int r = ns_bucket_find(txn, name, &bucket);
    if (r < 0)
        return r;
    r = dentry_none(txn, bucket.ino);
    if (r <= 0)
        return r < 0 ? r : CAIRN_EBUCKETNOTEMPTY;
    r = bucket_entry(name, &entry);
    if (r == 0)
        r = bucket_get(txn, &entry, &dentry);
    if (r == 0)
        r = ns_inode(txn, NS_ROOT, &root);
    if (r == 0)
        r = entry_remove(txn, NS_ROOT, span_make(entry.bytes, entry.len), &dentry);
    if (r == 0)
        r = inode_dir_changed(txn, &root, -1, true);
    if (r == 0)
        r = garbage_add(txn, bucket.ino | NS_UPLOADS_BIT, GARBAGE_UPLOADS);
    return r < 0 ? r : inode_unlink(txn, &bucket);
}

/* ---- listing ---- */

/* The first entry of the root, in the order of entries, whose name is greater than after. */
static int entry_after(struct ns_txn *txn, struct span after, struct bucket_entry *ret_entry, struct dentry *ret_dentry)
{
    struct dentry_cursor cursor;
    struct span found;
    int r = dentry_cursor_open(txn, &cursor);
    if (r < 0)
        return r;
    r = dentry_seek(&cursor, NS_ROOT, after, &found, ret_dentry);
    while (r == 0 && span_cmp(span_head(found, found.len - 1), after) <= 0)
        r = dentry_next(&cursor, &found, ret_dentry);
    if (r == 0 && found.len > sizeof(ret_entry->bytes))
        r = CAIRN_ECORRUPT;
    if (r == 0) {
        memcpy(ret_entry->bytes, found.ptr, found.len);
        ret_entry->len = found.len;
    }
    dentry_cursor_close(&cursor);
    return r;
}

/* Entries end in '/', names don't: "a-b/" comes before "a/", but "a" before "a-b". So the least name is the first
 * entry's, or a beginning of it that '-' or '.' follows. */
static int least_name(struct ns_txn *txn, struct span after, struct bucket_entry *entry, struct dentry *dentry)
{
    for (size_t len = 1; len + 1 < entry->len; len++) {
        struct bucket_entry shorter;
        struct span name = span_make(entry->bytes, len);
        if (entry->bytes[len] >= '/' || span_cmp(name, after) <= 0 || bucket_entry(name, &shorter) < 0)
            continue;
        int r = bucket_get(txn, &shorter, dentry);
        if (r == 0)
            *entry = shorter;
        if (r != CAIRN_ENOBUCKET)
            return r;
    }
    return 0;
}

int ns_bucket_next(struct ns_txn *txn, struct span after, struct arena *arena, struct span *ret_name,
                   struct inode *ret_bucket)
{
    struct bucket_entry entry;
    struct dentry dentry, shorter;
    int r = entry_after(txn, after, &entry, &dentry);
    if (r < 0)
        return r == -ENOENT ? CAIRN_ENOBUCKET : r;
    size_t len = entry.len;
    r = least_name(txn, after, &entry, &shorter);
    if (r == 0)
        r = inode_of(txn, entry.len == len ? &dentry : &shorter, ret_bucket);
    if (r < 0)
        return r;
    *ret_name = arena_dup(arena, span_make(entry.bytes, entry.len - 1));
    return ret_name->ptr ? 0 : -ENOMEM;
}
