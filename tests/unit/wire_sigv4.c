#include "server/wire/sigv4.h"

#include <criterion/criterion.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "tests/unit/wire_sigv4_vectors.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* The credentials of AWS's examples. */
#define AWS_SECRET SPAN_LIT("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
#define MAY_24_2013 (1369353600 * NS_PER_SEC)
#define FEB_29_2024 (1709251198 * NS_PER_SEC) /* 23:59:58 */

#define NOV_22_2026 (1795328400 * NS_PER_SEC) /* 06:20 */

static struct arena arena;

static void release(void)
{
    arena_release(&arena);
}

TestSuite(sigv4, .fini = release);

/* A request on its way through the verifier, as the server takes it. */
struct trip {
    struct http_head head;
    struct uri_query query;
    struct sigv4_auth auth;
    struct sigv4_request request;
    struct sigv4_proof proof;
    struct span detail;
};

static enum sigv4_status parse(struct trip *t, const char *text)
{
    size_t scanned = 0;
    cr_assert_gt(http_request_parse(span_cstr(text), &scanned, &t->head), 0, "%s", text);
    cr_assert_eq(uri_query_parse(t->head.query, &arena, &t->query), 0);
    enum sigv4_status status = http_head_get(&t->head, "authorization").ptr != NULL
                                   ? sigv4_parse_header(&t->head, MAY_24_2013, &t->auth)
                                   : sigv4_parse_query(&t->query, &t->auth);
    if (status != SIGV4_OK)
        return status;
    t->request = (struct sigv4_request){
        .method = t->head.method,
        .path = t->head.path,
        .query = &t->query,
        .headers = t->head.headers,
        .header_count = t->head.header_count,
        .host = t->head.host,
        .payload_hash = sigv4_payload_of(&t->auth, &t->head, &t->query),
    };
    return SIGV4_OK;
}

static enum sigv4_status verify(struct trip *t, const char *text, struct span secret, int64_t now_ns)
{
    struct sigv4_key key;
    enum sigv4_status status = parse(t, text);
    if (status == SIGV4_OK)
        status = sigv4_check(&t->auth, &t->request, SPAN_EMPTY, SPAN_LIT("s3"), now_ns, &t->detail);
    if (status != SIGV4_OK)
        return status;
    cr_assert_eq(sigv4_key_derive(secret, t->auth.date, t->auth.region, t->auth.service, &key), 0);
    return sigv4_verify(&t->auth, &t->request, &key, &arena, &t->proof);
}

#define CREDENTIAL "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
#define EMPTY_BODY "x-amz-content-sha256: " SIGV4_EMPTY_SHA256 "\r\n"

/* docs.aws.amazon.com/AmazonS3/latest/API: sig-v4-header-based-auth, sigv4-query-string-auth, sigv4-streaming. */
static const char aws_get_object[] =
    "GET /test.txt HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n"
    "Authorization: AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
    "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41\r\n"
    "Range: bytes=0-9\r\n" EMPTY_BODY "x-amz-date: 20130524T000000Z\r\n\r\n";

static const char *const aws_examples[] = {
    aws_get_object,
    "PUT /test$file.text HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n"
    "Date: Fri, 24 May 2013 00:00:00 GMT\r\n"
    "Authorization: AWS4-HMAC-SHA256 " CREDENTIAL
    ",SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
    "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd\r\n"
    "x-amz-date: 20130524T000000Z\r\nx-amz-storage-class: REDUCED_REDUNDANCY\r\n"
    "x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\r\n\r\n",
    "GET /?lifecycle HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n"
    "Authorization: AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
    "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543\r\n" EMPTY_BODY
    "x-amz-date: 20130524T000000Z\r\n\r\n",
    "GET /?max-keys=2&prefix=J HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n"
    "Authorization: AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
    "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7\r\n" EMPTY_BODY
    "x-amz-date: 20130524T000000Z\r\n\r\n",
    "GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
    "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1\r\n"
    "Host: examplebucket.s3.amazonaws.com\r\n\r\n",
    "PUT /examplebucket/chunkObject.txt HTTP/1.1\r\nHost: s3.amazonaws.com\r\nx-amz-date: 20130524T000000Z\r\n"
    "x-amz-storage-class: REDUCED_REDUNDANCY\r\n"
    "Authorization: AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=content-encoding;content-length;host;"
    "x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,"
    "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9\r\n"
    "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\nContent-Encoding: aws-chunked\r\n"
    "x-amz-decoded-content-length: 66560\r\nContent-Length: 66824\r\n\r\n",
    "PUT /examplebucket/chunkObject.txt HTTP/1.1\r\nHost: s3.amazonaws.com\r\nx-amz-date: 20130524T000000Z\r\n"
    "x-amz-storage-class: REDUCED_REDUNDANCY\r\n"
    "Authorization: AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=content-encoding;host;"
    "x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,"
    "Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e\r\n"
    "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\r\nContent-Encoding: aws-chunked\r\n"
    "x-amz-decoded-content-length: 66560\r\nx-amz-trailer: x-amz-checksum-crc32c\r\n\r\n",
};

