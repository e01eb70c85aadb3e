#include "server/s3/put.h"

#include "server/s3/handlers.h"
#include "server/s3/headers.h"
#include "server/s3/tagging.h"

/*
 * PutObject, and append with x-amz-write-offset-bytes.
 *
 * Order of a put: headers judged → body received, hashed and verified to its end → its bytes on stable storage → one
 * mutation that checks bucket and conditions and links the new inode → durable → reply. A cut anywhere before the
 * mutation leaves nothing but a range that the data layer reclaims.
 */
struct put_job {
    struct s3_call *call;
    struct ns_put put;
    struct buf attrs; /* of a new object */
    struct s3_body body;
    bool append;
    uint64_t offset;     /* of the append */
    struct buf appended; /* attributes of the object with the append, made anew by every run of the mutation */
    struct inode result;
};

int s3_write_cond(struct s3_call *call, struct cond *ret_cond)
{
    cond_read(&call->request->head, call->request->now, ret_cond);
    if (cond_check_write(ret_cond, SPAN_EMPTY) == COND_UNSUPPORTED)
        return S3_NOT_IMPLEMENTED;
    return 0;
}

int s3_check_write_cond(const struct inode *current, void *cond)
{
    char etag[INODE_ETAG_MAX] = "";
    if (current)
        inode_etag(current, etag);
    switch (cond_check_write(cond, current ? span_cstr(etag) : SPAN_EMPTY)) {
    case COND_OK:
        return 0;
    case COND_NO_KEY:
        return CAIRN_ENOKEY;
    case COND_UNSUPPORTED:
        return S3_NOT_IMPLEMENTED;
    default:
        return CAIRN_EPRECONDITION;
    }
}

void s3_put_posix(struct ns_put *put, struct span key, struct ns_owner *owner)
{
    *owner = (struct ns_owner){.mode = span_ends(key, SPAN_LIT("/")) ? 0755 : 0644};
    if (headers_posix(put->attrs, owner, &put->mtime))
        put->owner = owner;
}

static int put_object(struct ns_txn *txn, void *arg)
{
    struct put_job *job = arg;
    struct inode bucket;
    int ret = s3_find_bucket(job->call, txn, &bucket);
    return ret < 0 ? ret : ns_key_put(txn, bucket.ino, job->call->key, &job->put, &job->result);
}

/* ---- append ---- */

static bool is_no_checksum(const struct attr *attr)
{
    return attr->tag != ATTR_CHECKSUM && attr->tag != ATTR_CHECKSUM_COMPOSITE;
}

/* The CRC of both together follows from the CRCs of each; another digest of the whole would need all its bytes. */
static int add_appended_checksum(struct put_job *job, const struct inode *current)
{
    struct checksum_found found;
    uint8_t digest[HASH_MAX];
    if (!checksum_find(current->attrs, &found) || found.composite || found.algorithm->hash != job->body.hash ||
        !found.digest.len)
        return 0;
    int ret =
        checksum_combine(job->body.hash, (const uint8_t *)found.digest.ptr, job->body.digest, job->body.length, digest);
    return ret < 0 ? 0 : checksum_add_attr(&job->appended, job->body.hash, digest, false);
}

static int append_object(struct ns_txn *txn, void *arg)
{
    struct put_job *job = arg;
    struct inode bucket, current;
    buf_clear(&job->appended);
    int ret = s3_find_bucket(job->call, txn, &bucket);
    if (ret < 0)
        return ret;
    ret = ns_key_find(txn, bucket.ino, job->call->key, &current);
    if (ret == CAIRN_ENOKEY && job->offset == 0)
        return ns_key_put(txn, bucket.ino, job->call->key, &job->put, &job->result);
    if (ret == 0)
        ret = attrs_copy(current.attrs, is_no_checksum, &job->appended);
    if (ret == 0)
        ret = add_appended_checksum(job, &current);
    if (ret < 0)
        return ret;
    struct ns_put put = {.body = job->put.body,
                         .attrs = buf_span(&job->appended),
                         .check = job->put.check,
                         .check_arg = job->put.check_arg};
    ret = ns_key_append(txn, bucket.ino, job->call->key, job->offset, &put, &job->result);
    return ret == CAIRN_EBADRANGE ? S3_INVALID_WRITE_OFFSET : ret;
}

