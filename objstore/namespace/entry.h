/*
 * Entries of a directory as both views see them: what dentry.h stores, with the object beside a directory marked, the
 * changes told, and names of a mount resolved.
 */
#ifndef CAIRN_NAMESPACE_ENTRY_H
#define CAIRN_NAMESPACE_ENTRY_H

#include "objstore/namespace/dentry.h"
#include "objstore/namespace/inode.h"
#include "objstore/namespace/name.h"

/* A stored name; a directory's ends in '/'. */
struct entry_name {
    size_t len;
    char bytes[DENTRY_NAME_MAX];
};
static inline struct span entry_span(const struct entry_name *name)
{
    return (struct span){name->bytes, name->len};
}
static inline bool entry_is_dir(struct span name)
{
    return name.len > 0 && name.ptr[name.len - 1] == '/';
}

/* The form of a stored name in a mount: length or -ENOMEM. */
int entry_show(struct span name, uint8_t dentry_flags, char ret_shown[NAME_SHOWN_MAX]);

/* ---- in a mutation; the caller has checked, and changes the directory's inode ---- */

/* A new entry. */
int entry_add(struct ns_txn *txn, uint64_t dir, struct span name, uint64_t ino, enum inode_type type);
/* The entry, known as old, names another inode, of a type that fits its name. */
int entry_replace(struct ns_txn *txn, uint64_t dir, struct span name, const struct dentry *old, uint64_t ino,
                  enum inode_type type);
int entry_remove(struct ns_txn *txn, uint64_t dir, struct span name, const struct dentry *old);

/* ---- names of a mount ---- */

/* The entry that the mount shows as shown. -ENOENT, -ENAMETOOLONG, -EINVAL for what is no name. */
int entry_find(struct ns_txn *txn, uint64_t dir, struct span shown, struct entry_name *ret_name,
               struct dentry *ret_dentry);
/* The stored name that a new entry gets for it to be shown as shown, which is free. -ENAMETOOLONG; -EINVAL for what is
 * no name and for an escape that nothing new can have. */
int entry_name_new(struct ns_txn *txn, uint64_t dir, struct span shown, bool is_dir, struct entry_name *ret_name);

#endif
