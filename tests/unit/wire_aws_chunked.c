#include "server/wire/aws_chunked.h"

#include <criterion/criterion.h>

#include "objstore/base/errors.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* AWS's example "Signature calculations for streaming": 66,560 times 'a' in chunks of 65,536, 1,024 and 0 bytes. */
#define EXAMPLE_LENGTH 66560
#define SEED_SIGNED "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
#define SEED_TRAILER "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"

static char example[EXAMPLE_LENGTH];
static struct buf encoded, decoded;

static void setup(void)
{
    memset(example, 'a', sizeof(example));
}

static void release(void)
{
    buf_release(&encoded);
    buf_release(&decoded);
}

TestSuite(aws_chunked, .init = setup, .fini = release);

static struct sigv4_chain chain_from(const char *seed)
{
    struct sigv4_chain chain = {.timestamp = "20130524T000000Z", .scope = "20130524/us-east-1/s3/aws4_request"};
    cr_assert_eq(sigv4_key_derive(SPAN_LIT("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), SPAN_LIT("20130524"),
                                  SPAN_LIT("us-east-1"), SPAN_LIT("s3"), &chain.key),
                 0);
    memcpy(chain.previous, seed, SIGV4_SIGNATURE_SIZE);
    return chain;
}

static void add_chunk(size_t size, const char *signature)
{
    buf_printf(&encoded, "%zx;chunk-signature=%s\r\n", size, signature);
    buf_add(&encoded, example, size);
    if (size > 0)
        buf_add_cstr(&encoded, "\r\n");
}

static void example_signed(void)
{
    buf_clear(&encoded);
    add_chunk(65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
    add_chunk(1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
    add_chunk(0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
    buf_add_cstr(&encoded, "\r\n");
}

/* line_end follows the trailer: "\r\n", or "\n\r\n" as in AWS's example. */
static void example_trailer(const char *line_end)
{
    buf_clear(&encoded);
    add_chunk(65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2");
    add_chunk(1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7");
    add_chunk(0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992");
    buf_printf(&encoded, "x-amz-checksum-crc32c:sOO8/Q==%s", line_end);
    buf_add_cstr(&encoded,
                 "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n");
}

/* Decodes text in pieces of step bytes. The last answer, or what finish answers when the bytes ran out. */
static int decode(struct aws_chunked *d, struct span text, size_t step)
{
    int rc = DECODE_MORE;
    buf_clear(&decoded);
    while (text.len > 0 && rc == DECODE_MORE) {
        struct span input = span_head(text, step), data;
        size_t given = input.len;
        while ((rc = aws_chunked_next(d, &input, &data)) == DECODE_DATA)
            buf_add_span(&decoded, data);
        text = span_from(text, given - input.len);
    }
    return rc == DECODE_MORE ? aws_chunked_finish(d) : rc;
}

/* One body through a decoder of its own. DECODE_END, 0 (complete at finish), or the error. */
static int decode_body(enum sigv4_payload kind, const char *seed, uint64_t length, const char *announced,
                       struct span text, size_t step)
{
    struct aws_chunked d;
    struct sigv4_chain chain = chain_from(seed);
    cr_assert_eq(aws_chunked_init(&d, kind, &chain, length, span_cstr(announced)), 0);
    int rc = decode(&d, text, step);
    if (rc < 0)
        cr_expect_eq(aws_chunked_finish(&d), rc);
    aws_chunked_release(&d);
    return rc;
}

Test(aws_chunked, example_of_aws_decodes)
{
    static const size_t steps[] = {1, 7, 100, 65535, 1 << 20};
    example_signed();
    cr_expect_eq(encoded.len, 66824); /* the Content-Length of the example */
    for (size_t i = 0; i < COUNT(steps); i++) {
        cr_expect_eq(
            decode_body(SIGV4_PAYLOAD_STREAM_SIGNED, SEED_SIGNED, EXAMPLE_LENGTH, NULL, buf_span(&encoded), steps[i]),
            DECODE_END);
        cr_expect(span_eq(buf_span(&decoded), span_make(example, EXAMPLE_LENGTH)));
    }
}

Test(aws_chunked, example_of_aws_with_trailer_decodes)
{
    static const char *const ends[] = {"\r\n", "\n\r\n", "\n"};
    static const size_t steps[] = {1, 100, 1 << 20};
    for (size_t i = 0; i < COUNT(ends) * COUNT(steps); i++) {
        struct aws_chunked d;
        struct sigv4_chain chain = chain_from(SEED_TRAILER);
        example_trailer(ends[i / COUNT(steps)]);
        cr_assert_eq(aws_chunked_init(&d, SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER, &chain, EXAMPLE_LENGTH,
                                      SPAN_LIT("X-Amz-Checksum-Crc32c")),
                     0);
        cr_expect_eq(decode(&d, buf_span(&encoded), steps[i % COUNT(steps)]), DECODE_END);
        cr_expect(span_is(aws_chunked_trailer(&d, "x-amz-checksum-crc32c"), "sOO8/Q=="));
        cr_expect(aws_chunked_trailer(&d, "x-amz-checksum-sha256").ptr == NULL);
        aws_chunked_release(&d);
    }
}

Test(aws_chunked, any_changed_byte_is_found)
{
    example_trailer("\r\n");
    size_t tail = encoded.len - 600; /* the last chunks and the trailers; before it, every 997th byte */
    for (size_t i = 0; i < encoded.len; i += i < tail ? 997 : 1) {
        char kept = encoded.ptr[i];
        encoded.ptr[i] ^= 0x40;
        int rc = decode_body(SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER, SEED_TRAILER, EXAMPLE_LENGTH, "x-amz-checksum-crc32c",
                             buf_span(&encoded), 4096);
        cr_expect_lt(rc, 0, "byte %zu", i);
        encoded.ptr[i] = kept;
    }
}

Test(aws_chunked, a_cut_body_is_incomplete)
{
    example_trailer("\r\n");
    for (size_t len = 0; len < encoded.len; len += len < 200 || len + 400 > encoded.len ? 1 : 991) {
        int rc = decode_body(SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER, SEED_TRAILER, EXAMPLE_LENGTH, "x-amz-checksum-crc32c",
                             span_make(encoded.ptr, len), 4096);
        cr_expect_eq(rc, CAIRN_ESYNTAX, "cut at %zu", len);
    }
}

Test(aws_chunked, decoded_length_is_held)
{
    example_signed();
    cr_expect_eq(
        decode_body(SIGV4_PAYLOAD_STREAM_SIGNED, SEED_SIGNED, EXAMPLE_LENGTH - 1, NULL, buf_span(&encoded), 4096),
        -EMSGSIZE);
    cr_expect_eq(
        decode_body(SIGV4_PAYLOAD_STREAM_SIGNED, SEED_SIGNED, EXAMPLE_LENGTH + 1, NULL, buf_span(&encoded), 4096),
        -EMSGSIZE);
}

Test(aws_chunked, unsigned_bodies_are_checked_too)
{
    static const struct {
        const char *text;
        uint64_t length;
        const char *announced;
        int result;
    } rows[] = {
        {"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n", 3, "x-amz-checksum-crc32", DECODE_END},
        {"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\n\r\n\r\n", 3, "x-amz-checksum-crc32", DECODE_END},
        {"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\n\r\n", 3, "x-amz-checksum-crc32", 0},
        {"0\r\nx-amz-checksum-crc32: AAAAAA== \r\n\r\n", 0, "x-amz-checksum-crc32", DECODE_END},
        {"0\r\n\r\n", 0, NULL, DECODE_END},
        {"0\r\na:1\r\nb:2\r\n\r\n", 0, " b , a", DECODE_END},
        {"0\r\na:1\r\n\r\n", 0, NULL, -EBADMSG},
        {"0\r\na:1\r\n\r\n", 0, "b", -EBADMSG},
        {"0\r\na:1\r\n\r\n", 0, "a,b", -EBADMSG},
        {"0\r\na:1\r\na:1\r\n\r\n", 0, "a", -EBADMSG},
        {"0\r\n\r\n", 0, "a", -EBADMSG},
        {"0\r\nno colon\r\n\r\n", 0, "a", CAIRN_ESYNTAX},
        {"0\r\n:1\r\n\r\n", 0, "a", CAIRN_ESYNTAX},
        {"0\r\na :1\r\n\r\n", 0, "a", CAIRN_ESYNTAX},
        {"0\r\na:1\x01\r\n\r\n", 0, "a", CAIRN_ESYNTAX},
        {"0\r\na:1\r\n", 0, "a", CAIRN_ESYNTAX},
        {"3\r\nabc", 3, NULL, CAIRN_ESYNTAX},
        {"3\r\nabcd\r\n0\r\n\r\n", 3, NULL, CAIRN_ESYNTAX},
        {"3\nabc\r\n0\r\n\r\n", 3, NULL, CAIRN_ESYNTAX},
        {"\r\n", 3, NULL, CAIRN_ESYNTAX},
        {"+3\r\nabc\r\n0\r\n\r\n", 3, NULL, CAIRN_ESYNTAX},
        {"3 \r\nabc\r\n0\r\n\r\n", 3, NULL, CAIRN_ESYNTAX},
        {"11111111111111111\r\n", 3, NULL, CAIRN_ESYNTAX},
        {"140000001\r\n", UINT64_MAX, NULL, CAIRN_ETOOBIG},
        {"4\r\nabcd\r\n0\r\n\r\n", 3, NULL, -EMSGSIZE},
        {"3\r\nabc\r\n0\r\n\r\n", 4, NULL, -EMSGSIZE},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t step = 1; step < 20; step += 9) {
            int rc = decode_body(SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, SEED_SIGNED, rows[i].length, rows[i].announced,
                                 span_cstr(rows[i].text), step);
            cr_expect_eq(rc, rows[i].result, "row %zu, step %zu: %d", i, step, rc);
        }
}

Test(aws_chunked, both_codings_of_todays_sdks_come_apart)
{
    /* as boto3 1.43 and the AWS CLI send a small body over TLS: aws-chunked inside chunked, no Content-Length */
    struct span wire = SPAN_LIT("2e\r\n5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n\r\n0\r\n\r\n"), piece;
    struct http_chunked outer;
    int rc;
    http_chunked_init(&outer);
    while ((rc = http_chunked_next(&outer, &wire, &piece)) == DECODE_DATA)
        buf_add_span(&encoded, piece);
    cr_expect_eq(rc, DECODE_END);
    cr_expect_eq(wire.len, 0);
    cr_expect_eq(decode_body(SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, SEED_SIGNED, 5, "x-amz-checksum-crc32",
                             buf_span(&encoded), 1000),
                 DECODE_END);
    cr_expect(span_is(buf_span(&decoded), "hello"));
}

Test(aws_chunked, signed_chunks_need_signatures)
{
    static const char *const bad[] = {"3\r\nabc\r\n", "3;chunk-signature=\r\nabc\r\n",
                                      "3;chunk-signature=zz\r\nabc\r\n",
                                      "3;chunk-signature=" SEED_SIGNED ";chunk-signature=" SEED_SIGNED "\r\nabc\r\n"};
    for (size_t i = 0; i < COUNT(bad); i++)
        cr_expect_eq(decode_body(SIGV4_PAYLOAD_STREAM_SIGNED, SEED_SIGNED, 3, NULL, span_cstr(bad[i]), 100),
                     CAIRN_ESYNTAX, "%s", bad[i]);
    cr_expect_eq(decode_body(SIGV4_PAYLOAD_STREAM_SIGNED, SEED_SIGNED, 3, NULL,
                             SPAN_LIT("3;chunk-signature=" SEED_SIGNED "\r\nabc\r\n"), 100),
                 CAIRN_ESIGNATURE);
}

Test(aws_chunked, trailers_need_their_signature)
{
    example_trailer("\r\n");
    struct span text = buf_span(&encoded);
    const size_t signature_line = sizeof("x-amz-trailer-signature:") - 1 + 64 + 2;
    memmove(encoded.ptr + text.len - 2 - signature_line, "\r\n", 2);
    cr_expect_eq(decode_body(SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER, SEED_TRAILER, EXAMPLE_LENGTH, "x-amz-checksum-crc32c",
                             span_make(text.ptr, text.len - signature_line), 4096),
                 CAIRN_ESIGNATURE);
}

Test(aws_chunked, trailers_are_bounded)
{
    buf_add_cstr(&encoded, "0\r\n");
    for (int i = 0; i < 9; i++)
        buf_printf(&encoded, "a%d:1\r\n", i);
    cr_expect_eq(decode_body(SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, SEED_SIGNED, 0, "a0", buf_span(&encoded), 100),
                 CAIRN_ETOOBIG);
    buf_clear(&encoded);
    buf_add_cstr(&encoded, "0\r\na:");
    for (int i = 0; i < AWS_TRAILER_BYTES_MAX; i++)
        buf_add_char(&encoded, 'x');
    cr_expect_eq(decode_body(SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, SEED_SIGNED, 0, "a", buf_span(&encoded), 100),
                 CAIRN_ETOOBIG);
}

/* What the client writes, for Content-Length and for the wire. */
static void encode(enum sigv4_payload kind, const char *seed, size_t length, size_t chunk_size, struct span name,
                   struct span value)
{
    struct sigv4_chain chain = chain_from(seed);
    buf_clear(&encoded);
    for (size_t off = 0; off < length; off += chunk_size) {
        struct span data = span_make(example + off, length - off < chunk_size ? length - off : chunk_size);
        cr_assert_eq(aws_chunked_put(kind, &chain, data, &encoded), 0);
        buf_add_span(&encoded, data);
        buf_add_cstr(&encoded, "\r\n");
    }
    cr_assert_eq(aws_chunked_end(kind, &chain, name, value, &encoded), 0);
}

Test(aws_chunked, client_encodes_as_aws_shows)
{
    encode(SIGV4_PAYLOAD_STREAM_SIGNED, SEED_SIGNED, EXAMPLE_LENGTH, 65536, SPAN_EMPTY, SPAN_EMPTY);
    struct buf mine = encoded;
    encoded = BUF_INIT;
    example_signed();
    cr_expect(span_eq(buf_span(&mine), buf_span(&encoded)));
    buf_release(&mine);
}

Test(aws_chunked, what_the_client_encodes_the_server_decodes)
{
    static const struct {
        enum sigv4_payload kind;
        size_t length, chunk_size;
        struct span name, value;
    } rows[] = {
        {SIGV4_PAYLOAD_STREAM_SIGNED, 0, 8192, {NULL, 0}, {NULL, 0}},
        {SIGV4_PAYLOAD_STREAM_SIGNED, 8192, 8192, {NULL, 0}, {NULL, 0}},
        {SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER, 8193, 8192, {"x-amz-checksum-crc32", 20}, {"AAAAAA==", 8}},
        {SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, EXAMPLE_LENGTH, 16, {"x-amz-checksum-crc32", 20}, {"AAAAAA==", 8}},
        {SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, 0, 16, {"x-amz-checksum-crc32", 20}, {"AAAAAA==", 8}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        encode(rows[i].kind, SEED_SIGNED, rows[i].length, rows[i].chunk_size, rows[i].name, rows[i].value);
        cr_expect_eq(
            encoded.len,
            aws_chunked_length(rows[i].kind, rows[i].length, rows[i].chunk_size, rows[i].name.len, rows[i].value.len),
            "row %zu", i);
        cr_expect_eq(decode_body(rows[i].kind, SEED_SIGNED, rows[i].length, rows[i].name.ptr, buf_span(&encoded), 1000),
                     DECODE_END, "row %zu", i);
        cr_expect(span_eq(buf_span(&decoded), span_make(example, rows[i].length)), "row %zu", i);
    }
}
