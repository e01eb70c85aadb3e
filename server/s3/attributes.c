#include "server/s3/checksum.h"
#include "server/s3/handlers.h"
#include "server/s3/headers.h"

#include "server/wire/date.h"

/* GetObjectAttributes: what x-amz-object-attributes names. */
#define ATTRIBUTES(X)                                                                                                  \
    X(WANT_ETAG, "ETag")                                                                                               \
    X(WANT_CHECKSUM, "Checksum")                                                                                       \
    X(WANT_PARTS, "ObjectParts")                                                                                       \
    X(WANT_CLASS, "StorageClass")                                                                                      \
    X(WANT_SIZE, "ObjectSize")

enum {
#define X(name, text) name##_BIT,
    ATTRIBUTES(X)
#undef X
        WANT_BITS
};
enum {
#define X(name, text) name = 1u << name##_BIT,
    ATTRIBUTES(X)
#undef X
};
static const char *const attribute_names[WANT_BITS] = {
#define X(name, text) text,
    ATTRIBUTES(X)
#undef X
};

struct attributes_query {
    unsigned wanted;
    uint64_t max_parts, part_marker;
};

static unsigned attribute_bit(struct span name)
{
    for (unsigned i = 0; i < WANT_BITS; i++)
        if (span_is(name, attribute_names[i]))
            return 1u << i;
    return 0;
}

static int read_wanted(struct s3_call *call, unsigned *ret_wanted)
{
    struct span value;
    unsigned wanted = 0;
    size_t at = 0;
    while (http_head_next(&call->request->head, SPAN_LIT("x-amz-object-attributes"), &at, &value)) {
        while (value.ptr) {
            struct span name = span_trim(span_cut(&value, ','));
            unsigned bit = attribute_bit(name);
            if (!bit && name.len)
                return s3_fail(call, S3_INVALID_ARGUMENT, "Invalid attribute name specified.");
            wanted |= bit;
        }
    }
    if (!wanted)
        return s3_fail(call, S3_INVALID_REQUEST, "The x-amz-object-attributes header must name an attribute.");
    *ret_wanted = wanted;
    return 0;
}

static int read_count(struct s3_call *call, const char *header, uint64_t fallback, uint64_t max, uint64_t *ret_value)
{
    struct span text = s3_header(call, header);
    *ret_value = fallback;
    if (text.ptr && span_to_u64(text, ret_value) < 0)
        return s3_bad_argument(call, header, text, "Provided value is not an integer or not within the integer range");
    if (*ret_value > max)
        *ret_value = max;
    return 0;
}

static int write_parts(struct ns_txn *txn, struct buf *xml, const struct attributes_query *query,
                       const struct inode *object)
{
    uint64_t number = query->part_marker, end = query->part_marker + query->max_parts;
    if (end > object->parts)
        end = object->parts > number ? object->parts : number;
    xml_open(xml, "ObjectParts");
    xml_u64(xml, "PartsCount", object->parts);
    xml_u64(xml, "PartNumberMarker", number);
    xml_u64(xml, "NextPartNumberMarker", end);
    xml_u64(xml, "MaxParts", query->max_parts);
    xml_bool(xml, "IsTruncated", end < object->parts);
    while (number < end) {
        struct ns_part part;
        uint64_t off;
        int ret = ns_object_part(txn, object, (uint32_t)++number, &off, &part);
        if (ret < 0)
            return ret;
        xml_open(xml, "Part");
        xml_u64(xml, "PartNumber", number);
        xml_u64(xml, "Size", part.size);
        checksum_part_xml(xml, part.attrs);
        xml_close(xml, "Part");
    }
    xml_close(xml, "ObjectParts");
    return 0;
}

static int write_attributes(struct ns_txn *txn, struct buf *xml, const struct attributes_query *query,
                            const struct inode *object)
{
    struct checksum_found found;
    char etag[INODE_ETAG_MAX];
    int ret = 0;
    inode_etag(object, etag);
    xml_begin(xml, "GetObjectAttributesResponse", XML_S3_NS);
    if (query->wanted & WANT_ETAG)
        xml_cstr(xml, "ETag", etag);
    if ((query->wanted & WANT_CHECKSUM) && checksum_find(object->attrs, &found)) {
        xml_open(xml, "Checksum");
        checksum_xml(xml, object->attrs, 0); /* without "-N", which a COMPOSITE one has everywhere else */
        xml_close(xml, "Checksum");
    }
    if ((query->wanted & WANT_PARTS) && (object->flags & INODE_ETAG_PARTS))
        ret = write_parts(txn, xml, query, object);
    if (query->wanted & WANT_CLASS)
        xml_span(xml, "StorageClass", headers_storage_class(object->attrs));
    if (query->wanted & WANT_SIZE)
        xml_u64(xml, "ObjectSize", object->size);
    xml_close(xml, "GetObjectAttributesResponse");
    return ret;
}

static int attributes_document(struct s3_call *call, const struct attributes_query *query, struct buf *xml)
{
    struct inode object;
    struct ns_txn *txn;
    char date[DATE_HTTP_SIZE];
    int ret = s3_view_begin(call, &txn);
    if (ret < 0)
        return ret;
    ret = s3_find_object(call, txn, &object);
    if (ret == 0)
        ret = write_attributes(txn, xml, query, &object);
    ns_view_end(&txn);
    if (ret < 0)
        return ret;
    date_format_http(object.mtime, date);
    return http_reply_header(call->request, "Last-Modified", span_cstr(date));
}

int s3_get_attributes(struct s3_call *call)
{
    struct attributes_query query;
    struct buf xml = BUF_INIT;
    int ret = s3_check_version_id(call, s3_query(call, "versionId"));
    if (ret == 0)
        ret = headers_check_read(call);
    if (ret == 0)
        ret = read_wanted(call, &query.wanted);
    if (ret == 0)
        ret = read_count(call, "x-amz-max-parts", S3_PAGE_MAX, S3_PAGE_MAX, &query.max_parts);
    if (ret == 0)
        ret = read_count(call, "x-amz-part-number-marker", 0, NS_PART_MAX, &query.part_marker);
    if (ret == 0)
        ret = attributes_document(call, &query, &xml);
    if (ret == 0)
        return s3_reply_xml(call, &xml);
    buf_release(&xml);
    return ret;
}