Test(sigv4, examples_of_aws_verify)
{
    for (size_t i = 0; i < COUNT(aws_examples); i++) {
        struct trip t;
        enum sigv4_status status = verify(&t, aws_examples[i], AWS_SECRET, MAY_24_2013);
        cr_expect_eq(status, SIGV4_OK, "%s:\n%s\n%s", sigv4_status_text(status), aws_examples[i],
                     t.proof.canonical_request.ptr);
        cr_expect(span_is(t.auth.access_key, "AKIAIOSFODNN7EXAMPLE"));
        status = verify(&t, aws_examples[i], SPAN_LIT("another secret"), MAY_24_2013);
        cr_expect_eq(status, SIGV4_MISMATCH);
    }
}

Test(sigv4, requests_of_botocore_verify)
{
    for (size_t i = 0; i < COUNT(botocore_vectors); i++) {
        struct trip t;
        enum sigv4_status status = verify(&t, botocore_vectors[i].head, SPAN_LIT("secret/+=~"), FEB_29_2024);
        cr_expect_eq(status, SIGV4_OK, "%s: %s\n%s", botocore_vectors[i].name, sigv4_status_text(status),
                     t.proof.canonical_request.ptr);
        cr_expect(span_is(t.auth.access_key, "AKID/WITH+SLASH"));
        cr_expect(span_is(t.auth.region, "eu-central-1"));
    }
}

Test(sigv4, requests_of_real_clients_verify)
{
    for (size_t i = 0; i < COUNT(client_requests); i++) {
        struct trip t;
        enum sigv4_status status = verify(&t, client_requests[i], SPAN_LIT("secrettest"), NOV_22_2026);
        cr_expect_eq(status, SIGV4_OK, "%s: %s\n%s", sigv4_status_text(status), client_requests[i],
                     t.proof.canonical_request.ptr);
    }
}

Test(sigv4, proof_shows_what_was_signed)
{
    struct trip t;
    cr_assert_eq(verify(&t, aws_get_object, AWS_SECRET, MAY_24_2013), SIGV4_OK);
    cr_expect_str_eq(t.proof.canonical_request.ptr,
                     "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n"
                     "x-amz-content-sha256:" SIGV4_EMPTY_SHA256 "\nx-amz-date:20130524T000000Z\n\n"
                     "host;range;x-amz-content-sha256;x-amz-date\n" SIGV4_EMPTY_SHA256);
    cr_expect_str_eq(t.proof.string_to_sign.ptr,
                     "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
                     "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972");
    cr_expect_eq(t.proof.canonical_request.len, strlen(t.proof.canonical_request.ptr));
    cr_expect_eq(t.proof.string_to_sign.len, strlen(t.proof.string_to_sign.ptr));
}

Test(sigv4, host_is_a_parameter)
{
    struct trip t;
    struct sigv4_key key;
    cr_assert_eq(parse(&t, aws_get_object), SIGV4_OK);
    cr_assert_eq(sigv4_key_derive(AWS_SECRET, t.auth.date, t.auth.region, t.auth.service, &key), 0);
    t.request.host = SPAN_LIT("examplebucket.s3.amazonaws.com:9000");
    cr_expect_eq(sigv4_verify(&t.auth, &t.request, &key, &arena, &t.proof), SIGV4_MISMATCH);
    t.request.host = SPAN_LIT("examplebucket.s3.amazonaws.com");
    cr_expect_eq(sigv4_verify(&t.auth, &t.request, &key, &arena, &t.proof), SIGV4_OK);
}

