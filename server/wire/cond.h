/*
 * Conditional requests (RFC 9110 13) as S3 evaluates them, and the entity tags in them.
 */
#ifndef CAIRN_WIRE_COND_H
#define CAIRN_WIRE_COND_H

#include "objstore/base/span.h"
#include "server/wire/http_head.h"

/* Whether a list of If-Match or If-None-Match ("*", or tags with commas) names etag (without quotes). Tags without
 * quotes are taken too, as S3 does. In a strong comparison a W/ tag matches nothing. */
bool etag_in_list(struct span list, struct span etag, bool strong);
bool etag_is_any(struct span list);
/* A tag without its quotes (and without W/), for where S3 takes both. */
struct span etag_bare(struct span tag);

struct cond {
    struct span if_match; /* .ptr is NULL when absent */
    struct span if_none_match;
    bool has_modified_since, has_unmodified_since;
    int64_t modified_since_ns, unmodified_since_ns;
};

/* Reads the four headers of a request; dates that do not parse count as absent, as RFC 9110 has it. now_ns is for
 * two-digit years. Repeated tag headers: the first counts. */
void cond_read(const struct http_head *head, int64_t now_ns, struct cond *ret_cond);
/* The same for x-amz-copy-source-if-match and so on. */
void cond_read_copy_source(const struct http_head *head, int64_t now_ns, struct cond *ret_cond);
/* Whether there is any condition. */
bool cond_any(const struct cond *cond);

enum cond_result {
    COND_OK,
    COND_NOT_MODIFIED, /* 304 */
    COND_FAILED,       /* 412 PreconditionFailed */
    COND_NO_KEY,       /* 404 NoSuchKey: If-Match of a write where nothing is */
    COND_UNSUPPORTED   /* 501 NotImplemented: a write with If-Unmodified-Since */
};

/* GET and HEAD of an object that exists. Times count in whole seconds. */
enum cond_result cond_check_read(const struct cond *cond, struct span etag, int64_t mtime_ns);
/* The source of a copy: every condition that does not hold is COND_FAILED. */
enum cond_result cond_check_copy_source(const struct cond *cond, struct span etag, int64_t mtime_ns);
/* PUT, CompleteMultipartUpload: the tags count. AWS takes no If-None-Match but "*"; RFC 9110, MinIO and Ceph do, so tags
 * are compared. If-Modified-Since, which RFC 9110 has for reads alone, is read over. etag is of the object that is
 * there, or .ptr NULL. */
enum cond_result cond_check_write(const struct cond *cond, struct span etag);

#endif
