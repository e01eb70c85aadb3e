#include "fs/s3/reply.h"

#include <errno.h>

#define HEAD_STEP (16u << 10)  /* room for a head and a small body, which then come at once */
#define BEHIND_HEAD (4u << 10) /* of it kept for what passes */

void reply_begin(struct reply *reply, const struct s3_request *request, struct s3_response *response)
{
    *reply = (struct reply){.request = request, .response = response};
    buf_clear(&response->head_bytes);
    buf_clear(&response->body);
    response->body.limit = REPLY_BODY_MAX;
    response->status = 0;
}

static int wire_error(int error)
{
    return error == -ENOMEM ? -ENOMEM : -EPROTO;
}

/* ---- the body ---- */

static bool has_sink(const struct reply *reply)
{
    return reply->request->sink && reply->response->status / 100 == 2;
}

/* A run of the body on its way to whoever wants it. */
static int pass(struct reply *reply, struct span bytes)
{
    const struct s3_request *request = reply->request;
    if (!has_sink(reply)) {
        int r = buf_add_span(&reply->response->body, bytes);
        return r < 0 ? wire_error(r) : 0;
    }
    return request->sink(reply->response, bytes.ptr, bytes.len, request->sink_arg) == bytes.len ? 0 : -EIO;
}

static int take_chunked(struct reply *reply, struct span bytes)
{
    for (;;) {
        struct span data;
        int step = http_chunked_next(&reply->chunked, &bytes, &data);
        if (step < 0)
            return wire_error(step);
        if (step == DECODE_MORE)
            return 0;
        if (step == DECODE_END) {
            reply->excess = bytes.len > 0;
            reply->state = REPLY_DONE;
            return 0;
        }
        int r = pass(reply, data);
        if (r < 0)
            return r;
    }
}

/* Bytes behind the head. */
static int take_passing(struct reply *reply, struct span bytes)
{
    if (reply->framing == HTTP_FRAMING_CHUNKED)
        return take_chunked(reply, bytes);
    if (reply->framing == HTTP_FRAMING_UNTIL_CLOSE)
        return pass(reply, bytes);
    reply->excess = bytes.len > reply->left;
    struct span mine = span_head(bytes, reply->left);
    reply->left -= mine.len;
    if (reply->left == 0)
        reply->state = REPLY_DONE;
    return mine.len ? pass(reply, mine) : 0;
}

static void take_placed(struct reply *reply, size_t len)
{
    reply->at += len;
    reply->left -= len;
    if (reply->left == 0)
        reply->state = REPLY_DONE;
}

/* Finds the place of a body of known length: the caller's memory, or the response's own. */
static int place(struct reply *reply)
{
    struct s3_response *response = reply->response;
    const struct s3_request *request = reply->request;
    if (request->place && response->status / 100 == 2)
        reply->at = request->place(response, reply->left, request->place_arg);
    if (reply->at)
        return 0;
    int r = reply->left > REPLY_BODY_MAX ? -EPROTO : buf_reserve(&response->body, reply->left);
    if (r < 0)
        return wire_error(r);
    reply->at = response->body.ptr;
    response->body.len = reply->left;
    return 0;
}

static int begin_body(struct reply *reply)
{
    const struct http_head *head = &reply->response->head;
    reply->framing = http_response_framing(head, span_cstr(reply->request->method));
    reply->left = reply->framing == HTTP_FRAMING_LENGTH ? (uint64_t)head->content_length : 0;
    http_chunked_init(&reply->chunked);
    reply->state = REPLY_PASSING;
    if (reply->framing != HTTP_FRAMING_LENGTH || has_sink(reply) || reply->left == 0)
        return 0;
    reply->state = REPLY_PLACED;
    return place(reply);
}

/* What came of the body together with its head. */
static int take_rest(struct reply *reply, struct span rest)
{
    if (reply->framing == HTTP_FRAMING_NONE || (reply->framing == HTTP_FRAMING_LENGTH && reply->left == 0)) {
        reply->excess = rest.len > 0;
        reply->state = REPLY_DONE;
        return 0;
    }
    if (reply->state == REPLY_PASSING)
        return rest.len ? take_passing(reply, rest) : 0;
    struct span mine = span_head(rest, reply->left);
    reply->excess = rest.len > mine.len;
    if (mine.len)
        memcpy(reply->at, mine.ptr, mine.len);
    take_placed(reply, mine.len);
    return 0;
}

/* ---- the head ---- */

/* The interim reply that head_bytes begins with gives way to what follows. */
static int pass_interim(struct reply *reply, size_t len)
{
    if (reply->response->head.status == 101 || ++reply->interim > REPLY_INTERIM_MAX)
        return -EPROTO;
    buf_drop(&reply->response->head_bytes, len);
    reply->scanned = 0;
    return 0;
}

static int take_head(struct reply *reply)
{
    struct s3_response *response = reply->response;
    struct span bytes;
    ssize_t len;
    for (;;) {
        bytes = buf_span(&response->head_bytes);
        if (!span_starts(SPAN_LIT("HTTP/1."), span_head(bytes, 7)))
            return -EPROTO; /* told at once: what is no HTTP may never come to the end of a head */
        len = http_response_parse(bytes, &reply->scanned, &response->head);
        if (len <= 0)
            return len < 0 ? -EPROTO : 0;
        if (response->head.status >= 200)
            break;
        int r = pass_interim(reply, (size_t)len);
        if (r < 0)
            return r;
    }
    response->status = response->head.status;
    response->head_bytes.len = (size_t)len;
    int r = begin_body(reply);
    return r < 0 ? r : take_rest(reply, span_from(bytes, (size_t)len));
}

/* ---- bytes ---- */

int reply_room(struct reply *reply, void **ret_at, size_t *ret_len)
{
    struct buf *head = &reply->response->head_bytes;
    if (reply->state == REPLY_PLACED) {
        *ret_at = reply->at;
        *ret_len = reply->left;
        return 0;
    }
    int r = reply->state == REPLY_HEAD ? buf_reserve(head, HEAD_STEP) : 0;
    *ret_at = head->ptr + head->len;
    *ret_len = head->cap - head->len - (reply->state == REPLY_HEAD ? BEHIND_HEAD : 0);
    return r;
}

static int take_end(struct reply *reply)
{
    if (reply->state != REPLY_PASSING || reply->framing != HTTP_FRAMING_UNTIL_CLOSE)
        return -ECONNRESET;
    reply->state = REPLY_DONE;
    return 0;
}

int reply_took(struct reply *reply, size_t len)
{
    struct buf *head = &reply->response->head_bytes;
    int r = 0;
    if (len == 0) {
        r = take_end(reply);
    } else if (reply->state == REPLY_PLACED) {
        take_placed(reply, len);
    } else if (reply->state == REPLY_PASSING) {
        r = take_passing(reply, span_make(head->ptr + head->len, len));
    } else {
        head->len += len;
        r = take_head(reply);
    }
    return r < 0 ? r : reply->state == REPLY_DONE;
}

bool reply_leaves_open(const struct reply *reply)
{
    return reply->state == REPLY_DONE && reply->framing != HTTP_FRAMING_UNTIL_CLOSE && !reply->excess &&
           reply->response->head.keep_alive;
}
