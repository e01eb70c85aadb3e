#include "server/s3/handlers.h"
#include "server/s3/headers.h"
#include "server/s3/list.h"
#include "server/s3/multipart.h"

/* ---- ListParts ---- */

struct parts_page {
    uint64_t marker, max;
    uint64_t count;
    uint32_t last;
    bool truncated;
};

static void write_part(struct buf *xml, const struct ns_part *part)
{
    char etag[33];
    hex_encode(part->md5, sizeof(part->md5), etag);
    xml_open(xml, "Part");
    xml_u64(xml, "PartNumber", part->number);
    xml_time(xml, "LastModified", part->mtime);
    xml_etag(xml, "ETag", span_cstr(etag));
    xml_u64(xml, "Size", part->size);
    checksum_part_xml(xml, part->attrs);
    xml_close(xml, "Part");
}

static int write_parts(struct ns_txn *txn, const struct ns_upload *upload, struct parts_page *page, struct buf *xml)
{
    struct ns_part part;
    for (page->last = (uint32_t)page->marker;; page->last = part.number) {
        int ret = ns_upload_part_next(txn, upload, page->last, &part);
        if (ret < 0)
            return ret == CAIRN_ENOUPLOAD ? 0 : ret;
        if (page->count == page->max) {
            page->truncated = page->max > 0;
            return 0;
        }
        page->count++;
        write_part(xml, &part);
    }
}

static void write_parts_head(struct s3_call *call, struct buf *xml, const struct ns_upload *upload,
                             const struct parts_page *page)
{
    struct upload_checksum checksum = upload_checksum_of(upload);
    xml_span(xml, "Bucket", call->bucket);
    xml_span(xml, "Key", call->key);
    xml_cstr(xml, "UploadId", upload->id);
    s3_xml_owner(call->s3, xml, "Initiator");
    s3_xml_owner(call->s3, xml, "Owner");
    xml_span(xml, "StorageClass", headers_storage_class(upload->attrs));
    if (checksum.asked) {
        xml_cstr(xml, "ChecksumAlgorithm", checksum.algorithm->name);
        xml_cstr(xml, "ChecksumType", upload_checksum_type(&checksum));
    }
    xml_u64(xml, "PartNumberMarker", page->marker);
    xml_u64(xml, "MaxParts", page->max);
}

static int parts_document(struct s3_call *call, struct ns_txn *txn, struct parts_page *page, struct buf *xml)
{
    struct inode bucket;
    struct ns_upload upload;
    int ret = upload_find(call, txn, &bucket, &upload);
    if (ret < 0)
        return ret;
    xml_begin(xml, "ListPartsResult", XML_S3_NS);
    write_parts_head(call, xml, &upload, page);
    ret = write_parts(txn, &upload, page, xml);
    xml_u64(xml, "NextPartNumberMarker", page->last);
    xml_bool(xml, "IsTruncated", page->truncated);
    xml_close(xml, "ListPartsResult");
    return ret;
}

int s3_list_parts(struct s3_call *call)
{
    struct parts_page page = {0};
    struct ns_txn *txn;
    struct buf xml = BUF_INIT;
    int ret = s3_query_count(call, "max-parts", S3_PAGE_MAX, S3_PAGE_MAX, &page.max);
    if (ret == 0)
        ret = s3_query_count(call, "part-number-marker", 0, NS_PART_MAX, &page.marker);
    if (ret == 0)
        ret = s3_view_begin(call, &txn);
    if (ret < 0)
        return ret;
    ret = parts_document(call, txn, &page, &xml);
    ns_view_end(&txn);
    if (ret == 0)
        return s3_reply_xml(call, &xml);
    buf_release(&xml);
    return ret;
}

/* ---- ListMultipartUploads ---- */

struct uploads_walk {
    struct s3_call *call;
    struct list_query query;
    struct span key, id; /* the place in the walk: what comes next is behind it */
    struct list_page page;
    struct span last_key, last_id; /* the last entry told; a common prefix has no id */
};

/* The place from which the first upload with a key of at least s comes next. Keys are UTF-8, so 0xff is behind all that
 * begin with what stands before it. */
static struct span place_before(struct arena *arena, struct span s)
{
    struct span place = arena_printf(arena, SPAN_FMT "\xff", SPAN_ARG(s));
    if (!place.ptr)
        return place;
    char *last = (char *)&place.ptr[s.len - 1];
    if (*last == 0)
        return span_head(place, s.len - 1);
    --*last;
    return place;
}

