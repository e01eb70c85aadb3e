#include "server/s3/handlers.h"
#include "server/s3/headers.h"
#include "server/s3/multipart.h"
#include "server/s3/put.h"
#include "server/s3/tagging.h"

#include "server/wire/xml_in.h"

/*
 * CompleteMultipartUpload: the parts that the request names are checked against those that are there, and become the
 * object, in one mutation that moves no data. ETag: the MD5 of the parts' MD5s. Checksum: of the parts' checksums
 * (COMPOSITE), or the CRC of all bytes, combined from the parts' (FULL_OBJECT).
 */
struct named_part {
    uint32_t number;
    struct span etag;                           /* without quotes */
    const struct checksum_algorithm *algorithm; /* of the checksum stated for it, or NULL */
    uint8_t digest[HASH_MAX];
};

struct complete_job {
    struct s3_call *call;
    struct cond cond;
    struct named_part *parts;
    uint32_t *numbers;
    size_t count;
    bool has_size; /* x-amz-mp-object-size */
    uint64_t stated_size;
    const struct checksum_algorithm *claimed; /* of the whole object, or NULL */
    uint8_t claim[HASH_MAX];
    uint64_t claimed_parts; /* the "-N" behind it, 0 without */

    /* of the last run of the mutation */
    struct upload_checksum checksum;
    uint8_t *md5s;    /* 16 bytes for each part */
    uint8_t *digests; /* hash_size() for each part; FULL_OBJECT: the first is that of all parts so far */
    bool has_digests;
    uint64_t size;
    size_t failed; /* the part that a check failed on */
    struct ns_part failed_part;
    struct buf attrs;
    struct ns_owner owner;
    struct inode result;
};

/* ---- the request ---- */

static int read_part_checksum(struct s3_call *call, const struct xml_node *node, struct named_part *part)
{
    for (size_t i = 0; i < CHECKSUM_ALGORITHMS; i++) {
        struct span text = xml_child_text(node, checksum_algorithms[i].element);
        if (!text.len)
            continue;
        if (part->algorithm || checksum_parse(checksum_algorithms[i].hash, text, part->digest) < 0)
            return s3_bad_argument(call, "Checksum", text, "Invalid Base64 or multiple checksums present in request");
        part->algorithm = &checksum_algorithms[i];
    }
    return 0;
}

static int read_part_number(struct s3_call *call, struct span text, uint32_t *ret_number)
{
    uint64_t number;
    bool negative = span_starts(text, SPAN_LIT("-"));
    if (span_to_u64(span_from(text, negative), &number) < 0)
        return S3_MALFORMED_XML;
    if (negative || number < 1)
        return s3_bad_argument(call, "PartNumber", text, "PartNumber must be >= 1");
    if (number > NS_PART_MAX)
        return CAIRN_EBADPART;
    *ret_number = (uint32_t)number;
    return 0;
}

static int read_part(struct s3_call *call, const struct xml_node *node, struct named_part *part)
{
    part->etag = etag_bare(xml_child_text(node, "ETag"));
    if (!part->etag.len)
        return S3_MALFORMED_XML;
    int ret = read_part_number(call, xml_child_text(node, "PartNumber"), &part->number);
    return ret < 0 ? ret : read_part_checksum(call, node, part);
}

static size_t count_parts(const struct xml_node *root)
{
    size_t count = 0;
    for (const struct xml_node *node = xml_child(root, "Part"); node; node = xml_again(node))
        count++;
    return count;
}

static int make_room(struct s3_call *call, struct complete_job *job)
{
    struct arena *arena = &call->request->arena;
    job->parts = arena_zalloc(arena, job->count, sizeof(*job->parts));
    job->numbers = arena_zalloc(arena, job->count, sizeof(*job->numbers));
    job->md5s = arena_zalloc(arena, job->count, 16);
    job->digests = arena_zalloc(arena, job->count, HASH_MAX);
    return job->parts && job->numbers && job->md5s && job->digests ? 0 : -ENOMEM;
}

