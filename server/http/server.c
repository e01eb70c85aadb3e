#include "server/http/server.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "objstore/base/cond.h"
#include "objstore/base/hash.h"
#include "server/http/http_priv.h"

#define KEEPER_TICK_NS NS_PER_SEC
#define KEEPER_STOPPING_TICK_NS (20 * NS_PER_MS)
#define LAST_WAIT_NS (5 * NS_PER_SEC) /* for handlers whose connections were cut */

/* ---- accepting ---- */

static int listener_arm(struct http_server *server, struct listener_source *l, int op)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = l};
    return epoll_ctl(server->epoll_fd, op, l->listener->fd, &event) < 0 ? -errno : 0;
}

static void admit(struct http_server *server, const struct listener *listener, int fd,
                  const struct sockaddr_storage *peer)
{
    struct http_connection *c = connection_new(server, listener, fd, peer);
    if (!c) {
        close(fd);
        return;
    }
    if (!roster_add(server, c)) {
        connection_free(&c);
        return;
    }
    connection_arm(c, EPOLLIN, clock_mono_ns() + server->options.head_ns);
}

/* Without room or descriptors the listener rests until the keeper finds some. */
static void accept_turn(struct http_server *server, struct listener_source *l)
{
    int fd = 0;
    for (int i = 0; i < ACCEPTS_PER_TURN && fd >= 0; i++) {
        struct sockaddr_storage peer;
        fd = roster_full(server) ? -ENFILE : listener_accept(l->listener, &peer);
        if (fd >= 0)
            admit(server, l->listener, fd, &peer);
    }
    if ((fd < 0 && fd != -EAGAIN) || listener_arm(server, l, EPOLL_CTL_MOD) < 0)
        atomic_store(&l->paused, true);
}

/* ---- workers ---- */

static void dispatch(struct http_server *server, struct source *source, struct http_exchange *x)
{
    switch (source->kind) {
    case SOURCE_WAKE:
        break;
    case SOURCE_LISTENER:
        accept_turn(server, (struct listener_source *)source);
        break;
    case SOURCE_CONNECTION:
        turn_take((struct http_connection *)source, x);
        break;
    }
}

static void worker_run(void *arg)
{
    struct http_server *server = arg;
    struct http_exchange *x;
    if (exchange_new(server, &x) < 0) {
        seat_quit(server->seats);
        return;
    }
    exchange_thread_begin(server->seats);
    while (seat_wait(server->seats)) {
        struct epoll_event event;
        int count = epoll_wait(server->epoll_fd, &event, 1, -1);
        seat_run(server->seats);
        if (count == 1)
            dispatch(server, event.data.ptr, x);
    }
    exchange_free(&x);
}

/* ---- the keeper: deadlines of connections that wait, and listeners that rest ---- */

/* Has it waited for too long? Those that say nothing make room when there is none left. */
static bool is_overdue(const struct http_server *server, struct http_connection *c, int64_t now)
{
    bool full = server->connection_count >= server->options.connections_max;
    return now >= atomic_load_explicit(&c->deadline, memory_order_relaxed) ||
           (full && now - atomic_load_explicit(&c->armed, memory_order_relaxed) > server->options.crowded_ns);
}

/* The worker that gets the event of the shutdown closes the connection. The caller holds the lock. */
static void reap(struct http_server *server, int64_t now)
{
    bool all = atomic_load(&server->stopping);
    for (struct http_connection *c = server->connections; c; c = c->next) {
        int expected = OWNER_WAITING;
        if (!all && !is_overdue(server, c, now))
            continue;
        if (atomic_compare_exchange_strong(&c->owner, &expected, OWNER_REAPED))
            shutdown(c->stream.fd, SHUT_RDWR);
    }
}

static void wake_listeners(struct http_server *server)
{
    if (server->connection_count >= server->options.connections_max || atomic_load(&server->stopping))
        return;
    for (size_t i = 0; i < server->options.listener_count; i++)
        if (atomic_exchange(&server->listeners[i].paused, false) &&
            listener_arm(server, &server->listeners[i], EPOLL_CTL_MOD) < 0)
            atomic_store(&server->listeners[i].paused, true);
}

static void *keeper_main(void *arg)
{
    struct http_server *server = arg;
    pthread_mutex_lock(&server->lock);
    while (!server->keeper_quit) {
        int64_t now = clock_mono_ns();
        reap(server, now);
        wake_listeners(server);
        struct timespec until;
        cond_deadline(atomic_load(&server->stopping) ? KEEPER_STOPPING_TICK_NS : KEEPER_TICK_NS, &until);
        pthread_cond_timedwait(&server->changed, &server->lock, &until);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* ---- life ---- */

static unsigned usable_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 2;
    return (unsigned)CPU_COUNT(&set);
}

#define DEFAULT(field, value) (field) = (field) ? (field) : (value)

static void set_defaults(struct http_server_options *o)
{
    DEFAULT(o->seats, usable_cores());
    DEFAULT(o->workers_max, 4096);
    if (o->workers_max < o->seats)
        o->workers_max = o->seats;
    DEFAULT(o->connections_max, HTTP_CONNECTIONS_MAX);
    DEFAULT(o->head_ns, 30 * NS_PER_SEC);
    DEFAULT(o->idle_ns, 120 * NS_PER_SEC);
    DEFAULT(o->crowded_ns, 2 * NS_PER_SEC);
    DEFAULT(o->body_ns, 60 * NS_PER_SEC);
    DEFAULT(o->rate_min, 1024);
}

static void set_host_id(struct http_server *server)
{
    char name[256] = "";
    gethostname(name, sizeof(name) - 1);
    snprintf(server->host_id, sizeof(server->host_id), "%016llx", (unsigned long long)xxh3(name, strlen(name), 0));
}

static void init_locks(struct http_server *server)
{
    cond_init(&server->changed);
    pthread_mutex_init(&server->lock, NULL);
}

static int open_epoll(struct http_server *server)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &server->wake};
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (server->epoll_fd < 0)
        return -errno;
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->wake_fd < 0 || epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, server->wake_fd, &event) < 0)
        return -errno;
    return 0;
}

