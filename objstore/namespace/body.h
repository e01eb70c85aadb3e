/*
 * Bodies on their way in: what mutations do with a finished writer.
 */
#ifndef CAIRN_NAMESPACE_BODY_H
#define CAIRN_NAMESPACE_BODY_H

#include "objstore/namespace/namespace.h"

/* 0; -EINVAL when the writer, which may be NULL, is not finished. */
int body_check(const struct body_writer *writer);
/* 0 for NULL. */
uint64_t body_length(const struct body_writer *writer);
/* In a mutation: puts the body at off of inode, where a hole is. writer may be NULL. */
int body_link(struct ns_txn *txn, struct inode *inode, uint64_t off, struct body_writer *writer);

#endif