static int read_parts(struct s3_call *call, struct complete_job *job)
{
    const struct xml_node *root;
    int ret = s3_read_xml(call, "CompleteMultipartUpload", S3_DIGESTS_OF_OBJECT, &root);
    if (ret < 0)
        return ret;
    job->count = count_parts(root);
    if (job->count == 0 || job->count > NS_PART_MAX)
        return S3_MALFORMED_XML;
    ret = make_room(call, job);
    const struct xml_node *node = xml_child(root, "Part");
    for (size_t i = 0; ret == 0 && node; i++, node = xml_again(node)) {
        ret = read_part(call, node, &job->parts[i]);
        if (ret == 0 && i > 0 && job->parts[i].number <= job->parts[i - 1].number)
            ret = CAIRN_EPARTORDER;
        job->numbers[i] = job->parts[i].number;
    }
    return ret;
}

/* The checksum that the request states of the whole object; a composite one may come with its "-N". */
static int read_claim(struct s3_call *call, struct complete_job *job)
{
    struct span text, type = s3_header(call, "x-amz-checksum-type");
    if (type.ptr && !span_eq_nocase(type, SPAN_LIT("COMPOSITE")) && !span_eq_nocase(type, SPAN_LIT("FULL_OBJECT")))
        return checksum_bad_header(call, "x-amz-checksum-type");
    int ret = checksum_header_find(call, &job->claimed, &text);
    if (ret < 0 || !job->claimed)
        return ret;
    struct span digest = span_cut(&text, '-');
    if (checksum_parse(job->claimed->hash, digest, job->claim) < 0 ||
        (text.ptr && (span_to_u64(text, &job->claimed_parts) < 0 || job->claimed_parts == 0)))
        return checksum_bad_header(call, job->claimed->header);
    return 0;
}

static int read_complete(struct s3_call *call, struct complete_job *job)
{
    struct span size = s3_header(call, "x-amz-mp-object-size");
    job->has_size = size.ptr != NULL;
    if (size.ptr && span_to_u64(size, &job->stated_size) < 0)
        return checksum_bad_header(call, "x-amz-mp-object-size");
    int ret = read_claim(call, job);
    if (ret == 0)
        ret = s3_write_cond(call, &job->cond);
    return ret < 0 ? ret : read_parts(call, job);
}

/* ---- the mutation: parts ---- */

/* What the request states of a part against what is there. */
static int check_stated(struct complete_job *job, const struct named_part *named, const struct ns_part *part,
                        const struct checksum_found *found)
{
    uint8_t md5[16];
    if (hex_decode(named->etag, md5, sizeof(md5)) < 0 || memcmp(md5, part->md5, sizeof(md5)) != 0)
        return CAIRN_EBADPART;
    if (!named->algorithm)
        return job->checksum.asked && job->checksum.composite ? S3_PART_CHECKSUM_MISSING : 0;
    if (found->algorithm != named->algorithm)
        return job->checksum.asked ? S3_PART_CHECKSUM_OTHER : 0;
    return checksum_is(found, named->digest) ? 0 : CAIRN_EBADPART;
}

/* The part's checksum of the object's algorithm: the first of its attributes, when it has any. */
static bool part_checksum(struct complete_job *job, const struct ns_part *part, struct checksum_found *ret_found)
{
    *ret_found = (struct checksum_found){0};
    return checksum_find(part->attrs, ret_found) && ret_found->algorithm == job->checksum.algorithm &&
           ret_found->digest.len;
}

static int fold_checksum(struct complete_job *job, size_t i, const struct ns_part *part,
                         const struct checksum_found *found)
{
    enum hash_kind hash = job->checksum.algorithm->hash;
    size_t size = hash_size(hash);
    memcpy(job->digests + i * size, found->digest.ptr, size);
    if (job->checksum.composite || i == 0)
        return 0;
    uint8_t sum[HASH_MAX];
    int ret = checksum_combine(hash, job->digests, job->digests + i * size, part->size, sum);
    if (ret == 0)
        memcpy(job->digests, sum, size);
    return ret;
}

static int check_part(struct complete_job *job, struct ns_txn *txn, const struct ns_upload *upload, size_t i)
{
    const struct named_part *named = &job->parts[i];
    struct checksum_found found;
    struct ns_part part;
    job->failed = i;
    int ret = ns_upload_part_next(txn, upload, named->number - 1, &part);
    if (ret == CAIRN_ENOUPLOAD || (ret == 0 && part.number != named->number))
        return CAIRN_EBADPART;
    if (ret < 0)
        return ret;
    bool has = part_checksum(job, &part, &found);
    ret = check_stated(job, named, &part, &found);
    if (ret == 0 && part.size < NS_PART_MIN_SIZE && i + 1 < job->count)
        ret = CAIRN_EPARTSMALL;
    job->failed_part = part;
    if (ret < 0)
        return ret;
    memcpy(job->md5s + 16 * i, part.md5, 16);
    job->size += part.size;
    job->has_digests &= has;
    return job->has_digests ? fold_checksum(job, i, &part, &found) : 0;
}

