/* The choke point, over loopback: what passes, what does not, and what the handler gets to see. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "server/auth/auth.h"
#include "server/s3/s3_error.h"
#include "server/wire/aws_chunked.h"
#include "tests/support/http_bed.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define USER "tester"
#define SECRET "correct horse battery"
#define HOST "s3.example.org:9000"

static struct http_bed bed;
static struct http_bed_reply reply;
static struct credentials *credentials;
static struct arena arena;
static int handled; /* requests that got past the choke point */

/* "WHO HOST BODY [trailer]", or the error of the body as S3 gives it. */
static int handle(struct http_request *request, void *arg)
{
    (void)arg;
    struct span body, trailer = SPAN_EMPTY;
    handled++;
    int rc = http_body_all(request, 1 << 20, &body);
    if (rc < 0)
        return s3_error_reply(request, rc, NULL);
    http_body_trailer(request, "x-amz-checksum-crc32c", &trailer);
    struct span who = request->identity ? request->access_key : SPAN_LIT("anonymous");
    struct span text = arena_printf(&request->arena, SPAN_FMT " " SPAN_FMT " " SPAN_FMT " " SPAN_FMT, SPAN_ARG(who),
                                    SPAN_ARG(request->host), SPAN_ARG(body), SPAN_ARG(trailer));
    return http_reply_bytes(request, 200, "text/plain", text);
}

static int fail(struct http_request *request, int status, int error)
{
    (void)status;
    return s3_error_reply(request, error, NULL);
}

static void start(struct auth_options options)
{
    struct auth *auth;
    cr_assert_eq(credentials_new(USER, SECRET, &credentials), 0);
    options.credentials = credentials;
    cr_assert_eq(auth_new(&options, &auth), 0);
    bed.options.verify = auth_verify;
    bed.options.verify_arg = auth;
    bed.options.handle = handle;
    bed.options.fail = fail;
    http_bed_start(&bed);
}

static void fini(void)
{
    struct auth *auth = bed.options.verify_arg;
    if (bed.server)
        http_bed_stop(&bed);
    auth_free(&auth);
    credentials_free(&credentials);
    arena_release(&arena);
}

TestSuite(auth, .fini = fini, .timeout = 60);

/* ---- a client ---- */

struct call {
    const char *method, *path, *query; /* query NULL: none */
    const char *host;                  /* sent; NULL: HOST */
    const char *signed_host;           /* NULL: as sent */
    const char *user, *secret, *region;
    const char *payload; /* x-amz-content-sha256; NULL: not sent, signed as UNSIGNED-PAYLOAD */
    const char *more;    /* header lines that are not signed */
    const char *date;    /* NULL: now */
    struct http_header extra[4];
    size_t extra_count;
    struct span body;
};

static struct uri_query query_of(const char *raw)
{
    struct uri_query query = {0};
    cr_assert_eq(uri_query_parse(raw ? span_cstr(raw) : SPAN_EMPTY, &arena, &query), 0);
    return query;
}

static int64_t time_of(const struct call *c)
{
    int64_t ns = clock_real_ns();
    if (c->date)
        cr_assert_eq(date_parse_basic(span_cstr(c->date), &ns), 0);
    return ns;
}

static void sign(const struct call *c, const char *timestamp, struct http_header headers[8], size_t *count,
                 struct span *ret_authorization, struct sigv4_chain *ret_chain)
{
    struct sigv4_signer signer;
    struct uri_query query = query_of(c->query);
    const char *host = c->signed_host ? c->signed_host : c->host ? c->host : HOST;
    *count = 0;
    headers[(*count)++] = (struct http_header){SPAN_LIT("x-amz-date"), span_cstr(timestamp)};
    if (c->payload)
        headers[(*count)++] = (struct http_header){SPAN_LIT("x-amz-content-sha256"), span_cstr(c->payload)};
    for (size_t i = 0; i < c->extra_count; i++)
        headers[(*count)++] = c->extra[i];
    struct sigv4_request request = {.method = span_cstr(c->method ? c->method : "GET"),
                                    .path = span_cstr(c->path ? c->path : "/bucket/key"),
                                    .query = &query,
                                    .headers = headers,
                                    .header_count = *count,
                                    .host = span_cstr(host),
                                    .payload_hash = span_cstr(c->payload ? c->payload : SIGV4_EMPTY_SHA256)};
    cr_assert_eq(sigv4_signer_init(span_cstr(c->user ? c->user : USER), span_cstr(c->secret ? c->secret : SECRET),
                                   span_cstr(c->region ? c->region : "us-east-1"), SPAN_LIT("s3"), time_of(c), &signer),
                 0);
    cr_assert_eq(sigv4_sign(&signer, &request, span_cstr(timestamp), &arena, ret_authorization, ret_chain), 0);
}

