/* The S3 client against a server that does as a script says: connections, signatures, time-outs, what broke when. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/s3/client.h"
#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "server/wire/sigv4.h"
#include "tests/support/certificate.h"
#include "tests/support/peer.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define SEND(text) PEER_TEXT(PEER_SEND, text)
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define TAKE PEER_DO(PEER_TAKE)
#define HEAD PEER_DO(PEER_HEAD)
#define CLOSE PEER_DO(PEER_CLOSE)
#define RESET PEER_DO(PEER_RESET)
#define SLAM PEER_DO(PEER_SLAM)
#define DRAIN PEER_DO(PEER_DRAIN)
#define WAIT PEER_DO(PEER_WAIT)
#define TURN PEER_DO(PEER_TURN)
#define END PEER_DO(PEER_END)
#define ANSWERED TAKE, SEND(OK)

static struct peer peer;
static struct s3_client *client;
static struct s3_response response;
static struct s3_client_options options;
static const char *trusted; /* instead of the peer's own certificate */

static void start(enum peer_kind kind, const struct peer_step *script)
{
    peer_start(&peer, kind, script);
    options.endpoint = peer.endpoint;
    options.access_key = "channel";
    options.secret = "not-a-secret";
    options.ca_file = trusted ? trusted : kind == PEER_TLS ? peer.ca_file : NULL;
    cr_assert_eq(s3_client_new(&options, &client), 0);
}

static void stop(void)
{
    s3_client_free(&client);
    s3_response_release(&response);
    peer_stop(&peer);
}

static int post(const char *body)
{
    struct s3_request request = {.method = "POST", .path = SPAN_LIT("/b"), .body = span_cstr(body)};
    return s3_send(client, &request, &response);
}

static void expect_answer(void)
{
    int r = post("ask");
    cr_expect_eq(r, 0, "%s: %s", peer.endpoint, cairn_strerror(r));
    cr_expect_eq(response.status, 200);
    cr_expect(span_is(buf_span(&response.body), "hi"));
}

/* ---- connections ---- */

Test(fs_channel, requests_share_a_connection)
{
    static const enum peer_kind kinds[] = {PEER_TCP, PEER_UNIX, PEER_TLS};
    static const struct peer_step script[] = {ANSWERED, ANSWERED, ANSWERED, END};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        start(kinds[i], script);
        for (int n = 0; n < 3; n++)
            expect_answer();
        cr_expect_eq(peer.connections, 1);
        cr_expect_eq(peer.requests, 3);
        cr_expect(span_is(buf_span(&peer.body), "ask"));
        stop();
    }
}

/* What ends a connection between two requests, or makes it unfit: nothing is lost, and nothing is sent twice. */
Test(fs_channel, a_stale_connection_is_replaced)
{
    static const struct {
        struct peer_step script[8];
        unsigned ready; /* steps before the second request */
    } cases[] = {
        {{ANSWERED, CLOSE, ANSWERED}, 3},
        {{ANSWERED, TURN, RESET, ANSWERED}, 4},
        {{TAKE, SEND("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"), WAIT, CLOSE, ANSWERED}, 4},
        {{ANSWERED, SEND("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"), WAIT, CLOSE, ANSWERED}, 3},
        {{TAKE, SEND("HTTP/1.1 200 OK\r\n\r\nhi"), CLOSE, ANSWERED}, 3},
    };
    static const enum peer_kind kinds[] = {PEER_TCP, PEER_UNIX, PEER_TLS};
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t k = 0; k < COUNT(kinds); k++) {
            start(kinds[k], cases[i].script);
            expect_answer();
            peer_turn(&peer);
            peer_wait(&peer, cases[i].ready);
            expect_answer();
            cr_expect_eq(peer.connections, 2, "case %zu: %u", i, peer.connections);
            cr_expect_eq(peer.requests, 2, "case %zu: %u", i, peer.requests);
            stop();
        }
}

Test(fs_channel, an_old_idle_connection_is_not_trusted)
{
    static const struct peer_step script[] = {ANSWERED, WAIT, CLOSE, ANSWERED, END};
    start(PEER_TCP, script);
    expect_answer();
    clock_shift_ns(55 * NS_PER_SEC);
    expect_answer();
    cr_expect_eq(peer.connections, 2);
    stop();
}

