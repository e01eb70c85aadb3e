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

void exchange_end_overtime(struct http_exchange *x)
{
    if (x->overtime)
        http_seat_take();
    x->overtime = false;
}

/* ---- writing ---- */

/* Takes written bytes off the front of a vector; its new start. */
static struct iovec *advance(struct iovec *iov, int *count, size_t written)
{
    while (*count > 0 && written >= iov->iov_len) {
        written -= iov->iov_len;
        iov++;
        (*count)--;
    }
    if (*count > 0) {
        iov->iov_base = (char *)iov->iov_base + written;
        iov->iov_len -= written;
    }
    return iov;
}

int exchange_write(struct http_exchange *x, struct iovec *iov, int count)
{
    struct reply *r = &x->reply;
    if (r->cut)
        return CAIRN_ECLOSED;
    exchange_look_at_clock(x);
    iov = advance(iov, &count, 0);
    while (count > 0) {
        ssize_t written = stream_write(&x->connection->stream, iov, count);
        int rc = written < 0 ? (int)written : 0;
        if (rc == -EAGAIN)
            rc = exchange_wait(x, &r->patience);
        if (rc < 0) {
            r->cut = true;
            return rc;
        }
        if (written > 0) {
            r->patience.moved += (uint64_t)written;
            iov = advance(iov, &count, (size_t)written);
        }
    }
    return 0;
}

int exchange_flush(struct http_exchange *x)
{
    struct iovec iov = {x->reply.out.ptr, x->reply.out.len};
    int rc = exchange_write(x, &iov, 1);
    buf_clear(&x->reply.out);
    return rc;
}

/* ---- for handlers ---- */

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
