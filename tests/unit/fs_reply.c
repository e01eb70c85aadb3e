/* What the S3 client takes for a reply, and what not: without a socket. */
#include "fs/s3/reply.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define OK "HTTP/1.1 200 OK\r\n"

static struct s3_response response;

/* Feeds bytes, step at a time, then the peer's end if that is to be. What the reply came to. */
static int feed(struct reply *reply, const struct s3_request *request, struct span bytes, size_t step, bool ends)
{
    int r = 0;
    reply_begin(reply, request, &response);
    while (r == 0 && (bytes.len > 0 || ends)) {
        void *at;
        size_t room;
        cr_assert_eq(reply_room(reply, &at, &room), 0);
        cr_assert_gt(room, 0);
        struct span piece = span_head(bytes, step < room ? step : room);
        if (piece.len > 0)
            memcpy(at, piece.ptr, piece.len);
        r = reply_took(reply, piece.len);
        bytes = span_from(bytes, piece.len);
    }
    return r;
}

/* ends: the peer closes behind it. open: the connection may be used again. */
static const struct row {
    const char *name, *method, *bytes;
    bool ends;
    int result, status;
    const char *body;
    bool open;
} rows[] = {
    {"a length", "GET", OK "Content-Length: 5\r\n\r\nhello", false, 1, 200, "hello", true},
    {"no bytes", "POST", OK "Content-Length: 0\r\n\r\n", false, 1, 200, "", true},
    {"an error", "POST", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", false, 1, 403, "no", true},
    {"no body by its status", "PUT", "HTTP/1.1 204 No Content\r\n\r\n", false, 1, 204, "", true},
    {"no body to HEAD", "HEAD", OK "Content-Length: 5\r\n\r\n", false, 1, 200, "", true},
    {"chunks", "GET", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nt: v\r\n\r\n", false, 1,
     200, "hello", true},
    {"until the end", "GET", OK "\r\nhello", true, 1, 200, "hello", false},
    {"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 1, 200, "hello", false},
    {"the peer will close", "GET", OK "Connection: close\r\nContent-Length: 2\r\n\r\nhi", false, 1, 200, "hi", false},
    {"more than its length", "GET", OK "Content-Length: 2\r\n\r\nhi!", false, 1, 200, "hi", false},
    {"more than its chunks", "GET", OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nx", false, 1, 200, "", false},
    {"interim replies", "PUT",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK "Content-Length: 2\r\n\r\nhi", false,
     1, 200, "hi", true},
    {"nothing", "GET", "", true, -ECONNRESET, 0, NULL, false},
    {"a part of a head", "GET", OK "Content-Le", true, -ECONNRESET, 0, NULL, false},
    {"a short body", "GET", OK "Content-Length: 5\r\n\r\nhell", true, -ECONNRESET, 200, NULL, false},
    {"chunks without an end", "GET", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", true, -ECONNRESET, 200, NULL,
     false},
    {"only an interim reply", "PUT", "HTTP/1.1 100 Continue\r\n\r\n", true, -ECONNRESET, 0, NULL, false},
    {"interim replies without end", "PUT",
     "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\n"
     "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\n",
     false, -EPROTO, 0, NULL, false},
    {"another protocol", "GET", "HTTP/1.1 101 Switching Protocols\r\n\r\n", false, -EPROTO, 0, NULL, false},
    {"no HTTP", "GET", "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", false, -EPROTO, 0, NULL, false},
    {"TLS", "GET", "\x15\x03\x01\x02\x02\x16", false, -EPROTO, 0, NULL, false},
    {"another version", "GET", "HTTP/2.0 200 OK\r\n\r\n", false, -EPROTO, 0, NULL, false},
    {"no status", "GET", "HTTP/1.1 OK\r\n\r\n", false, -EPROTO, 0, NULL, false},
    {"two lengths", "GET", OK "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi", false, -EPROTO, 0, NULL, false},
    {"a length and chunks", "GET", OK "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi", false, -EPROTO, 0,
     NULL, false},
    {"a coding that nobody asked for", "GET", OK "Transfer-Encoding: gzip\r\n\r\nhi", false, -EPROTO, 0, NULL, false},
    {"a negative length", "GET", OK "Content-Length: -2\r\n\r\nhi", false, -EPROTO, 0, NULL, false},
    {"no chunk's size", "GET", OK "Transfer-Encoding: chunked\r\n\r\nhello", false, -EPROTO, 200, NULL, false},
    {"more than is held", "GET", OK "Content-Length: 16777217\r\n\r\n", false, -EPROTO, 200, NULL, false},
};

static void check_row(const struct row *row, size_t step)
{
    struct s3_request request = {.method = row->method};
    struct reply reply;
    int r = feed(&reply, &request, span_cstr(row->bytes), step, row->ends);
    cr_expect_eq(r, row->result, "%s by %zu: %d", row->name, step, r);
    cr_expect_eq(response.status, row->status, "%s by %zu: status %d", row->name, step, response.status);
    if (row->body)
        cr_expect(span_is(buf_span(&response.body), row->body), "%s by %zu: " SPAN_FMT, row->name, step,
                  SPAN_ARG(buf_span(&response.body)));
    /* what is too much can't be seen when it comes later: the next use of the connection finds it */
    if (step > 1)
        cr_expect_eq(reply_leaves_open(&reply), row->open, "%s by %zu", row->name, step);
}

Test(fs_reply, every_way_to_answer)
{
    static const size_t steps[] = {1, 7, 4096};
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t k = 0; k < COUNT(steps); k++)
            check_row(&rows[i], steps[k]);
    s3_response_release(&response);
}

Test(fs_reply, a_head_without_end_is_refused)
{
    struct s3_request request = {.method = "GET"};
    struct reply reply;
    struct buf bytes = BUF_INIT;
    buf_add_cstr(&bytes, OK "X: ");
    while (bytes.len < 100000)
        buf_add_char(&bytes, 'x');
    cr_expect_eq(feed(&reply, &request, buf_span(&bytes), 1000, false), -EPROTO);
    buf_release(&bytes);
    s3_response_release(&response);
}

Test(fs_reply, a_large_head_is_taken)
{
    struct s3_request request = {.method = "GET"};
    struct reply reply;
    struct buf bytes = BUF_INIT;
    buf_add_cstr(&bytes, OK "X: ");
    while (bytes.len < HTTP_HEAD_MAX - 100)
        buf_add_char(&bytes, 'x');
    buf_add_cstr(&bytes, "\r\nY: z\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
    for (size_t step = 1; step < 100000; step *= 9) {
        cr_expect_eq(feed(&reply, &request, buf_span(&bytes), step, false), 1);
        cr_expect(span_is(http_head_get(&response.head, "y"), "z"));
        cr_expect(span_is(buf_span(&response.body), "hi"));
    }
    buf_release(&bytes);
    s3_response_release(&response);
}

Test(fs_reply, chunks_beyond_what_is_held_are_refused)
{
    struct s3_request request = {.method = "GET"};
    struct reply reply;
    struct buf bytes = BUF_INIT;
    buf_add_cstr(&bytes, OK "Transfer-Encoding: chunked\r\n\r\nF00000\r\n");
    buf_reserve(&bytes, 0xf00000);
    memset(bytes.ptr + bytes.len, 'x', 0xf00000);
    bytes.len += 0xf00000;
    cr_expect_eq(feed(&reply, &request, buf_span(&bytes), 1 << 20, false), 0);
    buf_add_cstr(&bytes, "\r\nF00000\r\n");
    size_t first = bytes.len;
    buf_reserve(&bytes, 0xf00000);
    memset(bytes.ptr + first, 'x', 0xf00000);
    bytes.len += 0xf00000;
    cr_expect_eq(feed(&reply, &request, buf_span(&bytes), 1 << 20, false), -EPROTO);
    buf_release(&bytes);
    s3_response_release(&response);
}

/* ---- where a body goes ---- */

static char memory[64];
static size_t placed;

static void *place(const struct s3_response *r, size_t len, void *arg)
{
    cr_expect_eq(r->status, 200);
    cr_expect(span_is(http_head_get(&r->head, "x"), "y"), "the head is known");
    placed = len;
    return len <= sizeof(memory) ? arg : NULL;
}

Test(fs_reply, a_body_is_placed)
{
    static const struct {
        const char *bytes;
        size_t placed;
        const char *memory, *body;
    } cases[] = {
        {OK "X: y\r\nContent-Length: 5\r\n\r\nhello", 5, "hello", ""},
        {OK "X: y\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 0, "", "hello"},
        {OK "X: y\r\nContent-Length: 0\r\n\r\n", 0, "", ""},
        {OK "X: y\r\nContent-Length: 70\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123456789",
         70, "", "0123456789012345678901234567890123456789012345678901234567890123456789"},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello", 0, "", "hello"},
    };
    struct s3_request request = {.method = "GET", .place = place, .place_arg = memory};
    struct reply reply;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t step = 1; step < 1000; step *= 10) {
            memset(memory, 0, sizeof(memory));
            placed = 0;
            cr_expect_eq(feed(&reply, &request, span_cstr(cases[i].bytes), step, false), 1);
            cr_expect_eq(placed, cases[i].placed);
            cr_expect_str_eq(memory, cases[i].memory);
            cr_expect(span_is(buf_span(&response.body), cases[i].body));
            cr_expect(reply_leaves_open(&reply));
        }
    s3_response_release(&response);
}

static struct buf sunk;

static size_t sink(const struct s3_response *r, const void *bytes, size_t len, void *arg)
{
    cr_expect_eq(r->status, 200);
    cr_expect_gt(len, 0);
    buf_add(&sunk, bytes, len);
    return sunk.len > *(size_t *)arg ? 0 : len;
}

Test(fs_reply, a_sink_takes_it_as_it_comes)
{
    static const char *const cases[] = {
        OK "Content-Length: 5\r\n\r\nhello",
        OK "Transfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n1\r\no\r\n0\r\n\r\n",
        OK "\r\nhello",
    };
    size_t most = 5;
    struct s3_request request = {.method = "GET", .sink = sink, .sink_arg = &most};
    struct reply reply;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t step = 1; step < 1000; step *= 10) {
            buf_clear(&sunk);
            most = 5;
            cr_expect_eq(feed(&reply, &request, span_cstr(cases[i]), step, true), 1);
            cr_expect(span_is(buf_span(&sunk), "hello"));
            cr_expect_eq(response.body.len, 0);
            buf_clear(&sunk);
            most = 2;
            cr_expect_eq(feed(&reply, &request, span_cstr(cases[i]), step, true), -EIO);
        }
    buf_clear(&sunk);
    cr_expect_eq(feed(&reply, &request, SPAN_LIT("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno"), 3, false), 1);
    cr_expect(span_is(buf_span(&response.body), "no"), "an error is not the sink's");
    cr_expect_eq(sunk.len, 0);
    buf_release(&sunk);
    s3_response_release(&response);
}
