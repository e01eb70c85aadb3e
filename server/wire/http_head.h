/*
 * HTTP/1.x message heads, as RFC 9112 has them and no looser: what two parsers could read in two ways is an error, so
 * that a request can not be smuggled past a proxy. Refused are: bare CR or LF, folded lines, a blank before the colon,
 * names that are not tokens, control characters in values, versions other than HTTP/1.0 and HTTP/1.1, a repeated Host,
 * a Content-Length that is repeated or not plain digits, Content-Length beside Transfer-Encoding, Transfer-Encoding
 * in HTTP/1.0, and every transfer coding but a single "chunked".
 *
 * Pure functions over the caller's buffer; any thread.
 */
#ifndef CAIRN_WIRE_HTTP_HEAD_H
#define CAIRN_WIRE_HTTP_HEAD_H

#include "objstore/base/arena.h"
#include "objstore/base/span.h"
#include <sys/types.h>

#define HTTP_HEAD_MAX (64u * 1024)   /* bytes of a head; a presigned URL with a session token takes a few KiB */
#define HTTP_TARGET_MAX (16u * 1024) /* bytes of a request target; a key of 1024 bytes takes 3 KiB when encoded */
#define HTTP_METHOD_MAX 32
#define HTTP_HEADERS_MAX 128

struct http_header {
    struct span name;  /* as received; compare without case */
    struct span value; /* without blanks at both ends */
};

struct http_head {
    /* of a request */
    struct span method;
    struct span target; /* as received */
    struct span path;   /* raw: begins with '/', or is "*" */
    struct span query;  /* raw, after the '?'; .ptr is NULL without one */
    struct span host;   /* of an absolute target, else the Host header; .ptr is NULL without either (HTTP/1.0) */
    bool expect_continue;

    /* of a response */
    int status; /* 100 … 599 */
    struct span reason;

    /* of both */
    int minor_version; /* 0 or 1 */
    bool keep_alive;
    bool chunked;
    int64_t content_length; /* -1: none */
    size_t header_count;
    struct http_header headers[HTTP_HEADERS_MAX];
};

/*
 * Parse a head at the start of bytes. Bytes consumed (the body begins there); 0 when the head is not complete: call
 * again with more bytes behind the same ones and the same *scanned, which the caller sets to 0 before the first call
 * and which saves looking at bytes twice. The spans of *ret_head point into bytes; on failure its contents
 * mean nothing.
 *
 * A request may be led by one empty line (RFC 9112 2.2). Errors:
 *   CAIRN_ESYNTAX     not a head, or one that could be read in two ways: 400, and close
 *   CAIRN_ETOOBIG     over a limit above: 431, and close
 *   -EPROTONOSUPPORT  an HTTP version other than 1.0 and 1.1: 505, and close
 *   -EOPNOTSUPP       a transfer coding other than chunked: 501 (S3 says 501 NotImplemented), and close
 */
ssize_t http_request_parse(struct span bytes, size_t *scanned, struct http_head *ret_head);
ssize_t http_response_parse(struct span bytes, size_t *scanned, struct http_head *ret_head);

/* The value of the first header of that name; .ptr is NULL when there is none, never NULL for an empty value. */
struct span http_head_get(const struct http_head *head, const char *name);
/* Walks all headers of that name: start with *at = 0; false at the end. */
bool http_head_next(const struct http_head *head, struct span name, size_t *at, struct span *ret_value);
/* The values of all headers of that name as the one list that they are (RFC 9110 5.3), commas between, in the order
 * received; .ptr is NULL when there is none, or memory is short. */
struct span http_head_list(const struct http_head *head, struct span name, struct arena *a);
/* Whether it can stand in a head as a value: printable, blanks, and bytes above 127, which clients use for UTF-8. */
bool http_is_value(struct span s);
/* Whether a comma-separated list holds token, without case. */
bool http_list_has(struct span list, const char *token);

/* How the end of a response's body is found (RFC 9112 6.3). */
enum http_framing { HTTP_FRAMING_NONE, HTTP_FRAMING_LENGTH, HTTP_FRAMING_CHUNKED, HTTP_FRAMING_UNTIL_CLOSE };
enum http_framing http_response_framing(const struct http_head *response, struct span request_method);

#endif
