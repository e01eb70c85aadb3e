#include <errno.h>

#include "objstore/base/errors.h"
#include "server/http/http_priv.h"

enum { DRAIN_STEP = 32 * 1024, SMALL_READ = 4096 };

/* ---- the lowest stage: bytes off the connection, the transfer coding undone ---- */

static int fail(struct http_exchange *x, int error)
{
    x->raw.broken = true;
    return error;
}

/* Waits for the peer; what we hold back it may be waiting for. */
static int wait_for_peer(struct http_exchange *x)
{
    int rc = x->reply.out.len ? exchange_flush(x) : 0;
    return rc < 0 ? rc : exchange_wait(x, &x->raw.patience);
}

/* Bytes straight off the connection, at least one; CAIRN_ECLOSED when it ends here. */
static ptrdiff_t receive(struct http_exchange *x, void *ret_bytes, size_t len)
{
    for (;;) {
        ssize_t got = stream_read(&x->connection->stream, ret_bytes, len);
        if (got > 0) {
            x->raw.patience.moved += (uint64_t)got;
            return got;
        }
        int rc = got == 0 ? CAIRN_ECLOSED : (int)got;
        if (rc == -EAGAIN)
            rc = wait_for_peer(x);
        if (rc < 0)
            return rc;
    }
}

/* What was received together with the head. */
static size_t take_input(struct http_exchange *x, void *ret_bytes, size_t len)
{
    size_t have = x->end - x->begin;
    size_t part = len < have ? len : have;
    memcpy(ret_bytes, x->input + x->begin, part);
    x->begin += part;
    return part;
}

/* Reads more behind the head; all that stood there has been used. At most limit bytes, so that none of the next request
 * is taken. */
static int refill(struct http_exchange *x, uint64_t limit)
{
    x->begin = x->end = x->head_size;
    size_t room = INPUT_SIZE - x->end;
    ptrdiff_t got = receive(x, x->input + x->end, room < limit ? room : (size_t)limit);
    if (got > 0)
        x->end += (size_t)got;
    return got < 0 ? (int)got : 0;
}

static ptrdiff_t read_length(struct http_exchange *x, void *ret_bytes, size_t len)
{
    struct raw_body *raw = &x->raw;
    if (len > raw->left)
        len = (size_t)raw->left;
    ptrdiff_t got = (ptrdiff_t)take_input(x, ret_bytes, len);
    if (got == 0 && len < SMALL_READ &&
        len < raw->left) { /* a stage above that nears its end asks for a few bytes at a time */
        got = refill(x, raw->left);
        got = got < 0 ? got : (ptrdiff_t)take_input(x, ret_bytes, len);
    } else if (got == 0) {
        got = receive(x, ret_bytes, len);
    }
    if (got < 0)
        return fail(x, (int)got);
    raw->left -= (uint64_t)got;
    raw->done = raw->left == 0;
    return got;
}

static ptrdiff_t read_chunked(struct http_exchange *x, void *ret_bytes, size_t len)
{
    struct raw_body *raw = &x->raw;
    for (;;) {
        struct span input = span_make(x->input + x->begin, x->end - x->begin), data;
        struct span offered = span_head(input, len); /* so that never more comes out than is asked for */
        int step = http_chunked_next(&raw->chunked, &offered, &data);
        x->begin = (size_t)(offered.ptr - x->input);
        if (step == DECODE_DATA) {
            memcpy(ret_bytes, data.ptr, data.len);
            return (ptrdiff_t)data.len;
        }
        if (step == DECODE_END) {
            raw->done = true;
            return 0;
        }
        if (step == DECODE_MORE && x->begin == x->end)
            step = refill(x, UINT64_MAX);
        if (step < 0)
            return fail(x, step);
    }
}

static int send_continue(struct http_exchange *x)
{
    x->raw.continue_due = false;
    if (x->begin != x->end || x->reply.state != REPLY_NONE)
        return 0; /* the client did not wait, or has its answer */
    struct iovec iov = {(void *)"HTTP/1.1 100 Continue\r\n\r\n", 25};
    return exchange_write(x, &iov, 1);
}

