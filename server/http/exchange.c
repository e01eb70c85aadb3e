#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "server/http/http_priv.h"

int exchange_new(struct http_server *server, struct http_exchange **ret_exchange)
{
    struct http_exchange *x = calloc(1, sizeof(*x));
    if (!x)
        return -ENOMEM;
    /* Pages that no request ever touches cost nothing. */
    x->input = mmap(NULL, INPUT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (x->input == MAP_FAILED) {
        free(x);
        return -ENOMEM;
    }
    x->server = server;
    random_bytes(&x->id_state, sizeof(x->id_state));
    *ret_exchange = x;
    return 0;
}

void exchange_free(struct http_exchange **exchange)
{
    struct http_exchange *x = *exchange;
    if (!x)
        return;
    munmap(x->input, INPUT_SIZE);
    arena_release(&x->request.arena);
    buf_release(&x->reply.headers);
    buf_release(&x->reply.out);
    free(x);
    *exchange = NULL;
}

/* ---- waiting ---- */

static _Thread_local struct seats *own_seats; /* of the pool that this thread belongs to */

void exchange_thread_begin(struct seats *seats)
{
    own_seats = seats;
}

void http_seat_leave(void)
{
    if (own_seats)
        seat_leave(own_seats);
}

void http_seat_take(void)
{
    if (own_seats)
        seat_return(own_seats);
}

static int64_t patience_left(const struct http_server_options *o, const struct patience *p)
{
    uint64_t seconds = p->moved / o->rate_min;
    int64_t earned = seconds < 1000000000 ? (int64_t)seconds * NS_PER_SEC : 1000000000 * NS_PER_SEC;
    int64_t left = o->body_ns + earned - p->waited;
    return left < o->body_ns ? left : o->body_ns;
}

int exchange_wait(struct http_exchange *x, struct patience *patience)
{
    int64_t begin = clock_mono_ns();
    int64_t left = patience_left(&x->server->options, patience);
    http_seat_leave();
    int rc = stream_wait(&x->connection->stream, begin + left);
    http_seat_take();
    patience->waited += clock_mono_ns() - begin;
    return rc;
}

void exchange_look_at_clock(struct http_exchange *x)
{
    if (x->overtime || clock_mono_ns() - x->request.started < OVERTIME_NS)
        return;
    x->overtime = true;
    http_seat_leave();
}

static void end_overtime(struct http_exchange *x)
{
    if (x->overtime)
        http_seat_take();
    x->overtime = false;
}

/* ---- the request ---- */

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

int http_defer(struct http_request *request, void (*fn)(void *arg), void *arg)
{
    struct http_exchange *x = exchange_of(request);
    struct deferred *d = arena_alloc(&request->arena, sizeof(*d));
    if (!d)
        return -ENOMEM;
    *d = (struct deferred){x->deferred, fn, arg};
    x->deferred = d;
    return 0;
}

const char *http_host_id(const struct http_request *request)
{
    return ((const struct http_exchange *)request)->server->host_id;
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
    end_overtime(x);
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

bool exchange_serve(struct http_exchange *x)
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

void exchange_refuse(struct http_exchange *x, int error)
{
    x->request.head = (struct http_head){.content_length = -1, .minor_version = 1};
    reset(x);
    answer_failure(x, refusal_status(error), error);
    finish(x);
}
