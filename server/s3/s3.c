#include "server/s3/s3.h"

#include <stdlib.h>

#include "server/s3/call.h"
#include "server/s3/ops.h"

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
