#include "server/s3/handlers.h"
#include "server/s3/headers.h"
#include "server/s3/multipart.h"
#include "server/s3/receive.h"

struct part_job {
    struct s3_call *call;
    uint32_t number;
    struct s3_body body;
    struct buf attrs; /* packed checksums of the part */
};

/* What checksum the part must have, known before its body comes; an upload that is gone is told before it too. */
static int look_up_upload(struct s3_call *call, struct upload_checksum *ret_checksum)
{
    struct ns_txn *txn;
    struct inode bucket;
    struct ns_upload upload;
    int ret = s3_view_begin(call, &txn);
    if (ret < 0)
        return ret;
    ret = upload_find(call, txn, &bucket, &upload);
    if (ret == 0)
        *ret_checksum = upload_checksum_of(&upload);
    ns_view_end(&txn);
    return ret;
}

/* An upload that asked for an algorithm takes no other, and one of digests of digests wants every part's. */
static int check_claim(struct s3_call *call, const struct upload_checksum *checksum, const struct checksum_claim *claim)
{
    const struct checksum_algorithm *claimed = checksum_by_hash(claim->hash);
    if (!checksum->asked || claimed == checksum->algorithm || (!claimed && !checksum->composite))
        return 0;
    return upload_other_algorithm(call, checksum->algorithm->name, claimed ? claimed->name : "null");
}

/* The checksum that the object needs comes first; the client's own, where it differs, is kept for ListParts. */
static int make_attrs(struct part_job *job)
{
    const struct s3_body *body = &job->body;
    int ret = checksum_add_attr(&job->attrs, body->hash, body->digest, false);
    if (ret == 0 && body->claimed != HASH_NONE && body->claimed != body->hash)
        ret = checksum_add_attr(&job->attrs, body->claimed, body->claimed_digest, false);
    return ret;
}

static int put_part(struct ns_txn *txn, void *arg)
{
    struct part_job *job = arg;
    struct inode bucket;
    struct ns_upload upload;
    int ret = upload_find(job->call, txn, &bucket, &upload);
    if (ret < 0)
        return ret;
    return ns_upload_put_part(txn, &upload, job->number, job->body.writer, job->body.md5, buf_span(&job->attrs));
}

static int reply_part(struct s3_call *call, const struct s3_body *body)
{
    enum hash_kind hash = body->claimed != HASH_NONE ? body->claimed : body->hash;
    char etag[33], checksum[CHECKSUM_TEXT_MAX];
    hex_encode(body->md5, sizeof(body->md5), etag);
    checksum_text(hash, body->claimed != HASH_NONE ? body->claimed_digest : body->digest, 0, checksum);
    int ret = http_reply_header_fmt(call->request, "ETag", "\"%s\"", etag);
    if (ret == 0)
        ret = http_reply_header(call->request, checksum_by_hash(hash)->header, span_cstr(checksum));
    return ret < 0 ? ret : s3_reply_empty(call, 200);
}

static int receive_part(struct s3_call *call, struct checksum_claim *claim, enum hash_kind want, struct part_job *job)
{
    int ret = s3_receive(call, claim, want, &job->body);
    if (ret == 0)
        ret = make_attrs(job);
    if (ret == 0)
        ret = s3_apply(call, put_part, job);
    return ret < 0 ? ret : reply_part(call, &job->body);
}

int s3_upload_part(struct s3_call *call)
{
    struct part_job job = {.call = call};
    struct upload_checksum checksum;
    struct checksum_claim claim;
    int ret = upload_part_number(call, &job.number);
    if (ret == 0)
        ret = s3_receive_check(call, &claim);
    if (ret == 0)
        ret = headers_check_read(call);
    if (ret == 0)
        ret = look_up_upload(call, &checksum);
    if (ret == 0)
        ret = check_claim(call, &checksum, &claim);
    if (ret == 0)
        ret = receive_part(call, &claim, checksum.algorithm->hash, &job);
    s3_body_release(&job.body);
    buf_release(&job.attrs);
    return ret;
}