/* The head, without the length of the body and the empty line. */
static void put_head(const struct call *c, struct buf *b, struct sigv4_chain *ret_chain)
{
    struct http_header headers[8];
    size_t count;
    char timestamp[DATE_BASIC_SIZE];
    struct span authorization;
    date_format_basic(time_of(c), timestamp);
    sign(c, timestamp, headers, &count, &authorization, ret_chain);
    buf_printf(b, "%s %s%s%s HTTP/1.1\r\nHost: %s\r\nAuthorization: " SPAN_FMT "\r\n%s", c->method ? c->method : "GET",
               c->path ? c->path : "/bucket/key", c->query ? "?" : "", c->query ? c->query : "",
               c->host ? c->host : HOST, SPAN_ARG(authorization), c->more ? c->more : "");
    for (size_t i = 0; i < count; i++)
        buf_printf(b, SPAN_FMT ": " SPAN_FMT "\r\n", SPAN_ARG(headers[i].name), SPAN_ARG(headers[i].value));
}

static void exchange(struct buf *b)
{
    int fd = http_bed_connect(&bed);
    http_bed_send_bytes(fd, b->ptr, b->len);
    memset(&reply, 0, sizeof(reply));
    http_bed_read(fd, &reply, false);
    buf_release(b);
    close(fd);
}

static void call(const struct call *c)
{
    struct buf b = BUF_INIT;
    put_head(c, &b, NULL);
    buf_printf(&b, "Content-Length: %zu\r\n\r\n", c->body.len);
    buf_add_span(&b, c->body);
    exchange(&b);
}

static bool body_has(const char *text)
{
    return reply.body.len && memmem(reply.body.ptr, reply.body.len, text, strlen(text));
}

#define expect_error(status_number, code)                                                                              \
    do {                                                                                                               \
        cr_assert_eq(reply.head.status, status_number, "%d " SPAN_FMT, reply.head.status, SPAN_ARG(reply.body));       \
        cr_assert(body_has("<Code>" code "</Code>"), SPAN_FMT, SPAN_ARG(reply.body));                                  \
    } while (0)

#define expect_ok(text)                                                                                                \
    cr_assert(reply.head.status == 200 && span_is(reply.body, text), "%d " SPAN_FMT, reply.head.status,                \
              SPAN_ARG(reply.body))

/* ---- by header ---- */

Test(auth, a_request_signed_by_header_passes)
{
    start((struct auth_options){.region = SPAN_LIT("us-east-1")});
    call(&(struct call){.payload = "UNSIGNED-PAYLOAD", .query = "list-type=2&prefix=a%20b"});
    expect_ok(USER " " HOST "  ");
}

Test(auth, nobody_else_passes)
{
    start((struct auth_options){.region = SPAN_LIT("us-east-1")});
    call(&(struct call){.payload = "UNSIGNED-PAYLOAD", .secret = "wrong horse battery"});
    expect_error(403, "SignatureDoesNotMatch");
    cr_assert(body_has("<HostUsed>" HOST "</HostUsed>"));
    cr_assert(body_has("<StringToSign>") && body_has("<CanonicalRequest>"));
    cr_assert(!body_has(SECRET));
    call(&(struct call){.payload = "UNSIGNED-PAYLOAD", .user = "nobody"});
    expect_error(403, "InvalidAccessKeyId");
    call(&(struct call){.payload = "UNSIGNED-PAYLOAD", .region = "eu-west-3"});
    expect_error(400, "AuthorizationHeaderMalformed");
    cr_assert(body_has("<Region>us-east-1</Region>"));
    call(&(struct call){.payload = "UNSIGNED-PAYLOAD", .date = "20200101T000000Z"});
    expect_error(403, "RequestTimeTooSkewed");
    call(&(struct call){.payload = "UNSIGNED-PAYLOAD", .more = "x-amz-meta-late: added\r\n"});
    expect_error(403, "AccessDenied");
    call(&(struct call){.payload = "UNSIGNED-PAYLOAD",
                        .extra = {{SPAN_LIT("x-amz-security-token"), SPAN_LIT("token")}},
                        .extra_count = 1});
    expect_error(400, "InvalidToken");
    cr_assert_eq(handled, 0);
}

