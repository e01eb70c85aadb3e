/* One connection, one request after the other: framing, keeping, closing. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "tests/support/http_bed.h"

static struct http_bed bed;
static struct http_bed_reply reply;

static void stop(void)
{
    if (bed.server)
        http_bed_stop(&bed);
}

TestSuite(http_requests, .fini = stop, .timeout = 60);

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct span header(const char *name)
{
    return http_head_get(&reply.head, name);
}

Test(http_requests, a_reply_carries_the_headers_that_every_reply_has)
{
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    http_bed_send(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    http_bed_read(fd, &reply, false);
    cr_assert_eq(reply.head.status, 200);
    cr_assert(span_is(reply.body, "GET /a "));
    cr_assert(span_is(header("server"), "Cairn"));
    cr_assert_eq(header("x-amz-request-id").len, 16);
    cr_assert_eq(header("x-amz-id-2").len, 16);
    cr_assert(header("date").len > 0);
    close(fd);
}

Test(http_requests, the_server_as_a_whole_says_what_it_allows)
{
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    http_bed_send(fd, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    http_bed_read(fd, &reply, false);
    cr_assert_eq(reply.head.status, 200);
    cr_assert(http_list_has(header("allow"), "PUT"));
    close(fd);
}

Test(http_requests, pipelined_requests_are_answered_in_order)
{
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    http_bed_send(fd, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
                      "PUT /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                      "PUT /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
                      "GET /4 HTTP/1.1\r\nHost: x\r\n\r\n");
    static const char *const bodies[] = {"GET /1 ", "PUT /2 abc", "PUT /3 def", "GET /4 "};
    for (size_t i = 0; i < COUNT(bodies); i++) {
        http_bed_read(fd, &reply, false);
        cr_assert(span_is(reply.body, bodies[i]), "got " SPAN_FMT, SPAN_ARG(reply.body));
    }
    close(fd);
}

Test(http_requests, more_pipelined_requests_than_a_turn_takes_are_all_answered)
{
    enum { REQUESTS = 1000 };
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    for (int i = 0; i < REQUESTS; i++)
        http_bed_send(fd, "GET /again HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < REQUESTS; i++)
        http_bed_read(fd, &reply, false);
    close(fd);
}

Test(http_requests, a_request_may_come_byte_by_byte)
{
    static const char text[] =
        "PUT /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        http_bed_send_bytes(fd, text + i, 1);
    http_bed_read(fd, &reply, false);
    cr_assert(span_is(reply.body, "PUT /slow abc"));
    close(fd);
}

Test(http_requests, bytes_that_are_no_request_are_refused_and_what_follows_is_not_looked_at)
{
    static const struct {
        const char *text;
        const char *status;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400"},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", "400"},
        {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
        {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n", "400"},
        {"GET / HTTP/1.1\nHost: x\n\n", "400"},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505"},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"},
        {"GET /%zz?a=%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "400"},
    };
    http_bed_start(&bed);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[512];
        snprintf(text, sizeof(text), "%sGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", rows[i].text);
        const char *answer = http_bed_talk(&bed, text);
        cr_assert(strncmp(answer + 9, rows[i].status, 3) == 0, "%zu: %s", i, answer);
        cr_assert(strstr(answer, "Connection: close\r\n"), "%zu: %s", i, answer);
        cr_assert(!strstr(answer, "smuggled"), "%zu: %s", i, answer);
    }
}

Test(http_requests, a_head_over_the_limit_is_refused)
{
    static char text[HTTP_HEAD_MAX + 1024];
    http_bed_start(&bed);
    int len = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: x\r\nA: ");
    memset(text + len, 'a', sizeof(text) - 1 - (size_t)len);
    const char *answer = http_bed_talk(&bed, text);
    cr_assert(strncmp(answer, "HTTP/1.1 431 ", 13) == 0, "%.100s", answer);
}

Test(http_requests, the_connection_is_kept_or_closed_as_the_client_says)
{
    static const struct {
        const char *text;
        bool kept;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
    };
    http_bed_start(&bed);
    for (size_t i = 0; i < COUNT(rows); i++) {
        int fd = http_bed_connect(&bed);
        memset(&reply, 0, sizeof(reply));
        http_bed_send(fd, rows[i].text);
        http_bed_read(fd, &reply, false);
        cr_assert_eq(http_list_has(header("connection"), "close"), !rows[i].kept && true, "row %zu", i);
        if (rows[i].kept)
            http_bed_send(fd, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        cr_assert(http_bed_ended(fd));
        close(fd);
    }
}

/* ---- bodies ---- */