Test(sigv4, time_is_checked)
{
    struct trip t;
    const int64_t minute = 60 * NS_PER_SEC;
    const char *presigned = aws_examples[4];
    cr_expect_eq(verify(&t, aws_get_object, AWS_SECRET, MAY_24_2013 + 15 * minute), SIGV4_OK);
    cr_expect_eq(verify(&t, aws_get_object, AWS_SECRET, MAY_24_2013 + 15 * minute + 1), SIGV4_SKEWED);
    cr_expect_eq(verify(&t, aws_get_object, AWS_SECRET, MAY_24_2013 - 15 * minute - 1), SIGV4_SKEWED);
    cr_expect_eq(verify(&t, presigned, AWS_SECRET, MAY_24_2013 + 1440 * minute), SIGV4_OK);
    cr_expect_eq(verify(&t, presigned, AWS_SECRET, MAY_24_2013 + 1440 * minute + 1), SIGV4_EXPIRED);
    cr_expect_eq(verify(&t, presigned, AWS_SECRET, MAY_24_2013 - 15 * minute), SIGV4_OK);
    cr_expect_eq(verify(&t, presigned, AWS_SECRET, MAY_24_2013 - 15 * minute - 1), SIGV4_NOT_YET);
}

Test(sigv4, scope_is_checked)
{
    struct trip t;
    cr_assert_eq(parse(&t, aws_get_object), SIGV4_OK);
    struct span s3 = SPAN_LIT("s3"), region = SPAN_LIT("us-east-1");
    cr_expect_eq(sigv4_check(&t.auth, &t.request, region, s3, MAY_24_2013, &t.detail), SIGV4_OK);
    cr_expect_eq(sigv4_check(&t.auth, &t.request, SPAN_LIT("eu"), s3, MAY_24_2013, &t.detail), SIGV4_SCOPE_REGION);
    cr_expect(span_is(t.detail, "us-east-1"));
    t.auth.region = SPAN_LIT("");
    cr_expect_eq(sigv4_check(&t.auth, &t.request, region, s3, MAY_24_2013, NULL), SIGV4_SCOPE_REGION);
    t.auth.region = region;
    cr_expect_eq(sigv4_check(&t.auth, &t.request, region, SPAN_LIT("sts"), MAY_24_2013, NULL), SIGV4_SCOPE_SERVICE);
    t.auth.date = SPAN_LIT("20130525");
    cr_expect_eq(sigv4_check(&t.auth, &t.request, region, s3, MAY_24_2013, NULL), SIGV4_SCOPE_DATE);
}

#define SIG "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
#define HEADER(authorization, more) "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: " authorization "\r\n" more "\r\n"
#define DATED "x-amz-date: 20130524T000000Z\r\n"

Test(sigv4, malformed_headers_are_told_apart)
{
    static const struct {
        const char *text;
        enum sigv4_status status;
    } rows[] = {
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host;x-amz-date, " SIG, DATED), SIGV4_MISMATCH},
        {HEADER("AWS AKID:c2ln", DATED), SIGV4_NOT_V4},
        {HEADER("Bearer x", DATED), SIGV4_NOT_V4},
        {HEADER("AWS4-ECDSA-P256-SHA256 " CREDENTIAL ", SignedHeaders=host, " SIG, DATED), SIGV4_NOT_V4},
        {HEADER("AWS4-HMAC-SHA256", DATED), SIGV4_MALFORMED},
        {HEADER("AWS4-HMAC-SHA256 ", DATED), SIGV4_MALFORMED},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", " SIG, DATED), SIGV4_MALFORMED},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host, " SIG ", " SIG, DATED), SIGV4_MALFORMED},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host, " SIG ", X=y", DATED), SIGV4_MALFORMED},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host, Signature=abc", DATED), SIGV4_MALFORMED},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=Host, " SIG, DATED), SIGV4_MALFORMED},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=x;host, " SIG, DATED), SIGV4_MALFORMED},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host;host, " SIG, DATED), SIGV4_MALFORMED},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host;, " SIG, DATED), SIGV4_MALFORMED},
        {HEADER("AWS4-HMAC-SHA256 Credential=A/20130524/r/s3/aws4, SignedHeaders=host, " SIG, DATED), SIGV4_MALFORMED},
        {HEADER("AWS4-HMAC-SHA256 Credential=A/2013/r/s3/aws4_request, SignedHeaders=host, " SIG, DATED),
         SIGV4_MALFORMED},
        {HEADER("AWS4-HMAC-SHA256 Credential=/20130524/r/s3/aws4_request, SignedHeaders=host, " SIG, DATED),
         SIGV4_MALFORMED},
        {HEADER("AWS4-HMAC-SHA256 Credential=A/20130524//s3/aws4_request, SignedHeaders=host;x-amz-date, " SIG, DATED),
         SIGV4_MISMATCH}, /* no region is one like any other */
        {HEADER("AWS4-HMAC-SHA256 Credential=A/20130524/r//aws4_request, SignedHeaders=host, " SIG, DATED),
         SIGV4_MALFORMED},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host, " SIG, ""), SIGV4_NO_DATE},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host, " SIG, "Date: today\r\n"), SIGV4_NO_DATE},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=date;host, " SIG,
                "Date: Fri, 24 May 2013 00:00:00 GMT\r\n"),
         SIGV4_MISMATCH},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=x-amz-date, " SIG, DATED), SIGV4_UNSIGNED_HEADER},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host, " SIG, DATED), SIGV4_UNSIGNED_HEADER},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host;x-amz-date, " SIG, DATED "X-Amz-Acl: x\r\n"),
         SIGV4_UNSIGNED_HEADER},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host;x-amz-date;z, " SIG, DATED), SIGV4_MISSING_HEADER},
        {HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host;x-amz-date, " SIG, DATED "x-amz-cf-id: 1\r\n"),
         SIGV4_MISMATCH},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct trip t = {0};
        enum sigv4_status status = verify(&t, rows[i].text, AWS_SECRET, MAY_24_2013);
        cr_expect_eq(status, rows[i].status, "row %zu: %s\n%s", i, sigv4_status_text(status), rows[i].text);
    }
}

