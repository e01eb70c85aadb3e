#include "server/s3/copy.h"

#include "server/s3/handlers.h"
#include "server/s3/headers.h"
#include "server/s3/tagging.h"

/*
 * CopyObject: one mutation finds the source, judges the conditions of both sides and links a new inode to the source's
 * blobs; no data moves. The copy has a checksum of the whole, of the algorithm that is asked for, else of the source's.
 * Where the source has none such (another algorithm, or COMPOSITE: of its parts), it follows from the CRCs of the
 * source's parts, or its bytes are read; they must then still be the same when the mutation runs, else it is tried
 * again.
 */
#define COPY_TRIES 4

struct copy_job {
    struct s3_call *call;
    struct copy_source source;
    struct cond cond;
    bool replace_metadata, replace_tags;
    const struct checksum_algorithm *algorithm; /* asked for, or NULL */
    struct buf stated;                          /* packed: what the request gives of the new object */
    struct buf tags;                            /* packed: its tags */

    const struct checksum_algorithm *known; /* digest is of this, of the source as it was at (ino, version); or NULL */
    uint64_t ino, version;
    uint8_t digest[HASH_MAX];

    struct buf attrs; /* of the new object, made anew by every run of the mutation */
    struct ns_owner owner;
    struct inode result;
};

/* ---- the request ---- */

static int read_directive(struct s3_call *call, const char *header, const char *message, bool *ret_replace)
{
    struct span value = s3_header(call, header);
    *ret_replace = span_is(value, "REPLACE");
    if (value.ptr && !*ret_replace && !span_is(value, "COPY"))
        return s3_bad_argument(call, header, value, message);
    return 0;
}

/* A copy onto itself that changes nothing is refused: it is a client's mistake. */
static int check_itself(struct s3_call *call, const struct copy_job *job)
{
    if (!span_eq(call->bucket, job->source.bucket) || !span_eq(call->key, job->source.key) || job->replace_metadata ||
        job->algorithm || s3_header(call, STORAGE_CLASS_HEADER).ptr ||
        s3_header(call, "x-amz-website-redirect-location").ptr)
        return 0;
    return s3_fail(call, S3_INVALID_REQUEST,
                   "This copy request is illegal because it is trying to copy an object to itself without changing "
                   "the object's metadata, storage class, website redirect location or encryption attributes.");
}

static int read_request(struct s3_call *call, struct copy_job *job)
{
    int ret = copy_source_read(call, &job->source);
    if (ret == 0)
        ret = headers_check_write(call);
    if (ret == 0)
        ret = s3_write_cond(call, &job->cond);
    if (ret == 0)
        ret = read_directive(call, "x-amz-metadata-directive", "Unknown metadata directive.", &job->replace_metadata);
    if (ret == 0)
        ret = read_directive(call, "x-amz-tagging-directive", "Unknown tagging directive.", &job->replace_tags);
    if (ret == 0)
        ret = checksum_algorithm_read(call, "x-amz-checksum-algorithm", &job->algorithm);
    if (ret == 0)
        ret = check_itself(call, job);
    if (ret == 0 && job->replace_metadata)
        ret = headers_to_attrs(call, &job->stated);
    if (ret == 0)
        ret = headers_placement_to_attrs(call, &job->stated);
    if (ret == 0 && job->replace_tags)
        ret = s3_tags_of_header(call, &job->tags);
    return ret < 0 ? ret : copy_check_no_body(call);
}

/* ---- the mutation ---- */

static bool is_metadata(const struct attr *attr)
{
    return (attr->tag == ATTR_HEADER || attr->tag == ATTR_META) && !headers_is_placement(attr);
}

static bool is_tag(const struct attr *attr)
{
    return attr->tag == ATTR_TAG;
}

static bool is_full_checksum(const struct attr *attr)
{
    return attr->tag == ATTR_CHECKSUM;
}

/* The algorithm of a checksum that has yet to be made for the copy; NULL when the source's own serves. */
static const struct checksum_algorithm *lacking(const struct copy_job *job, const struct inode *source)
{
    struct checksum_found found;
    if (!checksum_find(source->attrs, &found) || (job->algorithm && job->algorithm != found.algorithm))
        return job->algorithm;
    return found.composite ? found.algorithm : NULL;
}

static int add_checksum(struct copy_job *job, const struct inode *source)
{
    const struct checksum_algorithm *algorithm = lacking(job, source);
    if (!algorithm)
        return attrs_copy(source->attrs, is_full_checksum, &job->attrs);
    if (job->known != algorithm || job->ino != source->ino || job->version != source->version)
        return -EAGAIN;
    return checksum_add_attr(&job->attrs, algorithm->hash, job->digest, false);
}

static int make_attrs(struct copy_job *job, const struct inode *source)
{
    buf_clear(&job->attrs);
    int ret = job->replace_metadata ? 0 : attrs_copy(source->attrs, is_metadata, &job->attrs);
    if (ret == 0)
        ret = buf_add_span(&job->attrs, buf_span(&job->stated));
    if (ret == 0)
        ret = add_checksum(job, source);
    if (ret == 0)
        ret = job->replace_tags ? buf_add_span(&job->attrs, buf_span(&job->tags))
                                : attrs_copy(source->attrs, is_tag, &job->attrs);
    return ret;
}

