#include <criterion/criterion.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "server/wire/http_chunked.h"
#include "server/wire/http_head.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static ssize_t parse(const char *text, struct http_head *head)
{
    size_t scanned = 0;
    return http_request_parse(span_cstr(text), &scanned, head);
}

#define FULL                                                                                                           \
    "PUT /bucket/a%20b?partNumber=1&uploadId=x HTTP/1.1\r\nHost: s3.example.com:9000\r\nContent-Length: 5\r\n"         \
    "Expect: 100-continue\r\nX-Amz-Meta-A:  one\t\r\nx-amz-meta-a:two\r\nEmpty:\r\n\r\n"

Test(http_head, request_is_taken_apart)
{
    struct http_head head;
    cr_assert_eq(parse(FULL "hello", &head), (ssize_t)strlen(FULL));
    cr_expect(span_is(head.method, "PUT"));
    cr_expect(span_is(head.path, "/bucket/a%20b"));
    cr_expect(span_is(head.query, "partNumber=1&uploadId=x"));
    cr_expect(span_is(head.host, "s3.example.com:9000"));
    cr_expect_eq(head.content_length, 5);
    cr_expect(head.keep_alive && head.expect_continue && !head.chunked);
    cr_expect_eq(head.minor_version, 1);
    cr_expect(span_is(http_head_get(&head, "x-amz-meta-a"), "one"));
    cr_expect(http_head_get(&head, "empty").ptr != NULL);
    cr_expect(http_head_get(&head, "absent").ptr == NULL);

    struct span value;
    size_t at = 0;
    cr_expect(http_head_next(&head, SPAN_LIT("X-AMZ-META-A"), &at, &value) && span_is(value, "one"));
    cr_expect(http_head_next(&head, SPAN_LIT("X-AMZ-META-A"), &at, &value) && span_is(value, "two"));
    cr_expect_not(http_head_next(&head, SPAN_LIT("X-AMZ-META-A"), &at, &value));
}

Test(http_head, request_may_come_byte_by_byte)
{
    const char *text = "\r\n" FULL;
    struct http_head head;
    size_t scanned = 0, len = strlen(text);
    for (size_t i = 0; i < len; i++)
        cr_assert_eq(http_request_parse(span_make(text, i), &scanned, &head), 0, "at %zu", i);
    cr_expect_eq(http_request_parse(span_make(text, len), &scanned, &head), (ssize_t)len);
    cr_expect(span_is(head.method, "PUT"));
}