#define PRESIGNED(parameters) "GET /?" parameters " HTTP/1.1\r\nHost: a\r\n\r\n"
#define Q_ALG "X-Amz-Algorithm=AWS4-HMAC-SHA256"
#define Q_CRED "&X-Amz-Credential=A%2F20130524%2Fr%2Fs3%2Faws4_request"
#define Q_DATE "&X-Amz-Date=20130524T000000Z"
#define Q_REST "&X-Amz-SignedHeaders=host&X-Amz-" SIG

Test(sigv4, malformed_queries_are_told_apart)
{
    static const struct {
        const char *text;
        enum sigv4_status status;
    } rows[] = {
        {PRESIGNED(Q_ALG Q_CRED Q_DATE Q_REST "&X-Amz-Expires=604800"), SIGV4_MISMATCH},
        {PRESIGNED(Q_ALG Q_CRED Q_DATE Q_REST), SIGV4_MALFORMED},
        {PRESIGNED(Q_ALG Q_CRED Q_DATE Q_REST "&X-Amz-Expires=0"), SIGV4_BAD_EXPIRES},
        {PRESIGNED(Q_ALG Q_CRED Q_DATE Q_REST "&X-Amz-Expires=-1"), SIGV4_BAD_EXPIRES},
        {PRESIGNED(Q_ALG Q_CRED Q_DATE Q_REST "&X-Amz-Expires=604801"), SIGV4_BAD_EXPIRES},
        {PRESIGNED(Q_ALG Q_CRED Q_DATE Q_REST "&X-Amz-Expires=99999999999999999999"), SIGV4_BAD_EXPIRES},
        {PRESIGNED(Q_ALG Q_CRED Q_DATE Q_REST "&X-Amz-Expires=1&X-Amz-Expires=9"), SIGV4_MALFORMED},
        {PRESIGNED(Q_ALG Q_CRED Q_REST "&X-Amz-Expires=9"), SIGV4_NO_DATE},
        {PRESIGNED(Q_ALG Q_DATE Q_REST "&X-Amz-Expires=9"), SIGV4_MALFORMED},
        {PRESIGNED(Q_ALG Q_CRED Q_DATE "&X-Amz-Expires=9"), SIGV4_MALFORMED},
        {PRESIGNED("AWSAccessKeyId=A&Signature=c2ln&Expires=1"), SIGV4_NOT_V4},
        {PRESIGNED("X-Amz-Algorithm=AWS4-X" Q_CRED Q_DATE Q_REST "&X-Amz-Expires=9"), SIGV4_NOT_V4},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct trip t = {0};
        enum sigv4_status status = verify(&t, rows[i].text, AWS_SECRET, MAY_24_2013);
        cr_expect_eq(status, rows[i].status, "row %zu: %s\n%s", i, sigv4_status_text(status), rows[i].text);
        cr_expect(sigv4_in_query(&t.query));
    }
}

