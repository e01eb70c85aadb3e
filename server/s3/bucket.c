#include "objstore/namespace/name.h"
#include "server/s3/handlers.h"
#include "server/s3/headers.h"
#include "server/s3/receive.h"
#include "server/s3/token.h"

#include "server/wire/uri.h"
#include "server/wire/xml_in.h"

#define LIST_BUCKETS_MAX 10000 /* max-buckets, as AWS has it */

/* ---- ListBuckets ---- */

struct bucket_page {
    struct span prefix, after;
    bool elsewhere; /* bucket-region is not ours: there are none */
    uint64_t max;
    struct span last; /* the last bucket told */
    bool truncated;
};

static int write_bucket(struct s3_call *call, struct buf *xml, struct span name, const struct inode *bucket)
{
    xml_open(xml, "Bucket");
    xml_span(xml, "Name", name);
    xml_time(xml, "CreationDate", bucket->btime);
    xml_span(xml, "BucketRegion", call->s3->options.region);
    xml_close(xml, "Bucket");
    return xml->failed;
}

static int write_buckets(struct s3_call *call, struct ns_txn *txn, struct bucket_page *page, struct buf *xml)
{
    struct span name = page->after;
    struct inode bucket;
    for (uint64_t count = 0; !page->elsewhere;) {
        int ret = ns_bucket_next(txn, name, &call->request->arena, &name, &bucket);
        if (ret < 0)
            return ret == CAIRN_ENOBUCKET ? 0 : ret;
        if (!span_starts(name, page->prefix))
            continue;
        if (count++ == page->max) {
            page->truncated = true;
            return 0;
        }
        page->last = name;
        ret = write_bucket(call, xml, name, &bucket);
        if (ret < 0)
            return ret;
    }
    return 0;
}

static int read_bucket_page(struct s3_call *call, struct bucket_page *ret_page)
{
    struct span region = s3_query(call, "bucket-region");
    struct bucket_page page = {.prefix = s3_query(call, "prefix"),
                               .elsewhere = region.len && !span_eq(region, call->s3->options.region)};
    int ret = s3_query_count(call, "max-buckets", LIST_BUCKETS_MAX, LIST_BUCKETS_MAX + 1, &page.max);
    if (ret == 0 && (page.max == 0 || page.max > LIST_BUCKETS_MAX))
        ret = s3_bad_argument(call, "max-buckets", s3_query(call, "max-buckets"),
                              "Argument max-buckets must be an integer between 1 and 10000");
    if (ret == 0)
        ret = token_decode(call, "continuation-token", &page.after);
    if (ret == 0)
        *ret_page = page;
    return ret;
}

static int buckets_document(struct s3_call *call, struct bucket_page *page, struct buf *xml)
{
    struct ns_txn *txn;
    int ret = s3_view_begin(call, &txn);
    if (ret < 0)
        return ret;
    xml_begin(xml, "ListAllMyBucketsResult", XML_S3_NS);
    s3_xml_owner(call->s3, xml, "Owner");
    xml_open(xml, "Buckets");
    ret = write_buckets(call, txn, page, xml);
    ns_view_end(&txn);
    xml_close(xml, "Buckets");
    if (page->truncated)
        token_xml(call, xml, "ContinuationToken", page->last);
    if (page->prefix.ptr)
        xml_span(xml, "Prefix", page->prefix);
    xml_close(xml, "ListAllMyBucketsResult");
    return ret;
}

int s3_list_buckets(struct s3_call *call)
{
    struct bucket_page page;
    struct buf xml = BUF_INIT;
    int ret = read_bucket_page(call, &page);
    if (ret == 0)
        ret = buckets_document(call, &page, &xml);
    if (ret == 0)
        return s3_reply_xml(call, &xml);
    buf_release(&xml);
    return ret;
}

/* ---- CreateBucket ---- */

static int create_bucket(struct ns_txn *txn, void *arg)
{
    struct s3_call *call = arg;
    struct inode bucket;
    return ns_bucket_create(txn, call->bucket, (struct ns_owner){.mode = 0755}, SPAN_EMPTY, &bucket);
}

