#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "server/http/http_priv.h"

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {416, "Range Not Satisfiable"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}

void reply_reset(struct http_exchange *x)
{
    struct reply *r = &x->reply;
    buf_clear(&r->headers);
    buf_clear(&r->out);
    *r = (struct reply){.headers = r->headers, .out = r->out};
}

/* ---- headers ---- */

int http_reply_header(struct http_request *request, const char *name, struct span value)
{
    struct reply *r = &exchange_of(request)->reply;
    assert(r->state == REPLY_NONE);
    if (!http_is_value(value))
        return -EINVAL;
    struct span key = span_cstr(name);
    size_t len = key.len + value.len + 4;
    r->headers.limit = REPLY_HEADERS_MAX;
    int rc = buf_reserve(&r->headers, len);
    if (rc < 0)
        return rc;
    char *at = r->headers.ptr + r->headers.len;
    at = mempcpy(at, key.ptr, key.len);
    at = mempcpy(at, ": ", 2);
    if (value.len)
        at = mempcpy(at, value.ptr, value.len);
    memcpy(at, "\r\n", 2);
    r->headers.len += len;
    return 0;
}

int http_reply_header_fmt(struct http_request *request, const char *name, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len < sizeof(text))
        return len < 0 ? -EINVAL : http_reply_header(request, name, span_make(text, (size_t)len));
    char *longer = arena_alloc(&request->arena, (size_t)len + 1);
    if (!longer)
        return -ENOMEM;
    va_start(args, fmt);
    vsnprintf(longer, (size_t)len + 1, fmt, args);
    va_end(args);
    return http_reply_header(request, name, span_make(longer, (size_t)len));
}

void http_reply_clear(struct http_request *request)
{
    struct reply *r = &exchange_of(request)->reply;
    assert(r->state == REPLY_NONE);
    buf_clear(&r->headers);
}

/* The lines that change once a second at most. */
static struct span date_lines(struct http_exchange *x)
{
    int64_t second = clock_real_ns() / NS_PER_SEC;
    if (second != x->date_second) {
        char date[DATE_HTTP_SIZE];
        date_format_http(second * NS_PER_SEC, date);
        snprintf(x->date_lines, sizeof(x->date_lines), "Server: Cairn\r\nx-amz-id-2: %s\r\nDate: %s\r\n",
                 x->server->host_id, date);
        x->date_second = second;
    }
    return span_cstr(x->date_lines);
}

/* How the body's end is found, and whether the connection goes on. */
static void put_framing(struct http_exchange *x)
{
    struct reply *r = &x->reply;
    const struct http_head *head = &x->request.head;
    bool until_close = false;
    if (r->length != HTTP_LENGTH_UNKNOWN) {
        if (r->status != 204 &&
            r->status != 304) { /* of a 304 it would be the object's, which some peers then wait for */
            buf_add_span(&r->out, SPAN_LIT("Content-Length: "));
            buf_add_u64(&r->out, r->length);
            buf_add_span(&r->out, SPAN_LIT("\r\n"));
        }
    } else if (head->minor_version >= 1) {
        r->chunked = true;
        buf_add_span(&r->out, SPAN_LIT("Transfer-Encoding: chunked\r\n"));
    } else {
        until_close = true;
    }
    if (!head->keep_alive || until_close || !raw_body_drainable(x) ||
        atomic_load_explicit(&x->server->stopping, memory_order_relaxed))
        x->close_after = true;
    if (x->close_after)
        buf_add_span(&r->out, SPAN_LIT("Connection: close\r\n"));
    else if (head->minor_version == 0)
        buf_add_span(&r->out, SPAN_LIT("Connection: keep-alive\r\n"));
}

static void put_status(struct buf *out, int status)
{
    const char digits[3] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10)};
    buf_add_span(out, SPAN_LIT("HTTP/1.1 "));
    buf_add(out, digits, sizeof(digits));
    buf_add_char(out, ' ');
    buf_add_cstr(out, reason_of(status));
    buf_add_span(out, SPAN_LIT("\r\nx-amz-request-id: "));
}

