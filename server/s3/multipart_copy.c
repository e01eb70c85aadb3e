#include "server/s3/copy.h"
#include "server/s3/handlers.h"
#include "server/s3/headers.h"
#include "server/s3/multipart.h"

#include "server/wire/range.h"

/*
 * UploadPartCopy: the part shares the source's blobs. Its bytes are read only when CreateMultipartUpload asked for a
 * checksum that the source can't answer for; what was read must then still be there when the mutation runs. Its ETag is
 * the source's MD5 when that is known, else made of what the part is made of.
 */
#define COPY_TRIES 4

struct part_copy {
    struct s3_call *call;
    struct copy_source source;
    struct span range; /* x-amz-copy-source-range */
    uint32_t number;

    bool digest_known; /* of the source as it was at (ino, version) */
    uint64_t ino, version;
    uint8_t digest[HASH_MAX];

    /* of the last run of the mutation */
    uint64_t off, len, source_size;
    uint8_t etag[16];
    struct buf attrs;
    int64_t mtime;
};

static int resolve_range(struct part_copy *job, const struct inode *source)
{
    job->off = 0;
    job->len = job->source_size = source->size;
    int ret = job->range.ptr ? range_copy_source(job->range, source->size, &job->off, &job->len) : 0;
    if (ret == CAIRN_ESYNTAX || ret == CAIRN_EBADRANGE)
        return ret == CAIRN_ESYNTAX ? S3_INVALID_ARGUMENT : S3_COPY_RANGE_BEYOND;
    return ret == 0 && job->len > S3_BODY_MAX ? S3_COPY_TOO_LARGE : ret;
}

static bool is_whole(const struct part_copy *job, const struct inode *source)
{
    return job->off == 0 && job->len == source->size;
}

/* Whether the source's own checksum is the part's. */
static bool source_answers(const struct part_copy *job, const struct inode *source, enum hash_kind hash,
                           struct checksum_found *ret_found)
{
    return is_whole(job, source) && checksum_find(source->attrs, ret_found) && !ret_found->composite &&
           ret_found->algorithm->hash == hash && ret_found->digest.len;
}

static int make_attrs(struct part_copy *job, const struct inode *source, const struct upload_checksum *checksum)
{
    struct checksum_found found;
    enum hash_kind hash = checksum->algorithm->hash;
    buf_clear(&job->attrs);
    if (source_answers(job, source, hash, &found))
        return checksum_add_attr(&job->attrs, hash, (const uint8_t *)found.digest.ptr, false);
    if (!checksum->asked)
        return 0;
    if (!job->digest_known || job->ino != source->ino || job->version != source->version)
        return -EAGAIN;
    return checksum_add_attr(&job->attrs, hash, job->digest, false);
}

static void make_etag(struct part_copy *job, const struct inode *source)
{
    uint8_t origin[32];
    if (is_whole(job, source) && (source->flags & INODE_ETAG_MD5)) {
        memcpy(job->etag, source->etag, sizeof(job->etag));
        return;
    }
    put_le64(origin, source->ino);
    put_le64(origin + 8, source->version);
    put_le64(origin + 16, job->off);
    put_le64(origin + 24, job->len);
    put_le64(job->etag, xxh3(origin, sizeof(origin), 0));
    put_le64(job->etag + 8, xxh3(origin, sizeof(origin), 1));
}

static int copy_part(struct ns_txn *txn, void *arg)
{
    struct part_copy *job = arg;
    struct inode bucket, source;
    struct ns_upload upload;
    int ret = upload_find(job->call, txn, &bucket, &upload);
    if (ret == 0)
        ret = copy_source_find(txn, &job->source, &source);
    if (ret == 0)
        ret = resolve_range(job, &source);
    if (ret < 0)
        return ret;
    struct upload_checksum checksum = upload_checksum_of(&upload);
    ret = make_attrs(job, &source, &checksum);
    make_etag(job, &source);
    job->mtime = ns_txn_now(txn);
    if (ret < 0)
        return ret;
    return ns_upload_copy_part(txn, &upload, job->number, source.ino, job->off, job->len, job->etag,
                               buf_span(&job->attrs));
}

