/*
 * The whole daemon but its main: bytes of connections through HTTP, authentication, S3 and the POSIX dialect, over a
 * store (memory_store.h says what is in it). The first byte says how the rest is sent: 0 as it is; else as a request
 * that is completed and signed in one of the ways of signing.h, so that what is damaged gets past authentication.
 *
 * The server answers and closes; a reply can be read, an error is S3's document; a request that reads changes nothing;
 * and the store is whole after each.
 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/namespace/counters.h"
#include "objstore/namespace/ns_priv.h"
#include "server/auth/auth.h"
#include "server/http/server.h"
#include "server/s3/s3.h"
#include "server/s3/s3_error.h"
#include "server/wire/http_chunked.h"
#include "server/wire/xml_in.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/exercise.h"
#include "tests/support/scratch.h"
#include "tests/support/signing.h"

enum { PATIENCE_MS = 20000 };

static struct memory_store store;
static struct credentials *credentials;
static struct auth *auth;
static struct s3 *s3;
static struct listener listener;
static struct net_cidr trusted;
static struct http_server *server;

/* ---- the server, as cairnd.c puts it together ---- */

static int handle(struct http_request *request, void *arg)
{
    (void)arg;
    if (!posix_wants(request))
        return s3_handle(request, s3);
    int rc = posix_handle(request, store.posix);
    if (rc < 0 && !http_reply_begun(request)) {
        http_reply_clear(request);
        return s3_error_reply(request, rc, NULL);
    }
    return rc;
}

static int fail(struct http_request *request, int status, int error)
{
    (void)error;
    return s3_error_reply(request, status >= 500 ? S3_INTERNAL : S3_BAD_REQUEST, NULL);
}

static void start(void)
{
    static const struct span domain = SPAN_LIT("s3.test");
    char address[200], message[256];
    struct auth_options auth_options = {.region = SPAN_LIT("us-east-1")};
    struct s3_options s3_options = {.domains = &domain, .domain_count = 1};
    FUZZ_CHECK(memory_store_open(&store) == 0);
    numbers_begin(store.ns); /* or the first change that anything makes would */
    FUZZ_CHECK(memory_store_rewind(&store));
    exercise_session(store.posix);
    FUZZ_CHECK(credentials_new(SIGNING_USER, SIGNING_PASSWORD, &credentials) == 0);
    auth_options.credentials = credentials;
    FUZZ_CHECK(auth_new(&auth_options, &auth) == 0 && s3_new(store.ns, &s3_options, &s3) == 0);
    snprintf(address, sizeof(address), "unix:%s/socket", scratch_folder());
    FUZZ_CHECK(listener_open(address, &listener, 1, message, sizeof(message)) == 1);
    FUZZ_CHECK(net_cidr_parse(SPAN_LIT("unix"), &trusted) == 0);
    struct http_server_options options = {.listeners = &listener,
                                          .listener_count = 1,
                                          .trusted = &trusted,
                                          .trusted_count = 1,
                                          .verify = auth_verify,
                                          .verify_arg = auth,
                                          .handle = handle,
                                          .fail = fail};
    FUZZ_CHECK(http_server_new(&options, &server) == 0 && http_server_start(server) == 0);
}

static void stop(void)
{
    FUZZ_CHECK(http_server_stop(server, clock_mono_ns() + 10 * NS_PER_SEC) == 0);
    http_server_free(&server);
    listener_close(&listener);
    s3_free(&s3);
    auth_free(&auth);
    credentials_free(&credentials);
    memory_store_close(&store);
}

/* ---- a connection ---- */

static int connect_to(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof(un.sun_path), "%s/socket", scratch_folder());
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0);
    return fd;
}

/* All that the server says until it closes; what it does not want to hear is not sent. */
static void talk(struct span request, struct buf *reply)
{
    int fd = connect_to();
    char piece[65536];
    ssize_t got;
    while (request.len > 0) {
        ssize_t sent = send(fd, request.ptr, request.len, MSG_NOSIGNAL);
        if (sent < 0)
            break;
        request = span_from(request, (size_t)sent);
    }
    shutdown(fd, SHUT_WR);
    do {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        FUZZ_CHECK(poll(&ready, 1, PATIENCE_MS) == 1);
        got = recv(fd, piece, sizeof(piece), 0);
        if (got > 0)
            buf_add(reply, piece, (size_t)got);
    } while (got > 0);
    close(fd);
}

/* ---- replies ---- */

