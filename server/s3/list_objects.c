#include "server/s3/checksum.h"
#include "server/s3/handlers.h"
#include "server/s3/headers.h"
#include "server/s3/list.h"
#include "server/s3/token.h"

/* ---- one object ---- */

static void write_checksum(struct buf *xml, const struct inode *inode)
{
    struct checksum_found found;
    if (!inode->attrs.len || !checksum_find(inode->attrs, &found))
        return;
    xml_cstr(xml, "ChecksumAlgorithm", found.algorithm->name);
    xml_cstr(xml, "ChecksumType", found.composite ? "COMPOSITE" : "FULL_OBJECT");
}

static void write_fields(struct buf *xml, const struct inode *inode)
{
    char etag[INODE_ETAG_MAX];
    inode_etag(inode, etag);
    xml_time(xml, "LastModified", inode->mtime);
    xml_etag(xml, "ETag", span_cstr(etag));
    write_checksum(xml, inode);
    xml_u64(xml, "Size", inode->size);
    xml_span(xml, "StorageClass", headers_storage_class(inode->attrs));
}

static void write_object(struct s3_call *call, struct buf *xml, const struct list_query *query, struct span key,
                         const struct inode *inode)
{
    (void)call;
    xml_open(xml, "Contents");
    list_xml_key(xml, query, "Key", key);
    write_fields(xml, inode);
    xml_close(xml, "Contents");
}

static void write_owned_object(struct s3_call *call, struct buf *xml, const struct list_query *query, struct span key,
                               const struct inode *inode)
{
    xml_open(xml, "Contents");
    list_xml_key(xml, query, "Key", key);
    write_fields(xml, inode);
    s3_xml_owner(call->s3, xml, "Owner");
    xml_close(xml, "Contents");
}

/* ---- ListObjectsV2 ---- */

struct v2_query {
    struct list_query list;
    struct span start_after, token;
    bool fetch_owner;
};

static int read_v2(struct s3_call *call, struct v2_query *query)
{
    struct span type = s3_query(call, "list-type");
    if (!span_is(type, "2"))
        return s3_bad_argument(call, "list-type", type, "Invalid List Type specified in Request");
    int ret = list_query_read(call, "max-keys", &query->list);
    query->start_after = s3_query(call, "start-after");
    query->fetch_owner = span_is(s3_query(call, "fetch-owner"), "true");
    if (ret == 0)
        ret = token_decode(call, "continuation-token", &query->token);
    query->list.after = query->token.ptr ? query->token : query->start_after.len ? query->start_after : SPAN_EMPTY;
    return ret;
}

static void write_v2(struct s3_call *call, struct buf *xml, const struct v2_query *query, const struct list_page *page)
{
    const struct list_query *list = &query->list;
    xml_begin(xml, "ListBucketResult", XML_S3_NS);
    xml_span(xml, "Name", call->bucket);
    list_xml_key(xml, list, "Prefix", list->prefix);
    if (query->start_after.ptr)
        list_xml_key(xml, list, "StartAfter", query->start_after);
    if (s3_query(call, "continuation-token").ptr)
        xml_span(xml, "ContinuationToken", s3_query(call, "continuation-token"));
    if (page->truncated)
        token_xml(call, xml, "NextContinuationToken", buf_span(&page->last));
    xml_u64(xml, "KeyCount", page->count);
    xml_u64(xml, "MaxKeys", list->max);
    list_xml_query(xml, list);
    xml_bool(xml, "IsTruncated", page->truncated);
    list_xml_page(xml, page);
    xml_close(xml, "ListBucketResult");
}

int s3_list_objects_v2(struct s3_call *call)
{
    struct v2_query query;
    struct list_page page = {0};
    struct buf xml = BUF_INIT;
    int ret = read_v2(call, &query);
    if (ret == 0)
        ret = list_run(call, &query.list, query.fetch_owner ? write_owned_object : write_object, &page);
    if (ret == 0)
        write_v2(call, &xml, &query, &page);
    list_page_release(&page);
    return ret < 0 ? ret : s3_reply_xml(call, &xml);
}

/* ---- ListObjects ---- */

static void write_v1(struct s3_call *call, struct buf *xml, const struct list_query *query,
                     const struct list_page *page)
{
    xml_begin(xml, "ListBucketResult", XML_S3_NS);
    xml_span(xml, "Name", call->bucket);
    xml_span(xml, "Prefix", query->prefix); /* the one that version 1 does not encode: clients take it as it is */
    list_xml_key(xml, query, "Marker", query->after);
    if (page->truncated && query->delimiter.len)
        list_xml_key(xml, query, "NextMarker", buf_span(&page->last));
    xml_u64(xml, "MaxKeys", query->max);
    list_xml_query(xml, query);
    xml_bool(xml, "IsTruncated", page->truncated);
    list_xml_page(xml, page);
    xml_close(xml, "ListBucketResult");
}

int s3_list_objects_v1(struct s3_call *call)
{
    struct list_query query;
    struct list_page page = {0};
    struct buf xml = BUF_INIT;
    int ret = list_query_read(call, "max-keys", &query);
    if (ret == 0) {
        query.after = s3_query(call, "marker");
        ret = list_run(call, &query, write_owned_object, &page);
    }
    if (ret == 0)
        write_v1(call, &xml, &query, &page);
    list_page_release(&page);
    return ret < 0 ? ret : s3_reply_xml(call, &xml);
}

/* ---- ListObjectVersions: of a bucket without versioning, where every object is its own only version ---- */

static void write_version(struct s3_call *call, struct buf *xml, const struct list_query *query, struct span key,
                          const struct inode *inode)
{
    xml_open(xml, "Version");
    list_xml_key(xml, query, "Key", key);
    xml_cstr(xml, "VersionId", "null");
    xml_cstr(xml, "IsLatest", "true");
    write_fields(xml, inode);
    s3_xml_owner(call->s3, xml, "Owner");
    xml_close(xml, "Version");
}

static void write_versions(struct s3_call *call, struct buf *xml, const struct list_query *query,
                           const struct list_page *page)
{
    xml_begin(xml, "ListVersionsResult", XML_S3_NS);
    xml_span(xml, "Name", call->bucket);
    list_xml_key(xml, query, "Prefix", query->prefix);
    list_xml_key(xml, query, "KeyMarker", query->after);
    xml_span(xml, "VersionIdMarker", s3_query(call, "version-id-marker"));
    if (page->truncated) {
        list_xml_key(xml, query, "NextKeyMarker", buf_span(&page->last));
        xml_cstr(xml, "NextVersionIdMarker", "null");
    }
    xml_u64(xml, "MaxKeys", query->max);
    list_xml_query(xml, query);
    xml_bool(xml, "IsTruncated", page->truncated);
    list_xml_page(xml, page);
    xml_close(xml, "ListVersionsResult");
}

int s3_list_versions(struct s3_call *call)
{
    struct list_query query;
    struct list_page page = {0};
    struct buf xml = BUF_INIT;
    int ret = list_query_read(call, "max-keys", &query);
    if (ret < 0)
        return ret;
    query.after = s3_query(call, "key-marker");
    if (s3_query(call, "version-id-marker").len && !query.after.len)
        return s3_bad_argument(call, "version-id-marker", s3_query(call, "version-id-marker"),
                               "A version-id marker cannot be specified without a key marker.");
    ret = list_run(call, &query, write_version, &page);
    if (ret == 0)
        write_versions(call, &xml, &query, &page);
    list_page_release(&page);
    return ret < 0 ? ret : s3_reply_xml(call, &xml);
}