Test(fs_channel, a_kept_connection_is_closed_at_once)
{
    static const enum peer_kind kinds[] = {PEER_TCP, PEER_UNIX, PEER_TLS};
    static const struct peer_step script[] = {ANSWERED, TURN, END};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        start(kinds[i], script);
        expect_answer();
        int64_t begun = clock_mono_ns();
        s3_client_free(&client);
        cr_expect_lt(clock_mono_ns() - begun, NS_PER_SEC, "it waits for the peer's goodbye");
        stop();
    }
}

/* ---- what breaks after something was sent ---- */

Test(fs_channel, a_broken_exchange_is_told_and_not_repeated)
{
    static const struct {
        const char *name;
        struct peer_step script[4];
        int result;
    } cases[] = {
        {"closed before a reply", {TAKE, CLOSE}, -ECONNRESET},
        {"reset before a reply", {TAKE, RESET}, -ECONNRESET},
        {"closed in the head", {TAKE, SEND("HTTP/1.1 200 OK\r\nConte"), CLOSE}, -ECONNRESET},
        {"closed in the body", {TAKE, SEND("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"), CLOSE}, -ECONNRESET},
        {"reset in the body", {TAKE, SEND("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"), RESET}, -ECONNRESET},
        {"silent", {TAKE, WAIT}, -ETIMEDOUT},
        {"silent in the head", {TAKE, SEND("HTTP/1.1 200 OK\r\nConte"), WAIT}, -ETIMEDOUT},
        {"silent in the body", {TAKE, SEND("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"), WAIT}, -ETIMEDOUT},
        {"no HTTP", {TAKE, SEND("220 mail.example ESMTP\r\n"), WAIT}, -EPROTO},
    };
    static const enum peer_kind kinds[] = {PEER_TCP, PEER_UNIX, PEER_TLS};
    options.stall_timeout_ns = 100 * NS_PER_MS;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t k = 0; k < COUNT(kinds); k++) {
            start(kinds[k], cases[i].script);
            int r = post("ask");
            cr_expect_eq(r, cases[i].result, "%s, kind %d: %d", cases[i].name, kinds[k], r);
            cr_expect_eq(peer.connections, 1, "%s", cases[i].name);
            stop();
        }
}

Test(fs_channel, a_slow_reply_is_waited_for)
{
    static const struct peer_step script[] = {TAKE, PEER_TEXT(PEER_DRIP, "HTTP/1.1 100 Continue\r\n\r\n" OK), ANSWERED,
                                              END};
    options.stall_timeout_ns = 5 * NS_PER_SEC;
    start(PEER_TCP, script);
    expect_answer();
    expect_answer();
    cr_expect_eq(peer.connections, 1);
    stop();
}

static bool interrupt(void *arg)
{
    return peer.requests >= *(unsigned *)arg;
}

Test(fs_channel, an_interruption_ends_a_wait)
{
    static const struct peer_step script[] = {TAKE, WAIT, END};
    unsigned requests = 1;
    struct s3_request request = {
        .method = "GET", .path = SPAN_LIT("/b"), .interrupted = interrupt, .interrupted_arg = &requests};
    options.stall_timeout_ns = 400 * NS_PER_MS; /* the wait looks around that often, and gives up at the second time */
    start(PEER_TCP, script);
    cr_expect_eq(s3_send(client, &request, &response), -EINTR);
    stop();
}

/* More than sockets hold: the server answers and hangs up while the client is still sending. */
Test(fs_channel, a_refusal_half_way_is_heard)
{
    static const struct peer_step script[] = {HEAD, SEND("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"),
                                              DRAIN, CLOSE, END};
    size_t len = 16u << 20;
    char *body = calloc(1, len);
    struct s3_request request = {
        .method = "PUT", .path = SPAN_LIT("/b"), .body = span_make(body, len), .unsigned_payload = true};
    start(PEER_TCP, script);
    cr_expect_eq(s3_send(client, &request, &response), 0);
    cr_expect_eq(response.status, 403);
    cr_expect(span_is(buf_span(&response.body), "no"));
    stop();
    free(body);
}