/* Control characters stand in replies as references that XML 1.0 does not have, as S3 writes them. */
static void without_references(struct buf *text)
{
    char *at = text->len ? memmem(text->ptr, text->len, "&#x", 3) : NULL;
    while (at) {
        size_t left = text->len - (size_t)(at - text->ptr);
        char *end = memchr(at, ';', left);
        FUZZ_CHECK(end && end - at <= 6);
        memset(at, '?', (size_t)(end - at) + 1);
        at = memmem(at, left, "&#x", 3);
    }
}

static void check_error(struct span body)
{
    const struct xml_limits limits = {.bytes = 1 << 20, .depth = 8, .elements = 1000};
    struct arena a = ARENA_INIT;
    struct buf text = BUF_INIT;
    struct xml_node *root;
    buf_add_span(&text, body);
    without_references(&text);
    FUZZ_CHECK(xml_parse(buf_span(&text), &limits, &a, &root) == 0 && span_is(root->name, "Error"));
    FUZZ_CHECK(xml_child_text(root, "Code").len && xml_child_text(root, "Message").len &&
               xml_child_text(root, "RequestId").len);
    arena_release(&a);
    buf_release(&text);
}

/* The body behind a head; its framing must be whole, unless the server broke off a reply that had begun. */
static void take_body(struct span *rest, const struct http_head *head, struct span method, struct buf *body)
{
    struct http_chunked decoder;
    struct span data;
    int step;
    switch (http_response_framing(head, method)) {
    case HTTP_FRAMING_LENGTH:
        buf_add_span(body, span_head(*rest, (size_t)head->content_length));
        FUZZ_CHECK(body->len == (size_t)head->content_length || head->status < 300);
        *rest = span_from(*rest, body->len);
        return;
    case HTTP_FRAMING_CHUNKED:
        http_chunked_init(&decoder);
        while ((step = http_chunked_next(&decoder, rest, &data)) == DECODE_DATA)
            buf_add_span(body, data);
        FUZZ_CHECK(step >= 0);
        return;
    case HTTP_FRAMING_UNTIL_CLOSE:
        buf_add_span(body, *rest);
        *rest = SPAN_EMPTY;
        return;
    case HTTP_FRAMING_NONE:
        return;
    }
}

/* method: of the first request, empty when it is none. only: there are no others. */
static void check_replies(struct span rest, struct span method, bool only)
{
    static struct http_head head;
    int finals = 0;
    while (rest.len > 0) {
        struct buf body = BUF_INIT;
        size_t scanned = 0;
        ssize_t used = http_response_parse(rest, &scanned, &head);
        FUZZ_CHECK(used > 0);
        rest = span_from(rest, (size_t)used);
        if (head.status < 200)
            continue;
        finals++;
        take_body(&rest, &head, method, &body);
        if (head.status >= 400 && body.len)
            check_error(buf_span(&body));
        FUZZ_CHECK(head.status < 400 || body.len || span_is(method, "HEAD"));
        buf_release(&body);
        if (!only)
            return; /* it is not known what the next answers */
    }
    FUZZ_CHECK(!only || finals == 1);
}

/* ---- one input ---- */

static void print_finding(const char *text, void *arg)
{
    (void)arg;
    fprintf(stderr, "verify: %s\n", text);
}

static void check_store(struct span method)
{
    struct posix_counts counts;
    bool reads = span_is(method, "GET") || span_is(method, "HEAD") || span_is(method, "OPTIONS");
    bool changed = memory_store_changed(&store);
    FUZZ_CHECK(!changed || !reads);
    if (changed) {
        backlog_drained(&store.ns->backlog);
        FUZZ_CHECK(ns_verify(store.ns, print_finding, NULL) == 0);
    }
    posix_count(store.posix, &counts);
    if (counts.sessions == 1 && counts.handles == 1 && counts.streams == 0 && memory_store_rewind(&store))
        return;
    stop();
    memory_store_restore(&store);
    start();
}

/* The method of the first request in bytes. */
static struct span method_of(struct span bytes)
{
    static struct http_head head;
    size_t scanned = 0;
    return http_request_parse(bytes, &scanned, &head) > 0 ? head.method : SPAN_EMPTY;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf request = BUF_INIT, reply = BUF_INIT;
    struct span rest = span_make(data + 1, size ? size - 1 : 0);
    if (!store.index) {
        memory_store_init(&store, false);
        start();
    }
    if (size == 0)
        return 0;
    if (data[0] == 0)
        buf_add_span(&request, rest);
    else
        signing_make(rest, (enum signing_mode)(data[0] % SIGNING_MODES), &request);
    if (request.len > 0) {
        struct span method = method_of(buf_span(&request));
        talk(buf_span(&request), &reply);
        check_replies(buf_span(&reply), method, data[0] != 0);
        check_store(data[0] ? method : SPAN_EMPTY);
    }
    buf_release(&request);
    buf_release(&reply);
    return 0;
}