static int open_parts(struct http_server *server)
{
    const struct http_server_options *o = &server->options;
    struct seats_options seats = {.seats = o->seats, .limit = o->workers_max, .run = worker_run, .arg = server};
    int rc = open_epoll(server);
    if (rc == 0)
        rc = seats_new(&seats, &server->seats);
    if (rc == 0)
        rc = park_new(&server->park);
    if (rc == 0 && !(server->listeners = calloc(o->listener_count, sizeof(*server->listeners))))
        rc = -ENOMEM;
    for (size_t i = 0; rc == 0 && i < o->listener_count; i++) {
        server->listeners[i].source.kind = SOURCE_LISTENER;
        server->listeners[i].listener = &o->listeners[i];
    }
    return rc;
}

int http_server_new(const struct http_server_options *options, struct http_server **ret_server)
{
    struct http_server *server = calloc(1, sizeof(*server));
    if (!server)
        return -ENOMEM;
    server->options = *options;
    server->epoll_fd = server->wake_fd = -1;
    set_defaults(&server->options);
    set_host_id(server);
    init_locks(server);
    int rc = open_parts(server);
    if (rc < 0)
        http_server_free(&server);
    else
        *ret_server = server;
    return rc;
}

int http_server_start(struct http_server *server)
{
    int rc = pthread_create(&server->keeper, NULL, keeper_main, server);
    if (rc != 0)
        return -rc;
    server->started = true;
    rc = seats_start(server->seats);
    for (size_t i = 0; rc == 0 && i < server->options.listener_count; i++)
        rc = listener_arm(server, &server->listeners[i], EPOLL_CTL_ADD);
    if (rc < 0)
        (void)http_server_stop(server, clock_mono_ns());
    return rc;
}

/* Waits until no connection is left; false when deadline came first. */
static bool wait_for_connections(struct http_server *server, int64_t deadline)
{
    struct timespec until = {deadline / NS_PER_SEC, deadline % NS_PER_SEC};
    int rc = 0;
    pthread_mutex_lock(&server->lock);
    pthread_cond_broadcast(&server->changed); /* the keeper goes to work */
    while (server->connection_count > 0 && rc == 0)
        rc = pthread_cond_timedwait(&server->changed, &server->lock, &until);
    bool none = server->connection_count == 0;
    pthread_mutex_unlock(&server->lock);
    return none;
}

static void cut_connections(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    for (struct http_connection *c = server->connections; c; c = c->next)
        shutdown(c->stream.fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
}

static void stop_keeper(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->keeper_quit = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    pthread_join(server->keeper, NULL);
}

int http_server_stop(struct http_server *server, int64_t deadline)
{
    if (!server->started)
        return 0;
    for (size_t i = 0; i < server->options.listener_count; i++) {
        int fd = server->options.listeners[i].fd;
        (void)epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        (void)shutdown(fd, SHUT_RDWR); /* clients are refused, and go elsewhere, instead of waiting in the queue */
    }
    pthread_mutex_lock(&server->lock);
    atomic_store(&server->stopping, true);
    pthread_mutex_unlock(&server->lock);
    park_stop(server->park);
    if (!wait_for_connections(server, deadline)) {
        cut_connections(server);
        (void)wait_for_connections(server, clock_mono_ns() + LAST_WAIT_NS);
    }
    stop_keeper(server);
    seats_stop(server->seats);
    (void)eventfd_write(server->wake_fd, 1);
    int rc = seats_join(server->seats, clock_mono_ns() + LAST_WAIT_NS);
    server->started = rc < 0;
    return rc;
}

void http_server_free(struct http_server **server)
{
    struct http_server *s = *server;
    if (!s)
        return;
    assert(!s->started);
    while (s->connections) {
        struct http_connection *c = s->connections;
        connection_close(&c);
    }
    park_free(&s->park);
    seats_free(&s->seats);
    free(s->listeners);
    if (s->wake_fd >= 0)
        close(s->wake_fd);
    if (s->epoll_fd >= 0)
        close(s->epoll_fd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
    *server = NULL;
}

struct http_metrics *http_server_metrics(struct http_server *server)
{
    return &server->metrics;
}

void http_server_status(struct http_server *server, struct http_server_status *ret_status)
{
    struct seats_status seats;
    seats_status(server->seats, &seats);
    pthread_mutex_lock(&server->lock);
    unsigned connections = server->connection_count;
    pthread_mutex_unlock(&server->lock);
    *ret_status = (struct http_server_status){
        connections, park_count(server->park), seats.total, seats.running, seats.waiting, seats.spare};
}