Test(auth, any_region_will_do_when_none_is_set)
{
    start((struct auth_options){0});
    call(&(struct call){.payload = "UNSIGNED-PAYLOAD", .region = "eu-west-3"});
    cr_assert_eq(reply.head.status, 200);
}

Test(auth, some_paths_are_signed_for_no_region)
{
    start((struct auth_options){.region = SPAN_LIT("us-east-1"), .regionless = SPAN_LIT("/below/")});
    for (size_t i = 0; i < 3; i++) {
        const char *regions[] = {"", "eu-west-3", "us-east-1"};
        call(&(struct call){.path = "/below/here", .payload = "UNSIGNED-PAYLOAD", .region = regions[i]});
        cr_expect_eq(reply.head.status, 200, "%s", regions[i]);
        call(&(struct call){.path = "/below", .payload = "UNSIGNED-PAYLOAD", .region = regions[i]});
        cr_expect_eq(reply.head.status, i == 2 ? 200 : 400, "%s", regions[i]);
    }
    call(&(struct call){.path = "/below/here", .payload = "UNSIGNED-PAYLOAD", .region = "", .secret = "wrong"});
    expect_error(403, "SignatureDoesNotMatch");
}

static const struct {
    const char *lines;
    int status;
    const char *code;
} schemes[] = {
    {"Authorization: AWS user:c2lnbmF0dXJl\r\n", 400, "InvalidRequest"},
    {"Authorization: AWS4-HMAC-SHA256 nonsense\r\n", 400, "AuthorizationHeaderMalformed"},
    {"Authorization: AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=x\r\n", 400,
     "AuthorizationHeaderMalformed"},
    {"Authorization: AWS4-ECDSA-P256-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=x\r\n", 400,
     "InvalidRequest"},
};

