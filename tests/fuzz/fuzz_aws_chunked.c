/*
 * An aws-chunked body decodes the same whole and byte by byte. The first line of the input is "kind length announced":
 * kind 0 to 2, the decoded length in decimal, and the value of x-amz-trailer or nothing.
 */
#include "server/wire/aws_chunked.h"
#include "tests/fuzz/fuzz.h"

static const enum sigv4_payload kinds[] = {SIGV4_PAYLOAD_STREAM_SIGNED, SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER,
                                           SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER};

struct setting {
    enum sigv4_payload kind;
    uint64_t length;
    struct span announced;
};

static struct setting take_setting(struct span *input)
{
    struct span rest = span_cut(input, '\n');
    struct span kind = span_cut(&rest, ' ');
    struct setting s = {.kind = kinds[(kind.len > 0 ? (unsigned char)kind.ptr[0] : 0) % 3]};
    if (span_to_u64(span_cut(&rest, ' '), &s.length) < 0)
        s.length = UINT64_MAX;
    s.announced = rest;
    return s;
}

static int decode(const struct setting *s, struct span text, size_t step, struct buf *body, size_t *ret_trailers)
{
    /* the chain of AWS's example of a streamed upload, so that the corpus can hold bodies that verify */
    struct sigv4_chain chain = {.timestamp = "20130524T000000Z", .scope = "20130524/us-east-1/s3/aws4_request"};
    struct aws_chunked d;
    int rc = sigv4_key_derive(SPAN_LIT("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), SPAN_LIT("20130524"),
                              SPAN_LIT("us-east-1"), SPAN_LIT("s3"), &chain.key);
    memcpy(chain.previous, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9", SIGV4_SIGNATURE_SIZE);
    FUZZ_CHECK(rc == 0 && aws_chunked_init(&d, s->kind, &chain, s->length, s->announced) == 0);
    while (text.len > 0 && rc == DECODE_MORE) {
        struct span input = span_head(text, step), data;
        size_t given = input.len;
        while ((rc = aws_chunked_next(&d, &input, &data)) == DECODE_DATA) {
            FUZZ_CHECK(data.len > 0);
            buf_add_span(body, data);
        }
        FUZZ_CHECK(rc != DECODE_MORE || input.len == 0);
        text = span_from(text, given - input.len);
    }
    if (rc == DECODE_MORE)
        rc = aws_chunked_finish(&d);
    if (rc >= 0)
        FUZZ_CHECK(body->len == s->length);
    *ret_trailers = d.trailer_count;
    aws_chunked_release(&d);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_make(data, size);
    struct setting s = take_setting(&input);
    struct buf whole = BUF_INIT, bytes = BUF_INIT;
    size_t trailers_whole, trailers_bytes;
    int rc_whole = decode(&s, input, input.len, &whole, &trailers_whole);
    int rc_bytes = decode(&s, input, 1, &bytes, &trailers_bytes);
    FUZZ_CHECK(rc_whole == rc_bytes && trailers_whole == trailers_bytes);
    if (rc_whole >= 0)
        FUZZ_CHECK(span_eq(buf_span(&whole), buf_span(&bytes)));
    buf_release(&whole);
    buf_release(&bytes);
    return 0;
}
