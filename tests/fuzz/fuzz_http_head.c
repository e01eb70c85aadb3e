/* A head parses the same whole and in pieces, and what comes out lies within what went in. */
#include "objstore/base/errors.h"
#include "server/wire/http_head.h"
#include "tests/fuzz/fuzz.h"

typedef ssize_t parser(struct span bytes, size_t *scanned, struct http_head *ret_head);

static void check_inside(struct span part, struct span whole)
{
    FUZZ_CHECK(part.ptr == NULL || part.len == 0 ||
               (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len));
}

static void check_head(const struct http_head *head, struct span whole)
{
    check_inside(head->method, whole);
    check_inside(head->target, whole);
    check_inside(head->query, whole);
    check_inside(head->host, whole);
    check_inside(head->reason, whole);
    FUZZ_CHECK(head->header_count <= HTTP_HEADERS_MAX);
    FUZZ_CHECK(!(head->chunked && head->content_length >= 0));
    for (size_t i = 0; i < head->header_count; i++) {
        check_inside(head->headers[i].name, whole);
        check_inside(head->headers[i].value, whole);
        FUZZ_CHECK(memchr(head->headers[i].value.ptr, '\n', head->headers[i].value.len) == NULL);
        FUZZ_CHECK(memchr(head->headers[i].value.ptr, '\r', head->headers[i].value.len) == NULL);
    }
}

static ssize_t in_pieces(parser *parse, struct span input, size_t step, struct http_head *head)
{
    size_t scanned = 0;
    for (size_t len = 0; len < input.len; len += step) {
        ssize_t rc = parse(span_head(input, len), &scanned, head);
        if (rc != 0)
            return rc;
    }
    return parse(input, &scanned, head);
}

static void check_parser(parser *parse, struct span input)
{
    static struct http_head whole, pieces;
    size_t scanned = 0;
    ssize_t rc = parse(input, &scanned, &whole);
    ssize_t rc_pieces = in_pieces(parse, input, input.len < 512 ? 1 : 61, &pieces);
    FUZZ_CHECK(rc <= (ssize_t)input.len);
    FUZZ_CHECK((rc < 0 && rc_pieces < 0) || rc == rc_pieces);
    if (rc > 0) {
        check_head(&whole, span_head(input, (size_t)rc));
        FUZZ_CHECK(whole.header_count == pieces.header_count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_parser(http_request_parse, span_make(data, size));
    check_parser(http_response_parse, span_make(data, size));
    return 0;
}