Test(auth, other_schemes_and_nonsense_are_refused)
{
    start((struct auth_options){0});
    for (size_t i = 0; i < COUNT(schemes); i++) {
        struct buf b = BUF_INIT;
        buf_printf(&b, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", schemes[i].lines);
        exchange(&b);
        cr_assert_eq(reply.head.status, schemes[i].status, "row %zu: " SPAN_FMT, i, SPAN_ARG(reply.body));
        cr_assert(body_has(schemes[i].code), "row %zu: " SPAN_FMT, i, SPAN_ARG(reply.body));
    }
    struct buf b = BUF_INIT;
    buf_printf(&b, "GET /?AWSAccessKeyId=a&Expires=1&Signature=b HTTP/1.1\r\nHost: x\r\n\r\n");
    exchange(&b);
    expect_error(400, "InvalidRequest");
    cr_assert_eq(handled, 0);
}

Test(auth, two_signatures_at_once_are_refused)
{
    start((struct auth_options){0});
    call(&(struct call){.payload = "UNSIGNED-PAYLOAD", .query = "X-Amz-Signature=abc"});
    expect_error(400, "InvalidArgument");
}

Test(auth, an_anonymous_request_has_no_identity)
{
    start((struct auth_options){0});
    struct buf b = BUF_INIT;
    buf_printf(&b, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    exchange(&b);
    expect_ok("anonymous x  ");
}

Test(auth, an_upload_by_form_is_refused_as_not_implemented)
{
    start((struct auth_options){0});
    struct buf b = BUF_INIT;
    buf_printf(&b, "POST /bucket HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                   "Content-Length: 5\r\n\r\n--b--");
    exchange(&b);
    expect_error(501, "NotImplemented");
    cr_assert_eq(handled, 0);
}

/* ---- presigned ---- */

static void presigned(const char *date, int64_t expires, const char *secret, const char *signed_host)
{
    struct sigv4_signer signer;
    struct call c = {.date = date};
    char timestamp[DATE_BASIC_SIZE];
    struct span query;
    struct sigv4_request request = {.method = SPAN_LIT("GET"),
                                    .path = SPAN_LIT("/bucket/key"),
                                    .query = &(struct uri_query){0},
                                    .host = span_cstr(signed_host),
                                    .payload_hash = SPAN_LIT(SIGV4_UNSIGNED_PAYLOAD)};
    date_format_basic(time_of(&c), timestamp);
    cr_assert_eq(sigv4_signer_init(SPAN_LIT(USER), span_cstr(secret), SPAN_LIT("us-east-1"), SPAN_LIT("s3"),
                                   time_of(&c), &signer),
                 0);
    cr_assert_eq(sigv4_presign(&signer, &request, span_cstr(timestamp), expires, SPAN_EMPTY, &arena, &query), 0);
    struct buf b = BUF_INIT;
    buf_printf(&b, "GET /bucket/key?" SPAN_FMT " HTTP/1.1\r\nHost: " HOST "\r\n\r\n", SPAN_ARG(query));
    exchange(&b);
}

Test(auth, a_presigned_url_works_until_it_expires)
{
    start((struct auth_options){.region = SPAN_LIT("us-east-1")});
    presigned(NULL, 60, SECRET, HOST);
    expect_ok(USER " " HOST "  ");
    presigned(NULL, 60, "wrong horse battery", HOST);
    expect_error(403, "SignatureDoesNotMatch");
    presigned("20200101T000000Z", 60, SECRET, HOST);
    expect_error(403, "AccessDenied");
    cr_assert(body_has("Request has expired"));
}

/* ---- hosts ---- */

Test(auth, a_host_that_a_proxy_changed_is_found_again)
{
    static const unsigned ports[] = {9000};
    static const struct span aliases[] = {{"minio-east", 10}, {"*.s3.example.net", 16}};
    static const struct {
        const char *sent, *signed_host;
    } rows[] = {
        {"s3.example.org", "s3.example.org"},         {"s3.example.org:443", "s3.example.org"},
        {"s3.example.org:9000", "s3.example.org"},    {"s3.example.org", "s3.example.org:9000"},
        {"s3.example.org", "s3.example.org:443"},     {"minio", "minio-east"},
        {"bucket.internal", "bucket.s3.example.net"},
    };
    start((struct auth_options){.ports = ports, .port_count = 1, .aliases = aliases, .alias_count = 2});
    for (size_t i = 0; i < COUNT(rows); i++) {
        char expected[128];
        snprintf(expected, sizeof(expected), USER " %s  ", rows[i].signed_host);
        call(&(struct call){.payload = "UNSIGNED-PAYLOAD", .host = rows[i].sent, .signed_host = rows[i].signed_host});
        cr_assert(span_is(reply.body, expected), "row %zu: " SPAN_FMT, i, SPAN_ARG(reply.body));
    }
    call(&(struct call){.payload = "UNSIGNED-PAYLOAD", .host = "minio", .signed_host = "minio-west"});
    expect_error(403, "SignatureDoesNotMatch");
    call(&(struct call){.payload = "UNSIGNED-PAYLOAD",
                        .host = "minio",
                        .signed_host = "public.example.org",
                        .more = "X-Forwarded-Host: public.example.org\r\n"});
    expect_error(403, "SignatureDoesNotMatch"); /* the peer is no trusted proxy */
}

Test(auth, the_forwarded_host_counts_from_a_trusted_proxy)
{
    static struct net_cidr trusted;
    cr_assert_eq(net_cidr_parse(SPAN_LIT("127.0.0.1"), &trusted), 0);
    bed.options.trusted = &trusted;
    bed.options.trusted_count = 1;
    start((struct auth_options){0});
    call(&(struct call){.payload = "UNSIGNED-PAYLOAD",
                        .host = "minio",
                        .signed_host = "public.example.org",
                        .more = "X-Forwarded-Host: public.example.org\r\n"});
    expect_ok(USER " public.example.org  ");
}

/* ---- payloads sent in one piece ---- */

#define HELLO_SHA256 "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

Test(auth, a_signed_payload_is_held_to_its_hash)
{
    start((struct auth_options){0});
    call(&(struct call){.method = "PUT", .payload = HELLO_SHA256, .body = SPAN_LIT("hello")});
    expect_ok(USER " " HOST " hello ");
    call(&(struct call){.method = "PUT", .payload = HELLO_SHA256, .body = SPAN_LIT("hellO")});
    expect_error(400, "XAmzContentSHA256Mismatch");
    call(&(struct call){.method = "PUT", .payload = HELLO_SHA256});
    expect_error(400, "XAmzContentSHA256Mismatch");
    call(&(struct call){.method = "PUT", .payload = SIGV4_EMPTY_SHA256});
    expect_ok(USER " " HOST "  ");
    call(&(struct call){.method = "PUT", .payload = "UNSIGNED-PAYLOAD", .body = SPAN_LIT("any")});
    expect_ok(USER " " HOST " any ");
}

Test(auth, the_payload_must_be_stated_and_of_a_kind_we_know)
{
    start((struct auth_options){0});
    call(&(struct call){.method = "PUT", .body = SPAN_LIT("hello")});
    expect_error(400, "InvalidRequest");
    call(&(struct call){.method = "GET"});
    expect_ok(USER " " HOST "  ");
    call(&(struct call){.method = "PUT", .payload = "sha256", .body = SPAN_LIT("hello")});
    expect_error(400, "InvalidArgument");
    call(&(struct call){
        .method = "PUT", .payload = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", .body = SPAN_LIT("hello")});
    cr_assert_neq(reply.head.status, 200);
}

/* ---- aws-chunked ---- */

struct chunked_call {
    const char *word;
    enum sigv4_payload kind;
    bool trailer;
    size_t flip;         /* flip a bit of this byte of the encoded body; 0: none */
    uint64_t claim;      /* x-amz-decoded-content-length; 0: the truth */
    bool tail;           /* bytes behind the end */
    bool transfer_coded; /* no Content-Length */
};

static struct span crc_of(struct span data)
{
    char text[16];
    uint8_t crc[4];
    cr_assert_eq(hash_once(HASH_CRC32C, data.ptr, data.len, crc), 0);
    base64_encode(crc, sizeof(crc), text);
    return arena_dup(&arena, span_cstr(text));
}

static void encode(const struct chunked_call *c, struct sigv4_chain *chain, struct span data, struct buf *ret_body)
{
    enum { CHUNK = 10000 };
    struct span rest = data;
    while (rest.len) {
        struct span piece = span_head(rest, CHUNK);
        cr_assert_eq(aws_chunked_put(c->kind, chain, piece, ret_body), 0);
        buf_add_span(ret_body, piece);
        buf_add_cstr(ret_body, "\r\n");
        rest = span_from(rest, piece.len);
    }
    cr_assert_eq(aws_chunked_end(c->kind, chain, c->trailer ? SPAN_LIT("x-amz-checksum-crc32c") : SPAN_EMPTY,
                                 c->trailer ? crc_of(data) : SPAN_EMPTY, ret_body),
                 0);
    if (c->tail)
        buf_add_cstr(ret_body, "more");
    if (c->flip)
        ret_body->ptr[c->flip] ^= 1;
}

static struct span some_data(void)
{
    static char data[25000];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)('a' + i % 23);
    return span_make(data, sizeof(data));
}

static void chunked_call(const struct chunked_call *cc)
{
    struct span data = some_data();
    struct sigv4_chain chain;
    struct buf b = BUF_INIT, body = BUF_INIT;
    struct call c = {.method = "PUT", .payload = cc->word};
    struct span length = arena_printf(&arena, "%llu", (unsigned long long)(cc->claim ? cc->claim : data.len));
    c.extra[c.extra_count++] = (struct http_header){SPAN_LIT("x-amz-decoded-content-length"), length};
    if (cc->trailer)
        c.extra[c.extra_count++] = (struct http_header){SPAN_LIT("x-amz-trailer"), SPAN_LIT("x-amz-checksum-crc32c")};
    put_head(&c, &b, &chain);
    encode(cc, cc->kind == SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER ? NULL : &chain, data, &body);
    if (cc->transfer_coded)
        buf_printf(&b, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", body.len);
    else
        buf_printf(&b, "Content-Length: %zu\r\n\r\n", body.len);
    buf_add_span(&b, buf_span(&body));
    if (cc->transfer_coded)
        buf_add_cstr(&b, "\r\n0\r\n\r\n");
    buf_release(&body);
    exchange(&b);
}

static const struct chunked_call modes[] = {
    {SIGV4_STREAMING_SIGNED, SIGV4_PAYLOAD_STREAM_SIGNED, .trailer = false},
    {SIGV4_STREAMING_SIGNED_TRAILER, SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER, .trailer = true},
    {SIGV4_STREAMING_UNSIGNED_TRAILER, SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, .trailer = true},
};

Test(auth, streamed_bodies_are_decoded_in_every_mode)
{
    start((struct auth_options){0});
    for (size_t i = 0; i < 2 * COUNT(modes); i++) {
        struct chunked_call c = modes[i / 2];
        c.transfer_coded = i % 2;
        chunked_call(&c);
        struct span data = some_data();
        struct span trailer = c.trailer ? crc_of(data) : SPAN_EMPTY;
        struct span expected =
            arena_printf(&arena, USER " " HOST " " SPAN_FMT " " SPAN_FMT, SPAN_ARG(data), SPAN_ARG(trailer));
        cr_assert(span_eq(reply.body, expected), "mode %zu: " SPAN_FMT, i, SPAN_ARG(span_head(reply.body, 300)));
    }
}

Test(auth, a_changed_bit_anywhere_in_a_signed_stream_is_found)
{
    static const size_t places[] = {0, 5, 40, 90, 500, 9999, 10200, 25100, 25300};
    start((struct auth_options){0});
    for (size_t mode = 0; mode < 2; mode++) {
        for (size_t i = 1; i < COUNT(places); i++) {
            struct chunked_call c = modes[mode];
            c.flip = places[i];
            chunked_call(&c);
            cr_assert_neq(reply.head.status, 200, "mode %zu place %zu", mode, places[i]);
        }
    }
}

Test(auth, a_stream_of_another_length_than_announced_is_refused)
{
    start((struct auth_options){0});
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct chunked_call c = modes[i];
        c.claim = some_data().len - 1;
        chunked_call(&c);
        expect_error(400, "IncompleteBody");
        c.claim = some_data().len + 1;
        chunked_call(&c);
        expect_error(400, "IncompleteBody");
    }
}

Test(auth, bytes_behind_the_end_of_a_stream_are_refused)
{
    start((struct auth_options){0});
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct chunked_call c = modes[i];
        c.tail = true;
        chunked_call(&c);
        cr_assert_neq(reply.head.status, 200, "mode %zu", i);
    }
}

Test(auth, a_stream_must_say_how_long_its_data_are)
{
    start((struct auth_options){0});
    call(&(struct call){.method = "PUT", .payload = SIGV4_STREAMING_SIGNED, .body = SPAN_LIT("0\r\n\r\n")});
    expect_error(411, "MissingContentLength");
}

/* ---- the credential's file ---- */

Test(auth_file, the_first_start_makes_a_file_that_only_its_owner_reads)
{
    char folder[] = "/tmp/cairn-auth-XXXXXX", path[64];
    struct stat st;
    bool made;
    struct credentials *first, *second;
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/root", folder);
    cr_assert_eq(credentials_open(path, &first, &made), 0);
    cr_assert(made && stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    cr_assert_eq(credentials_open(path, &second, &made), 0);
    cr_assert(!made);
    char text[256] = "";
    FILE *in = fopen(path, "r");
    cr_assert(fread(text, 1, sizeof(text) - 1, in) > 0);
    fclose(in);
    struct span rest = span_from(span_cstr(text), strlen("CAIRN_ROOT_USER="));
    struct span user = span_cut(&rest, '\n');
    cr_assert(credentials_find(first, user) && credentials_find(second, user));
    cr_assert_null(credentials_find(first, SPAN_LIT("other")));
    cr_assert_eq(chmod(path, 0640), 0);
    struct credentials *third = NULL;
    cr_assert_eq(credentials_open(path, &third, &made), -EACCES);
    credentials_free(&first);
    credentials_free(&second);
    unlink(path);
    rmdir(folder);
}

Test(auth_file, credentials_too_short_or_too_long_are_refused)
{
    static char longer[CREDENTIAL_MAX + 2];
    struct credentials *c = NULL;
    memset(longer, 'a', sizeof(longer) - 1);
    cr_assert_eq(credentials_new("ab", "long enough", &c), -EINVAL);
    cr_assert_eq(credentials_new("abc", "short", &c), -EINVAL);
    cr_assert_eq(credentials_new(longer, "long enough", &c), -EINVAL);
    cr_assert_eq(credentials_new("abc", longer, &c), -EINVAL);
    cr_assert_eq(credentials_new("a\nc", "long enough", &c), -EINVAL);
}
