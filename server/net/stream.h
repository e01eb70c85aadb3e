/*
 * Streams: a connected socket, plain or TLS, that never blocks. Who wants to wait asks stream_wait(), or hands the
 * descriptor to epoll with stream_events(). One thread at a time.
 */
#ifndef CAIRN_NET_STREAM_H
#define CAIRN_NET_STREAM_H

#include <sys/types.h>
#include <sys/uio.h>

#include "objstore/base/span.h"

struct ssl_st; /* OpenSSL's SSL */

struct stream {
    int fd;             /* -1: closed */
    struct ssl_st *ssl; /* NULL: plain */
    short want;         /* POLLIN or POLLOUT: what the call that answered -EAGAIN waits for */
};

/* Take the descriptor over; ssl (may be NULL) too. */
void stream_init(struct stream *s, int fd, struct ssl_st *ssl);
/* Closes the descriptor. Says goodbye in TLS first if that can be done at once. Accepts a closed one. */
void stream_close(struct stream *s);

/* The TLS handshake, a step of it: 0 when done (at once on a plain stream), -EAGAIN, CAIRN_ECLOSED. */
int stream_handshake(struct stream *s);
/* Bytes read (1 … len), 0 at the peer's end, -EAGAIN, CAIRN_ECLOSED when the connection broke. */
ssize_t stream_read(struct stream *s, void *ret_bytes, size_t len);
/* Bytes written (at least 1), -EAGAIN, CAIRN_ECLOSED. After -EAGAIN the next call must begin with the same bytes. */
ssize_t stream_write(struct stream *s, const struct iovec *iov, int count);
/* No more bytes from us: the peer sees the end after what was written. */
void stream_shutdown(struct stream *s);

/* Waits for what the last call wanted, until deadline (monotonic ns): 0, CAIRN_EDEADLINE, or a negative errno. */
int stream_wait(const struct stream *s, int64_t deadline);

#endif
