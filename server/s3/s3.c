#include "server/s3/s3_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define IDLE_BUFFERS 16 /* kept for the next requests */

/* What owns everything, where the options do not say: a canonical user id is 64 hex digits. */
#define OWNER_ID "8f2bd6f6b3b86d1e4a1c2f0a5d7b9c3e6f8041c5d2e7a9b0c3d4e5f60718293a"

static void set_default(struct span *option, struct span value)
{
    if (!option->len)
        *option = value;
}

int s3_new(struct ns *ns, const struct s3_options *options, struct s3 **ret_s3)
{
    struct s3 *s3 = calloc(1, sizeof(*s3));
    if (!s3)
        return -ENOMEM;
    s3->ns = ns;
    s3->options = *options;
    set_default(&s3->options.region, SPAN_LIT("us-east-1"));
    set_default(&s3->options.account, SPAN_LIT("000000000000"));
    set_default(&s3->options.owner_id, SPAN_LIT(OWNER_ID));
    set_default(&s3->options.owner_name, SPAN_LIT("cairn"));
    int ret = pool_new(S3_BUFFER, IDLE_BUFFERS, &s3->buffers);
    if (ret < 0)
        s3_free(&s3);
    else
        *ret_s3 = s3;
    return ret;
}

void s3_free(struct s3 **s3)
{
    if (!*s3)
        return;
    pool_free(&(*s3)->buffers);
    free(*s3);
    *s3 = NULL;
}

/* Bucket and key, from the host where it names a bucket, else from the path. */
static int resolve_address(struct s3_call *call)
{
    struct http_request *request = call->request;
    const struct s3_options *options = &call->s3->options;
    struct span bucket = uri_bucket_of_host(request->host, options->domains, options->domain_count);
    int ret;
    if (bucket.ptr) {
        call->bucket = bucket;
        ret = uri_key_of_path(request->head.path, &request->arena, &call->key);
    } else {
        ret = uri_split_path(request->head.path, &request->arena, &call->bucket, &call->key);
    }
    if (ret == 0 && span_find(call->bucket, '\0', 0) >= 0)
        return S3_INVALID_BUCKET_NAME; /* and not told: XML can't say it */
    call->detail.bucket = call->bucket;
    return ret == CAIRN_ESYNTAX ? S3_INVALID_URI : ret;
}

static enum s3_level level_of(const struct s3_call *call)
{
    if (call->key.len)
        return S3_OBJECT;
    return call->bucket.len ? S3_BUCKET : S3_SERVICE;
}

static int check_key(struct s3_call *call)
{
    if ((call->op->flags & S3_OP_NEW_KEY) && !span_is_utf8(call->key))
        return S3_INVALID_URI;
    return s3_check_key(call, call->key);
}

/* x-amz-expected-bucket-owner: a guard of clients against writing into someone else's bucket. */
static int check_expected_owner(struct s3_call *call, const char *header)
{
    struct span expected = s3_header(call, header);
    if (!expected.ptr || span_eq(expected, call->s3->options.account) || span_eq(expected, call->s3->options.owner_id))
        return 0;
    return S3_ACCESS_DENIED;
}

/* RFC 9110 wants a 405 to say what would do. */
static int route(struct s3_call *call)
{
    struct http_request *request = call->request;
    int ret = s3_route(&request->head, &request->query, level_of(call), &call->op);
    if (ret == S3_METHOD_NOT_ALLOWED) {
        char methods[S3_ALLOW_MAX];
        s3_route_methods(&request->query, level_of(call), methods);
        http_reply_header(request, "Allow", span_cstr(methods));
    }
    return ret;
}

static int serve(struct s3_call *call)
{
    struct http_request *request = call->request;
    int ret = resolve_address(call);
    if (ret == 0)
        ret = route(call);
    if (ret < 0)
        return ret;
    request->operation = call->op->name;
    if (!(call->op->flags & S3_OP_PER_KEY) || !request->identity)
        ret = s3_may(call, call->op->action, call->bucket, call->key);
    if (ret == 0)
        ret = check_key(call);
    if (ret == 0)
        ret = check_expected_owner(call, "x-amz-expected-bucket-owner");
    if (ret == 0)
        ret = check_expected_owner(call, "x-amz-source-expected-bucket-owner");
    return ret < 0 ? ret : call->op->handler(call);
}

/* Errors that concern an object say which one. */
static void name_key(struct s3_call *call, int error)
{
    int status = s3_error_row(error)->status;
    if (status == 404 || status == 412)
        call->detail.key = call->key;
}

int s3_handle(struct http_request *request, void *arg)
{
    struct s3_call call = {.s3 = arg, .request = request};
    int ret = serve(&call);
    if (ret >= 0 || http_reply_begun(request))
        return ret;
    name_key(&call, ret);
    return s3_error_reply(request, ret, &call.detail);
}

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
