#include "fs/s3/client_priv.h"

#include <stdlib.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"

#define CONNECT_TIMEOUT_NS (5 * NS_PER_SEC)
#define STALL_TIMEOUT_NS (30 * NS_PER_SEC)
#define TICK_NS NS_PER_SEC /* how often a wait looks around */
#define IDLE_MAX 32
#define IDLE_AGE_NS (50 * NS_PER_SEC) /* many proxies and balancers close a connection that was idle for a minute */

/* ---- life ---- */

/* What stands in a head without a way to break out of it. */
static bool is_word(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == 127)
            return false;
    return true;
}

/* A host and port, and nothing else that a URL may hold there. */
static bool is_authority(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]%";
    return *text && text[strspn(text, allowed)] == '\0';
}

static int parse_url(const char *endpoint, const char **ret_host)
{
    struct span e = span_cstr(endpoint);
    size_t scheme = span_starts(e, SPAN_LIT("http://")) ? 7 : span_starts(e, SPAN_LIT("https://")) ? 8 : 0;
    *ret_host = endpoint + scheme;
    return scheme > 0 && is_authority(*ret_host) ? 0 : -EINVAL;
}

static int set_endpoint(struct s3_client *c, const char *endpoint, const char *sign_host)
{
    const char *url = "http://localhost", *host = "localhost";
    if (span_starts(span_cstr(endpoint), SPAN_LIT("unix:"))) {
        if (!endpoint[5])
            return -EINVAL;
        if (!(c->unix_path = strdup(endpoint + 5)))
            return -ENOMEM;
    } else if (parse_url(url = endpoint, &host) < 0) {
        return -EINVAL;
    }
    if (sign_host && !is_authority(host = sign_host))
        return -EINVAL;
    c->url = strdup(url);
    c->host = strdup(host);
    return c->url && c->host ? 0 : -ENOMEM;
}

static int set_credentials(struct s3_client *c, const struct s3_client_options *o)
{
    const char *region = o->region ? o->region : "us-east-1";
    if (!is_word(region) || (o->access_key && (!is_word(o->access_key) || !o->secret)))
        return -EINVAL;
    if (!(c->region = strdup(region)))
        return -ENOMEM;
    if (!o->access_key)
        return 0;
    c->access_key = strdup(o->access_key);
    c->secret = strdup(o->secret);
    return c->access_key && c->secret ? 0 : -ENOMEM;
}

static int copy_options(struct s3_client *c, const struct s3_client_options *o)
{
    int64_t connect_ns = o->connect_timeout_ns ? o->connect_timeout_ns : CONNECT_TIMEOUT_NS;
    int r = set_endpoint(c, o->endpoint, o->sign_host);
    if (r == 0)
        r = set_credentials(c, o);
    if (r == 0 && o->ca_file && !(c->ca_file = strdup(o->ca_file)))
        r = -ENOMEM;
    c->stall_timeout_ns = o->stall_timeout_ns ? o->stall_timeout_ns : STALL_TIMEOUT_NS;
    c->idle_max = o->idle_max ? o->idle_max : IDLE_MAX;
    c->endpoint = (struct endpoint){.url = c->url,
                                    .unix_path = c->unix_path,
                                    .ca_file = c->ca_file,
                                    .connect_timeout_ms = (long)(connect_ns / NS_PER_MS),
                                    .tick_ns = c->stall_timeout_ns < TICK_NS ? c->stall_timeout_ns : TICK_NS};
    return r;
}

int s3_client_new(const struct s3_client_options *options, struct s3_client **ret_client)
{
    struct s3_client *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    pthread_mutex_init(&c->lock, NULL);
    int r = copy_options(c, options);
    if (r < 0) {
        s3_client_free(&c);
        return r;
    }
    *ret_client = c;
    return 0;
}

void s3_client_free(struct s3_client **client)
{
    struct s3_client *c = *client;
    if (!c)
        return;
    while (c->idle) {
        struct connection *conn = c->idle;
        c->idle = conn->next;
        connection_close(&conn);
    }
    if (c->secret)
        explicit_bzero(c->secret, strlen(c->secret));
    explicit_bzero(&c->signer, sizeof c->signer);
    pthread_mutex_destroy(&c->lock);
    free(c->url);
    free(c->unix_path);
    free(c->host);
    free(c->access_key);
    free(c->secret);
    free(c->region);
    free(c->ca_file);
    free(c);
    *client = NULL;
}

/* ---- connections ---- */

static struct connection *take_idle(struct s3_client *c)
{
    pthread_mutex_lock(&c->lock);
    struct connection *conn = c->idle;
    if (conn) {
        c->idle = conn->next;
        c->idle_count--;
    }
    pthread_mutex_unlock(&c->lock);
    return conn;
}

/* A server that spoke TLS and does not now is going down, or not up yet. */
static int connection_new(struct s3_client *c, const struct s3_request *request, struct connection **ret_connection)
{
    int r = connection_open(&c->endpoint, request->interrupted, request->interrupted_arg, ret_connection);
    if (r == 0)
        atomic_store(&c->reached, true);
    return r == -EPROTO && atomic_load(&c->reached) ? -ECONNREFUSED : r;
}

/* One that the peer has left alone, or a new one: so what is not sent yet is never lost on a dead one. */
static int connection_get(struct s3_client *c, const struct s3_request *request, struct connection **ret_connection)
{
    struct connection *conn;
    while ((conn = take_idle(c))) {
        if (clock_mono_ns() - conn->idle_since < IDLE_AGE_NS && connection_is_quiet(conn)) {
            *ret_connection = conn;
            return 0;
        }
        connection_close(&conn);
    }
    return connection_new(c, request, ret_connection);
}

static void connection_put(struct s3_client *c, struct connection *conn)
{
    arena_reset(&conn->arena);
    conn->idle_since = clock_mono_ns();
    pthread_mutex_lock(&c->lock);
    bool keep = c->idle_count < c->idle_max;
    if (keep) {
        conn->next = c->idle;
        c->idle = conn;
        c->idle_count++;
    }
    pthread_mutex_unlock(&c->lock);
    if (!keep)
        connection_close(&conn);
}

/* ---- sending ---- */

int s3_send(struct s3_client *client, const struct s3_request *request, struct s3_response *response)
{
    struct connection *conn;
    bool reusable = true;
    int r = connection_get(client, request, &conn);
    if (r < 0)
        return r;
    r = request_write(client, request, clock_real_ns(), &conn->arena, &conn->out);
    if (r == 0)
        r = exchange_run(conn, request, response, client->stall_timeout_ns, client->endpoint.tick_ns, &reusable);
    if (reusable)
        connection_put(client, conn);
    else
        connection_close(&conn);
    return r;
}

void s3_response_release(struct s3_response *response)
{
    buf_release(&response->head_bytes);
    buf_release(&response->body);
}

struct span s3_error_code(const struct s3_response *response)
{
    static const char open[] = "<Code>", close[] = "</Code>";
    struct span body = buf_span(&response->body);
    const char *from = body.len ? memmem(body.ptr, body.len, open, sizeof open - 1) : NULL;
    if (!from)
        return SPAN_EMPTY;
    from += sizeof open - 1;
    const char *to = memmem(from, body.len - (size_t)(from - body.ptr), close, sizeof close - 1);
    return to ? span_make(from, (size_t)(to - from)) : SPAN_EMPTY;
}
