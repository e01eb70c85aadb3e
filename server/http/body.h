/*
 * Stages of a body. The lowest, made by server/http, takes the bytes off the connection; the choke point puts those
 * that decode and verify on top of it. http_body_read() reads the uppermost, so there is no path around them.
 */
#ifndef CAIRN_HTTP_BODY_H
#define CAIRN_HTTP_BODY_H

#include "server/http/http.h"

struct http_body {
    struct http_body *below; /* NULL for the lowest */
    /* As http_body_read. Called no more after it answered 0 or an error. */
    ptrdiff_t (*read)(struct http_body *body, void *ret_bytes, size_t len);
    /* As http_body_trailer; NULL: has none of its own. */
    bool (*trailer)(struct http_body *body, const char *name, struct span *ret_value);
};

/* Puts a stage on top. It lives in the request's arena; what it owns beyond that it defers (http_defer). */
void http_body_push(struct http_request *request, struct http_body *stage);

#endif