static ptrdiff_t raw_read(struct http_body *body, void *ret_bytes, size_t len)
{
    struct raw_body *raw = (struct raw_body *)body;
    struct http_exchange *x = (struct http_exchange *)((char *)raw - offsetof(struct http_exchange, raw));
    if (raw->continue_due) {
        int rc = send_continue(x);
        if (rc < 0)
            return fail(x, rc);
    }
    if (raw->done)
        return 0;
    exchange_look_at_clock(x);
    ptrdiff_t got = raw->kind == RAW_LENGTH ? read_length(x, ret_bytes, len) : read_chunked(x, ret_bytes, len);
    if (got > 0)
        raw->received += (uint64_t)got;
    return got;
}

void raw_body_begin(struct http_exchange *x)
{
    struct raw_body *raw = &x->raw;
    const struct http_head *head = &x->request.head;
    *raw = (struct raw_body){.body = {.read = raw_read}};
    if (head->chunked) {
        raw->kind = RAW_CHUNKED;
        http_chunked_init(&raw->chunked);
    } else if (head->content_length > 0) {
        raw->kind = RAW_LENGTH;
        raw->left = (uint64_t)head->content_length;
    } else {
        raw->done = true;
    }
    /* For an empty body too: botocore, given a final reply instead, misreads the next one of the connection. */
    raw->continue_due = head->expect_continue && head->minor_version >= 1;
    x->request.content_length = raw->left;
    x->request.has_length = raw->kind != RAW_CHUNKED;
    x->request.body = &raw->body;
}

/* ---- what the handler did not read ---- */

bool raw_body_drainable(const struct http_exchange *x)
{
    const struct raw_body *raw = &x->raw;
    if (raw->broken || raw->continue_due) /* a client that was never told to continue sends its body, or does not */
        return false;
    if (raw->done)
        return true;
    return raw->kind == RAW_CHUNKED || raw->left <= DRAIN_MAX;
}

bool raw_body_drain(struct http_exchange *x)
{
    char bytes[DRAIN_STEP];
    uint64_t dropped = 0;
    while (!x->raw.done && raw_body_drainable(x) && dropped <= DRAIN_MAX) {
        ptrdiff_t got = raw_read(&x->raw.body, bytes, sizeof(bytes));
        if (got < 0)
            return false;
        dropped += (uint64_t)got;
    }
    return x->raw.done;
}

/* ---- for handlers ---- */

void http_body_push(struct http_request *request, struct http_body *stage)
{
    stage->below = request->body;
    request->body = stage;
}

ptrdiff_t http_body_read(struct http_request *request, void *ret_bytes, size_t len)
{
    struct http_exchange *x = exchange_of(request);
    if (x->body_error < 0 || x->body_ended || len == 0)
        return x->body_error;
    ptrdiff_t got = request->body->read(request->body, ret_bytes, len);
    if (got < 0)
        x->body_error = (int)got;
    x->body_ended = got == 0;
    return got;
}

/* Room for a body of unknown length grows by doubling. */
static int grow(struct http_request *request, size_t len, size_t limit, size_t *cap, char **bytes)
{
    size_t wish = *cap < limit / 2 ? *cap * 2 : limit;
    char *larger = arena_alloc(&request->arena, wish + 1);
    if (!larger)
        return -ENOMEM;
    memcpy(larger, *bytes, len);
    *bytes = larger;
    *cap = wish;
    return 0;
}

int http_body_all(struct http_request *request, size_t limit, struct span *ret_bytes)
{
    if (request->has_length && request->content_length > limit)
        return CAIRN_ETOOBIG;
    size_t len = 0, cap = request->has_length ? (size_t)request->content_length : limit < 4096 ? limit : 4096;
    char *bytes = arena_alloc(&request->arena, cap + 1); /* one more, to see the end */
    if (!bytes)
        return -ENOMEM;
    for (;;) {
        ptrdiff_t got = http_body_read(request, bytes + len, cap + 1 - len);
        if (got < 0)
            return (int)got;
        len += (size_t)got;
        if (got == 0)
            break;
        if (len <= cap)
            continue;
        int rc = cap == limit ? CAIRN_ETOOBIG : grow(request, len, limit, &cap, &bytes);
        if (rc < 0)
            return rc;
    }
    *ret_bytes = span_make(bytes, len);
    return 0;
}

bool http_body_trailer(struct http_request *request, const char *name, struct span *ret_value)
{
    for (struct http_body *stage = request->body; stage; stage = stage->below)
        if (stage->trailer && stage->trailer(stage, name, ret_value))
            return true;
    return false;
}