Test(fs_channel, large_bodies_go_both_ways)
{
    static const enum peer_kind kinds[] = {PEER_TCP, PEER_UNIX, PEER_TLS};
    static char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n";
    enum { LEN = 3000000 };
    char *body = malloc(LEN);
    random_bytes(body, LEN);
    struct peer_step script[] = {TAKE, {PEER_SEND, head, sizeof(head) - 1}, {PEER_SEND, body, LEN}, ANSWERED, END};
    struct s3_request request = {
        .method = "PUT", .path = SPAN_LIT("/b"), .body = span_make(body, LEN), .unsigned_payload = true};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        start(kinds[i], script);
        cr_expect_eq(s3_send(client, &request, &response), 0);
        cr_expect(span_eq(buf_span(&response.body), request.body), "kind %zu", i);
        cr_expect(span_eq(buf_span(&peer.body), request.body), "kind %zu", i);
        expect_answer();
        cr_expect_eq(peer.connections, 1);
        stop();
    }
    free(body);
}

/* ---- before anything was sent ---- */

/* The peer's endpoint, as if it spoke TLS. */
static void as_https(char ret_endpoint[160])
{
    snprintf(ret_endpoint, 160, "https://127.0.0.1%.8s", strrchr(peer.endpoint, ':'));
}

static int connect_to(const char *endpoint)
{
    options.endpoint = endpoint;
    options.connect_timeout_ns = 2 * NS_PER_SEC;
    cr_assert_eq(s3_client_new(&options, &client), 0, "%s", endpoint);
    int r = post("");
    s3_client_free(&client);
    return r;
}

Test(fs_channel, who_can_not_be_reached)
{
    cr_expect_eq(connect_to("http://127.0.0.1:1"), -ECONNREFUSED);
    cr_expect_eq(connect_to("https://127.0.0.1:1"), -ECONNREFUSED);
    cr_expect_eq(connect_to("unix:/nowhere/at/all"), -ECONNREFUSED);
    cr_expect_eq(connect_to("http://no-such-host.invalid"), -EHOSTUNREACH);
    s3_response_release(&response);
}

Test(fs_channel, a_connection_that_does_not_come_about_ends_in_time)
{
    static const struct peer_step script[] = {WAIT, END};
    char endpoint[160];
    peer_start(&peer, PEER_TCP, script); /* it takes the connection, and says nothing in TLS */
    as_https(endpoint);
    options.connect_timeout_ns = 300 * NS_PER_MS;
    options.endpoint = endpoint;
    cr_assert_eq(s3_client_new(&options, &client), 0);
    cr_expect_eq(post(""), -EHOSTUNREACH);
    unsigned requests = 0;
    struct s3_request request = {
        .method = "GET", .path = SPAN_LIT("/b"), .interrupted = interrupt, .interrupted_arg = &requests};
    cr_expect_eq(s3_send(client, &request, &response), -EINTR);
    stop();
}

Test(fs_channel, the_environment_names_no_proxy)
{
    static const struct peer_step script[] = {ANSWERED, END};
    static const char *const names[] = {"http_proxy",  "HTTP_PROXY", "https_proxy",
                                        "HTTPS_PROXY", "all_proxy",  "ALL_PROXY"};
    for (size_t i = 0; i < COUNT(names); i++)
        setenv(names[i], "http://127.0.0.1:1", 1);
    start(PEER_TCP, script);
    expect_answer();
    stop();
    start(PEER_TLS, script);
    expect_answer();
    stop();
}

