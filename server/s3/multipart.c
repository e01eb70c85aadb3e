#include "server/s3/multipart.h"

#include "server/s3/handlers.h"
#include "server/s3/headers.h"
#include "server/s3/put.h"

#include "objstore/base/clock.h"
#include "server/wire/date.h"

struct upload_checksum upload_checksum_of(const struct ns_upload *upload)
{
    struct checksum_found found;
    if (checksum_find(upload->attrs, &found))
        return (struct upload_checksum){found.algorithm, found.composite, true};
    return (struct upload_checksum){checksum_by_hash(CHECKSUM_DEFAULT), false, false};
}

int upload_other_algorithm(struct s3_call *call, const char *expected, const char *actual)
{
    return s3_fail(call, S3_INVALID_REQUEST,
                   "Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", expected,
                   actual);
}

bool upload_is_object_attr(const struct attr *attr)
{
    return attr->tag != ATTR_CHECKSUM && attr->tag != ATTR_CHECKSUM_COMPOSITE;
}

int upload_find(struct s3_call *call, struct ns_txn *txn, struct inode *ret_bucket, struct ns_upload *ret_upload)
{
    int ret = s3_find_bucket(call, txn, ret_bucket);
    return ret < 0 ? ret : ns_upload_find(txn, ret_bucket->ino, call->key, s3_query(call, "uploadId"), ret_upload);
}

int upload_part_number(struct s3_call *call, uint32_t *ret_number)
{
    struct span text = s3_query(call, "partNumber");
    uint64_t value;
    if (span_to_u64(text, &value) < 0 || value < 1 || value > NS_PART_MAX)
        return s3_bad_argument(call, "partNumber", text,
                               "Part number must be an integer between 1 and 10000, inclusive");
    *ret_number = (uint32_t)value;
    return 0;
}

/* ---- CreateMultipartUpload ---- */

struct create_job {
    struct s3_call *call;
    struct span attrs;
    struct ns_upload upload;
};

static int check_type(struct s3_call *call, const struct checksum_algorithm *algorithm, struct span type,
                      bool *ret_composite)
{
    bool composite = type.ptr ? span_eq_nocase(type, SPAN_LIT("COMPOSITE")) : algorithm->composite;
    if (type.ptr && !composite && !span_eq_nocase(type, SPAN_LIT("FULL_OBJECT")))
        return checksum_bad_header(call, "x-amz-checksum-type");
    if (composite ? !algorithm->composite : !algorithm->full_object)
        return s3_fail(call, S3_INVALID_REQUEST, "The %s checksum type cannot be used with the %s checksum algorithm.",
                       composite ? "COMPOSITE" : "FULL_OBJECT", algorithm->name);
    *ret_composite = composite;
    return 0;
}

/* The client's choice of checksum is kept, if it makes one, as a checksum without a value. */
static int read_choice(struct s3_call *call, struct buf *attrs)
{
    const struct checksum_algorithm *algorithm;
    struct span type = s3_header(call, "x-amz-checksum-type");
    bool composite = false;
    int ret = checksum_algorithm_read(call, "x-amz-checksum-algorithm", &algorithm);
    if (ret == 0 && !algorithm && type.ptr)
        return s3_fail(call, S3_INVALID_REQUEST,
                       "The x-amz-checksum-type header can only be used with the "
                       "x-amz-checksum-algorithm header.");
    if (ret < 0 || !algorithm)
        return ret;
    ret = check_type(call, algorithm, type, &composite);
    return ret < 0 ? ret : checksum_add_attr(attrs, algorithm->hash, NULL, composite);
}

static int read_create(struct s3_call *call, struct buf *attrs)
{
    int ret = headers_check_write(call);
    if (ret == 0)
        ret = headers_to_attrs(call, attrs);
    if (ret == 0)
        ret = headers_placement_to_attrs(call, attrs);
    if (ret == 0)
        ret = s3_tags_of_header(call, attrs);
    return ret < 0 ? ret : read_choice(call, attrs);
}

static int create_upload(struct ns_txn *txn, void *arg)
{
    struct create_job *job = arg;
    struct inode bucket;
    int ret = s3_find_bucket(job->call, txn, &bucket);
    return ret < 0 ? ret : ns_upload_create(txn, bucket.ino, job->call->key, job->attrs, &job->upload);
}

static int reply_create(struct s3_call *call, const struct create_job *job)
{
    struct upload_checksum checksum = upload_checksum_of(&(struct ns_upload){.attrs = job->attrs});
    struct buf xml = BUF_INIT;
    int ret = 0;
    if (checksum.asked)
        ret = http_reply_header(call->request, "x-amz-checksum-algorithm", span_cstr(checksum.algorithm->name));
    if (ret == 0 && checksum.asked)
        ret = http_reply_header(call->request, "x-amz-checksum-type", span_cstr(upload_checksum_type(&checksum)));
    if (ret < 0)
        return ret;
    xml_begin(&xml, "InitiateMultipartUploadResult", XML_S3_NS);
    xml_span(&xml, "Bucket", call->bucket);
    xml_span(&xml, "Key", call->key);
    xml_cstr(&xml, "UploadId", job->upload.id);
    xml_close(&xml, "InitiateMultipartUploadResult");
    return s3_reply_xml(call, &xml);
}

int s3_create_upload(struct s3_call *call)
{
    struct create_job job = {.call = call};
    struct buf attrs = {.limit = ATTRS_MAX};
    int ret = read_create(call, &attrs);
    job.attrs = buf_span(&attrs);
    if (ret == 0)
        ret = s3_apply(call, create_upload, &job);
    if (ret >= 0)
        ret = reply_create(call, &job);
    buf_release(&attrs);
    return ret;
}

/* ---- AbortMultipartUpload ---- */

struct abort_job {
    struct s3_call *call;
    bool has_initiated; /* x-amz-if-match-initiated-time */
    int64_t initiated;
};

static int abort_upload(struct ns_txn *txn, void *arg)
{
    struct abort_job *job = arg;
    struct inode bucket;
    struct ns_upload upload;
    int ret = upload_find(job->call, txn, &bucket, &upload);
    if (ret == 0 && job->has_initiated && job->initiated / NS_PER_SEC != upload.initiated / NS_PER_SEC)
        return CAIRN_EPRECONDITION;
    return ret < 0 ? ret : ns_upload_abort(txn, bucket.ino, &upload);
}

int s3_abort_upload(struct s3_call *call)
{
    struct span time = s3_header(call, "x-amz-if-match-initiated-time");
    struct abort_job job = {.call = call, .has_initiated = time.ptr != NULL};
    if (time.ptr && date_parse_http(time, call->request->now, &job.initiated) < 0)
        return s3_bad_argument(call, "x-amz-if-match-initiated-time", time, "The time is not valid.");
    int ret = s3_apply(call, abort_upload, &job);
    if (ret == CAIRN_ENOUPLOAD && job.has_initiated) /* as S3 has it for the conditional form */
        ret = 0;
    return ret < 0 ? ret : s3_reply_empty(call, 204);
}
