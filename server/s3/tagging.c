#include "server/s3/handlers.h"
#include "server/s3/put.h"
#include "server/s3/tagging.h"

#include "server/wire/uri.h"
#include "server/wire/xml_in.h"

/* AWS's limits, in characters. */
#define TAGS_MAX 10
#define TAG_KEY_MAX 128
#define TAG_VALUE_MAX 256

static size_t characters(struct span utf8)
{
    size_t count = 0;
    for (size_t i = 0; i < utf8.len; i++)
        count += ((unsigned char)utf8.ptr[i] & 0xc0) != 0x80;
    return count;
}

/* Letters of every language, digits, blanks and some signs. */
static bool is_tag_text(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
        if (!letter && (c == 0 || !strchr(" +-=._:/@", c)))
            return false;
    }
    return span_is_utf8(text);
}

static int add_tag(struct s3_call *call, struct buf *attrs, struct span key, struct span value)
{
    struct span known;
    if (!key.len || characters(key) > TAG_KEY_MAX || !is_tag_text(key) || span_starts(key, SPAN_LIT("aws:")))
        return s3_fail(call, S3_INVALID_TAG, "The TagKey you have provided is invalid");
    if (characters(value) > TAG_VALUE_MAX || !is_tag_text(value))
        return s3_fail(call, S3_INVALID_TAG, "The TagValue you have provided is invalid");
    if (attrs_find(buf_span(attrs), ATTR_TAG, key, &known))
        return s3_fail(call, S3_INVALID_TAG, "Cannot provide multiple Tags with the same key");
    return attrs_add(attrs, ATTR_TAG, key, value);
}

static int too_many(struct s3_call *call)
{
    return s3_fail(call, S3_BAD_REQUEST, "Object tags cannot be greater than 10");
}

/* Whether the keys are there and differ. */
static bool are_distinct(const struct uri_query *tags)
{
    for (size_t i = 0; i < tags->count; i++) {
        if (!tags->pairs[i].name.len)
            return false;
        for (size_t j = 0; j < i; j++)
            if (span_eq(tags->pairs[i].name, tags->pairs[j].name))
                return false;
    }
    return true;
}

int s3_tags_of_header(struct s3_call *call, struct buf *attrs)
{
    struct span header = s3_header(call, "x-amz-tagging");
    struct uri_query tags;
    if (!header.len)
        return 0;
    int ret = uri_query_parse(header, &call->request->arena, &tags);
    if (ret == CAIRN_ESYNTAX || ret == CAIRN_ETOOBIG || (ret == 0 && !are_distinct(&tags)))
        return s3_bad_argument(call, "x-amz-tagging", header,
                               "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
                               "parameters without tag name duplicates.");
    if (ret == 0 && tags.count > TAGS_MAX)
        return too_many(call);
    for (size_t i = 0; ret == 0 && i < tags.count; i++)
        ret = add_tag(call, attrs, tags.pairs[i].name, tags.pairs[i].value);
    return ret;
}

static int tags_of_document(struct s3_call *call, struct buf *attrs)
{
    const struct xml_node *root;
    int ret = s3_read_xml(call, "Tagging", S3_DIGESTS_OF_BODY, &root);
    const struct xml_node *set = ret == 0 ? xml_child(root, "TagSet") : NULL;
    if (ret == 0 && !set)
        return S3_MALFORMED_XML;
    unsigned count = 0;
    for (const struct xml_node *tag = xml_child(set, "Tag"); ret == 0 && tag; tag = xml_again(tag)) {
        struct span key = xml_child_exact(tag, "Key"), value = xml_child_exact(tag, "Value");
        if (!key.ptr || !value.ptr)
            return S3_MALFORMED_XML;
        ret = count++ == TAGS_MAX ? too_many(call) : add_tag(call, attrs, key, value);
    }
    return ret;
}

