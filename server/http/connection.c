#include <stdlib.h>
#include <sys/epoll.h>

#include "objstore/base/clock.h"
#include "server/http/http_priv.h"
#include "server/net/tls.h"

static struct ssl_st *new_tls(const struct http_server *server, const struct listener *listener, int fd)
{
    return server->options.tls && listener->port ? tls_accept(server->options.tls, fd) : NULL;
}

struct http_connection *connection_new(struct http_server *server, const struct listener *listener, int fd,
                                       const struct sockaddr_storage *peer)
{
    const struct http_server_options *o = &server->options;
    struct http_connection *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    struct ssl_st *ssl = new_tls(server, listener, fd);
    if (o->tls && listener->port && !ssl) {
        free(c);
        return NULL;
    }
    stream_init(&c->stream, fd, ssl);
    c->source.kind = SOURCE_CONNECTION;
    c->server = server;
    c->peer = *peer;
    c->default_port = listener->port;
    c->secure = ssl != NULL;
    c->trusted = o->trusted_count && net_cidr_any(o->trusted, o->trusted_count, peer);
    c->stage = c->trusted ? STAGE_PROXY : ssl ? STAGE_HANDSHAKE : STAGE_REQUEST;
    c->owner = OWNER_BUSY;
    return c;
}

void connection_free(struct http_connection **connection)
{
    struct http_connection *c = *connection;
    stream_close(&c->stream);
    buf_release(&c->saved);
    free(c);
    *connection = NULL;
}

void connection_close(struct http_connection **connection)
{
    struct http_connection *c = *connection;
    if (!c)
        return;
    roster_remove(c->server, c); /* from here on the keeper does not touch the descriptor */
    connection_free(connection);
}

void connection_arm(struct http_connection *c, uint32_t events, int64_t deadline)
{
    struct epoll_event event = {.events = events | EPOLLONESHOT, .data.ptr = c};
    int op = c->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int epoll_fd = c->server->epoll_fd, fd = c->stream.fd;
    c->registered = true;
    atomic_store_explicit(&c->deadline, deadline, memory_order_relaxed);
    atomic_store_explicit(&c->armed, clock_mono_ns(), memory_order_relaxed);
    atomic_store_explicit(&c->owner, OWNER_WAITING, memory_order_release);
    if (epoll_ctl(epoll_fd, op, fd, &event) == 0)
        return;
    /* No event will ever come, so it is still ours alone; the keeper can at most have shut it down. */
    connection_close(&c);
}
