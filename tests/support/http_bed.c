#include "tests/support/http_bed.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "server/wire/http_chunked.h"

enum { PATIENCE_MS = 10000 };

static int pass(struct http_request *request, void *arg)
{
    (void)request;
    (void)arg;
    return 0;
}

static int fail(struct http_request *request, int status, int error)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "%d %s", status, cairn_errname(error));
    return http_reply_bytes(request, status, "text/plain", span_make(text, (size_t)len));
}

int http_bed_echo(struct http_request *request, void *arg)
{
    (void)arg;
    struct span body;
    int rc = http_body_all(request, 1 << 20, &body);
    if (rc < 0)
        return rc;
    struct span text = arena_printf(&request->arena, SPAN_FMT " " SPAN_FMT " " SPAN_FMT, SPAN_ARG(request->head.method),
                                    SPAN_ARG(request->head.path), SPAN_ARG(body));
    return http_reply_bytes(request, 200, "text/plain", text);
}

void http_bed_start(struct http_bed *bed)
{
    char message[256];
    int count = listener_open(bed->address ? bed->address : "127.0.0.1:0", bed->listeners, LISTENERS_PER_ADDRESS,
                              message, sizeof(message));
    cr_assert(count > 0, "%s", message);
    struct http_server_options *o = &bed->options;
    o->listeners = bed->listeners;
    o->listener_count = (size_t)count;
    o->verify = o->verify ? o->verify : pass;
    o->handle = o->handle ? o->handle : http_bed_echo;
    o->fail = o->fail ? o->fail : fail;
    cr_assert_eq(http_server_new(o, &bed->server), 0);
    cr_assert_eq(http_server_start(bed->server), 0);
}

void http_bed_stop(struct http_bed *bed)
{
    cr_assert_eq(http_server_stop(bed->server, clock_mono_ns() + 10 * NS_PER_SEC), 0);
    http_server_free(&bed->server);
    for (size_t i = 0; i < bed->options.listener_count; i++)
        listener_close(&bed->listeners[i]);
}

int http_bed_connect(struct http_bed *bed)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    cr_assert_eq(getsockname(bed->listeners[0].fd, (struct sockaddr *)&address, &len), 0);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0 && connect(fd, (struct sockaddr *)&address, len) == 0);
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

void http_bed_send_bytes(int fd, const void *bytes, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        cr_assert(sent > 0, "the server does not take what is sent");
        bytes = (const char *)bytes + sent;
        len -= (size_t)sent;
    }
}

void http_bed_send(int fd, const char *text)
{
    http_bed_send_bytes(fd, text, strlen(text));
}

/* More bytes; false at the end. */
static bool receive(int fd, struct http_bed_reply *r)
{
    cr_assert(r->len < sizeof(r->bytes));
    ssize_t got = recv(fd, r->bytes + r->len, sizeof(r->bytes) - r->len, 0);
    cr_assert(got >= 0 || errno == ECONNRESET, "no answer in time");
    r->ended = got <= 0;
    if (got > 0)
        r->len += (size_t)got;
    return got > 0;
}

/* Decodes in place, so that what follows the body stays where it is; the number of raw bytes. */
static size_t read_chunked_body(int fd, struct http_bed_reply *r, size_t at)
{
    struct http_chunked decoder;
    http_chunked_init(&decoder);
    size_t raw = at, len = 0;
    for (;;) {
        struct span input = span_make(r->bytes + raw, r->len - raw), data;
        int step = http_chunked_next(&decoder, &input, &data);
        cr_assert(step >= 0);
        if (step == DECODE_DATA) {
            memmove(r->bytes + at + len, data.ptr, data.len);
            len += data.len;
        }
        raw = (size_t)(input.ptr - r->bytes);
        if (step == DECODE_END)
            break;
        if (step == DECODE_MORE)
            cr_assert(receive(fd, r), "the body breaks off");
    }
    r->body = span_make(r->bytes + at, len);
    return raw;
}

static size_t read_body(int fd, struct http_bed_reply *r, size_t at, bool head_only)
{
    enum http_framing framing = http_response_framing(&r->head, head_only ? SPAN_LIT("HEAD") : SPAN_LIT("GET"));
    size_t want = framing == HTTP_FRAMING_LENGTH ? (size_t)r->head.content_length : 0;
    if (framing == HTTP_FRAMING_CHUNKED)
        return read_chunked_body(fd, r, at);
    while (framing == HTTP_FRAMING_UNTIL_CLOSE ? receive(fd, r) : r->len < at + want)
        cr_assert(framing == HTTP_FRAMING_UNTIL_CLOSE || receive(fd, r), "the body breaks off");
    if (framing == HTTP_FRAMING_UNTIL_CLOSE)
        want = r->len - at;
    r->body = span_make(r->bytes + at, want);
    return at + want;
}

void http_bed_read(int fd, struct http_bed_reply *reply, bool head_only)
{
    memmove(reply->bytes, reply->bytes + reply->taken, reply->len - reply->taken);
    reply->len -= reply->taken;
    size_t scanned = 0;
    ssize_t used;
    while ((used = http_response_parse(span_make(reply->bytes, reply->len), &scanned, &reply->head)) == 0)
        cr_assert(receive(fd, reply), "the head breaks off");
    cr_assert(used > 0);
    reply->taken = read_body(fd, reply, (size_t)used, head_only);
}

bool http_bed_ended(int fd)
{
    char bytes[4096];
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof(bytes), 0)) > 0)
        ;
    return got == 0 || errno == ECONNRESET;
}

const char *http_bed_talk(struct http_bed *bed, const char *text)
{
    static char bytes[256 * 1024];
    size_t len = 0;
    ssize_t got;
    int fd = http_bed_connect(bed);
    http_bed_send(fd, text);
    while (len < sizeof(bytes) - 1 && (got = recv(fd, bytes + len, sizeof(bytes) - 1 - len, 0)) > 0)
        len += (size_t)got;
    cr_assert(len == sizeof(bytes) - 1 || got == 0 || errno == ECONNRESET, "no end in time");
    bytes[len] = '\0';
    close(fd);
    return bytes;
}