Test(sigv4, query_sorts_as_encoded_and_takes_plus_for_blank)
{
    struct trip a, b;
    cr_assert_eq(parse(&a, HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host, " SIG, DATED)), SIGV4_OK);
    b = a;
    struct sigv4_key key = {{0}};
    cr_assert_eq(uri_query_parse(SPAN_LIT("b=1&a=%7E&a=[&a=x+y&A"), &arena, &a.query), 0);
    cr_assert_eq(uri_query_parse(SPAN_LIT("A=&a=x%20y&a=~&b=1&a=%5B"), &arena, &b.query), 0);
    a.request.query = &a.query;
    b.request.query = &b.query;
    sigv4_verify(&a.auth, &a.request, &key, &arena, &a.proof);
    sigv4_verify(&b.auth, &b.request, &key, &arena, &b.proof);
    cr_expect(span_eq(a.proof.canonical_request, b.proof.canonical_request));
    cr_expect_not_null(strstr(a.proof.canonical_request.ptr, "\nA=&a=%5B&a=x%20y&a=~&b=1\n"));
}

Test(sigv4, repeated_headers_are_joined)
{
    struct trip t;
    cr_assert_eq(parse(&t, HEADER("AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host;x-amz-date;x-amz-meta-a, " SIG,
                                  DATED "X-Amz-Meta-A:  1  2 \r\nx-amz-meta-a: 3\r\n")),
                 SIGV4_OK);
    struct sigv4_key key = {{0}};
    sigv4_verify(&t.auth, &t.request, &key, &arena, &t.proof);
    cr_expect_not_null(strstr(t.proof.canonical_request.ptr, "\nx-amz-meta-a:1 2,3\n"));
}

static struct sigv4_request plain_request(const struct http_header *headers, size_t count)
{
    return (struct sigv4_request){
        .method = SPAN_LIT("GET"),
        .path = SPAN_LIT("/test.txt"),
        .headers = headers,
        .header_count = count,
        .host = SPAN_LIT("examplebucket.s3.amazonaws.com"),
        .payload_hash = SPAN_LIT(SIGV4_EMPTY_SHA256),
    };
}

static struct sigv4_signer aws_signer(void)
{
    struct sigv4_signer signer;
    cr_assert_eq(sigv4_signer_init(SPAN_LIT("AKIAIOSFODNN7EXAMPLE"), AWS_SECRET, SPAN_LIT("us-east-1"), SPAN_LIT("s3"),
                                   MAY_24_2013, &signer),
                 0);
    return signer;
}

Test(sigv4, client_signs_as_aws_shows)
{
    const struct http_header headers[] = {
        {SPAN_LIT("X-Amz-Date"), SPAN_LIT("20130524T000000Z")},
        {SPAN_LIT("Range"), SPAN_LIT("bytes=0-9")},
        {SPAN_LIT("x-amz-content-sha256"), SPAN_LIT(SIGV4_EMPTY_SHA256)},
    };
    struct sigv4_signer signer = aws_signer();
    struct sigv4_request request = plain_request(headers, COUNT(headers));
    struct span authorization, timestamp = SPAN_LIT("20130524T000000Z");
    struct sigv4_chain chain;
    cr_assert_eq(sigv4_sign(&signer, &request, timestamp, &arena, &authorization, &chain), 0);
    cr_expect_str_eq(authorization.ptr,
                     "AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, " SIG);
    cr_expect_str_eq(chain.previous, strchr(SIG, '=') + 1);
    cr_expect_eq(sigv4_sign(&signer, &request, SPAN_LIT("20130525T000000Z"), &arena, &authorization, NULL), -EINVAL);
    cr_expect_not(sigv4_signer_stale(&signer, MAY_24_2013 + 86399 * NS_PER_SEC));
    cr_expect(sigv4_signer_stale(&signer, MAY_24_2013 + 86400 * NS_PER_SEC));
}

Test(sigv4, client_presigns_as_aws_shows)
{
    struct sigv4_signer signer = aws_signer();
    struct sigv4_request request = plain_request(NULL, 0);
    struct span query, timestamp = SPAN_LIT("20130524T000000Z");
    request.payload_hash = SPAN_LIT(SIGV4_UNSIGNED_PAYLOAD);
    cr_assert_eq(sigv4_presign(&signer, &request, timestamp, 86400, SPAN_EMPTY, &arena, &query), 0);
    cr_expect_str_eq(query.ptr, "X-Amz-Algorithm=AWS4-HMAC-SHA256"
                                "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
                                "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
                                "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    cr_expect_eq(sigv4_presign(&signer, &request, timestamp, 604801, SPAN_EMPTY, &arena, &query), -EINVAL);
}

Test(sigv4, what_the_client_presigns_the_server_takes)
{
    struct sigv4_signer signer = aws_signer();
    struct uri_query own;
    struct trip t;
    cr_assert_eq(uri_query_parse(SPAN_LIT("versionId=a/b&response-content-type=x y"), &arena, &own), 0);
    const struct http_header headers[] = {{SPAN_LIT("x-amz-meta-a"), SPAN_LIT("b")}};
    struct sigv4_request request = plain_request(headers, 1);
    struct span query;
    request.query = &own;
    request.payload_hash = SPAN_LIT(SIGV4_UNSIGNED_PAYLOAD);
    cr_assert_eq(sigv4_presign(&signer, &request, SPAN_LIT("20130524T000000Z"), 60, SPAN_LIT("tok+/="), &arena, &query),
                 0);
    struct span text = arena_printf(&arena,
                                    "GET /test.txt?" SPAN_FMT " HTTP/1.1\r\n"
                                    "Host: examplebucket.s3.amazonaws.com\r\nx-amz-meta-a: b\r\n\r\n",
                                    SPAN_ARG(query));
    cr_expect_eq(verify(&t, text.ptr, AWS_SECRET, MAY_24_2013), SIGV4_OK);
    cr_expect(span_is(uri_query_get(&t.query, "X-Amz-Security-Token"), "tok+/="));
    cr_expect(span_is(uri_query_get(&t.query, "versionId"), "a/b"));
}

Test(sigv4, form_signs_its_policy)
{
    /* a policy of our own: {"expiration":"2030-01-01T00:00:00Z"} */
    struct sigv4_key key;
    struct sigv4_auth auth;
    struct span policy = SPAN_LIT("eyJleHBpcmF0aW9uIjoiMjAzMC0wMS0wMVQwMDowMDowMFoifQ==");
    char signature[SIGV4_SIGNATURE_SIZE];
    cr_assert_eq(sigv4_key_derive(AWS_SECRET, SPAN_LIT("20151229"), SPAN_LIT("us-east-1"), SPAN_LIT("s3"), &key), 0);
    cr_assert_eq(sigv4_sign_policy(&key, policy, signature), 0);
    cr_assert_eq(sigv4_parse_form(SPAN_LIT(SIGV4_ALGORITHM),
                                  SPAN_LIT("AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"),
                                  SPAN_LIT("20151229T000000Z"), span_cstr(signature), &auth),
                 SIGV4_OK);
    cr_expect_eq(sigv4_verify_form(&auth, policy, &key), SIGV4_OK);
    cr_expect_eq(sigv4_verify_form(&auth, SPAN_LIT("e30="), &key), SIGV4_MISMATCH);
    cr_expect_eq(sigv4_check(&auth, NULL, SPAN_EMPTY, SPAN_LIT("s3"), MAY_24_2013, NULL), SIGV4_OK);
}

Test(sigv4, payload_modes_are_known)
{
    cr_expect_eq(sigv4_payload_kind(SPAN_LIT(SIGV4_EMPTY_SHA256)), SIGV4_PAYLOAD_HASH);
    cr_expect_eq(sigv4_payload_kind(SPAN_LIT(SIGV4_UNSIGNED_PAYLOAD)), SIGV4_PAYLOAD_UNSIGNED);
    cr_expect_eq(sigv4_payload_kind(SPAN_LIT(SIGV4_STREAMING_SIGNED)), SIGV4_PAYLOAD_STREAM_SIGNED);
    cr_expect_eq(sigv4_payload_kind(SPAN_LIT(SIGV4_STREAMING_UNSIGNED_TRAILER)), SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER);
    cr_expect_eq(sigv4_payload_kind(SPAN_LIT("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")), SIGV4_PAYLOAD_INVALID);
    cr_expect_eq(sigv4_payload_kind(SPAN_LIT("unsigned-payload")), SIGV4_PAYLOAD_INVALID);
    cr_expect_eq(sigv4_payload_kind(SPAN_EMPTY), SIGV4_PAYLOAD_INVALID);
}

Test(sigv4, long_secrets_are_refused)
{
    char secret[257] = {0};
    struct sigv4_key key;
    cr_expect_eq(sigv4_key_derive(span_make(secret, 257), SPAN_LIT("d"), SPAN_LIT("r"), SPAN_LIT("s"), &key),
                 CAIRN_ETOOBIG);
    cr_expect_eq(sigv4_key_derive(span_make(secret, 256), SPAN_LIT("d"), SPAN_LIT("r"), SPAN_LIT("s"), &key), 0);
}