static int start(struct uploads_walk *walk)
{
    struct arena *arena = &walk->call->request->arena;
    struct span prefix = walk->query.prefix, after = walk->query.after;
    if (span_cmp(after, prefix) < 0) {
        walk->key = place_before(arena, prefix);
        walk->id = SPAN_EMPTY;
        return walk->key.ptr ? 0 : -ENOMEM;
    }
    walk->key = after;
    struct span told =
        span_starts(after, prefix) ? list_common_prefix(after, prefix, walk->query.delimiter) : SPAN_EMPTY;
    if (told.ptr)
        walk->key = arena_printf(arena, SPAN_FMT "\xff", SPAN_ARG(told));
    return walk->key.ptr || !after.len ? 0 : -ENOMEM;
}

static void write_upload(struct uploads_walk *walk, const struct ns_upload *upload)
{
    struct upload_checksum checksum = upload_checksum_of(upload);
    struct buf *xml = &walk->page.entries;
    xml_open(xml, "Upload");
    list_xml_key(xml, &walk->query, "Key", upload->key);
    xml_cstr(xml, "UploadId", upload->id);
    s3_xml_owner(walk->call->s3, xml, "Initiator");
    s3_xml_owner(walk->call->s3, xml, "Owner");
    xml_span(xml, "StorageClass", headers_storage_class(upload->attrs));
    xml_time(xml, "Initiated", upload->initiated);
    if (checksum.asked) {
        xml_cstr(xml, "ChecksumAlgorithm", checksum.algorithm->name);
        xml_cstr(xml, "ChecksumType", upload_checksum_type(&checksum));
    }
    xml_close(xml, "Upload");
}

/* Tells an upload, or the common prefix that it rolls up into, and moves behind it. */
static int tell(struct uploads_walk *walk, const struct ns_upload *upload)
{
    struct arena *arena = &walk->call->request->arena;
    struct span common = list_common_prefix(upload->key, walk->query.prefix, walk->query.delimiter);
    walk->page.count++;
    if (common.ptr) {
        list_xml_prefix(&walk->page.prefixes, &walk->query, common);
        walk->last_key = common;
        walk->key = arena_printf(arena, SPAN_FMT "\xff", SPAN_ARG(common));
        walk->last_id = walk->id = SPAN_EMPTY;
        return walk->key.ptr ? walk->page.prefixes.failed : -ENOMEM;
    }
    write_upload(walk, upload);
    walk->last_key = walk->key = upload->key;
    walk->last_id = walk->id = arena_dup(arena, span_cstr(upload->id));
    return walk->id.ptr ? walk->page.entries.failed : -ENOMEM;
}

static int walk_uploads(struct uploads_walk *walk, struct ns_txn *txn)
{
    struct inode bucket;
    struct ns_upload upload;
    int ret = s3_find_bucket(walk->call, txn, &bucket);
    if (ret == 0)
        ret = start(walk);
    while (ret == 0 && walk->query.max > 0) {
        ret = ns_upload_next(txn, bucket.ino, walk->key, walk->id, &walk->call->request->arena, &upload);
        if (ret < 0 || !span_starts(upload.key, walk->query.prefix))
            return ret == CAIRN_ENOUPLOAD ? 0 : ret;
        if (walk->page.count == walk->query.max) {
            walk->page.truncated = true;
            return 0;
        }
        ret = tell(walk, &upload);
    }
    return ret;
}

static void write_uploads(struct s3_call *call, struct buf *xml, const struct uploads_walk *walk)
{
    const struct list_query *query = &walk->query;
    xml_begin(xml, "ListMultipartUploadsResult", XML_S3_NS);
    xml_span(xml, "Bucket", call->bucket);
    list_xml_key(xml, query, "KeyMarker", query->after);
    xml_span(xml, "UploadIdMarker", s3_query(call, "upload-id-marker"));
    if (walk->page.truncated) {
        list_xml_key(xml, query, "NextKeyMarker", walk->last_key);
        xml_span(xml, "NextUploadIdMarker", walk->last_id);
    }
    list_xml_key(xml, query, "Prefix", query->prefix);
    xml_u64(xml, "MaxUploads", query->max);
    list_xml_query(xml, query);
    xml_bool(xml, "IsTruncated", walk->page.truncated);
    list_xml_page(xml, &walk->page);
    xml_close(xml, "ListMultipartUploadsResult");
}

int s3_list_uploads(struct s3_call *call)
{
    struct uploads_walk walk = {.call = call};
    struct buf xml = BUF_INIT;
    struct ns_txn *txn;
    int ret = list_query_read(call, "max-uploads", &walk.query);
    if (ret == 0)
        ret = s3_view_begin(call, &txn);
    if (ret < 0)
        return ret;
    walk.query.after = s3_query(call, "key-marker");
    if (walk.query.after.len) /* S3 reads over an upload-id-marker without a key-marker */
        walk.id = s3_query(call, "upload-id-marker");
    ret = walk_uploads(&walk, txn);
    ns_view_end(&txn);
    if (ret == 0)
        write_uploads(call, &xml, &walk);
    list_page_release(&walk.page);
    return ret < 0 ? ret : s3_reply_xml(call, &xml);
}