/* The region of CreateBucketConfiguration must be ours; AWS calls eu-west-1 "EU" too. What else it may hold is not to
 * be had here. */
static int check_location(struct s3_call *call)
{
    const struct xml_node *root;
    int ret = s3_read_xml(call, "CreateBucketConfiguration", S3_DIGESTS_OF_BODY, &root);
    if (ret == 0 && (xml_child(root, "Tags") || xml_child(root, "Bucket") || xml_child(root, "Location")))
        return s3_fail(call, S3_NOT_IMPLEMENTED, "Tags of buckets and directory buckets are not implemented.");
    struct span location = ret == 0 ? xml_child_text(root, "LocationConstraint") : SPAN_EMPTY;
    if (ret < 0 || !location.len || span_eq(location, call->s3->options.region) ||
        (span_is(location, "EU") && span_is(call->s3->options.region, "eu-west-1")))
        return ret;
    s3_error_extra(&call->detail, "LocationConstraint", location);
    return S3_INVALID_LOCATION;
}

static int check_bucket_options(struct s3_call *call)
{
    struct span ownership = s3_header(call, "x-amz-object-ownership");
    if (ownership.ptr && !span_is(ownership, "BucketOwnerEnforced") && !span_is(ownership, "BucketOwnerPreferred") &&
        !span_is(ownership, "ObjectWriter"))
        return s3_bad_argument(call, "x-amz-object-ownership", ownership, "Invalid x-amz-object-ownership header");
    if (span_eq_nocase(s3_header(call, "x-amz-bucket-object-lock-enabled"), SPAN_LIT("true")))
        return s3_fail(call, S3_NOT_IMPLEMENTED, "Object Lock is not implemented.");
    if (ownership.ptr && !span_is(ownership, "BucketOwnerEnforced"))
        return s3_fail(call, S3_NOT_IMPLEMENTED, "Buckets have the object ownership BucketOwnerEnforced.");
    int ret = headers_check_write(call);
    return ret == S3_ACL_NOT_SUPPORTED ? S3_BUCKET_ACL_WITH_OWNERSHIP : ret;
}

int s3_create_bucket(struct s3_call *call)
{
    if (!name_is_bucket(call->bucket))
        return S3_INVALID_BUCKET_NAME;
    int ret = check_bucket_options(call);
    if (ret == 0)
        ret = check_location(call);
    if (ret == 0)
        ret = s3_apply(call, create_bucket, call);
    if (ret == 0)
        ret = http_reply_header_fmt(call->request, "Location", "/" SPAN_FMT, SPAN_ARG(call->bucket));
    return ret < 0 ? ret : s3_reply_empty(call, 200);
}

/* ---- Head, Delete, Location ---- */

int s3_head_bucket(struct s3_call *call)
{
    int ret = s3_bucket_exists(call);
    if (ret == 0)
        ret = http_reply_header(call->request, "x-amz-bucket-region", call->s3->options.region);
    if (ret == 0)
        ret = http_reply_header(call->request, "x-amz-access-point-alias", SPAN_LIT("false"));
    return ret < 0 ? ret : s3_reply_empty(call, 200);
}

static int delete_bucket(struct ns_txn *txn, void *arg)
{
    struct s3_call *call = arg;
    return ns_bucket_delete(txn, call->bucket);
}

int s3_delete_bucket(struct s3_call *call)
{
    int ret = s3_apply(call, delete_bucket, call);
    return ret < 0 ? ret : s3_reply_empty(call, 204);
}

/* us-east-1 is the region without a name. */
int s3_get_bucket_location(struct s3_call *call)
{
    struct buf xml = BUF_INIT;
    int ret = s3_bucket_exists(call);
    if (ret < 0)
        return ret;
    xml_begin(&xml, "LocationConstraint", XML_S3_NS);
    if (!span_is(call->s3->options.region, "us-east-1"))
        xml_escape(&xml, call->s3->options.region);
    xml_close(&xml, "LocationConstraint");
    return s3_reply_xml(call, &xml);
}
