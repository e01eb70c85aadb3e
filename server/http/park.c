/*
 * The park: one thread serves all long-lived streams, so that they hold no worker.
 *
 * A stream's life: PREPARED by http_park while its handler still runs (what is sent queues up) → STREAMING from
 * park_begin on, a connection of this thread → closed here, because the peer went, stands still, http_parked_close was
 * called or the server stops: on_close is called, and then the struct goes. Others only ever append to its queue and
 * put it on the list of those to look at.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "server/http/http_priv.h"

#define STALL_NS (60 * NS_PER_SEC)   /* a peer that takes nothing for so long is gone */
#define FAREWELL_NS (5 * NS_PER_SEC) /* to write what is queued when we close */

enum { EVENTS = 64, TICK_MS = 1000 };

struct http_parked {
    struct park *park;
    void (*on_close)(void *arg);
    void *arg;
    bool chunked;

    pthread_mutex_t lock; /* guards these */
    struct buf queue;     /* framed, not taken by the park's thread yet */
    bool closing;

    /* park.lock: */
    bool begun;
    bool due; /* on the list of those to look at */
    struct http_parked *next_due;

    /* The park's thread alone, after park_begin: */
    struct http_parked *next, *prev;
    struct http_connection *connection;
    struct buf sending;
    size_t sent;
    uint32_t armed;
    bool last_queued;
    int64_t progress; /* when bytes were last written, or there were none to write */
};

struct park {
    int epoll_fd;
    int wake_fd;
    atomic_uint count;
    pthread_mutex_t lock; /* guards these */
    bool running, stopping;
    struct http_parked *due;
    pthread_t thread;
    struct http_parked *streams; /* the park's thread alone */
};

/* ---- from any thread ---- */

/* The caller holds park.lock, and wakes the thread when this answers true. */
static bool put_on_list(struct http_parked *p)
{
    if (p->due)
        return false;
    p->due = true;
    p->next_due = p->park->due;
    p->park->due = p;
    return true;
}

static void schedule(struct http_parked *p)
{
    struct park *park = p->park;
    pthread_mutex_lock(&park->lock);
    bool wake = put_on_list(p);
    pthread_mutex_unlock(&park->lock);
    if (wake)
        (void)eventfd_write(park->wake_fd, 1);
}

static int enqueue(struct http_parked *p, const void *bytes, size_t len)
{
    char head[HTTP_CHUNK_HEAD_MAX];
    size_t head_len = p->chunked ? http_chunk_head(len, head) : 0;
    if (p->closing)
        return CAIRN_ECLOSED;
    if (p->queue.len + len > PARKED_QUEUE_MAX)
        return -EAGAIN;
    int rc = buf_reserve(&p->queue, len + head_len + sizeof(HTTP_CHUNK_TAIL));
    if (rc < 0)
        return rc;
    buf_add(&p->queue, head, head_len);
    buf_add(&p->queue, bytes, len);
    if (p->chunked)
        buf_add_span(&p->queue, SPAN_LIT(HTTP_CHUNK_TAIL));
    return 0;
}

int http_parked_send(struct http_parked *parked, const void *bytes, size_t len)
{
    if (len == 0)
        return 0;
    pthread_mutex_lock(&parked->lock);
    int rc = enqueue(parked, bytes, len);
    pthread_mutex_unlock(&parked->lock);
    if (rc == 0)
        schedule(parked);
    return rc;
}

void http_parked_close(struct http_parked *parked)
{
    pthread_mutex_lock(&parked->lock);
    parked->closing = true;
    pthread_mutex_unlock(&parked->lock);
    schedule(parked);
}

unsigned park_count(struct park *park)
{
    return atomic_load(&park->count);
}

/* ---- a stream, on the park's thread ---- */