/* Reads the source when its checksum is asked for and not known. txn is ended. */
static int digest_in(struct s3_call *call, struct part_copy *job, struct ns_txn **txn)
{
    struct inode bucket, source;
    struct ns_upload upload;
    struct checksum_found found;
    uint8_t digest[1][HASH_MAX];
    int ret = upload_find(call, *txn, &bucket, &upload);
    if (ret == 0)
        ret = copy_source_find(*txn, &job->source, &source);
    if (ret == 0)
        ret = resolve_range(job, &source);
    if (ret < 0)
        return ret;
    struct upload_checksum checksum = upload_checksum_of(&upload);
    enum hash_kind hash = checksum.algorithm->hash;
    if (!checksum.asked || source_answers(job, &source, hash, &found))
        return 0;
    job->ino = source.ino;
    job->version = source.version;
    ret = copy_digests(call, txn, &source, job->off, job->len, &hash, 1, digest);
    memcpy(job->digest, digest[0], HASH_MAX);
    job->digest_known = ret == 0;
    return ret;
}

static int digest_source(struct s3_call *call, struct part_copy *job)
{
    struct ns_txn *txn;
    int ret = s3_view_begin(call, &txn);
    if (ret < 0)
        return ret;
    ret = digest_in(call, job, &txn);
    ns_view_end(&txn);
    return ret;
}

static int run(struct s3_call *call, struct part_copy *job)
{
    int ret = -EAGAIN;
    for (int i = 0; i < COPY_TRIES && ret == -EAGAIN; i++) {
        ret = digest_source(call, job);
        if (ret == 0)
            ret = s3_apply(call, copy_part, job);
    }
    return ret == -EAGAIN ? S3_OPERATION_ABORTED : ret;
}

static int reply_part_copy(struct s3_call *call, const struct part_copy *job)
{
    struct buf xml = BUF_INIT;
    char etag[33];
    hex_encode(job->etag, sizeof(job->etag), etag);
    xml_begin(&xml, "CopyPartResult", XML_S3_NS);
    xml_time(&xml, "LastModified", job->mtime);
    xml_etag(&xml, "ETag", span_cstr(etag));
    checksum_part_xml(&xml, buf_span(&job->attrs));
    xml_close(&xml, "CopyPartResult");
    return s3_reply_xml(call, &xml);
}

static int explain(struct s3_call *call, const struct part_copy *job, int error)
{
    const char *name = "x-amz-copy-source-range";
    if (error == S3_COPY_RANGE_BEYOND)
        return s3_bad_argument(call, name, job->range,
                               arena_printf(&call->request->arena,
                                            "Range specified is not valid for source object of size: %llu",
                                            (unsigned long long)job->source_size)
                                   .ptr);
    if (error == S3_INVALID_ARGUMENT && job->range.ptr && !call->detail.message.len)
        return s3_bad_argument(call, name, job->range,
                               "The x-amz-copy-source-range value must be of the form bytes=first-last where first and "
                               "last are the zero-based offsets of the first and last bytes to copy");
    return error;
}

int s3_upload_part_copy(struct s3_call *call)
{
    struct part_copy job = {.call = call, .range = s3_header(call, "x-amz-copy-source-range")};
    int ret = upload_part_number(call, &job.number);
    if (ret == 0)
        ret = headers_check_read(call);
    if (ret == 0)
        ret = copy_source_read(call, &job.source);
    if (ret == 0)
        ret = copy_check_no_body(call);
    if (ret == 0)
        ret = run(call, &job);
    if (ret >= 0)
        ret = reply_part_copy(call, &job);
    buf_release(&job.attrs);
    return ret < 0 ? explain(call, &job, ret) : ret;
}