int attrs_copy(struct span from, attrs_keeps *keeps, struct buf *to)
{
    struct attr attr;
    int ret;
    while ((ret = attrs_next(&from, &attr)) > 0)
        if (keeps(&attr) && (ret = attrs_add(to, attr.tag, attr.name, attr.value)) < 0)
            return ret;
    return ret;
}

/* ---- the operations ---- */

struct tagging_job {
    struct s3_call *call;
    struct span tags; /* packed */
    struct buf attrs; /* the object's, with these tags */
    struct inode result;
};

static bool is_no_tag(const struct attr *attr)
{
    return attr->tag != ATTR_TAG;
}

static int set_tags(struct ns_txn *txn, void *arg)
{
    struct tagging_job *job = arg;
    struct inode bucket, object;
    buf_clear(&job->attrs);
    int ret = s3_find_bucket(job->call, txn, &bucket);
    if (ret == 0)
        ret = ns_key_find(txn, bucket.ino, job->call->key, &object);
    if (ret == 0)
        ret = attrs_copy(object.attrs, is_no_tag, &job->attrs);
    if (ret == 0)
        ret = buf_add_span(&job->attrs, job->tags);
    return ret < 0 ? ret : ns_key_set_attrs(txn, bucket.ino, job->call->key, buf_span(&job->attrs), &job->result);
}

static int apply_tags(struct s3_call *call, struct span tags)
{
    struct tagging_job job = {.call = call, .tags = tags, .attrs = {.limit = ATTRS_MAX}};
    int ret = s3_apply(call, set_tags, &job);
    buf_release(&job.attrs);
    return ret;
}

int s3_put_tagging(struct s3_call *call)
{
    struct buf tags = {.limit = ATTRS_MAX};
    int ret = s3_check_version_id(call, s3_query(call, "versionId"));
    if (ret == 0)
        ret = tags_of_document(call, &tags);
    if (ret == 0)
        ret = apply_tags(call, buf_span(&tags));
    buf_release(&tags);
    return ret < 0 ? ret : s3_reply_empty(call, 200);
}

int s3_delete_tagging(struct s3_call *call)
{
    int ret = s3_check_version_id(call, s3_query(call, "versionId"));
    if (ret == 0)
        ret = apply_tags(call, SPAN_EMPTY);
    return ret < 0 ? ret : s3_reply_empty(call, 204);
}

/* The tag with the least key that is greater than after. */
static bool next_tag(struct span attrs, struct span after, struct attr *ret_tag)
{
    struct attr attr;
    bool found = false;
    while (attrs_next(&attrs, &attr) > 0) {
        if (attr.tag != ATTR_TAG || span_cmp(attr.name, after) <= 0 ||
            (found && span_cmp(attr.name, ret_tag->name) > 0))
            continue;
        *ret_tag = attr;
        found = true;
    }
    return found;
}

/* By key, whatever order they were given in: there are few. */
static void write_tags(struct buf *xml, struct span attrs)
{
    struct attr tag = {.name = SPAN_EMPTY};
    xml_begin(xml, "Tagging", XML_S3_NS);
    xml_open(xml, "TagSet");
    while (next_tag(attrs, tag.name, &tag)) {
        xml_open(xml, "Tag");
        xml_span(xml, "Key", tag.name);
        xml_span(xml, "Value", tag.value);
        xml_close(xml, "Tag");
    }
    xml_close(xml, "TagSet");
    xml_close(xml, "Tagging");
}

int s3_get_tagging(struct s3_call *call)
{
    struct buf xml = BUF_INIT;
    struct inode object;
    struct ns_txn *txn;
    int ret = s3_check_version_id(call, s3_query(call, "versionId"));
    if (ret == 0)
        ret = s3_view_begin(call, &txn);
    if (ret < 0)
        return ret;
    ret = s3_find_object(call, txn, &object);
    if (ret == 0)
        write_tags(&xml, object.attrs);
    ns_view_end(&txn);
    return ret < 0 ? ret : s3_reply_xml(call, &xml);
}
