/*
 * What an object keeps of the headers it was put with, and gives back: packed attributes of its inode.
 */
#ifndef CAIRN_S3_HEADERS_H
#define CAIRN_S3_HEADERS_H

#include "server/s3/call.h"

/* Appends the request's content headers and user metadata: what a copy takes over or replaces as a whole.
 * MetadataTooLarge. */
int headers_to_attrs(struct s3_call *call, struct buf *attrs);
/* Appends storage class and website redirect, which a copy never takes over. InvalidStorageClass. */
int headers_placement_to_attrs(struct s3_call *call, struct buf *attrs);
/* Whether this attribute belongs to the place where the object is, so that a copy does not take it over. */
bool headers_is_placement(const struct attr *attr);
/* Refuses what a write asks for and this store can not do, rather than read over it: encryption, object locks, ACLs
 * that grant more than the owner has. 0 or NotImplemented, InvalidArgument, InvalidRequest,
 * AccessControlListNotSupported. */
int headers_check_write(struct s3_call *call);
/* A read with a customer's key, of an object that has none. */
int headers_check_read(struct s3_call *call);

/* Of an object: Content-Type and the rest, user metadata, storage class, the number of tags. GET's response-…
 * parameters take the place of what is stored. */
int headers_reply(struct s3_call *call, const struct inode *inode);
/* Of a 304: what RFC 9110 15.4.5 asks for. */
int headers_reply_not_modified(struct s3_call *call, const struct inode *inode);

/* "STANDARD" when attrs have none. */
struct span headers_storage_class(struct span attrs);
/* The upload that an object was completed from, kept as a header that is never told: a completion sent again is known
 * by it. */
#define UPLOAD_ID_ATTR "x-cairn-upload-id"
#define STORAGE_CLASS_HEADER "x-amz-storage-class"

/* Mode, owner and modification time that other filesystems on S3 leave in user metadata: s3fs (decimal mode with the
 * file type, seconds), rclone (octal mode, RFC 3339 or seconds), AWS's FSx and DataSync ("file-…", octal, "…ns").
 * *owner is changed only where the metadata says so; *mtime likewise. True when it has a mode or an owner. */
bool headers_posix(struct span attrs, struct ns_owner *owner, int64_t *mtime);

#endif
