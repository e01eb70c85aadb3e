#include "server/auth/auth.h"

#include <stdlib.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "server/auth/body_stages.h"
#include "server/auth/hosts.h"
#include "server/auth/key_cache.h"
#include "server/s3/s3_error.h"
#include "server/wire/date.h"

struct auth {
    struct credentials *credentials;
    struct span region, regionless;
    struct span aliases[AUTH_ALIASES_MAX];
    size_t alias_count;
    unsigned ports[AUTH_PORTS_MAX];
    size_t port_count;
    struct key_cache *keys;
};

/* One request on its way through the checks. */
struct check {
    struct auth *auth;
    struct http_request *request;
    struct sigv4_auth stated;
    struct span payload; /* x-amz-content-sha256, or what stands for it */
    const struct identity *identity;
    struct sigv4_key key;
    struct s3_error_detail detail; /* of the error, if it comes to one */
};

int auth_new(const struct auth_options *options, struct auth **ret_auth)
{
    if (options->alias_count > AUTH_ALIASES_MAX || options->port_count > AUTH_PORTS_MAX)
        return -EINVAL;
    struct auth *auth = calloc(1, sizeof *auth);
    if (!auth)
        return -ENOMEM;
    auth->credentials = options->credentials;
    auth->region = options->region;
    auth->regionless = options->regionless;
    for (size_t i = 0; i < options->alias_count; i++)
        auth->aliases[auth->alias_count++] = options->aliases[i];
    for (size_t i = 0; i < options->port_count; i++)
        auth->ports[auth->port_count++] = options->ports[i];
    int r = key_cache_new(&auth->keys);
    if (r < 0) {
        free(auth);
        return r;
    }
    *ret_auth = auth;
    return 0;
}

void auth_free(struct auth **auth)
{
    if (!*auth)
        return;
    key_cache_free(&(*auth)->keys);
    free(*auth);
    *auth = NULL;
}

/* ---- errors ---- */

static int malformed(const struct check *c)
{
    return c->stated.source == SIGV4_QUERY ? S3_AUTH_QUERY_PARAMETERS : S3_AUTH_HEADER_MALFORMED;
}

/* A query of Version 4 that lacks its algorithm or names another, not one of Version 2. */
static bool is_query_v4(const struct check *c)
{
    return c->stated.source == SIGV4_QUERY && !uri_query_has(&c->request->query, "AWSAccessKeyId");
}

static void add_time(struct check *c, const char *element, int64_t ns)
{
    char text[DATE_MS_SIZE];
    date_format_ms(ns, text);
    s3_error_extra(&c->detail, element, arena_dup(&c->request->arena, span_cstr(text)));
}

/* The S3 error for what a check found; detail names what was wrong. */
static int sigv4_error(struct check *c, enum sigv4_status status, struct span detail)
{
    if (status == SIGV4_OK)
        return 0;
    c->detail.message = span_cstr(sigv4_status_text(status));
    switch (status) {
    case SIGV4_OK:
    case SIGV4_NOMEM:
        return -ENOMEM;
    case SIGV4_NOT_V4:
        if (is_query_v4(c))
            return S3_AUTH_QUERY_PARAMETERS;
        c->detail.message =
            SPAN_LIT("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.");
        return S3_INVALID_REQUEST;
    case SIGV4_SCOPE_REGION:
        c->detail.message =
            arena_printf(&c->request->arena, "The region '" SPAN_FMT "' is wrong; expecting '" SPAN_FMT "'",
                         SPAN_ARG(detail), SPAN_ARG(c->auth->region));
        s3_error_extra(&c->detail, "Region", c->auth->region);
        return malformed(c);
    case SIGV4_MALFORMED:
    case SIGV4_SCOPE_DATE:
    case SIGV4_SCOPE_SERVICE:
    case SIGV4_BAD_EXPIRES:
        return malformed(c);
    case SIGV4_NO_DATE:
        return c->stated.source == SIGV4_QUERY ? malformed(c) : S3_ACCESS_DENIED;
    case SIGV4_NOT_YET:
        return S3_ACCESS_DENIED;
    case SIGV4_EXPIRED:
        c->detail.message = SPAN_LIT("Request has expired");
        s3_error_extra(&c->detail, "X-Amz-Expires", uri_query_get(&c->request->query, "X-Amz-Expires"));
        add_time(c, "Expires", c->stated.time_ns + c->stated.expires_s * NS_PER_SEC);
        add_time(c, "ServerTime", c->request->now);
        return S3_ACCESS_DENIED;
    case SIGV4_UNSIGNED_HEADER:
        c->detail.message = SPAN_LIT("There were headers present in the request which were not signed");
        s3_error_extra(&c->detail, "HeadersNotSigned", detail);
        return S3_ACCESS_DENIED;
    case SIGV4_SKEWED:
        c->detail.message = SPAN_EMPTY;
        s3_error_extra(&c->detail, "RequestTime", span_cstr(c->stated.timestamp));
        add_time(c, "ServerTime", c->request->now);
        s3_error_extra(&c->detail, "MaxAllowedSkewMilliseconds", SPAN_LIT("900000"));
        return S3_REQUEST_TIME_TOO_SKEWED;
    case SIGV4_MISSING_HEADER:
    case SIGV4_MISMATCH:
        c->detail.message = SPAN_EMPTY;
        return S3_SIGNATURE_MISMATCH;
    }
    return S3_ACCESS_DENIED;
}

