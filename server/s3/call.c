#include "server/s3/call.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- errors with words of their own ---- */

int s3_fail(struct s3_call *call, int error, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    call->detail.message = arena_dup(&call->request->arena, span_cstr(text));
    return error;
}

int s3_bad_argument(struct s3_call *call, const char *name, struct span value, const char *message)
{
    s3_error_extra(&call->detail, "ArgumentName", span_cstr(name));
    s3_error_extra(&call->detail, "ArgumentValue", value);
    return s3_fail(call, S3_INVALID_ARGUMENT, "%s", message);
}

/* ---- headers and query ---- */

struct span s3_header(const struct s3_call *call, const char *name)
{
    return http_head_get(&call->request->head, name);
}

struct span s3_query(const struct s3_call *call, const char *name)
{
    return uri_query_get(&call->request->query, name);
}

int s3_query_count(struct s3_call *call, const char *name, uint64_t fallback, uint64_t max, uint64_t *ret_value)
{
    struct span text = s3_query(call, name);
    uint64_t value;
    if (!text.len) {
        *ret_value = fallback;
        return 0;
    }
    if (span_to_u64(text, &value) < 0 || value > INT32_MAX)
        return s3_bad_argument(call, name, text, "Provided value is not an integer or not within the integer range");
    *ret_value = value < max ? value : max;
    return 0;
}

int s3_check_version_id(struct s3_call *call, struct span version)
{
    if (!version.ptr || span_is(version, "null"))
        return 0;
    if (!version.len)
        return s3_bad_argument(call, "versionId", version, "Version id cannot be the empty string");
    return s3_bad_argument(call, "versionId", version, "Invalid version id specified");
}

int s3_may(struct s3_call *call, const char *action, struct span bucket, struct span key)
{
    const struct s3_options *options = &call->s3->options;
    if (options->authorize)
        return options->authorize(call->request, action, bucket, key, options->authorize_arg);
    return call->request->identity ? 0 : S3_ACCESS_DENIED;
}

int s3_check_key(struct s3_call *call, struct span key)
{
    if (key.len > NS_KEY_MAX) {
        s3_error_extra(&call->detail, "Size", arena_printf(&call->request->arena, "%zu", key.len));
        s3_error_extra(&call->detail, "MaxSizeAllowed", SPAN_LIT("1024"));
        return CAIRN_EKEYTOOLONG;
    }
    if (span_find(key, '\0', 0) >= 0)
        return s3_fail(call, S3_INVALID_ARGUMENT, "Object keys can not contain the NUL character.");
    return 0;
}

/* ---- the store ---- */

int s3_view_begin(struct s3_call *call, struct ns_txn **ret_txn)
{
    return ns_view_begin(call->s3->ns, ret_txn);
}

int s3_apply(struct s3_call *call, ns_mutation *fn, void *arg)
{
    http_seat_leave();
    int ret = ns_apply(call->s3->ns, fn, arg, INDEX_DURABLE);
    http_seat_take();
    return ret;
}

int s3_find_bucket(struct s3_call *call, struct ns_txn *txn, struct inode *ret_bucket)
{
    return ns_bucket_find(txn, call->bucket, ret_bucket);
}

int s3_find_object(struct s3_call *call, struct ns_txn *txn, struct inode *ret_object)
{
    struct inode bucket;
    int ret = s3_find_bucket(call, txn, &bucket);
    return ret < 0 ? ret : ns_key_find(txn, bucket.ino, call->key, ret_object);
}

int s3_bucket_exists(struct s3_call *call)
{
    struct ns_txn *txn;
    struct inode bucket;
    int ret = s3_view_begin(call, &txn);
    if (ret < 0)
        return ret;
    ret = s3_find_bucket(call, txn, &bucket);
    ns_view_end(&txn);
    return ret;
}

/* ---- replies ---- */

int s3_reply_xml(struct s3_call *call, struct buf *xml)
{
    int ret = xml->failed ? xml->failed : http_reply_bytes(call->request, 200, "application/xml", buf_span(xml));
    buf_release(xml);
    return ret;
}

int s3_reply_empty(struct s3_call *call, int status)
{
    int ret = http_reply_begin(call->request, status, 0);
    return ret < 0 ? ret : http_reply_end(call->request);
}

int s3_reply_etag(struct s3_call *call, const struct inode *inode)
{
    char etag[INODE_ETAG_MAX];
    inode_etag(inode, etag);
    return http_reply_header_fmt(call->request, "ETag", "\"%s\"", etag);
}

void s3_xml_owner(const struct s3 *s3, struct buf *xml, const char *element)
{
    xml_open(xml, element);
    xml_span(xml, "ID", s3->options.owner_id);
    xml_span(xml, "DisplayName", s3->options.owner_name);
    xml_close(xml, element);
}
