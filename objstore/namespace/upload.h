/*
 * Multipart uploads, inside: what an upload's object and an upload's end need. Each part has a body of its own;
 * completion moves their extents behind one another.
 */
#ifndef CAIRN_NAMESPACE_UPLOAD_H
#define CAIRN_NAMESPACE_UPLOAD_H

#include "objstore/namespace/namespace.h"

/* In a mutation: the parts become inode's body, size, parts and boundaries; all are known to be there. */
int upload_assemble(struct ns_txn *txn, const struct ns_upload *upload, const uint32_t *numbers, size_t count,
                    struct inode *inode);

#endif
