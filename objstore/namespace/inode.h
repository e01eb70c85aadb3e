/*
 * Inodes as records, and what is done to them on the way.
 */
#ifndef CAIRN_NAMESPACE_INODE_H
#define CAIRN_NAMESPACE_INODE_H

#include "objstore/namespace/dentry.h"

/* The value of a record 'I'; attrs are a part of it, at most ATTRS_MAX, and size is at most INT64_MAX. CAIRN_ECORRUPT,
 * CAIRN_EFORMAT. */
int inode_decode(uint64_t ino, struct span value, struct inode *ret_inode);
/* The inode that an entry names, which is of the entry's type: CAIRN_ECORRUPT when it is not, or not there. */
int inode_of(struct ns_txn *txn, const struct dentry *dentry, struct inode *ret_inode);
/* Likewise, through a cursor that reads many. */
int inode_read(struct index_cursor *cursor, const struct dentry *dentry, struct inode *ret_inode);
int inode_put(struct ns_txn *txn, const struct inode *inode);
/* Takes a number and fills in a new inode, all times now, nlink 1 (2 for a directory); does not put it. */
int inode_new(struct ns_txn *txn, enum inode_type type, struct ns_owner owner, struct inode *ret_inode);
/* A directory that a new name is to be made in: -ESTALE, -ENOTDIR, -ENOENT when it has been removed. */
int inode_dir(struct ns_txn *txn, uint64_t ino, struct inode *ret_inode);

/* A name went: counts, and puts the inode, leaves it as an orphan or reaps it. A directory goes with its one name.
 * inode is as it then is. */
int inode_unlink(struct ns_txn *txn, struct inode *inode);
/* The inode's last name and holder are gone: so is it, and what is keyed by it now or by the reaper. */
int inode_reap(struct ns_txn *txn, const struct inode *inode);
/* The entries of a directory changed: times and version, nlink by the subdirectories that came or went. posix: a change
 * through the POSIX view makes it explicit. Puts it. */
int inode_dir_changed(struct ns_txn *txn, struct inode *dir, int subdirs, bool posix);
/* The contents are about to be other ones: times, version, an opaque ETag; checksums are dropped from the attributes.
 * Does not put it. */
int inode_content_changed(struct ns_txn *txn, struct inode *inode);

#endif
