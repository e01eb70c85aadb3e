#include "fs/s3/connection.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "objstore/base/clock.h"

/* ---- opening ---- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_begin(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct asked {
    bool (*interrupted)(void *arg);
    void *arg;
};

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct asked *asked = arg;
    (void)a, (void)b, (void)c, (void)d;
    return asked->interrupted && asked->interrupted(asked->arg);
}

static void set_options(CURL *curl, const struct endpoint *endpoint)
{
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(curl, CURLOPT_URL, endpoint->url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* a mount does not follow http_proxy */
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); /* what ALPN offers */
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, endpoint->connect_timeout_ms);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    if (endpoint->unix_path)
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, endpoint->unix_path);
    if (endpoint->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, endpoint->ca_file);
}

/* Whatever it was, nothing of a request was sent. */
static int dial_error(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_ABORTED_BY_CALLBACK:
        return -EINTR;
    case CURLE_COULDNT_CONNECT:
        return -ECONNREFUSED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_OPERATION_TIMEDOUT:
        return -EHOSTUNREACH;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return -EKEYREJECTED;
    case CURLE_URL_MALFORMAT:
        return -EINVAL;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    default:
        return -EPROTO;
    }
}

/* libcurl leaves a socket that never waits. Ours does, for a tick: a round trip is then one call to write and one to
 * read. */
static int take_socket(struct connection *c, int64_t tick_ns)
{
    curl_socket_t fd;
    struct timeval tick = {.tv_sec = tick_ns / NS_PER_SEC, .tv_usec = tick_ns % NS_PER_SEC / 1000};
    if (curl_easy_getinfo(c->curl, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd == CURL_SOCKET_BAD)
        return -EPROTO;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof tick) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tick, sizeof tick) < 0)
        return -errno;
    c->fd = fd;
    return 0;
}

static int dial(struct connection *c, const struct endpoint *endpoint, struct asked *asked)
{
    set_options(c->curl, endpoint);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, asked);
    curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
    int r = dial_error(curl_easy_perform(c->curl));
    curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, NULL);
    return r < 0 ? r : take_socket(c, endpoint->tick_ns);
}

int connection_open(const struct endpoint *endpoint, bool (*interrupted)(void *arg), void *arg,
                    struct connection **ret_connection)
{
    struct asked asked = {interrupted, arg};
    pthread_once(&curl_once, curl_begin);
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->fd = -1;
    c->tls = span_starts(span_cstr(endpoint->url), SPAN_LIT("https:"));
    c->curl = curl_easy_init();
    int r = c->curl ? dial(c, endpoint, &asked) : -ENOMEM;
    if (r < 0)
        connection_close(&c);
    else
        *ret_connection = c;
    return r;
}

void connection_close(struct connection **connection)
{
    struct connection *c = *connection;
    if (!c)
        return;
    if (c->fd >= 0) /* libcurl looks for the peer's goodbye in TLS, and is not to wait for it */
        (void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
    if (c->curl)
        curl_easy_cleanup(c->curl);
    arena_release(&c->arena);
    buf_release(&c->out);
    free(c);
    *connection = NULL;
}

bool connection_is_quiet(const struct connection *c)
{
    char byte;
    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* ---- bytes ---- */

static ssize_t tls_result(CURLcode code, size_t moved)
{
    return code == CURLE_OK ? (ssize_t)moved : code == CURLE_AGAIN ? -EAGAIN : -ECONNRESET;
}

static ssize_t plain_result(ssize_t moved)
{
    return moved >= 0 ? moved : errno == EAGAIN ? -EAGAIN : -ECONNRESET;
}

ssize_t connection_write(struct connection *c, const void *bytes, size_t len)
{
    ssize_t n;
    if (c->tls) {
        size_t sent = 0;
        CURLcode code = curl_easy_send(c->curl, bytes, len, &sent);
        return tls_result(code, sent);
    }
    do
        n = send(c->fd, bytes, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return plain_result(n);
}

ssize_t connection_read(struct connection *c, void *ret_bytes, size_t len)
{
    ssize_t n;
    if (c->tls) {
        size_t got = 0;
        CURLcode code = curl_easy_recv(c->curl, ret_bytes, len, &got);
        return tls_result(code, got);
    }
    do
        n = recv(c->fd, ret_bytes, len, 0);
    while (n < 0 && errno == EINTR);
    return plain_result(n);
}
