#include <errno.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "server/http/http_priv.h"

/* Sixteen hex digits that do not repeat and that nobody can count by (SplitMix64 of a random start). */
static void make_id(struct http_exchange *x)
{
    static const char digits[] = "0123456789ABCDEF";
    uint64_t z = x->id_state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    z ^= z >> 31;
    for (int i = 0; i < 16; i++)
        x->request.id[i] = digits[z >> (60 - 4 * i) & 15];
    x->request.id[16] = '\0';
}

static void reset(struct http_exchange *x)
{
    struct http_request *r = &x->request;
    make_id(x);
    r->query = (struct uri_query){0};
    r->forwarded_host = r->access_key = SPAN_EMPTY;
    r->identity = NULL;
    r->operation = NULL;
    r->connection = x->connection;
    r->secure = x->connection->secure;
    r->client = x->connection->peer;
    r->host = r->head.host;
    r->now = clock_real_ns();
    r->started = clock_mono_ns();
    x->close_after = false;
    x->body_error = 0;
    x->body_ended = false;
    x->parked = NULL;
    x->deferred = NULL;
    raw_body_begin(x);
    reply_reset(x);
}

static void count(struct http_exchange *x)
{
    const struct reply *r = &x->reply;
    int64_t now = clock_mono_ns();
    struct http_result result = {
        .operation = x->request.operation ? x->request.operation : "Unrouted",
        .status = r->status,
        .cut = r->state != REPLY_DONE && !x->parked,
        .bytes_in = x->raw.received,
        .bytes_out = r->written,
        .first_byte_ns = r->state == REPLY_NONE ? 0 : r->begun_ns - x->request.started,
        .duration_ns = now - x->request.started,
    };
    const struct http_server_options *o = &x->server->options;
    http_metrics_count(&x->server->metrics, &result);
    if (o->observe)
        o->observe(&x->request, &result, o->observe_arg);
}

static void finish(struct http_exchange *x)
{
    for (struct deferred *d = x->deferred; d; d = d->next)
        d->fn(d->arg);
    x->deferred = NULL;
    count(x);
    exchange_end_overtime(x);
    arena_reset(&x->request.arena);
}

/* The error's reply, unless one has begun: then the rest of it can only be left out. */
static void answer_failure(struct http_exchange *x, int status, int error)
{
    if (x->reply.state == REPLY_NONE && !x->reply.cut) {
        http_reply_clear(&x->request);
        (void)x->server->options.fail(&x->request, status, error);
    }
    if (x->reply.state != REPLY_DONE)
        x->reply.cut = true;
}

static int prepare(struct http_exchange *x)
{
    const struct http_server_options *o = &x->server->options;
    struct http_request *r = &x->request;
    if (x->connection->trusted)
        forwarded_apply(r, o->trusted, o->trusted_count);
    return uri_query_parse(r->head.query, &r->arena, &r->query);
}

/* "OPTIONS *": of the server as a whole (RFC 9110 9.3.7), which load balancers ask to see it alive. */
static int answer_options(struct http_request *r)
{
    int rc = http_reply_header(r, "Allow", SPAN_LIT("GET, HEAD, PUT, POST, DELETE, OPTIONS"));
    r->operation = "Options";
    return rc < 0 ? rc : http_reply_bytes(r, 200, NULL, SPAN_EMPTY);
}

static void run_handler(struct http_exchange *x)
{
    const struct http_server_options *o = &x->server->options;
    int rc = prepare(x);
    if (rc < 0) {
        answer_failure(x, rc == -ENOMEM ? 503 : 400, rc);
        return;
    }
    bool of_server = span_is(x->request.head.path, "*");
    rc = of_server ? answer_options(&x->request) : o->verify(&x->request, o->verify_arg);
    if (rc == 0 && !of_server)
        rc = o->handle(&x->request, o->handle_arg);
    if (rc < 0 || (x->reply.state != REPLY_DONE && !x->parked))
        answer_failure(x, 500, rc);
}

/* The stream goes on without us: with what is held back, and without the exchange's memory. */
static void hand_over(struct http_exchange *x)
{
    struct http_parked *parked = x->parked;
    if (x->reply.cut || !raw_body_drain(x)) {
        park_abandon(parked);
        x->reply.cut = true;
        return;
    }
    park_begin(parked, x->connection, buf_span(&x->reply.out));
    x->connection = NULL;
}

bool serve_request(struct http_exchange *x)
{
    reset(x);
    run_handler(x);
    if (x->parked)
        hand_over(x);
    bool go_on = x->connection && !x->reply.cut && !x->close_after && raw_body_drain(x);
    finish(x);
    return go_on;
}

static int refusal_status(int error)
{
    switch (error) {
    case CAIRN_ETOOBIG:
        return 431;
    case -EPROTONOSUPPORT:
        return 505;
    case -EOPNOTSUPP:
        return 501;
    default:
        return 400;
    }
}

void serve_refusal(struct http_exchange *x, int error)
{
    x->request.head = (struct http_head){.content_length = -1, .minor_version = 1};
    reset(x);
    answer_failure(x, refusal_status(error), error);
    finish(x);
}
