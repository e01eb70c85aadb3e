#include "fs/s3/client_priv.h"
#include "objstore/base/errors.h"
#include "objstore/base/hash.h"

#define RESERVED_HEADERS 2 /* x-amz-date and x-amz-content-sha256 stand before the caller's */

/* ---- signing ---- */

static int current_signer(struct s3_client *c, int64_t now, struct sigv4_signer *ret_signer)
{
    int r = 0;
    pthread_mutex_lock(&c->lock);
    if (!c->signer_ready || sigv4_signer_stale(&c->signer, now)) {
        r = sigv4_signer_init(span_cstr(c->access_key), span_cstr(c->secret), span_cstr(c->region), SPAN_LIT("s3"), now,
                              &c->signer);
        c->signer_ready = r == 0;
    }
    if (r == 0)
        *ret_signer = c->signer;
    pthread_mutex_unlock(&c->lock);
    return r;
}

static int payload_hash(const struct s3_request *request, char ret_text[65])
{
    if (request->unsigned_payload) {
        strcpy(ret_text, SIGV4_UNSIGNED_PAYLOAD);
        return 0;
    }
    if (request->body.len == 0) {
        strcpy(ret_text, SIGV4_EMPTY_SHA256);
        return 0;
    }
    uint8_t digest[HASH_MAX];
    int r = hash_once(HASH_SHA256, request->body.ptr, request->body.len, digest);
    if (r == 0)
        hex_encode(digest, 32, ret_text);
    return r;
}

static int authorization_of(struct s3_client *c, const struct sigv4_request *to_sign, int64_t now,
                            struct span timestamp, struct arena *a, struct span *ret_authorization)
{
    struct sigv4_signer signer;
    int r = current_signer(c, now, &signer);
    if (r == 0)
        r = sigv4_sign(&signer, to_sign, timestamp, a, ret_authorization, NULL);
    explicit_bzero(&signer, sizeof signer);
    return r;
}

/* ---- text ---- */

static bool is_line(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' && text.ptr[i] != '\t')
            return false;
    return true;
}

static bool is_sendable(const struct s3_request *request)
{
    if (request->header_count > S3_HEADERS_MAX || !is_line(request->path) || span_find(request->path, ' ', 0) >= 0)
        return false;
    for (size_t i = 0; i < request->header_count; i++)
        if (!is_line(request->headers[i].name) || !is_line(request->headers[i].value))
            return false;
    return true;
}

static void add_line(struct buf *out, struct span name, struct span value)
{
    buf_add_span(out, name);
    buf_add_span(out, SPAN_LIT(": "));
    buf_add_span(out, value);
    buf_add_span(out, SPAN_LIT("\r\n"));
}

static void add_request_line(struct buf *out, const struct s3_request *request)
{
    buf_add_cstr(out, request->method);
    buf_add_char(out, ' ');
    buf_add_span(out, request->path);
    for (size_t i = 0; i < request->query_count; i++) {
        buf_add_char(out, i ? '&' : '?');
        uri_encode_buf(request->query[i].name, URI_QUERY, out);
        buf_add_char(out, '=');
        uri_encode_buf(request->query[i].value, URI_QUERY, out);
    }
    buf_add_span(out, SPAN_LIT(" HTTP/1.1\r\n"));
}

static void add_length(struct buf *out, const struct s3_request *request)
{
    bool has_body = strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0;
    if (!has_body && request->body.len == 0)
        return;
    buf_add_span(out, SPAN_LIT("Content-Length: "));
    buf_add_u64(out, request->body.len);
    buf_add_span(out, SPAN_LIT("\r\n"));
}

/* The headers that are signed: the caller's, after the two of the signature. */
static size_t gather_headers(const struct s3_request *request, const char *timestamp, const char *hash,
                             struct http_header headers[S3_HEADERS_MAX + RESERVED_HEADERS])
{
    headers[0] = (struct http_header){SPAN_LIT("x-amz-date"), span_cstr(timestamp)};
    headers[1] = (struct http_header){SPAN_LIT("x-amz-content-sha256"), span_cstr(hash)};
    for (size_t i = 0; i < request->header_count; i++)
        headers[RESERVED_HEADERS + i] = request->headers[i];
    return request->header_count + RESERVED_HEADERS;
}

int request_write(struct s3_client *c, const struct s3_request *request, int64_t now, struct arena *a, struct buf *out)
{
    char timestamp[DATE_BASIC_SIZE], hash[65];
    struct http_header headers[S3_HEADERS_MAX + RESERVED_HEADERS];
    struct span authorization = SPAN_EMPTY;
    if (!is_sendable(request))
        return -EINVAL;
    date_format_basic(now, timestamp);
    int r = payload_hash(request, hash);
    if (r < 0)
        return r;
    size_t count = gather_headers(request, timestamp, hash, headers);
    struct uri_query query = {(struct uri_pair *)request->query, request->query_count};
    struct sigv4_request to_sign = {.method = span_cstr(request->method),
                                    .path = request->path,
                                    .query = &query,
                                    .headers = headers,
                                    .header_count = count,
                                    .host = span_cstr(c->host),
                                    .payload_hash = span_cstr(hash)};
    if (c->access_key && (r = authorization_of(c, &to_sign, now, span_cstr(timestamp), a, &authorization)) < 0)
        return r;
    buf_clear(out);
    add_request_line(out, request);
    add_line(out, SPAN_LIT("Host"), span_cstr(c->host));
    for (size_t i = 0; i < count; i++)
        add_line(out, headers[i].name, headers[i].value);
    if (authorization.len)
        add_line(out, SPAN_LIT("Authorization"), authorization);
    add_length(out, request);
    buf_add_span(out, SPAN_LIT("\r\n"));
    return out->failed;
}