int http_reply_begin(struct http_request *request, int status, uint64_t length)
{
    struct http_exchange *x = exchange_of(request);
    struct reply *r = &x->reply;
    assert(r->state == REPLY_NONE && status >= 200 && status <= 599);
    r->state = REPLY_BEGUN;
    r->status = status;
    r->length = length;
    r->bodiless = status == 204 || status == 304 || span_is(request->head.method, "HEAD");
    r->begun_ns = clock_mono_ns();
    put_status(&r->out, status);
    buf_add_cstr(&r->out, request->id);
    buf_add_span(&r->out, SPAN_LIT("\r\n"));
    buf_add_span(&r->out, date_lines(x));
    put_framing(x);
    buf_add_span(&r->out, buf_span(&r->headers));
    buf_add_span(&r->out, SPAN_LIT("\r\n"));
    if (r->out.failed)
        r->cut = true;
    return r->out.failed;
}

/* ---- the body ---- */

/* Small pieces are held back to go with what follows; the last one does not wait. */
static int send_piece(struct http_exchange *x, const void *bytes, size_t len, bool last)
{
    struct reply *r = &x->reply;
    char head[HTTP_CHUNK_HEAD_MAX];
    size_t head_len = r->chunked ? http_chunk_head(len, head) : 0;
    size_t tail_len = r->chunked ? sizeof(HTTP_CHUNK_TAIL) - 1 : 0;
    if (!last && r->out.len + head_len + len + tail_len <= JOIN_MAX) {
        buf_add(&r->out, head, head_len);
        buf_add(&r->out, bytes, len);
        buf_add(&r->out, HTTP_CHUNK_TAIL, tail_len);
        if (r->out.failed)
            r->cut = true;
        return r->out.failed;
    }
    struct iovec iov[] = {
        {r->out.ptr, r->out.len}, {head, head_len}, {(void *)bytes, len}, {HTTP_CHUNK_TAIL, tail_len}};
    int rc = exchange_write(x, iov, 4);
    buf_clear(&r->out);
    return rc;
}

int http_reply_send(struct http_request *request, const void *bytes, size_t len)
{
    struct http_exchange *x = exchange_of(request);
    struct reply *r = &x->reply;
    assert(r->state == REPLY_BEGUN);
    if (r->length != HTTP_LENGTH_UNKNOWN && len > r->length - r->sent) {
        r->cut = true;
        return CAIRN_ETOOBIG;
    }
    if (r->cut)
        return CAIRN_ECLOSED;
    r->sent += len;
    if (len == 0 || r->bodiless)
        return 0;
    r->written += len;
    return send_piece(x, bytes, len, r->sent == r->length);
}

int http_reply_flush(struct http_request *request)
{
    return exchange_flush(exchange_of(request));
}

int http_reply_end(struct http_request *request)
{
    struct http_exchange *x = exchange_of(request);
    struct reply *r = &x->reply;
    assert(r->state == REPLY_BEGUN);
    if (r->cut)
        return CAIRN_ECLOSED;
    if (!r->bodiless && r->length != HTTP_LENGTH_UNKNOWN && r->sent != r->length) {
        r->cut = true;
        return -EINVAL;
    }
    if (r->chunked && !r->bodiless)
        buf_add_span(&r->out, SPAN_LIT(HTTP_CHUNK_LAST));
    int rc = r->out.failed ? r->out.failed : exchange_flush(x);
    if (rc == 0)
        r->state = REPLY_DONE;
    else
        r->cut = true;
    return rc;
}

int http_reply_bytes(struct http_request *request, int status, const char *content_type, struct span body)
{
    int rc = content_type ? http_reply_header(request, "Content-Type", span_cstr(content_type)) : 0;
    if (rc == 0)
        rc = http_reply_begin(request, status, body.len);
    if (rc == 0)
        rc = http_reply_send(request, body.ptr, body.len);
    return rc == 0 ? http_reply_end(request) : rc;
}

bool http_reply_begun(const struct http_request *request)
{
    return ((const struct http_exchange *)request)->reply.state != REPLY_NONE;
}

void http_close_after(struct http_request *request)
{
    exchange_of(request)->close_after = true;
}
