/*
 * The reply to one request, taken in as its bytes come: pure, without a socket, so that it can be fed anything.
 *
 *     reply_begin; until it is done: reply_room, put bytes there, reply_took
 *
 * What it accepts is what server/wire/http_head accepts, and all three ways of HTTP/1.1 to end a body; an interim reply
 * (1xx) is passed over, a few of them at most.
 *
 * state     bytes go to                                    leaves by
 * HEAD      response->head_bytes                           its empty line: what follows of the body is taken at once
 * PLACED    where the body is to stay                      the last byte of Content-Length
 * PASSING   behind the head, and from there to a decoder,  Content-Length, the last chunk, the peer's end
 *           a sink, response->body
 * DONE      nowhere
 */
#ifndef CAIRN_FS_S3_REPLY_H
#define CAIRN_FS_S3_REPLY_H

#include "fs/s3/client.h"
#include "server/wire/http_chunked.h"

#define REPLY_BODY_MAX (16u << 20) /* held in memory: four times the largest reply of the POSIX dialect */
#define REPLY_INTERIM_MAX 8        /* of 1xx before a reply: more is no server of ours */

struct reply {
    const struct s3_request *request;
    struct s3_response *response;
    enum { REPLY_HEAD, REPLY_PLACED, REPLY_PASSING, REPLY_DONE } state;
    enum http_framing framing;
    size_t scanned; /* of the head, by its parser */
    unsigned interim;
    char *at;      /* PLACED */
    uint64_t left; /* of Content-Length */
    struct http_chunked chunked;
    bool excess; /* bytes came that no request of ours asked for */
};

/* Empties response for a reply to request; both live as long as the reply. */
void reply_begin(struct reply *reply, const struct s3_request *request, struct s3_response *response);
/* Where the next bytes are to be put, at most *ret_len (at least 1). 0, -ENOMEM. */
int reply_room(struct reply *reply, void **ret_at, size_t *ret_len);
/* len bytes were put there; 0: the peer's end. 1: the reply is whole; 0: more is to come; -ECONNRESET (it ended before
 * its time), -EPROTO (no HTTP, or more than is held), -EIO (the sink's), -ENOMEM. */
int reply_took(struct reply *reply, size_t len);
/* Whether the connection stands at the beginning of another reply. */
bool reply_leaves_open(const struct reply *reply);

#endif
