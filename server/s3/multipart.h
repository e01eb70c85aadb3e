/*
 * What the multipart operations share: the upload a request names, and the checksum its object shall have.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
 */
#ifndef CAIRN_S3_MULTIPART_H
#define CAIRN_S3_MULTIPART_H

#include "server/s3/checksum.h"

struct upload_checksum {
    const struct checksum_algorithm *algorithm;
    bool composite;
    bool asked; /* by CreateMultipartUpload; else it is the default, and parts may bring what they like */
};
struct upload_checksum upload_checksum_of(const struct ns_upload *upload);
static inline const char *upload_checksum_type(const struct upload_checksum *checksum)
{
    return checksum->composite ? "COMPOSITE" : "FULL_OBJECT";
}
/* InvalidRequest: a digest of another algorithm ("null": none) than the upload was created with. */
int upload_other_algorithm(struct s3_call *call, const char *expected, const char *actual);
/* An ns_upload's attributes without that choice: those of the object. */
bool upload_is_object_attr(const struct attr *attr);

/* The upload of the call's bucket, key and uploadId. NoSuchBucket, NoSuchUpload. */
int upload_find(struct s3_call *call, struct ns_txn *txn, struct inode *ret_bucket, struct ns_upload *ret_upload);
/* partNumber of the query. InvalidArgument. */
int upload_part_number(struct s3_call *call, uint32_t *ret_number);

#endif