static void parked_free(struct http_parked *p)
{
    buf_release(&p->queue);
    buf_release(&p->sending);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static void forget_due(struct park *park, const struct http_parked *p)
{
    pthread_mutex_lock(&park->lock);
    for (struct http_parked **at = &park->due; *at; at = &(*at)->next_due) {
        if (*at == p) {
            *at = p->next_due;
            break;
        }
    }
    pthread_mutex_unlock(&park->lock);
}

/* Who sends is kept off by on_close; only then may the struct go. */
static void dispose(struct http_parked *p)
{
    p->on_close(p->arg);
    forget_due(p->park, p);
    if (p->connection)
        connection_close(&p->connection);
    atomic_fetch_sub(&p->park->count, 1);
    parked_free(p);
}

static void end_stream(struct http_parked *p)
{
    *(p->prev ? &p->prev->next : &p->park->streams) = p->next;
    if (p->next)
        p->next->prev = p->prev;
    dispose(p);
}

/* Takes over what was queued since, and the end when it is near. */
static void take_queue(struct http_parked *p)
{
    struct buf empty = p->sending;
    buf_clear(&empty);
    pthread_mutex_lock(&p->lock);
    p->sending = p->queue;
    p->queue = empty;
    bool closing = p->closing;
    pthread_mutex_unlock(&p->lock);
    p->sent = 0;
    if (closing && p->sending.len == 0 && !p->last_queued) {
        p->last_queued = true;
        if (p->chunked)
            buf_add_span(&p->sending, SPAN_LIT(HTTP_CHUNK_LAST));
    }
    if (p->sending.len == 0)
        buf_release(&p->sending); /* an idle stream holds no memory */
}

/* Writes what there is. 0: all is written; -EAGAIN; CAIRN_ECLOSED, also after the last chunk. */
static int pump(struct http_parked *p)
{
    for (;;) {
        if (p->sent == p->sending.len) {
            if (p->last_queued)
                return CAIRN_ECLOSED;
            take_queue(p);
            p->progress = clock_mono_ns();
            if (p->sending.len == 0)
                return p->last_queued ? CAIRN_ECLOSED : 0;
        }
        struct iovec iov = {p->sending.ptr + p->sent, p->sending.len - p->sent};
        ssize_t written = stream_write(&p->connection->stream, &iov, 1);
        if (written < 0)
            return (int)written;
        p->sent += (size_t)written;
        p->progress = clock_mono_ns();
    }
}

/* What a client sends on a stream of ours means nothing; its end does. */
static int drop_input(struct http_parked *p)
{
    char bytes[4096];
    ssize_t got;
    while ((got = stream_read(&p->connection->stream, bytes, sizeof(bytes))) > 0)
        ;
    return got == -EAGAIN ? 0 : CAIRN_ECLOSED;
}

static int arm(struct http_parked *p, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = p};
    if (events == p->armed)
        return 0;
    int op = p->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(p->park->epoll_fd, op, p->connection->stream.fd, &event) < 0)
        return -errno;
    p->armed = events;
    return 0;
}

static void look_at(struct http_parked *p, bool readable)
{
    int rc = readable ? drop_input(p) : 0;
    if (rc == 0)
        rc = pump(p);
    if (rc == 0 || rc == -EAGAIN)
        rc = arm(p, rc == 0 ? EPOLLIN : EPOLLIN | EPOLLOUT);
    if (rc < 0)
        end_stream(p);
}

/* A stream that was begun since the last look is on no list yet. */
static void join_streams(struct http_parked *p)
{
    p->progress = clock_mono_ns();
    p->next = p->park->streams;
    if (p->next)
        p->next->prev = p;
    p->park->streams = p;
}

/* One whose handler still runs is passed over: park_begin puts it on the list again. */
static struct http_parked *next_due(struct park *park)
{
    struct http_parked *p;
    pthread_mutex_lock(&park->lock);
    do {
        p = park->due;
        if (p) {
            park->due = p->next_due;
            p->due = false;
        }
    } while (p && !p->begun);
    pthread_mutex_unlock(&park->lock);
    return p;
}

static void look_at_due(struct park *park)
{
    eventfd_t ignored;
    (void)eventfd_read(park->wake_fd, &ignored);
    for (struct http_parked *p; (p = next_due(park));) {
        if (!p->armed)
            join_streams(p);
        look_at(p, false);
    }
}

static void end_stalled(struct park *park)
{
    int64_t now = clock_mono_ns();
    for (struct http_parked *p = park->streams, *next; p; p = next) {
        next = p->next;
        int64_t patience = p->last_queued ? FAREWELL_NS : STALL_NS;
        if (p->sent < p->sending.len && now - p->progress > patience)
            end_stream(p);
    }
}