static int check_parts(struct complete_job *job, struct ns_txn *txn, const struct ns_upload *upload)
{
    job->size = 0;
    job->has_digests = true;
    for (size_t i = 0; i < job->count; i++) {
        int ret = check_part(job, txn, upload, i);
        if (ret < 0)
            return ret;
    }
    if (job->has_size && job->size != job->stated_size)
        return S3_OBJECT_SIZE_MISMATCH;
    return job->size > S3_OBJECT_MAX ? S3_ENTITY_TOO_LARGE : 0;
}

/* ---- the mutation: the object ---- */

static int object_digest(struct complete_job *job, uint8_t ret_digest[HASH_MAX])
{
    enum hash_kind hash = job->checksum.algorithm->hash;
    if (job->checksum.composite)
        return hash_once(hash, job->digests, job->count * hash_size(hash), ret_digest);
    memcpy(ret_digest, job->digests, hash_size(hash));
    return 0;
}

static int check_object_claim(struct complete_job *job, const uint8_t *digest)
{
    const struct upload_checksum *checksum = &job->checksum;
    if (!job->claimed)
        return 0;
    if (job->claimed != checksum->algorithm)
        return S3_CHECKSUM_OTHER;
    bool same_parts = !job->claimed_parts || (checksum->composite && job->claimed_parts == job->count);
    return same_parts && memcmp(job->claim, digest, hash_size(checksum->algorithm->hash)) == 0 ? 0 : S3_BAD_DIGEST;
}

static int check_type(struct complete_job *job)
{
    struct span type = s3_header(job->call, "x-amz-checksum-type");
    return !job->checksum.asked || !type.ptr || span_eq_nocase(type, span_cstr(upload_checksum_type(&job->checksum)))
               ? 0
               : S3_CHECKSUM_TYPE_MISMATCH;
}

static int make_attrs(struct complete_job *job, const struct ns_upload *upload)
{
    uint8_t digest[HASH_MAX];
    buf_clear(&job->attrs);
    int ret = attrs_copy(upload->attrs, upload_is_object_attr, &job->attrs);
    if (ret == 0)
        ret = attrs_add(&job->attrs, ATTR_HEADER, SPAN_LIT(UPLOAD_ID_ATTR), span_cstr(upload->id));
    if (ret < 0 || !job->has_digests)
        return ret;
    ret = object_digest(job, digest);
    if (ret == 0)
        ret = check_object_claim(job, digest);
    return ret < 0 ? ret
                   : checksum_add_attr(&job->attrs, job->checksum.algorithm->hash, digest, job->checksum.composite);
}

/* A client that did not hear our answer sends its request again: when the object is the one that this upload became,
 * the answer is the same. */
static int completed_before(struct complete_job *job, struct ns_txn *txn)
{
    struct span id;
    int ret = s3_find_object(job->call, txn, &job->result);
    if (ret < 0 || !attrs_find(job->result.attrs, ATTR_HEADER, SPAN_LIT(UPLOAD_ID_ATTR), &id) ||
        !span_eq(id, s3_query(job->call, "uploadId")))
        return CAIRN_ENOUPLOAD;
    buf_clear(&job->attrs);
    return buf_add_span(&job->attrs, job->result.attrs);
}

static int complete_upload(struct ns_txn *txn, void *arg)
{
    struct complete_job *job = arg;
    struct inode bucket;
    struct ns_upload upload;
    int ret = upload_find(job->call, txn, &bucket, &upload);
    if (ret < 0)
        return ret == CAIRN_ENOUPLOAD ? completed_before(job, txn) : ret;
    job->checksum = upload_checksum_of(&upload);
    ret = check_type(job);
    if (ret == 0)
        ret = check_parts(job, txn, &upload);
    if (ret == 0)
        ret = make_attrs(job, &upload);
    struct ns_put put = {.attrs = buf_span(&job->attrs),
                         .flags = INODE_ETAG_PARTS,
                         .check = s3_check_write_cond,
                         .check_arg = &job->cond};
    if (ret == 0)
        ret = hash_once(HASH_MD5, job->md5s, 16 * job->count, put.etag);
    if (ret < 0)
        return ret;
    s3_put_posix(&put, job->call->key, &job->owner);
    return ns_upload_complete(txn, bucket.ino, &upload, job->numbers, job->count, &put, &job->result);
}

