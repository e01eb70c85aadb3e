/* The handlers of the table's rows, by file. */
#ifndef CAIRN_S3_HANDLERS_H
#define CAIRN_S3_HANDLERS_H

#include "server/s3/ops.h"

s3_op_handler s3_list_buckets, s3_create_bucket, s3_head_bucket, s3_delete_bucket,
    s3_get_bucket_location;                                                 /* bucket.c */
s3_op_handler s3_config_answer, s3_not_implemented, s3_get_acl, s3_put_acl; /* config.c */
s3_op_handler s3_list_objects_v1, s3_list_objects_v2, s3_list_versions;     /* list_objects.c */
s3_op_handler s3_put_object;                                                /* put.c */
s3_op_handler s3_get_object;                                                /* get.c */
s3_op_handler s3_get_attributes;                                            /* attributes.c */
s3_op_handler s3_delete_object, s3_delete_objects;                          /* delete.c */
s3_op_handler s3_copy_object;                                               /* copy.c */
s3_op_handler s3_rename_object;                                             /* rename.c */
s3_op_handler s3_get_tagging, s3_put_tagging, s3_delete_tagging;            /* tagging.c */
s3_op_handler s3_create_upload, s3_abort_upload;                            /* multipart.c */
s3_op_handler s3_upload_part;                                               /* multipart_part.c */
s3_op_handler s3_upload_part_copy;                                          /* multipart_copy.c */
s3_op_handler s3_complete_upload;                                           /* multipart_complete.c */
s3_op_handler s3_list_parts, s3_list_uploads;                               /* multipart_list.c */

#endif
