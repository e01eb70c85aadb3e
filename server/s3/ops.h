/*
 * The table of operations: what S3 knows, what we do about it, and what a caller must be allowed to. Routing,
 * authorisation, metrics, the README's table and the tests read it.
 */
#ifndef CAIRN_S3_OPS_H
#define CAIRN_S3_OPS_H

#include "server/http/http.h"

struct s3_call;
typedef int s3_op_handler(struct s3_call *call);

enum s3_level { S3_SERVICE, S3_BUCKET, S3_OBJECT };

#define S3_OP_NEW_KEY 0x01u /* makes a key: it must be UTF-8 and at most 1024 bytes */
#define S3_OP_CONFIG 0x02u  /* of a configuration that buckets here do not have: answered by `answer` or `document` */
#define S3_OP_LACKS 0x04u   /* known to S3, answered with NotImplemented */
#define S3_OP_PER_KEY 0x08u /* the keys are in the body: the handler asks for permission for each */

struct s3_op {
    const char *name; /* as S3's reference calls it */
    const char *method;
    enum s3_level level;
    const char *query[2]; /* sub-resources that must all be in the query; NULL: none */
    const char *header;   /* a header that must be there, NULL: none */
    const char *action;   /* what IAM calls it */
    unsigned flags;
    s3_op_handler *handler;
    int answer;           /* S3_OP_CONFIG: the error to answer, or 0 … */
    const char *document; /* … and then this, below the XML declaration; NULL: 204 without a body */
};

/* All rows; where several match a request the first one counts. */
extern const struct s3_op s3_ops[];
extern const size_t s3_op_count;

/* The row for a request, into *ret_op. Queries that name another sub-resource than the row's do not fall through:
 *   S3_METHOD_NOT_ALLOWED  no such method at this level, or a sub-resource of another method or level
 *   S3_INVALID_ARGUMENT    sub-resources of two operations
 *   S3_NOT_IMPLEMENTED     a sub-resource that nobody knows. Parameters with a value are none when they begin with
 *                          "x-", or in a GET or HEAD: S3 reads over them */
int s3_route(const struct http_head *head, const struct uri_query *query, enum s3_level level,
             const struct s3_op **ret_op);
/* For the Allow header of a 405: the methods that the level and the sub-resources of the query have, with commas. */
#define S3_ALLOW_MAX 64
void s3_route_methods(const struct uri_query *query, enum s3_level level, char ret_list[S3_ALLOW_MAX]);

#endif