static bool park_stopping(struct park *park)
{
    pthread_mutex_lock(&park->lock);
    bool stopping = park->stopping;
    pthread_mutex_unlock(&park->lock);
    return stopping;
}

static void *park_main(void *arg)
{
    struct park *park = arg;
    int64_t checked = clock_mono_ns();
    while (!park_stopping(park)) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(park->epoll_fd, events, EVENTS, TICK_MS);
        bool due = false;
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == park)
                due = true;
            else
                look_at(events[i].data.ptr, events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR));
        }
        if (due)
            look_at_due(park);
        if (clock_mono_ns() - checked > TICK_MS * NS_PER_MS) {
            end_stalled(park);
            checked = clock_mono_ns();
        }
    }
    look_at_due(park);
    while (park->streams)
        end_stream(park->streams);
    return NULL;
}

/* ---- from the handler and its worker ---- */

static int ensure_running(struct park *park)
{
    pthread_mutex_lock(&park->lock);
    int rc = park->stopping ? CAIRN_ECLOSED : 0;
    if (rc == 0 && !park->running) {
        rc = -pthread_create(&park->thread, NULL, park_main, park);
        park->running = rc == 0;
    }
    pthread_mutex_unlock(&park->lock);
    return rc;
}

int http_park(struct http_request *request, void (*on_close)(void *arg), void *arg, struct http_parked **ret_parked)
{
    struct http_exchange *x = exchange_of(request);
    assert(x->reply.state == REPLY_BEGUN && x->reply.length == HTTP_LENGTH_UNKNOWN && !x->parked);
    int rc = ensure_running(x->server->park);
    if (rc < 0)
        return rc;
    struct http_parked *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    pthread_mutex_init(&p->lock, NULL);
    p->park = x->server->park;
    p->on_close = on_close;
    p->arg = arg;
    p->chunked = x->reply.chunked;
    atomic_fetch_add(&p->park->count, 1);
    x->parked = p;
    *ret_parked = p;
    return 0;
}

void park_begin(struct http_parked *parked, struct http_connection *c, struct span bytes)
{
    struct park *park = parked->park;
    (void)epoll_ctl(c->server->epoll_fd, EPOLL_CTL_DEL, c->stream.fd, NULL);
    parked->connection = c;
    int rc = buf_add_span(&parked->sending, bytes);
    pthread_mutex_lock(&park->lock);
    bool begun = parked->begun = rc == 0 && !park->stopping;
    if (begun)
        put_on_list(parked);
    pthread_mutex_unlock(&park->lock);
    if (!begun)
        dispose(parked);
    else
        (void)eventfd_write(park->wake_fd, 1);
}

void park_abandon(struct http_parked *parked)
{
    dispose(parked);
}

/* ---- life ---- */

int park_new(struct park **ret_park)
{
    struct park *park = calloc(1, sizeof(*park));
    if (!park)
        return -ENOMEM;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = park};
    pthread_mutex_init(&park->lock, NULL);
    park->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    park->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (park->epoll_fd < 0 || park->wake_fd < 0 ||
        epoll_ctl(park->epoll_fd, EPOLL_CTL_ADD, park->wake_fd, &event) < 0) {
        int rc = -errno;
        park_free(&park);
        return rc;
    }
    *ret_park = park;
    return 0;
}

void park_stop(struct park *park)
{
    pthread_mutex_lock(&park->lock);
    bool join = park->running;
    park->stopping = true;
    park->running = false;
    pthread_mutex_unlock(&park->lock);
    if (!join)
        return;
    (void)eventfd_write(park->wake_fd, 1);
    pthread_join(park->thread, NULL);
}

void park_free(struct park **park)
{
    struct park *p = *park;
    if (!p)
        return;
    assert(atomic_load(&p->count) == 0 && !p->running);
    if (p->wake_fd >= 0)
        close(p->wake_fd);
    if (p->epoll_fd >= 0)
        close(p->epoll_fd);
    pthread_mutex_destroy(&p->lock);
    free(p);
    *park = NULL;
}