/* What helps to find out why: what we computed, and over which hosts. */
static void explain_mismatch(struct check *c, const struct sigv4_proof *proof, const struct hosts *hosts)
{
    struct buf tried = BUF_INIT;
    for (size_t i = 0; i < hosts->count; i++) {
        buf_add_cstr(&tried, i ? ", " : "");
        buf_add_span(&tried, hosts->items[i]);
    }
    s3_error_extra(&c->detail, "AWSAccessKeyId", c->stated.access_key);
    s3_error_extra(&c->detail, "StringToSign", proof->string_to_sign);
    s3_error_extra(&c->detail, "SignatureProvided", c->stated.signature);
    s3_error_extra(&c->detail, "CanonicalRequest", proof->canonical_request);
    s3_error_extra(&c->detail, "HostUsed", c->request->host);
    s3_error_extra(&c->detail, "HostsTried", arena_dup(&c->request->arena, buf_span(&tried)));
    buf_release(&tried);
}

/* ---- the signature ---- */

static struct sigv4_request to_verify(const struct check *c, struct span host)
{
    return (struct sigv4_request){.method = c->request->head.method,
                                  .path = c->request->head.path,
                                  .query = &c->request->query,
                                  .headers = c->request->head.headers,
                                  .header_count = c->request->head.header_count,
                                  .host = host,
                                  .payload_hash = c->payload};
}

static int verify_signature(struct check *c)
{
    struct hosts_input input = {.received = c->request->host,
                                .forwarded = c->request->forwarded_host,
                                .aliases = c->auth->aliases,
                                .alias_count = c->auth->alias_count,
                                .ports = c->auth->ports,
                                .port_count = c->auth->port_count};
    struct hosts hosts = {{input.received}, 1};
    struct sigv4_proof proof = {0}, first = {0};
    for (size_t i = 0; i < hosts.count; i++) {
        struct sigv4_request request = to_verify(c, hosts.items[i]);
        enum sigv4_status status = sigv4_verify(&c->stated, &request, &c->key, &c->request->arena, &proof);
        if (status == SIGV4_OK)
            c->request->host = hosts.items[i];
        if (status != SIGV4_MISMATCH)
            return sigv4_error(c, status, SPAN_EMPTY);
        if (i == 0) { /* the candidates are only needed when the first guess was wrong */
            first = proof;
            hosts_list(&input, &c->request->arena, &hosts);
        }
    }
    explain_mismatch(c, &first, &hosts);
    return sigv4_error(c, SIGV4_MISMATCH, SPAN_EMPTY);
}

static int find_identity(struct check *c)
{
    c->identity = credentials_find(c->auth->credentials, c->stated.access_key);
    if (!c->identity) {
        s3_error_extra(&c->detail, "AWSAccessKeyId", c->stated.access_key);
        return S3_INVALID_ACCESS_KEY;
    }
    struct span token = http_head_get(&c->request->head, "x-amz-security-token");
    if (token.len || uri_query_get(&c->request->query, "X-Amz-Security-Token").len)
        return S3_INVALID_TOKEN; /* temporary credentials: none are given out */
    return 0;
}

static int parse(struct check *c, struct span authorization)
{
    struct http_request *request = c->request;
    bool in_header = authorization.ptr != NULL, in_query = sigv4_in_query(&request->query);
    if (in_header && !span_starts(authorization, SPAN_LIT("AWS"))) {
        c->detail.message = SPAN_LIT("Unsupported Authorization Type");
        s3_error_extra(&c->detail, "ArgumentName", SPAN_LIT("Authorization"));
        s3_error_extra(&c->detail, "ArgumentValue", span_cut(&authorization, ' '));
        return S3_INVALID_ARGUMENT;
    }
    if (in_header && in_query) {
        c->detail.message =
            SPAN_LIT("Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature "
                     "query string parameter or the Authorization header should be specified");
        return S3_INVALID_ARGUMENT;
    }
    c->stated.source = in_header ? SIGV4_HEADER : SIGV4_QUERY;
    enum sigv4_status status = in_header ? sigv4_parse_header(&request->head, request->now, &c->stated)
                                         : sigv4_parse_query(&request->query, &c->stated);
    return sigv4_error(c, status, SPAN_EMPTY);
}

static bool has_no_body(const struct http_request *request)
{
    return request->has_length && request->content_length == 0;
}