Test(fs_channel, options_that_make_no_sense_are_refused)
{
    static const struct s3_client_options bad[] = {
        {.endpoint = ""},
        {.endpoint = "unix:"},
        {.endpoint = "http://"},
        {.endpoint = "ftp://host"},
        {.endpoint = "host:9000"},
        {.endpoint = "http://host/path"},
        {.endpoint = "http://user@host"},
        {.endpoint = "http://a b"},
        {.endpoint = "http://host\r\nX: y"},
        {.endpoint = "http://host", .sign_host = ""},
        {.endpoint = "http://host", .sign_host = "host\r\nX: y"},
        {.endpoint = "http://host", .region = "us east"},
        {.endpoint = "http://host", .access_key = "a"},
        {.endpoint = "http://host", .access_key = "a\nb", .secret = "s"},
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        cr_expect_eq(s3_client_new(&bad[i], &client), -EINVAL, "%s", bad[i].endpoint);
}

Test(fs_channel, what_would_be_another_request_is_not_sent)
{
    static const struct peer_step script[] = {ANSWERED, END};
    static const struct http_header header = {{"x-amz-meta-a", 12}, {"b\r\nX: y", 7}};
    static const struct s3_request bad[] = {
        {.method = "GET", .path = {"/a b", 4}},
        {.method = "GET", .path = {"/a\r\nX: y", 8}},
        {.method = "GET", .path = {"/a", 2}, .headers = &header, .header_count = 1},
        {.method = "GET", .path = {"/a", 2}, .headers = &header, .header_count = S3_HEADERS_MAX + 1},
    };
    start(PEER_TCP, script);
    for (size_t i = 0; i < COUNT(bad); i++)
        cr_expect_eq(s3_send(client, &bad[i], &response), -EINVAL);
    expect_answer();
    cr_expect_eq(peer.requests, 1);
    stop();
}

/* ---- whom TLS trusts ---- */

Test(fs_channel, a_certificate_must_be_trusted_and_of_the_host)
{
    static const struct peer_step once[] = {WAIT, END}, twice[] = {WAIT, WAIT, END};
    char folder[] = "/tmp/cairn-ca-XXXXXX", path[64], endpoint[160];
    cr_assert_not_null(mkdtemp(folder));
    certificate_make(folder, "localhost");
    snprintf(path, sizeof(path), "%s/public.crt", folder);
    trusted = path;
    start(PEER_TLS, once);
    cr_expect_eq(post(""), -EKEYREJECTED, "another's certificate");
    stop();
    trusted = "/nowhere/at/all";
    start(PEER_TLS, twice);
    cr_expect_eq(post(""), -EKEYREJECTED, "no certificates to trust");
    s3_client_free(&client);
    options.ca_file = NULL;
    cr_assert_eq(s3_client_new(&options, &client), 0);
    cr_expect_eq(post(""), -EKEYREJECTED, "not one of the system's");
    stop();
    trusted = NULL;
    start(PEER_TLS, once);
    s3_client_free(&client);
    as_https(endpoint);
    options.endpoint = endpoint;
    cr_assert_eq(s3_client_new(&options, &client), 0);
    cr_expect_eq(post(""), -EKEYREJECTED, "of another host");
    stop();
    unlink(path);
    snprintf(path, sizeof(path), "%s/private.key", folder);
    unlink(path);
    rmdir(folder);
}

Test(fs_channel, a_server_without_tls_is_told)
{
    static const struct peer_step script[] = {SEND("HTTP/1.1 400 Bad Request\r\n\r\n"), WAIT, END};
    char endpoint[160];
    peer_start(&peer, PEER_TCP, script);
    as_https(endpoint);
    cr_expect_eq(connect_to(endpoint), -EPROTO);
    stop();
}

Test(fs_channel, a_server_that_goes_away_in_the_handshake_is_away)
{
    static const struct peer_step script[] = {ANSWERED, CLOSE, SLAM, SLAM, ANSWERED, END};
    start(PEER_TLS, script);
    expect_answer();
    peer_wait(&peer, 3);
    cr_expect_eq(post("ask"), -ECONNREFUSED);
    cr_expect_eq(post("ask"), -ECONNREFUSED);
    expect_answer();
    stop();
}

/* ---- what is sent ---- */

/* The server's own verification of the last request. */
static enum sigv4_status verify(const char *host, struct arena *a)
{
    struct sigv4_auth auth;
    struct sigv4_proof proof;
    struct sigv4_key key;
    struct uri_query query;
    cr_assert_eq(uri_query_parse(peer.head.query, a, &query), 0);
    enum sigv4_status status = sigv4_parse_header(&peer.head, clock_real_ns(), &auth);
    if (status != SIGV4_OK)
        return status;
    struct sigv4_request request = {.method = peer.head.method,
                                    .path = peer.head.path,
                                    .query = &query,
                                    .headers = peer.head.headers,
                                    .header_count = peer.head.header_count,
                                    .host = span_cstr(host),
                                    .payload_hash = http_head_get(&peer.head, "x-amz-content-sha256")};
    status = sigv4_check(&auth, &request, SPAN_LIT("eu-west-7"), SPAN_LIT("s3"), clock_real_ns(), NULL);
    if (status != SIGV4_OK)
        return status;
    sigv4_key_derive(SPAN_LIT("not-a-secret"), auth.date, auth.region, auth.service, &key);
    return sigv4_verify(&auth, &request, &key, a, &proof);
}

Test(fs_channel, requests_are_signed)
{
    static const struct peer_step script[] = {ANSWERED, ANSWERED, ANSWERED, ANSWERED, END};
    static const struct uri_pair pairs[] = {
        {{"z", 1}, {"a b+c/d&e=f%", 12}, true}, {{"cairn", 5}, {"posix", 5}, true}, {{"a", 1}, {"", 0}, true}};
    static const struct http_header headers[] = {{{"x-amz-meta-b", 12}, {"two  words", 10}},
                                                 {{"Content-MD5", 11}, {"", 0}}};
    static const struct s3_request requests[] = {
        {.method = "POST", .path = {"/b", 2}, .query = pairs, .query_count = 3, .body = {"body", 4}},
        {.method = "PUT",
         .path = {"/b/%C3%A9/..//x", 15},
         .body = {"body", 4},
         .unsigned_payload = true,
         .headers = headers,
         .header_count = 2},
        {.method = "GET", .path = {"/", 1}, .query = pairs, .query_count = 2},
        {.method = "DELETE", .path = {"/b", 2}},
    };
    static const char *const hosts[] = {NULL, "minio.example:9000"};
    for (size_t h = 0; h < COUNT(hosts); h++) {
        options.region = "eu-west-7";
        options.sign_host = hosts[h];
        start(PEER_TCP, script);
        const char *host = hosts[h] ? hosts[h] : peer.endpoint + 7;
        for (size_t i = 0; i < COUNT(requests); i++) {
            const struct s3_request *request = &requests[i];
            struct arena a = ARENA_INIT;
            cr_expect_eq(s3_send(client, request, &response), 0);
            enum sigv4_status status = verify(host, &a);
            cr_expect_eq(status, SIGV4_OK, "request %zu: %s", i, sigv4_status_text(status));
            cr_expect(span_is(peer.head.host, host));
            cr_expect(span_eq(peer.head.path, request->path), "nothing is folded");
            cr_expect(span_eq(buf_span(&peer.body), request->body));
            cr_expect_eq(peer.head.content_length, request->body.len ? (int64_t)request->body.len : -1);
            cr_expect_not(peer.head.expect_continue);
            arena_release(&a);
        }
        stop();
    }
}

Test(fs_channel, a_new_day_has_a_new_key)
{
    static const struct peer_step script[] = {ANSWERED, WAIT, CLOSE, ANSWERED, END};
    struct arena a = ARENA_INIT;
    options.region = "eu-west-7";
    start(PEER_TCP, script);
    expect_answer();
    cr_expect_eq(verify(peer.endpoint + 7, &a), SIGV4_OK);
    clock_shift_ns(25 * 3600 * NS_PER_SEC);
    expect_answer();
    cr_expect_eq(verify(peer.endpoint + 7, &a), SIGV4_OK);
    arena_release(&a);
    stop();
}

Test(fs_channel, without_a_key_nothing_is_signed)
{
    static const struct peer_step script[] = {ANSWERED, END};
    start(PEER_TCP, script);
    s3_client_free(&client);
    options.access_key = NULL;
    cr_assert_eq(s3_client_new(&options, &client), 0);
    expect_answer();
    cr_expect_null(http_head_get(&peer.head, "authorization").ptr);
    stop();
}
