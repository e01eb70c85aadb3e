/*
 * One connection to an endpoint, kept alive between requests. libcurl opens it (names, addresses in parallel, unix
 * sockets, TLS and whom to trust), and is not asked again while plain bytes go over it; under TLS they go through it.
 * Reads and writes wait no longer than a tick, so that whoever waits can look around.
 *
 * One thread at a time; no call but connection_open blocks for longer than a tick.
 */
#ifndef CAIRN_FS_S3_CONNECTION_H
#define CAIRN_FS_S3_CONNECTION_H

#include <sys/types.h>

#include "objstore/base/arena.h"
#include "objstore/base/span.h"

struct endpoint {
    const char *url;       /* "https://host:port" */
    const char *unix_path; /* dial this instead, or NULL */
    const char *ca_file;   /* PEM bundle to trust instead of the system's, or NULL */
    long connect_timeout_ms;
    int64_t tick_ns;
};

struct connection {
    struct connection *next; /* its owner's */
    int64_t idle_since;      /* its owner's: monotonic ns */
    struct arena arena;      /* of the request under way */
    struct buf out;          /* its head */
    void *curl;
    int fd;
    bool tls;
};

/* Dials, for connect_timeout_ms at most; interrupted (may be NULL) is asked about once a second. 0; -ECONNREFUSED (also
 * a unix socket that is not there), -EHOSTUNREACH (its name or itself, in time), -EINTR, -EPROTO (TLS),
 * -EKEYREJECTED (its certificate is not trusted), -EINVAL (no URL), -ENOMEM. */
int connection_open(const struct endpoint *endpoint, bool (*interrupted)(void *arg), void *arg,
                    struct connection **ret_connection);
/* Accepts NULL. */
void connection_close(struct connection **connection);
/* Whether an idle connection is as it was left: the peer has neither closed it nor sent anything. */
bool connection_is_quiet(const struct connection *connection);

/* Bytes written, at least 1; -EAGAIN after a tick, then the next call must begin with the same bytes at the same
 * place; -ECONNRESET. */
ssize_t connection_write(struct connection *connection, const void *bytes, size_t len);
/* Bytes read (1 … len), 0 at the peer's end; -EAGAIN after a tick, -ECONNRESET. */
ssize_t connection_read(struct connection *connection, void *ret_bytes, size_t len);

#endif