static int payload_of(struct check *c)
{
    c->payload = sigv4_payload_of(&c->stated, &c->request->head, &c->request->query);
    if (!c->payload.ptr && has_no_body(c->request)) /* curl before 8.0 leaves the header out, and signs this */
        c->payload = SPAN_LIT(SIGV4_EMPTY_SHA256);
    if (!c->payload.ptr) {
        c->detail.message = SPAN_LIT("Missing required header for this request: x-amz-content-sha256");
        return S3_INVALID_REQUEST;
    }
    if (sigv4_payload_kind(c->payload) != SIGV4_PAYLOAD_INVALID)
        return 0;
    c->detail.message = SPAN_LIT(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.");
    s3_error_extra(&c->detail, "ArgumentName", SPAN_LIT("x-amz-content-sha256"));
    s3_error_extra(&c->detail, "ArgumentValue", c->payload);
    return S3_INVALID_ARGUMENT;
}

/* The region that must be signed for; empty: any will do. */
static struct span region_of(const struct check *c)
{
    struct span regionless = c->auth->regionless;
    bool any = !c->auth->region.len || (regionless.len && span_starts(c->request->head.path, regionless));
    return any ? SPAN_EMPTY : c->auth->region;
}

static int verify_signed(struct check *c, struct span authorization)
{
    int r = parse(c, authorization);
    if (r == 0)
        r = payload_of(c);
    if (r == 0)
        r = find_identity(c);
    if (r < 0)
        return r;
    struct span detail = SPAN_EMPTY;
    struct sigv4_request request = to_verify(c, c->request->host);
    enum sigv4_status status =
        sigv4_check(&c->stated, &request, region_of(c), SPAN_LIT("s3"), c->request->now, &detail);
    if (status != SIGV4_OK)
        return sigv4_error(c, status, detail);
    r = key_cache_get(c->auth->keys, c->identity, &c->stated, &c->key);
    return r < 0 ? r : verify_signature(c);
}

/* ---- the body ---- */

static int stream_body(struct check *c, enum sigv4_payload kind)
{
    uint64_t length;
    struct span text = http_head_get(&c->request->head, "x-amz-decoded-content-length");
    if (span_to_u64(text, &length) < 0)
        return S3_MISSING_CONTENT_LENGTH;
    if (kind == SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER)
        return body_stage_aws_chunked(c->request, kind, NULL, length);
    if (!c->identity)
        return S3_ACCESS_DENIED;
    struct sigv4_chain chain;
    sigv4_chain_begin(&c->stated, &c->key, &chain);
    int r = body_stage_aws_chunked(c->request, kind, &chain, length);
    explicit_bzero(&chain, sizeof chain);
    return r;
}

static int hashed_body(struct check *c)
{
    struct http_request *request = c->request;
    if (!has_no_body(request))
        return body_stage_sha256(request, c->payload);
    return span_is(c->payload, SIGV4_EMPTY_SHA256) ? 0
                                                   : S3_SHA256_MISMATCH; /* nobody may ever read what is not there */
}

/* Puts the stages on that the payload mode asks for. */
static int dress_body(struct check *c)
{
    enum sigv4_payload kind = sigv4_payload_kind(c->payload);
    switch (kind) {
    case SIGV4_PAYLOAD_UNSIGNED:
        return 0;
    case SIGV4_PAYLOAD_HASH:
        return hashed_body(c);
    case SIGV4_PAYLOAD_STREAM_SIGNED:
    case SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER:
    case SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER:
        return stream_body(c, kind);
    case SIGV4_PAYLOAD_INVALID:
        break;
    }
    return S3_INVALID_ARGUMENT;
}

/* It carries its signature among the fields of its body, over the policy. */
static bool is_form_upload(const struct http_request *request)
{
    return span_is(request->head.method, "POST") &&
           span_starts(http_head_get(&request->head, "content-type"), SPAN_LIT("multipart/form-data"));
}

static int verify(struct check *c)
{
    struct http_request *request = c->request;
    struct span authorization = http_head_get(&request->head, "authorization");
    bool anonymous = !authorization.ptr && !sigv4_in_query(&request->query);
    if (anonymous && is_form_upload(request)) {
        c->detail.message = SPAN_LIT("Uploads by HTML form (POST policy) are not implemented.");
        return S3_NOT_IMPLEMENTED;
    }
    int r = anonymous ? 0 : verify_signed(c, authorization);
    if (r < 0)
        return r;
    if (anonymous)
        c->payload = http_head_get(&request->head, "x-amz-content-sha256");
    r = c->payload.ptr ? dress_body(c) : 0;
    if (r < 0)
        return r;
    if (c->identity) {
        request->access_key = span_cstr(c->identity->access_key);
        request->identity = (void *)c->identity;
    }
    return 0;
}

int auth_verify(struct http_request *request, void *auth)
{
    struct check check = {.auth = auth, .request = request};
    int r = verify(&check);
    explicit_bzero(&check.key, sizeof check.key);
    if (r < 0) {
        request->operation = request->operation ? request->operation : "Refused";
        s3_error_reply(request, r, &check.detail);
    }
    return r;
}