/* Whether this is an append, and where. */
static int read_offset(struct s3_call *call, struct put_job *job)
{
    struct span text = s3_header(call, "x-amz-write-offset-bytes");
    job->append = text.ptr != NULL;
    if (text.ptr && (span_to_u64(text, &job->offset) < 0 || job->offset > S3_OBJECT_MAX))
        return s3_bad_argument(call, "x-amz-write-offset-bytes", text, "The write offset is not valid.");
    return 0;
}

static int reply_put(struct s3_call *call, const struct put_job *job)
{
    bool grown = job->append && job->offset > 0;
    int ret = s3_reply_etag(call, &job->result);
    if (ret == 0 && job->append)
        ret = http_reply_header_fmt(call->request, "x-amz-object-size", "%llu", (unsigned long long)job->result.size);
    if (ret == 0)
        ret = checksum_reply_headers(call, buf_span(grown ? &job->appended : &job->attrs), 0);
    return ret < 0 ? ret : s3_reply_empty(call, 200);
}

/* All of a put that follows the judgement of its headers. */
static int receive_and_put(struct s3_call *call, struct checksum_claim *claim, struct put_job *job)
{
    struct ns_owner owner;
    int ret = s3_receive(call, claim, HASH_NONE, &job->body);
    if (ret < 0)
        return ret;
    ret = checksum_add_attr(&job->attrs, job->body.hash, job->body.digest, false);
    job->put.body = job->body.writer;
    job->put.attrs = buf_span(&job->attrs);
    job->put.flags = INODE_ETAG_MD5;
    memcpy(job->put.etag, job->body.md5, sizeof(job->put.etag));
    s3_put_posix(&job->put, call->key, &owner);
    if (ret == 0)
        ret = s3_apply(call, job->append ? append_object : put_object, job);
    return ret < 0 ? ret : reply_put(call, job);
}

/* A client that waits for 100 Continue, or has much to send, hears before it sends whether the bucket is there and
 * the conditions hold. For small bodies the mutation tells, and saves a look into the index. */
static int check_early(struct s3_call *call, struct cond *cond)
{
    if (call->request->content_length <= NS_INLINE_MAX)
        return 0;
    struct ns_txn *txn;
    struct inode bucket, current;
    int ret = s3_view_begin(call, &txn);
    if (ret < 0)
        return ret;
    ret = s3_find_bucket(call, txn, &bucket);
    if (ret == 0 && cond_any(cond)) {
        ret = ns_key_find(txn, bucket.ino, call->key, &current);
        if (ret == 0 || ret == CAIRN_ENOKEY)
            ret = s3_check_write_cond(ret == 0 ? &current : NULL, cond);
    }
    ns_view_end(&txn);
    return ret;
}

static int read_put(struct s3_call *call, struct put_job *job, struct checksum_claim *claim, struct cond *cond)
{
    int ret = s3_receive_check(call, claim);
    if (ret == 0)
        ret = headers_check_write(call);
    if (ret == 0)
        ret = s3_write_cond(call, cond);
    if (ret == 0)
        ret = read_offset(call, job);
    if (ret == 0)
        ret = headers_to_attrs(call, &job->attrs);
    if (ret == 0)
        ret = headers_placement_to_attrs(call, &job->attrs);
    return ret < 0 ? ret : s3_tags_of_header(call, &job->attrs);
}

int s3_put_object(struct s3_call *call)
{
    struct put_job job = {.call = call, .attrs = {.limit = ATTRS_MAX}, .appended = {.limit = ATTRS_MAX}};
    struct checksum_claim claim;
    struct cond cond;
    int ret = read_put(call, &job, &claim, &cond);
    if (ret == 0)
        ret = check_early(call, &cond);
    job.put.check = s3_check_write_cond;
    job.put.check_arg = &cond;
    if (ret == 0)
        ret = receive_and_put(call, &claim, &job);
    s3_body_release(&job.body);
    buf_release(&job.attrs);
    buf_release(&job.appended);
    return ret;
}
