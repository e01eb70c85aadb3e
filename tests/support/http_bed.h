/*
 * Test bed: an HTTP server on a loopback port of its own, with handlers of the test, and a client that speaks bytes.
 * Everything asserts: a failure ends the test. Reads give up after ten seconds.
 */
#ifndef CAIRN_TESTS_HTTP_BED_H
#define CAIRN_TESTS_HTTP_BED_H

#include "server/http/server.h"

struct http_bed {
    struct http_server_options options; /* may be set before http_bed_start */
    const char *address;                /* NULL: 127.0.0.1:0 */
    struct listener listeners[LISTENERS_PER_ADDRESS];
    struct http_server *server;
};

/* Verifying, handling and failing have defaults: all pass; the handler reads the body and echoes "METHOD PATH BODY"; a
 * failure says "STATUS error name". */
void http_bed_start(struct http_bed *bed);
/* Stops within ten seconds, and asserts that. */
void http_bed_stop(struct http_bed *bed);
int http_bed_echo(struct http_request *request, void *arg);

/* A connection to the first listener. */
int http_bed_connect(struct http_bed *bed);
void http_bed_send(int fd, const char *text);
void http_bed_send_bytes(int fd, const void *bytes, size_t len);

struct http_bed_reply {
    char bytes[256 * 1024]; /* as received */
    size_t len;
    struct http_head head; /* into bytes */
    struct span body;      /* decoded when it was chunked */
    bool ended;            /* the peer closed after it */
    size_t taken;          /* bytes up to this reply's end */
};
/* One reply; the rest of what came stays for the next call with the same struct (zeroed before the first). head_only:
 * to a HEAD request. */
void http_bed_read(int fd, struct http_bed_reply *reply, bool head_only);
/* Whether the peer has closed: reads its end, or a reset. Bytes before that are dropped. */
bool http_bed_ended(int fd);
/* Connects, sends, reads all until the end, closes. In a static buffer. */
const char *http_bed_talk(struct http_bed *bed, const char *text);

#endif
