/*
 * What every operation that makes an object shares: its conditions, its attributes, the mutation.
 */
#ifndef CAIRN_S3_PUT_H
#define CAIRN_S3_PUT_H

#include "server/s3/receive.h"

/* If-Match and If-None-Match of a write. Reads them, and refuses those that S3 does not have: 0 or NotImplemented. */
int s3_write_cond(struct s3_call *call, struct cond *ret_cond);
/* An ns_check with a struct cond. PreconditionFailed; NoSuchKey for If-Match where nothing is. */
int s3_check_write_cond(const struct inode *current, void *cond);

/* The x-amz-tagging header, appended as ATTR_TAG. */
int s3_tags_of_header(struct s3_call *call, struct buf *attrs);

/* The owner and time that metadata states (headers_posix), for a put: sets put->owner to *owner when it states some. */
void s3_put_posix(struct ns_put *put, struct span key, struct ns_owner *owner);

#endif
