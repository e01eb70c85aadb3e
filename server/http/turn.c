#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "server/http/http_priv.h"
#include "server/net/proxy_protocol.h"

/* What a turn ends with. */
enum verdict {
    TURN_WAIT,   /* for more bytes */
    TURN_LATER,  /* there may be bytes already, but others come first */
    TURN_LINGER, /* the last reply is out, bytes may still come */
    TURN_CLOSE,
    TURN_CUT, /* close so that the peer can not take it for a regular end */
    TURN_GONE /* to the park */
};

static bool take(struct http_connection *c)
{
    int expected = OWNER_WAITING;
    return atomic_compare_exchange_strong(&c->owner, &expected, OWNER_BUSY);
}

/* ---- PROXY header: read no byte further, for TLS may follow ---- */

static int apply_proxy_header(struct http_connection *c, const struct proxy_header *header)
{
    const struct http_server_options *o = &c->server->options;
    if (header->known) {
        c->peer = header->client;
        c->secure |= header->secure;
        c->trusted = net_cidr_any(o->trusted, o->trusted_count, &c->peer);
    }
    buf_release(&c->saved);
    return 0;
}

/* 0: past it, or there is none; -EAGAIN; another error. */
static int proxy_stage(struct http_connection *c)
{
    char bytes[PROXY_HEADER_MAX];
    size_t have = c->saved.len;
    struct proxy_header header;
    if (have == sizeof(bytes))
        return CAIRN_ETOOBIG;
    if (have)
        memcpy(bytes, c->saved.ptr, have);
    ssize_t peeked = recv(c->stream.fd, bytes + have, sizeof(bytes) - have, MSG_PEEK);
    if (peeked <= 0)
        return peeked < 0 && errno == EAGAIN ? -EAGAIN : CAIRN_ECLOSED;
    ptrdiff_t used = proxy_header_parse(span_make(bytes, have + (size_t)peeked), &header);
    if (used == -ENOMSG)
        return have && c->stream.ssl ? CAIRN_ESYNTAX : 0; /* what was taken is the start of a head */
    if (used < 0)
        return (int)used;
    size_t take_now = used ? (size_t)used - have : (size_t)peeked;
    if (recv(c->stream.fd, bytes + have, take_now, 0) != (ssize_t)take_now)
        return CAIRN_ECLOSED;
    if (used)
        return apply_proxy_header(c, &header);
    int rc = buf_add(&c->saved, bytes + have, take_now);
    return rc < 0 ? rc : -EAGAIN;
}

/* ---- requests ---- */

static void restore_input(struct http_connection *c, struct http_exchange *x)
{
    x->begin = 0;
    x->end = c->saved.len;
    x->scanned = c->scanned;
    if (c->saved.len)
        memcpy(x->input, c->saved.ptr, c->saved.len);
}

/* What follows the request moves to the front. */
static void shift_input(struct http_exchange *x)
{
    size_t len = x->end - x->begin;
    if (len)
        memmove(x->input, x->input + x->begin, len);
    x->begin = 0;
    x->end = len;
    x->scanned = 0;
}

static int save_input(struct http_connection *c, const struct http_exchange *x)
{
    if (x->end == 0) {
        buf_release(&c->saved);
        c->scanned = 0;
        return 0;
    }
    buf_clear(&c->saved);
    c->scanned = x->scanned;
    return buf_add(&c->saved, x->input, x->end);
}

/* A client that is about to send its next request gets a moment, so that it need not go through epoll. */
static ssize_t read_twice(struct http_exchange *x, bool patient)
{
    size_t room = INPUT_SIZE - x->end;
    ssize_t got = stream_read(&x->connection->stream, x->input + x->end, room < INPUT_STEP ? room : INPUT_STEP);
    if (got != -EAGAIN || !patient)
        return got;
    sched_yield();
    return stream_read(&x->connection->stream, x->input + x->end, room < INPUT_STEP ? room : INPUT_STEP);
}

/* 0: a head stands in x; -EAGAIN; CAIRN_ECLOSED; or why it is none. */
static int receive_head(struct http_exchange *x, bool patient)
{
    for (;;) {
        if (x->end) {
            ssize_t used = http_request_parse(span_make(x->input, x->end), &x->scanned, &x->request.head);
            if (used < 0)
                return (int)used;
            if (used > 0) {
                x->begin = x->head_size = (size_t)used;
                return 0;
            }
            if (x->end >= HTTP_HEAD_MAX)
                return CAIRN_ETOOBIG;
        }
        ssize_t got = read_twice(x, patient && x->end == 0);
        if (got <= 0)
            return got == 0 ? CAIRN_ECLOSED : (int)got;
        x->end += (size_t)got;
    }
}