/* ---- the reply ---- */

/* Words for what the mutation found; they are made here, since it may run more than once. */
static int explain_checksum(struct s3_call *call, const struct complete_job *job, int error)
{
    const struct named_part *part = &job->parts[job->failed];
    const char *expected = job->checksum.algorithm->name;
    switch (error) {
    case S3_PART_CHECKSUM_MISSING:
        return s3_fail(call, error,
                       "The upload was created using a %s checksum. The complete request must include the checksum "
                       "for each part. It was missing for part %u in the request.",
                       expected, part->number);
    case S3_PART_CHECKSUM_OTHER:
        return s3_fail(call, error, "The %s you specified for part %u did not match what we received.",
                       part->algorithm->name, part->number);
    case S3_CHECKSUM_OTHER:
        return upload_other_algorithm(call, expected, job->claimed->name);
    case S3_CHECKSUM_TYPE_MISMATCH:
        return s3_fail(call, error,
                       "The upload was created using the %s checksum mode. The complete request must use the same "
                       "checksum mode.",
                       upload_checksum_type(&job->checksum));
    case S3_BAD_DIGEST:
        return s3_fail(call, error, "The %s you specified did not match the calculated checksum.", expected);
    default:
        return error;
    }
}

static int explain(struct s3_call *call, const struct complete_job *job, int error)
{
    struct arena *arena = &call->request->arena;
    struct s3_error_detail *detail = &call->detail;
    uint32_t number = job->parts ? job->parts[job->failed].number : 0;
    switch (error) {
    case CAIRN_EPARTSMALL:
        s3_error_extra(detail, "ProposedSize", arena_printf(arena, "%llu", (unsigned long long)job->failed_part.size));
        s3_error_extra(detail, "MinSizeAllowed", arena_printf(arena, "%u", NS_PART_MIN_SIZE));
        s3_error_extra(detail, "PartNumber", arena_printf(arena, "%u", number));
        s3_error_extra(detail, "ETag", job->parts[job->failed].etag);
        return error;
    case CAIRN_EBADPART:
        if (number) {
            s3_error_extra(detail, "PartNumber", arena_printf(arena, "%u", number));
            s3_error_extra(detail, "ETag", job->parts[job->failed].etag);
        }
        return error;
    case S3_OBJECT_SIZE_MISMATCH:
        return s3_fail(call, error,
                       "The provided 'x-amz-mp-object-size' header value %llu does not match what was computed: %llu",
                       (unsigned long long)job->stated_size, (unsigned long long)job->size);
    default:
        return job->checksum.algorithm ? explain_checksum(call, job, error) : error;
    }
}

static int reply_complete(struct s3_call *call, const struct complete_job *job)
{
    struct http_request *request = call->request;
    struct buf xml = BUF_INIT;
    char etag[INODE_ETAG_MAX];
    inode_etag(&job->result, etag);
    struct span location = arena_printf(&request->arena, "%s://" SPAN_FMT SPAN_FMT, request->secure ? "https" : "http",
                                        SPAN_ARG(request->host), SPAN_ARG(request->head.path));
    xml_begin(&xml, "CompleteMultipartUploadResult", XML_S3_NS);
    xml_span(&xml, "Location", location);
    xml_span(&xml, "Bucket", call->bucket);
    xml_span(&xml, "Key", call->key);
    xml_etag(&xml, "ETag", span_cstr(etag));
    checksum_xml(&xml, buf_span(&job->attrs), (uint32_t)job->count);
    xml_close(&xml, "CompleteMultipartUploadResult");
    return s3_reply_xml(call, &xml);
}

int s3_complete_upload(struct s3_call *call)
{
    struct complete_job job = {.call = call, .attrs = {.limit = ATTRS_MAX}};
    int ret = read_complete(call, &job);
    if (ret == 0)
        ret = s3_apply(call, complete_upload, &job);
    ret = ret < 0 ? explain(call, &job, ret) : reply_complete(call, &job);
    buf_release(&job.attrs);
    return ret;
}
