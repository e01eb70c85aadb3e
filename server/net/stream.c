#include "server/net/stream.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"

enum { TLS_RECORD = 16 * 1024 }; /* the most that one TLS record holds */

void stream_init(struct stream *s, int fd, struct ssl_st *ssl)
{
    *s = (struct stream){.fd = fd, .ssl = ssl, .want = POLLIN};
}

void stream_close(struct stream *s)
{
    if (s->ssl) {
        ERR_clear_error();
        if (SSL_is_init_finished(s->ssl))
            (void)SSL_shutdown(s->ssl);
        SSL_free(s->ssl);
        s->ssl = NULL;
    }
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

/* What a failed call of OpenSSL means to us. */
static int tls_failure(struct stream *s, int rc)
{
    switch (SSL_get_error(s->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        s->want = POLLIN;
        return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        s->want = POLLOUT;
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        SSL_set_quiet_shutdown(s->ssl, 1); /* after a fatal error SSL_shutdown must not be called in earnest */
        return CAIRN_ECLOSED;
    }
}

int stream_handshake(struct stream *s)
{
    if (!s->ssl || SSL_is_init_finished(s->ssl))
        return 0;
    ERR_clear_error();
    int rc = SSL_accept(s->ssl);
    if (rc == 1)
        return 0;
    rc = tls_failure(s, rc);
    return rc == 0 ? CAIRN_ECLOSED : rc;
}

static ssize_t plain_failure(struct stream *s, short want)
{
    s->want = want;
    return errno == EAGAIN ? -EAGAIN : CAIRN_ECLOSED;
}

ssize_t stream_read(struct stream *s, void *ret_bytes, size_t len)
{
    assert(len > 0);
    if (s->ssl) {
        ERR_clear_error();
        int rc = SSL_read(s->ssl, ret_bytes, len > INT_MAX ? INT_MAX : (int)len);
        return rc > 0 ? rc : tls_failure(s, rc);
    }
    for (;;) {
        ssize_t got = recv(s->fd, ret_bytes, len, 0);
        if (got >= 0)
            return got;
        if (errno != EINTR)
            return plain_failure(s, POLLIN);
    }
}

/* One record of what the vector begins with: a head and a small body travel together. */
static ssize_t tls_write(struct stream *s, const struct iovec *iov, int count)
{
    char record[TLS_RECORD];
    const void *bytes = iov->iov_base;
    size_t len = iov->iov_len;
    if (len < TLS_RECORD && count > 1) {
        len = 0;
        for (int i = 0; i < count && len < TLS_RECORD; i++) {
            size_t part = iov[i].iov_len < TLS_RECORD - len ? iov[i].iov_len : TLS_RECORD - len;
            memcpy(record + len, iov[i].iov_base, part);
            len += part;
        }
        bytes = record;
    }
    ERR_clear_error();
    int rc = SSL_write(s->ssl, bytes, len > INT_MAX ? INT_MAX : (int)len);
    if (rc > 0)
        return rc;
    rc = tls_failure(s, rc);
    return rc == 0 ? CAIRN_ECLOSED : rc;
}

ssize_t stream_write(struct stream *s, const struct iovec *iov, int count)
{
    while (count > 1 && iov->iov_len == 0) {
        iov++;
        count--;
    }
    assert(count > 0 && iov->iov_len > 0);
    if (s->ssl)
        return tls_write(s, iov, count);
    struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};
    for (;;) {
        ssize_t sent = sendmsg(s->fd, &message, MSG_NOSIGNAL);
        if (sent >= 0)
            return sent;
        if (errno != EINTR)
            return plain_failure(s, POLLOUT);
    }
}

void stream_shutdown(struct stream *s)
{
    if (s->ssl && SSL_is_init_finished(s->ssl)) {
        ERR_clear_error();
        (void)SSL_shutdown(s->ssl);
    }
    (void)shutdown(s->fd, SHUT_WR);
}

int stream_wait(const struct stream *s, int64_t deadline)
{
    struct pollfd pfd = {.fd = s->fd, .events = s->want};
    for (;;) {
        int64_t left = deadline - clock_mono_ns();
        if (left <= 0)
            return CAIRN_EDEADLINE;
        int64_t ms = left / NS_PER_MS + 1;
        int rc = poll(&pfd, 1, ms > INT_MAX ? INT_MAX : (int)ms);
        if (rc > 0)
            return 0;
        if (rc < 0 && errno != EINTR)
            return -errno;
    }
}
