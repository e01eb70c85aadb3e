/*
 * HTTP: one request and its reply, as a handler sees them.
 *
 * A worker reads the head, resolves the peer (PROXY protocol, forwarded headers), has the choke point (server/auth)
 * verify the request, and calls the handler, which reads the body and sends a reply in straight-line code, on this one
 * thread. Reads and writes block with deadlines and give up the worker's seat while they do.
 *
 * States of a reply: NONE → http_reply_begin → BEGUN → http_reply_send … → http_reply_end → DONE. A handler that
 * returns an error with the reply still NONE gets an XML error reply (server/s3 translates); with the reply BEGUN the
 * connection is cut, so that a client never takes a part for the whole.
 */
#ifndef CAIRN_HTTP_H
#define CAIRN_HTTP_H

#include <sys/socket.h>

#include "objstore/base/arena.h"
#include "objstore/base/span.h"
#include "server/wire/http_head.h"
#include "server/wire/uri.h"

struct http_connection; /* server/http: private */
struct http_body;       /* a stage of the body's decoding: server/http/body.h */

/* Everything lives until the handler returns. */
struct http_request {
    struct arena arena;             /* of this request */
    char id[17];                    /* x-amz-request-id, 16 hex digits, upper case */
    struct http_head head;          /* method, target, raw path and query, headers */
    struct uri_query query;         /* decoded name/value pairs, in order */
    struct span host;               /* as received; once verified, as the client signed it */
    struct span forwarded_host;     /* X-Forwarded-Host or Forwarded, from a trusted proxy; else empty */
    bool secure;                    /* TLS to us, or to a trusted proxy */
    struct sockaddr_storage client; /* the client's address, through trusted proxies */
    int64_t started;                /* monotonic ns */
    int64_t now;                    /* real time ns at the head's arrival */
    struct span access_key;         /* who: set by the choke point; empty for anonymous */
    void *identity;                 /* struct identity of server/auth, or NULL for anonymous */
    uint64_t
        content_length;    /* of the decoded body: Content-Length, or x-amz-decoded-content-length; 0 without a body */
    bool has_length;       /* the length is known; else the body ends where the chunks end */
    const char *operation; /* name of the operation table's row, for logs and metrics; NULL until routed */
    struct http_connection *connection;
    struct http_body *body;
};

/* ---- the body: decoded, and verified as it passes ---- */

/* The next bytes, up to len (blocks until there is at least one); 0 at the end, which has then been verified: length,
 * chunk signatures, payload hash, trailers. A handler makes nothing durable that is visible before it has seen the end.
 * Sends 100 Continue on the first call when the client waits for it. CAIRN_ECLOSED, CAIRN_EDEADLINE, CAIRN_ESYNTAX
 * (framing), CAIRN_ESIGNATURE (chunk), CAIRN_EDIGEST (x-amz-content-sha256), CAIRN_ETOOBIG; of aws-chunked also
 * -EMSGSIZE (not the decoded length announced) and -EBADMSG (trailers). An error stays. */
ptrdiff_t http_body_read(struct http_request *request, void *ret_bytes, size_t len);
/* The whole body, at most limit bytes, in the request's arena. CAIRN_ETOOBIG when there is more; http_body_read's. */
int http_body_all(struct http_request *request, size_t limit, struct span *ret_bytes);
/* After the end: a trailer that came with aws-chunked ("x-amz-checksum-crc32c"), or false. */
bool http_body_trailer(struct http_request *request, const char *name, struct span *ret_value);

/* ---- the reply ---- */

/* Adds a header to a reply not begun yet. Values with control characters are refused (-EINVAL): nothing a client stored
 * or asked for can split a reply, or make one that a client does not take. */
int http_reply_header(struct http_request *request, const char *name, struct span value);
int http_reply_header_fmt(struct http_request *request, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Forgets the headers added so far, of a reply not begun yet: an error takes the place of what was being prepared. */
void http_reply_clear(struct http_request *request);
#define HTTP_LENGTH_UNKNOWN UINT64_MAX
/* Sends (or holds back to join the body) status line and headers. length is the body's, or HTTP_LENGTH_UNKNOWN for
 * chunked (HTTP/1.1) or until-close (1.0). A HEAD request's reply bears the length and no body: http_reply_send then
 * drops the bytes. */
int http_reply_begin(struct http_request *request, int status, uint64_t length);
/* Blocks until the bytes are with the kernel, but for small pieces, which may be held back to go with what follows.
 * CAIRN_ECLOSED, CAIRN_EDEADLINE. */
int http_reply_send(struct http_request *request, const void *bytes, size_t len);
/* Sends what is held back, of the head too: for a client that shall see something before the end. */
int http_reply_flush(struct http_request *request);
/* CAIRN_ETOOBIG/-EINVAL are asserts of ours: the bytes sent must be the length announced. */
int http_reply_end(struct http_request *request);
/* begin + send + end. */
int http_reply_bytes(struct http_request *request, int status, const char *content_type, struct span body);
bool http_reply_begun(const struct http_request *request);
/* The reply so far can't be finished, or the request's body was left unread on purpose: close after this request. */
void http_close_after(struct http_request *request);
/* A long-lived stream (event watch, push): after http_reply_begin with HTTP_LENGTH_UNKNOWN the handler hands the
 * connection to the park and returns; it holds no worker from then on, and the handler sends nothing itself any more.
 * on_close(arg) is called once, when the peer has gone or http_parked_close was called. parked lives until it has
 * returned; it is called with no lock of this layer held, on the park's thread (or the worker's, after its handler,
 * when the stream broke off before it began), never within a call of this header. So a sender orders itself against
 * on_close with a lock of its own, which it may hold while it sends or closes. */
struct http_parked;
int http_park(struct http_request *request, void (*on_close)(void *arg), void *arg, struct http_parked **ret_parked);
/* From any thread; never blocks: queues the bytes as one chunk; -EAGAIN when the peer is more than 1 MiB behind. */
int http_parked_send(struct http_parked *parked, const void *bytes, size_t len);
void http_parked_close(struct http_parked *parked);

/* ---- the rest ---- */

/* Has fn(arg) called when the request is over, whatever became of it; the last deferred first. -ENOMEM: then it was
 * not. */
int http_defer(struct http_request *request, void (*fn)(void *arg), void *arg);
/* x-amz-id-2 of every reply, HostId in XML: 16 hex digits that tell hosts behind one address apart. Lives as the
 * server. */
const char *http_host_id(const struct http_request *request);

/* ---- seats: called around waits that this layer does not see (index commit, drives); pairs nest; elsewhere than in a
 * handler they do nothing ---- */
void http_seat_leave(void);
void http_seat_take(void);

/* ---- the handler: one for the whole server; http calls it for every request that the choke point let through ---- */
typedef int http_handler(struct http_request *request, void *arg);

#endif
