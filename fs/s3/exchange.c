#include "fs/s3/client_priv.h"
#include "fs/s3/reply.h"
#include "objstore/base/errors.h"

#define JOIN_MAX (16u << 10) /* of a body travels with the head: one call, one TLS record */

/* How long the peer has kept us waiting, in ticks of the connection. */
struct patience {
    const struct s3_request *request;
    int64_t left, stall_ns, tick_ns;
};

static int ask_interrupted(const struct s3_request *request)
{
    return request->interrupted && request->interrupted(request->interrupted_arg) ? -EINTR : 0;
}

/* What a call that moved n bytes, or -EAGAIN after a tick, means: 0 to go on. */
static int patience_spend(struct patience *p, ssize_t n)
{
    if (n != -EAGAIN) {
        p->left = p->stall_ns;
        return n < 0 ? (int)n : 0;
    }
    int r = ask_interrupted(p->request);
    p->left -= p->tick_ns;
    return r < 0 ? r : p->left < 0 ? -ETIMEDOUT : 0;
}

static int send_all(struct connection *c, struct patience *p, struct span bytes)
{
    int r = 0;
    while (r == 0 && bytes.len > 0) {
        ssize_t n = connection_write(c, bytes.ptr, bytes.len);
        r = patience_spend(p, n);
        if (n > 0)
            bytes = span_from(bytes, (size_t)n);
    }
    return r;
}

static int send_request(struct connection *c, struct patience *p)
{
    struct span body = p->request->body;
    struct span joined = span_head(body, c->out.len < JOIN_MAX ? JOIN_MAX - c->out.len : 0);
    int r = buf_add_span(&c->out, joined);
    if (r == 0)
        r = send_all(c, p, buf_span(&c->out));
    return r < 0 ? r : send_all(c, p, span_from(body, joined.len));
}

static int receive(struct connection *c, struct patience *p, struct reply *reply)
{
    int r;
    do {
        void *at;
        size_t len;
        r = reply_room(reply, &at, &len);
        if (r < 0)
            return r;
        ssize_t n = connection_read(c, at, len);
        r = patience_spend(p, n);
        if (r == 0 && n >= 0)
            r = reply_took(reply, (size_t)n);
        if (r == 0 && n > 0 && p->request->sink)
            r = ask_interrupted(p->request);
    } while (r == 0);
    return r < 0 ? r : 0;
}

int exchange_run(struct connection *c, const struct s3_request *request, struct s3_response *response, int64_t stall_ns,
                 int64_t tick_ns, bool *ret_reusable)
{
    struct patience patience = {request, stall_ns, stall_ns, tick_ns};
    struct reply reply;
    *ret_reusable = false;
    reply_begin(&reply, request, response);
    int sent = send_request(c, &patience);
    if (sent < 0 && sent != -ECONNRESET)
        return sent;
    /* A server that refuses a request half-way says why before it hangs up. */
    int r = receive(c, &patience, &reply);
    *ret_reusable = r == 0 && sent == 0 && reply_leaves_open(&reply);
    return r;
}