Test(http_head, other_forms_of_target)
{
    struct http_head head;
    cr_expect_gt(parse("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &head), 0);
    cr_expect(span_is(head.path, "*"));
    cr_expect_gt(parse("GET http://b.example.com:81/k?v HTTP/1.1\r\nHost: a\r\n\r\n", &head), 0);
    cr_expect(span_is(head.host, "b.example.com:81") && span_is(head.path, "/k") && span_is(head.query, "v"));
    cr_expect_gt(parse("GET https://b?v HTTP/1.1\r\nHost: a\r\n\r\n", &head), 0);
    cr_expect(span_is(head.path, "/") && span_is(head.query, "v"));
    cr_expect_gt(parse("GET /a?b?c HTTP/1.0\r\n\r\n", &head), 0);
    cr_expect(span_is(head.path, "/a") && span_is(head.query, "b?c") && head.host.ptr == NULL);
    cr_expect_gt(parse("GET /\xc3\xbc HTTP/1.1\r\nHost: [::1]:9000\r\n\r\n", &head), 0);
    cr_expect(span_is(head.path, "/\xc3\xbc") && head.query.ptr == NULL);
}

Test(http_head, connection_persists_as_the_version_says)
{
    struct http_head head;
    cr_expect_gt(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", &head), 0);
    cr_expect_not(head.keep_alive);
    cr_expect_gt(parse("GET / HTTP/1.0\r\n\r\n", &head), 0);
    cr_expect_not(head.keep_alive);
    cr_expect_gt(parse("GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n", &head), 0);
    cr_expect(head.keep_alive);
}

#define WITH(fields) "PUT /a HTTP/1.1\r\nHost: a\r\n" fields "\r\n"

Test(http_head, what_could_be_read_in_two_ways_is_refused)
{
    static const struct {
        const char *text;
        int error;
    } rows[] = {
        {WITH("Content-Length: 5\r\nContent-Length: 5\r\n"), CAIRN_ESYNTAX},
        {WITH("Content-Length: 5\r\nContent-Length: 6\r\n"), CAIRN_ESYNTAX},
        {WITH("Content-Length: 5, 5\r\n"), CAIRN_ESYNTAX},
        {WITH("Content-Length: +5\r\n"), CAIRN_ESYNTAX},
        {WITH("Content-Length: -5\r\n"), CAIRN_ESYNTAX},
        {WITH("Content-Length: 0x5\r\n"), CAIRN_ESYNTAX},
        {WITH("Content-Length: 5 5\r\n"), CAIRN_ESYNTAX},
        {WITH("Content-Length:\r\n"), CAIRN_ESYNTAX},
        {WITH("Content-Length: 9223372036854775808\r\n"), CAIRN_ESYNTAX},
        {WITH("Content-Length: 99999999999999999999\r\n"), CAIRN_ESYNTAX},
        {WITH("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), CAIRN_ESYNTAX},
        {WITH("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), CAIRN_ESYNTAX},
        {WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), CAIRN_ESYNTAX},
        {WITH("Transfer-Encoding: chunked, chunked\r\n"), CAIRN_ESYNTAX},
        {WITH("Transfer-Encoding: gzip, chunked\r\n"), CAIRN_ESYNTAX},
        {WITH("Transfer-Encoding: \r\n"), CAIRN_ESYNTAX},
        {WITH("Transfer-Encoding: gzip\r\n"), -EOPNOTSUPP},
        {WITH("Transfer-Encoding: identity\r\n"), -EOPNOTSUPP},
        {WITH("Transfer-Encoding: xchunked\r\n"), -EOPNOTSUPP},
        {WITH("Transfer-Encoding : chunked\r\n"), CAIRN_ESYNTAX},
        {WITH("X: a\r\n b\r\n"), CAIRN_ESYNTAX},
        {WITH("X: a\rb\r\n"), CAIRN_ESYNTAX},
        {WITH("X: a\nY: b\r\n"), CAIRN_ESYNTAX},
        {WITH("X: a\x01\r\n"), CAIRN_ESYNTAX},
        {WITH("X: a\x7f\r\n"), CAIRN_ESYNTAX},
        {WITH("X Y: a\r\n"), CAIRN_ESYNTAX},
        {WITH(": a\r\n"), CAIRN_ESYNTAX},
        {WITH("no colon\r\n"), CAIRN_ESYNTAX},
        {WITH("Host: b\r\n"), CAIRN_ESYNTAX},
        {"GET / HTTP/1.1\r\n\r\n", CAIRN_ESYNTAX},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", CAIRN_ESYNTAX},
        {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", CAIRN_ESYNTAX},
        {"GET / HTTP/1.1\nHost: a\n\n", CAIRN_ESYNTAX},
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", CAIRN_ESYNTAX},
        {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", CAIRN_ESYNTAX},
        {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", CAIRN_ESYNTAX},
        {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", CAIRN_ESYNTAX},
        {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", CAIRN_ESYNTAX},
        {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", CAIRN_ESYNTAX},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", CAIRN_ESYNTAX},
        {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", CAIRN_ESYNTAX},
        {"GET http://u@h/x HTTP/1.1\r\nHost: a\r\n\r\n", CAIRN_ESYNTAX},
        {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", CAIRN_ESYNTAX},
        {"GET /\r\n\r\n", CAIRN_ESYNTAX},
        {"GET / http/1.1\r\nHost: a\r\n\r\n", CAIRN_ESYNTAX},
        {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", CAIRN_ESYNTAX},
        {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", -EPROTONOSUPPORT},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -EPROTONOSUPPORT},
        {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", CAIRN_ESYNTAX},
        {"\x16\x03\x01", CAIRN_ESYNTAX},
        {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", CAIRN_ESYNTAX},
        {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", CAIRN_ESYNTAX},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct http_head head;
        cr_expect_eq(parse(rows[i].text, &head), rows[i].error, "row %zu: %s", i, rows[i].text);
    }
}

/* start, then count times repeated, then end. */
static char *long_text(const char *start, const char *repeated, size_t count, const char *end)
{
    struct buf b = BUF_INIT;
    buf_add_cstr(&b, start);
    for (size_t i = 0; i < count; i++)
        buf_add_cstr(&b, repeated);
    buf_add_cstr(&b, end);
    buf_add_char(&b, '\0');
    cr_assert_eq(b.failed, 0);
    return b.ptr;
}

static void expect_long(char *text, ssize_t error)
{
    struct http_head head;
    ssize_t rc = parse(text, &head);
    if (error < 0)
        cr_expect_eq(rc, error);
    else
        cr_expect_eq(rc, (ssize_t)strlen(text));
    free(text);
}

Test(http_head, sizes_and_counts_are_bounded)
{
    expect_long(long_text("GET / HTTP/1.1\r\nHost: a\r\n", "A: b\r\n", HTTP_HEADERS_MAX - 1, "\r\n"), 0);
    expect_long(long_text("GET / HTTP/1.1\r\nHost: a\r\n", "A: b\r\n", HTTP_HEADERS_MAX, "\r\n"), CAIRN_ETOOBIG);
    expect_long(long_text("GET /", "a", HTTP_TARGET_MAX - 1, " HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    expect_long(long_text("GET /", "a", HTTP_TARGET_MAX, " HTTP/1.1\r\nHost: a\r\n\r\n"), CAIRN_ETOOBIG);
    expect_long(long_text("GET / HTTP/1.1\r\nHost: a\r\nX: ", "a", HTTP_HEAD_MAX, "\r\n\r\n"), CAIRN_ETOOBIG);
    expect_long(long_text("GET / HTTP/1.1\r\nHost: a\r\nX: ", "a", HTTP_HEAD_MAX, ""), CAIRN_ETOOBIG);
}

Test(http_head, response_is_taken_apart)
{
    struct http_head head;
    size_t scanned = 0;
    const char *text = "HTTP/1.1 206 Partial Content\r\nContent-Length: 10\r\nETag: \"x\"\r\n\r\n";
    cr_assert_eq(http_response_parse(span_cstr(text), &scanned, &head), (ssize_t)strlen(text));
    cr_expect_eq(head.status, 206);
    cr_expect(span_is(head.reason, "Partial Content"));
    cr_expect_eq(http_response_framing(&head, SPAN_LIT("GET")), HTTP_FRAMING_LENGTH);
    cr_expect_eq(http_response_framing(&head, SPAN_LIT("HEAD")), HTTP_FRAMING_NONE);

    scanned = 0;
    cr_assert_gt(http_response_parse(SPAN_LIT("HTTP/1.0 200\r\n\r\n"), &scanned, &head), 0);
    cr_expect_eq(http_response_framing(&head, SPAN_LIT("GET")), HTTP_FRAMING_UNTIL_CLOSE);
    scanned = 0;
    cr_assert_gt(
        http_response_parse(SPAN_LIT("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), &scanned, &head), 0);
    cr_expect_eq(http_response_framing(&head, SPAN_LIT("GET")), HTTP_FRAMING_NONE);

    static const char *const bad[] = {"HTTP/1.1 20 OK\r\n\r\n",   "HTTP/1.1 2000 OK\r\n\r\n",
                                      "HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n",
                                      "ICY 200 OK\r\n\r\n",       "HTTP/1.1 200 O\x01K\r\n\r\n"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        scanned = 0;
        cr_expect_eq(http_response_parse(span_cstr(bad[i]), &scanned, &head), CAIRN_ESYNTAX, "%s", bad[i]);
    }
}

/* ---- chunked ---- */

/* Decodes text in pieces of step bytes into *body; the last step, *left is what was not consumed. */
static int decode(struct span text, size_t step, struct buf *body, size_t *left)
{
    struct http_chunked d;
    int rc = DECODE_MORE;
    http_chunked_init(&d);
    buf_clear(body);
    while (text.len > 0 && rc != DECODE_END && rc >= 0) {
        struct span input = span_head(text, step), data;
        size_t given = input.len;
        while ((rc = http_chunked_next(&d, &input, &data)) == DECODE_DATA)
            buf_add_span(body, data);
        text = span_from(text, given - input.len);
    }
    *left = text.len;
    return rc;
}

Test(http_chunked, body_comes_out_whatever_the_pieces)
{
    struct span text = SPAN_LIT("5\r\nhello\r\n00A;x=\"y\"\r\n, chunked!\r\n0\r\nTrailer: x\r\n\r\nGET");
    struct buf body = BUF_INIT;
    size_t left;
    for (size_t step = 1; step <= text.len; step++) {
        cr_expect_eq(decode(text, step, &body, &left), DECODE_END, "step %zu", step);
        cr_expect(span_is(buf_span(&body), "hello, chunked!"));
        cr_expect_eq(left, 3);
    }
    buf_release(&body);
}

Test(http_chunked, bad_framing_is_refused)
{
    static const struct {
        const char *text;
        int result;
    } rows[] = {
        {"0\r\n\r\n", DECODE_END},         {"5\r\nhel", DECODE_MORE},
        {"\r\n", CAIRN_ESYNTAX},           {"x\r\n", CAIRN_ESYNTAX},
        {"-1\r\n", CAIRN_ESYNTAX},         {"+1\r\n", CAIRN_ESYNTAX},
        {"0x1\r\n", CAIRN_ESYNTAX},        {" 1\r\n", CAIRN_ESYNTAX},
        {"1 \r\n", CAIRN_ESYNTAX},         {"1\n", CAIRN_ESYNTAX},
        {"1\ra", CAIRN_ESYNTAX},           {"1;a\nb\r\n", CAIRN_ESYNTAX},
        {"1\r\nab\r\n", CAIRN_ESYNTAX},    {"1\r\na\n", CAIRN_ESYNTAX},
        {"0\r\nx\r\n", CAIRN_ESYNTAX},     {"0\r\n: x\r\n", CAIRN_ESYNTAX},
        {"0\r\n x: y\r\n", CAIRN_ESYNTAX}, {"0\r\nx: y\n", CAIRN_ESYNTAX},
        {"140000001\r\n", CAIRN_ETOOBIG},  {"fffffffffffffffff\r\n", CAIRN_ETOOBIG},
    };
    struct buf body = BUF_INIT;
    size_t left;
    for (size_t i = 0; i < COUNT(rows); i++)
        cr_expect_eq(decode(span_cstr(rows[i].text), 1000, &body, &left), rows[i].result, "%s", rows[i].text);
    buf_release(&body);
}

Test(http_chunked, lines_are_bounded)
{
    struct buf body = BUF_INIT;
    size_t left;
    char *zeros = long_text("", "0", HTTP_CHUNK_LINE_MAX + 1, "\r\n\r\n");
    char *trailers = long_text("0\r\n", "a: b\r\n", HTTP_TRAILERS_MAX / 6 + 1, "\r\n");
    cr_expect_eq(decode(span_cstr(zeros), 1000, &body, &left), CAIRN_ETOOBIG);
    cr_expect_eq(decode(span_cstr(trailers), 1000, &body, &left), CAIRN_ETOOBIG);
    free(zeros);
    free(trailers);
    buf_release(&body);
}

Test(http_chunked, writer_is_read_back)
{
    char head[HTTP_CHUNK_HEAD_MAX];
    cr_expect_eq(http_chunk_head(0x1a2b, head), 6);
    cr_expect_str_eq(head, "1a2b\r\n");
    cr_expect_eq(http_chunk_head(UINT64_MAX, head), 18);
}
