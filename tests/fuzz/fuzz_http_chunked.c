/* A chunked body decodes the same whole and byte by byte. */
#include "server/wire/http_chunked.h"
#include "tests/fuzz/fuzz.h"

static int decode(struct span text, size_t step, struct buf *body, size_t *ret_left)
{
    struct http_chunked d;
    int rc = DECODE_MORE;
    http_chunked_init(&d);
    while (text.len > 0 && rc == DECODE_MORE) {
        struct span input = span_head(text, step), data;
        size_t given = input.len;
        while ((rc = http_chunked_next(&d, &input, &data)) == DECODE_DATA) {
            FUZZ_CHECK(data.len > 0);
            buf_add_span(body, data);
        }
        FUZZ_CHECK(rc != DECODE_MORE || input.len == 0);
        text = span_from(text, given - input.len);
    }
    *ret_left = text.len;
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = BUF_INIT, bytes = BUF_INIT;
    size_t left_whole, left_bytes;
    int rc_whole = decode(span_make(data, size), size, &whole, &left_whole);
    int rc_bytes = decode(span_make(data, size), 1, &bytes, &left_bytes);
    FUZZ_CHECK(rc_whole == rc_bytes && left_whole == left_bytes);
    FUZZ_CHECK(span_eq(buf_span(&whole), buf_span(&bytes)));
    buf_release(&whole);
    buf_release(&bytes);
    return 0;
}