static int refuse_unread(struct http_request *request, void *arg)
{
    (void)arg;
    return http_reply_bytes(request, 403, "text/plain", SPAN_LIT("no"));
}

Test(http_requests, continue_is_sent_when_the_body_is_asked_for)
{
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    http_bed_send(fd, "PUT /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    char line[25];
    cr_assert_eq(recv(fd, line, sizeof(line), MSG_WAITALL), 25);
    cr_assert(memcmp(line, "HTTP/1.1 100 Continue\r\n\r\n", 25) == 0);
    http_bed_send(fd, "ok");
    http_bed_read(fd, &reply, false);
    cr_assert(span_is(reply.body, "PUT /c ok"));
    close(fd);
}

Test(http_requests, a_refused_body_is_never_asked_for)
{
    bed.options.handle = refuse_unread;
    http_bed_start(&bed);
    const char *answer =
        http_bed_talk(&bed, "PUT /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    cr_assert(strncmp(answer, "HTTP/1.1 403", 12) == 0);
    cr_assert(strstr(answer, "Connection: close"));
}

Test(http_requests, a_small_unread_body_is_dropped_and_the_connection_kept)
{
    bed.options.handle = refuse_unread;
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    for (int i = 0; i < 3; i++) {
        http_bed_send(fd, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nGET /");
        http_bed_send(fd, "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n");
        http_bed_read(fd, &reply, false);
        http_bed_read(fd, &reply, false);
        cr_assert_eq(reply.head.status, 403);
        cr_assert(header("connection").ptr == NULL);
    }
    close(fd);
}

Test(http_requests, a_large_unread_body_ends_the_connection_but_the_reply_arrives)
{
    static char part[64 * 1024];
    bed.options.handle = refuse_unread;
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    http_bed_send(fd, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n");
    for (int i = 0; i < 8; i++)
        http_bed_send_bytes(fd, part, sizeof(part));
    http_bed_read(fd, &reply, false);
    cr_assert_eq(reply.head.status, 403);
    cr_assert(span_is(header("connection"), "close"));
    shutdown(fd, SHUT_WR);
    cr_assert(http_bed_ended(fd));
    close(fd);
}

static int last_error;

static int note_error(struct http_request *request, void *arg)
{
    char bytes[100];
    ptrdiff_t got;
    (void)arg;
    while ((got = http_body_read(request, bytes, sizeof(bytes))) > 0)
        ;
    last_error = (int)got;
    cr_assert_eq(http_body_read(request, bytes, sizeof(bytes)), got, "an error stays");
    return got < 0 ? (int)got : http_reply_bytes(request, 200, NULL, SPAN_EMPTY);
}

Test(http_requests, a_client_that_vanishes_in_its_body_is_an_error_to_the_handler)
{
    bed.options.handle = note_error;
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    http_bed_send(fd, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nabc");
    shutdown(fd, SHUT_WR);
    cr_assert(http_bed_ended(fd));
    cr_assert_eq(last_error, CAIRN_ECLOSED);
    close(fd);
}

Test(http_requests, bad_chunks_are_an_error_to_the_handler_and_end_the_connection)
{
    bed.options.handle = note_error;
    http_bed_start(&bed);
    http_bed_talk(&bed, "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n");
    cr_assert_eq(last_error, CAIRN_ESYNTAX);
}

/* ---- replies ---- */

static int reply_as_asked(struct http_request *request, void *arg)
{
    (void)arg;
    struct span path = request->head.path;
    if (span_is(path, "/injected"))
        cr_assert_eq(http_reply_header(request, "x-amz-meta-a", SPAN_LIT("b\r\nSet-Cookie: c")), -EINVAL);
    if (span_is(path, "/fails"))
        return -EIO;
    if (span_is(path, "/nothing"))
        return 0;
    uint64_t length = span_is(path, "/chunked") ? HTTP_LENGTH_UNKNOWN : 6;
    int rc = http_reply_begin(request, span_is(path, "/304") ? 304 : 200, length);
    if (span_is(path, "/breaks"))
        return http_reply_send(request, "abc", 3) < 0 ? -EPIPE : -EIO;
    if (span_is(path, "/short"))
        return http_reply_end(request);
    if (span_is(path, "/long"))
        return http_reply_send(request, "abcdefg", 7);
    rc = rc < 0 ? rc : http_reply_send(request, "abc", 3);
    rc = rc < 0 ? rc : http_reply_send(request, "def", 3);
    return rc < 0 ? rc : http_reply_end(request);
}

static void ask(int fd, const char *method, const char *path)
{
    char text[256];
    snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", method, path);
    http_bed_send(fd, text);
    http_bed_read(fd, &reply, strcmp(method, "HEAD") == 0);
}

Test(http_requests, replies_are_framed_by_length_or_in_chunks)
{
    bed.options.handle = reply_as_asked;
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    ask(fd, "GET", "/chunked");
    cr_assert(span_is(reply.body, "abcdef") && reply.head.chunked);
    ask(fd, "GET", "/length");
    cr_assert(span_is(reply.body, "abcdef") && reply.head.content_length == 6);
    ask(fd, "HEAD", "/length");
    cr_assert(reply.body.len == 0 && reply.head.content_length == 6);
    ask(fd, "HEAD", "/chunked");
    cr_assert(reply.body.len == 0);
    ask(fd, "GET", "/304");
    cr_assert(reply.body.len == 0 && reply.head.status == 304);
    ask(fd, "GET", "/injected");
    cr_assert(header("set-cookie").ptr == NULL && span_is(reply.body, "abcdef"));
    close(fd);
}

Test(http_requests, a_client_of_http_1_0_reads_an_unknown_length_to_the_end)
{
    bed.options.handle = reply_as_asked;
    http_bed_start(&bed);
    const char *answer = http_bed_talk(&bed, "GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    cr_assert(strstr(answer, "Connection: close\r\n") && !strstr(answer, "chunked"));
    cr_assert_str_eq(strstr(answer, "\r\n\r\n") + 4, "abcdef");
}

Test(http_requests, a_handler_that_fails_before_its_reply_gets_an_error_reply)
{
    bed.options.handle = reply_as_asked;
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    ask(fd, "GET", "/fails");
    cr_assert_eq(reply.head.status, 500);
    cr_assert(span_is(reply.body, "500 EIO"));
    ask(fd, "GET", "/nothing");
    cr_assert_eq(reply.head.status, 500);
    close(fd);
}

Test(http_requests, a_reply_that_can_not_be_finished_is_cut)
{
    static const char *const paths[] = {"/breaks", "/short", "/long"};
    bed.options.handle = reply_as_asked;
    http_bed_start(&bed);
    for (size_t i = 0; i < COUNT(paths); i++) {
        char text[128];
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
        const char *answer = http_bed_talk(&bed, text);
        const char *body = strstr(answer, "\r\n\r\n");
        cr_assert(!body || strlen(body + 4) < 6, "%s: %s", paths[i], answer);
    }
}

/* ---- what is counted ---- */

static int count_me(struct http_request *request, void *arg)
{
    request->operation = "Counted";
    return http_bed_echo(request, arg);
}

static uint64_t counted(const char *name, enum http_outcome outcome)
{
    struct http_metrics *m = http_server_metrics(bed.server);
    for (size_t i = 0; i < HTTP_METRICS_ROWS; i++)
        if (m->rows[i].name && strcmp(m->rows[i].name, name) == 0)
            return m->rows[i].outcomes[outcome];
    return 0;
}

Test(http_requests, requests_are_counted_by_operation_and_outcome)
{
    bed.options.handle = count_me;
    http_bed_start(&bed);
    http_bed_talk(&bed, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    http_bed_talk(&bed, "no request\r\n\r\n");
    struct http_server *server = bed.server;
    struct http_server_status status;
    do /* the last connection is counted before it is closed */
        http_server_status(server, &status);
    while (status.connections > 0);
    cr_assert_eq(counted("Counted", HTTP_OUTCOME_OK), 2);
    cr_assert_eq(counted("Unrouted", HTTP_OUTCOME_CLIENT_ERROR), 1);
}
