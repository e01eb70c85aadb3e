/*
 * The source of CopyObject and UploadPartCopy.
 */
#ifndef CAIRN_S3_COPY_H
#define CAIRN_S3_COPY_H

#include "server/s3/put.h"

struct copy_source {
    struct span bucket, key;
    struct cond cond;
};

/* Reads x-amz-copy-source and its conditions, and asks whether the caller may read it. InvalidArgument, AccessDenied.
 */
int copy_source_read(struct s3_call *call, struct copy_source *ret_source);
/* The object as it stands in txn, when the conditions hold. NoSuchBucket, NoSuchKey, PreconditionFailed. */
int copy_source_find(struct ns_txn *txn, const struct copy_source *source, struct inode *ret_object);
/* A body of its own is refused for both operations. */
int copy_check_no_body(struct s3_call *call);

/* Reads [off, off + len) of inode, as txn sees it, into the digests of kinds[]; txn is ended before the reading. */
int copy_digests(struct s3_call *call, struct ns_txn **txn, const struct inode *inode, uint64_t off, uint64_t len,
                 const enum hash_kind *kinds, size_t count, uint8_t ret_digests[][HASH_MAX]);

#endif
