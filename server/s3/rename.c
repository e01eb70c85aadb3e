#include "server/s3/handlers.h"
#include "server/s3/put.h"

#include "server/wire/date.h"
#include "server/wire/uri.h"

/*
 * RenameObject: the entry moves, nothing else. S3 offers it for directory buckets; here every bucket can.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_RenameObject.html
 */
struct rename_job {
    struct s3_call *call;
    struct span from;
    struct cond from_cond, to_cond;
};

static int check_from(const struct inode *current, void *arg)
{
    struct rename_job *job = arg;
    char etag[INODE_ETAG_MAX];
    inode_etag(current, etag);
    return cond_check_copy_source(&job->from_cond, span_cstr(etag), current->mtime) == COND_OK ? 0
                                                                                               : CAIRN_EPRECONDITION;
}

static int check_to(const struct inode *current, void *arg)
{
    struct rename_job *job = arg;
    return s3_check_write_cond(current, &job->to_cond);
}

static int rename_object(struct ns_txn *txn, void *arg)
{
    struct rename_job *job = arg;
    struct inode bucket;
    int ret = s3_find_bucket(job->call, txn, &bucket);
    return ret < 0 ? ret : ns_key_rename(txn, bucket.ino, job->from, job->call->key, check_from, check_to, job);
}

/* "key", or "/bucket/key" with the bucket of the request; percent-encoded. */
static int read_source(struct s3_call *call, struct span *ret_key)
{
    struct span header = s3_header(call, "x-amz-rename-source"), key;
    int ret = header.len ? uri_decode_dup(header, URI_PATH, &call->request->arena, &key) : CAIRN_ESYNTAX;
    if (ret == CAIRN_ESYNTAX)
        return s3_bad_argument(call, "x-amz-rename-source", header, "The rename source is missing or not valid.");
    struct span prefix = arena_printf(&call->request->arena, "/" SPAN_FMT "/", SPAN_ARG(call->bucket));
    if (ret < 0 || !prefix.ptr)
        return -ENOMEM;
    *ret_key = span_starts(key, prefix) ? span_from(key, prefix.len) : key;
    return s3_check_key(call, *ret_key);
}

static void read_source_cond(struct s3_call *call, struct cond *ret_cond)
{
    struct cond cond = {.if_match = s3_header(call, "x-amz-rename-source-if-match"),
                        .if_none_match = s3_header(call, "x-amz-rename-source-if-none-match")};
    int64_t now = call->request->now;
    cond.has_modified_since =
        date_parse_http(s3_header(call, "x-amz-rename-source-if-modified-since"), now, &cond.modified_since_ns) == 0;
    cond.has_unmodified_since = date_parse_http(s3_header(call, "x-amz-rename-source-if-unmodified-since"), now,
                                                &cond.unmodified_since_ns) == 0;
    *ret_cond = cond;
}

int s3_rename_object(struct s3_call *call)
{
    struct rename_job job = {.call = call};
    int ret = read_source(call, &job.from);
    if (ret == 0)
        ret = s3_may(call, "s3:GetObject", call->bucket, job.from);
    if (ret == 0)
        ret = s3_may(call, "s3:DeleteObject", call->bucket, job.from);
    if (ret == 0)
        ret = s3_write_cond(call, &job.to_cond);
    read_source_cond(call, &job.from_cond);
    if (ret == 0)
        ret = s3_apply(call, rename_object, &job);
    if (ret == CAIRN_EBADNAME)
        return s3_fail(call, S3_INVALID_ARGUMENT, "Keys that end in '/' can not be renamed.");
    return ret < 0 ? ret : s3_reply_empty(call, 200);
}