static int copy_object(struct ns_txn *txn, void *arg)
{
    struct copy_job *job = arg;
    struct inode source, bucket;
    int ret = copy_source_find(txn, &job->source, &source);
    if (ret == 0 && source.size > S3_BODY_MAX)
        ret = S3_COPY_TOO_LARGE;
    if (ret == 0)
        ret = s3_find_bucket(job->call, txn, &bucket);
    if (ret == 0)
        ret = make_attrs(job, &source);
    if (ret < 0)
        return ret;
    struct ns_put put = {
        .attrs = buf_span(&job->attrs),
        .flags = source.flags & INODE_ETAG_MD5,
        .check = s3_check_write_cond,
        .check_arg = &job->cond,
    };
    memcpy(put.etag, source.etag, sizeof(put.etag));
    job->owner = (struct ns_owner){source.uid, source.gid, source.mode};
    put.owner = &job->owner;
    if (job->replace_metadata)
        s3_put_posix(&put, job->call->key, &job->owner);
    return ns_key_copy(txn, source.ino, 0, source.size, bucket.ino, job->call->key, &put, &job->result);
}

/* The CRC of the whole from those of the parts: 0, or -ENODATA when they do not give it. */
static int combine_parts(struct ns_txn *txn, const struct inode *source, const struct checksum_algorithm *algorithm,
                         uint8_t ret_digest[HASH_MAX])
{
    uint8_t sum[HASH_MAX] = {0}; /* the CRC of nothing */
    if (!algorithm->full_object || !(source->flags & INODE_ETAG_PARTS))
        return -ENODATA;
    for (uint32_t number = 1; number <= source->parts; number++) {
        struct checksum_found found;
        struct ns_part part;
        uint64_t off;
        int ret = ns_object_part(txn, source, number, &off, &part);
        if (ret < 0)
            return ret;
        if (!checksum_find(part.attrs, &found) || found.algorithm != algorithm || !found.digest.len)
            return -ENODATA;
        ret = checksum_combine(algorithm->hash, sum, (const uint8_t *)found.digest.ptr, part.size, sum);
        if (ret < 0)
            return ret;
    }
    memcpy(ret_digest, sum, HASH_MAX);
    return 0;
}

/* The checksum that the source lacks. txn is ended, if need be before its bytes are read. */
static int digest_in(struct s3_call *call, struct copy_job *job, struct ns_txn **txn)
{
    struct inode source;
    uint8_t digest[1][HASH_MAX];
    int ret = copy_source_find(*txn, &job->source, &source);
    const struct checksum_algorithm *algorithm = ret == 0 ? lacking(job, &source) : NULL;
    if (!algorithm || source.size > S3_BODY_MAX)
        return ret;
    ret = combine_parts(*txn, &source, algorithm, digest[0]);
    if (ret == -ENODATA)
        ret = copy_digests(call, txn, &source, 0, source.size, &algorithm->hash, 1, digest);
    if (ret < 0)
        return ret;
    job->ino = source.ino;
    job->version = source.version;
    memcpy(job->digest, digest[0], HASH_MAX);
    job->known = algorithm;
    return 0;
}

static int digest_source(struct s3_call *call, struct copy_job *job)
{
    struct ns_txn *txn;
    int ret = s3_view_begin(call, &txn);
    if (ret < 0)
        return ret;
    ret = digest_in(call, job, &txn);
    ns_view_end(&txn);
    return ret;
}

/* Most sources have the checksum that the copy shall have, so the first try looks for none. */
static int run(struct s3_call *call, struct copy_job *job)
{
    int ret = s3_apply(call, copy_object, job);
    for (int i = 0; i < COPY_TRIES && ret == -EAGAIN; i++) {
        ret = digest_source(call, job);
        if (ret == 0)
            ret = s3_apply(call, copy_object, job);
    }
    return ret == -EAGAIN ? S3_OPERATION_ABORTED : ret;
}

static int reply_copy(struct s3_call *call, const struct copy_job *job)
{
    struct buf xml = BUF_INIT;
    char etag[INODE_ETAG_MAX];
    inode_etag(&job->result, etag);
    xml_begin(&xml, "CopyObjectResult", XML_S3_NS);
    xml_time(&xml, "LastModified", job->result.mtime);
    xml_etag(&xml, "ETag", span_cstr(etag));
    checksum_xml(&xml, buf_span(&job->attrs), 0);
    xml_close(&xml, "CopyObjectResult");
    return s3_reply_xml(call, &xml);
}

int s3_copy_object(struct s3_call *call)
{
    struct copy_job job = {.call = call, .attrs = {.limit = ATTRS_MAX}};
    int ret = read_request(call, &job);
    if (ret == 0)
        ret = run(call, &job);
    if (ret == S3_COPY_TOO_LARGE)
        s3_fail(call, ret,
                "The specified copy source is larger than the maximum allowable size for a copy source: %llu",
                S3_BODY_MAX);
    if (ret >= 0)
        ret = reply_copy(call, &job);
    buf_release(&job.stated);
    buf_release(&job.tags);
    buf_release(&job.attrs);
    return ret;
}
