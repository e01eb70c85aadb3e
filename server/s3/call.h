/*
 * A call: the request in hand, and what every handler does with it: words for errors, headers and query, the store
 * (waits give up the worker's seat), replies. On the worker's thread.
 */
#ifndef CAIRN_S3_CALL_H
#define CAIRN_S3_CALL_H

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/base/pool.h"
#include "objstore/namespace/namespace.h"
#include "server/s3/ops.h"
#include "server/s3/s3.h"
#include "server/s3/s3_error.h"
#include "server/wire/cond.h"
#include "server/wire/xml_out.h"

#define S3_BODY_MAX (5ull << 30)   /* bytes of one PutObject, UploadPart or CopyObject, as AWS has it */
#define S3_OBJECT_MAX (5ull << 40) /* bytes of an object by multipart */
#define S3_BUFFER (256u << 10)     /* bytes of a bulk buffer: large enough to amortise a call, small in a cache */
#define S3_DOCUMENT_MAX (8u << 20) /* bytes of an XML body: 10,000 parts with their checksums fit */
#define S3_PAGE_MAX 1000           /* entries of one page of any listing */
#define S3_DELETE_MAX 1000         /* keys of one DeleteObjects */
#define S3_METADATA_MAX 2048       /* bytes of user metadata, names and values */

struct s3 {
    struct ns *ns;
    struct s3_options options;
    struct pool *buffers; /* of S3_BUFFER bytes */
};

/* One request in hand. */
struct s3_call {
    struct s3 *s3;
    struct http_request *request;
    const struct s3_op *op;
    struct span bucket, key;       /* decoded; live as long as the request */
    struct s3_error_detail detail; /* of the error reply, if there will be one */
};

/* ---- errors with words of their own ---- */

/* Sets the error reply's message, a printf text, and answers error. */
int s3_fail(struct s3_call *call, int error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* InvalidArgument with <ArgumentName> and <ArgumentValue>. */
int s3_bad_argument(struct s3_call *call, const char *name, struct span value, const char *message);

/* ---- headers and query ---- */

/* A header of the request; .ptr is NULL when absent. */
struct span s3_header(const struct s3_call *call, const char *name);
struct span s3_query(const struct s3_call *call, const char *name);
/* A count in the query, 0 … max (more is cut to max), fallback when absent; InvalidArgument when it is no number. */
int s3_query_count(struct s3_call *call, const char *name, uint64_t fallback, uint64_t max, uint64_t *ret_value);
/* versionId: 0 when absent or "null" (no bucket here has versions yet); else the error AWS answers for an unknown one.
 */
int s3_check_version_id(struct s3_call *call, struct span version);
/* May the caller do this as well? 0 or the error. */
int s3_may(struct s3_call *call, const char *action, struct span bucket, struct span key);
/* A key of the request, of a header or a document: 0, KeyTooLongError, or InvalidArgument for a NUL. Keys that are not
 * UTF-8 may be read, since a mount makes such names, but S3 makes none: rows with S3_OP_NEW_KEY are refused them. */
int s3_check_key(struct s3_call *call, struct span key);

/* ---- the store, with the worker's seat given up while it may block ---- */

int s3_view_begin(struct s3_call *call, struct ns_txn **ret_txn);
/* Applies and waits until it is durable. */
int s3_apply(struct s3_call *call, ns_mutation *fn, void *arg);
/* The call's bucket in txn. */
int s3_find_bucket(struct s3_call *call, struct ns_txn *txn, struct inode *ret_bucket);
/* The call's object in txn. */
int s3_find_object(struct s3_call *call, struct ns_txn *txn, struct inode *ret_object);
/* 0 when the call's bucket exists, in a view of its own. */
int s3_bucket_exists(struct s3_call *call);

/* ---- replies ---- */

/* Sends xml as the whole body and releases it. */
int s3_reply_xml(struct s3_call *call, struct buf *xml);
/* Status and the headers added so far, without a body. */
int s3_reply_empty(struct s3_call *call, int status);
/* ETag: "…" */
int s3_reply_etag(struct s3_call *call, const struct inode *inode);
/* <Owner> or <Initiator>. */
void s3_xml_owner(const struct s3 *s3, struct buf *xml, const char *element);
/* The request's XML body, parsed; *ret_root is NULL when there is no body. The digests that the client states of the
 * body are verified, unless they are of something else. MalformedXML, MaxMessageLengthExceeded, BadDigest. */
struct xml_node;
enum s3_digests { S3_DIGESTS_OF_BODY, S3_DIGESTS_OF_OBJECT };
int s3_read_xml(struct s3_call *call, const char *root, enum s3_digests digests, const struct xml_node **ret_root);

#endif