static enum verdict after_last(const struct http_exchange *x)
{
    if (!x->connection)
        return TURN_GONE;
    if (x->reply.cut)
        return TURN_CUT;
    return x->raw.done && x->begin == x->end ? TURN_CLOSE : TURN_LINGER;
}

static enum verdict request_stage(struct http_connection *c, struct http_exchange *x)
{
    restore_input(c, x);
    for (unsigned served = 0; served < REQUESTS_PER_TURN; served++) {
        int rc = receive_head(x, served > 0);
        if (rc == -EAGAIN || rc == CAIRN_ECLOSED)
            return rc == -EAGAIN && save_input(c, x) == 0 ? TURN_WAIT : TURN_CLOSE;
        if (rc < 0) {
            serve_refusal(x, rc);
            return x->reply.cut ? TURN_CUT : TURN_LINGER;
        }
        c->stage_deadline = 0;
        if (!serve_request(x))
            return after_last(x);
        shift_input(x);
    }
    return save_input(c, x) == 0 ? TURN_LATER : TURN_CLOSE;
}

/* ---- the end ---- */

static enum verdict linger_stage(struct http_connection *c, struct http_exchange *x)
{
    for (;;) {
        ssize_t got = recv(c->stream.fd, x->input, INPUT_SIZE, 0);
        if (got < 0 && errno == EAGAIN)
            return TURN_LINGER;
        if (got <= 0 || (c->lingered += (uint64_t)got) > LINGER_MAX)
            return TURN_CLOSE;
    }
}

static void cut(struct http_connection *c)
{
    struct linger at_once = {.l_onoff = 1};
    (void)setsockopt(c->stream.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)); /* a reset, no regular end */
    connection_close(&c);
}

static void begin_linger(struct http_connection *c)
{
    if (c->stage != STAGE_LINGER) {
        c->stage = STAGE_LINGER;
        c->stage_deadline = clock_mono_ns() + LINGER_NS;
        stream_shutdown(&c->stream);
        buf_release(&c->saved);
    }
    connection_arm(c, EPOLLIN, c->stage_deadline);
}

/* ---- a turn ---- */

static enum verdict of_step(int rc)
{
    return rc == -EAGAIN ? TURN_WAIT : TURN_CLOSE;
}

static enum verdict run_stages(struct http_connection *c, struct http_exchange *x)
{
    int rc;
    if (c->stage == STAGE_PROXY) {
        if ((rc = proxy_stage(c)) < 0)
            return of_step(rc);
        c->stage = STAGE_HANDSHAKE;
    }
    if (c->stage == STAGE_HANDSHAKE) {
        if ((rc = stream_handshake(&c->stream)) < 0)
            return of_step(rc);
        c->stage = STAGE_REQUEST;
    }
    return c->stage == STAGE_REQUEST ? request_stage(c, x) : linger_stage(c, x);
}

/* Idle between requests, or in the middle of something that has a deadline of its own. */
static int64_t next_deadline(struct http_connection *c)
{
    const struct http_server_options *o = &c->server->options;
    int64_t now = clock_mono_ns();
    if (c->stage == STAGE_REQUEST && c->saved.len == 0) {
        c->stage_deadline = 0;
        return now + o->idle_ns;
    }
    if (c->stage_deadline == 0)
        c->stage_deadline = now + o->head_ns;
    return c->stage_deadline;
}

void turn_take(struct http_connection *c, struct http_exchange *x)
{
    if (!take(c)) {
        connection_close(&c);
        return;
    }
    x->connection = c;
    switch (run_stages(c, x)) {
    case TURN_WAIT:
        connection_arm(c, c->stream.want == POLLOUT ? EPOLLOUT : EPOLLIN, next_deadline(c));
        break;
    case TURN_LATER: /* a writable socket fires at once */
        connection_arm(c, EPOLLIN | EPOLLOUT, next_deadline(c));
        break;
    case TURN_LINGER:
        begin_linger(c);
        break;
    case TURN_CLOSE:
        connection_close(&c);
        break;
    case TURN_CUT:
        cut(c);
        break;
    case TURN_GONE:
        break;
    }
    x->connection = NULL;
}
