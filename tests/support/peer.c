#include "tests/support/peer.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/certificate.h"

#define PATIENCE_S 10

struct peer_state {
    struct peer *peer;
    const struct peer_step *script;
    pthread_t thread;
    char folder[64];
    int listener, fd;
    SSL_CTX *tls;
    SSL *ssl;
    atomic_bool stopping, turned;
};

/* ---- bytes ---- */

static ssize_t peer_read(struct peer_state *s, void *bytes, size_t len)
{
    return s->ssl ? SSL_read(s->ssl, bytes, (int)len) : recv(s->fd, bytes, len, 0);
}

/* A client that has gone is no concern of the script's. */
static bool peer_write(struct peer_state *s, const char *bytes, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t n = s->ssl ? SSL_write(s->ssl, bytes + sent, (int)(len - sent))
                           : send(s->fd, bytes + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    return true;
}

static void hang_up(struct peer_state *s, bool orderly)
{
    if (s->fd < 0)
        return;
    if (s->ssl && orderly)
        SSL_shutdown(s->ssl);
    SSL_free(s->ssl);
    s->ssl = NULL;
    close(s->fd);
    s->fd = -1;
}

/* False when the client does not like our certificate. */
static bool handshake(struct peer_state *s)
{
    s->ssl = SSL_new(s->tls);
    SSL_set_fd(s->ssl, s->fd);
    if (SSL_accept(s->ssl) == 1)
        return true;
    hang_up(s, false);
    return false;
}

static bool answer(struct peer_state *s)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    struct pollfd pfd = {.fd = s->listener, .events = POLLIN};
    cr_assert_eq(poll(&pfd, 1, PATIENCE_S * 1000), 1, "no client came");
    s->fd = accept(s->listener, NULL, NULL);
    cr_assert_geq(s->fd, 0);
    setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    s->peer->connections++;
    return !s->tls || s->script->action == PEER_SLAM || handshake(s);
}

/* ---- steps ---- */

static void take(struct peer_state *s, bool with_body)
{
    struct peer *peer = s->peer;
    size_t len = 0, scanned = 0;
    ssize_t end = 0;
    while (end == 0) {
        ssize_t n = peer_read(s, peer->bytes + len, sizeof(peer->bytes) - len);
        cr_assert(n > 0, "the request broke off");
        len += (size_t)n;
        end = http_request_parse(span_make(peer->bytes, len), &scanned, &peer->head);
        cr_assert_geq(end, 0, "no request");
    }
    buf_clear(&peer->body);
    buf_add(&peer->body, peer->bytes + end, len - (size_t)end);
    while (with_body && peer->head.content_length > (int64_t)peer->body.len) {
        char piece[4096];
        ssize_t n = peer_read(s, piece, sizeof(piece));
        cr_assert(n > 0, "the body broke off");
        buf_add(&peer->body, piece, (size_t)n);
    }
    peer->requests++;
}

static void drip(struct peer_state *s, const struct peer_step *step)
{
    struct timespec pause = {0, 100000};
    for (size_t i = 0; i < step->len && peer_write(s, step->text + i, 1); i++)
        nanosleep(&pause, NULL);
}

static void drain(struct peer_state *s)
{
    char piece[4096];
    shutdown(s->fd, SHUT_WR);
    while (peer_read(s, piece, sizeof(piece)) > 0)
        ;
}

static void wait_closed(struct peer_state *s)
{
    struct pollfd pfd = {.fd = s->fd, .events = POLLRDHUP};
    while (!s->stopping && poll(&pfd, 1, 10) == 0)
        ;
}

static void wait_turn(struct peer_state *s)
{
    struct timespec pause = {0, 1000000};
    while (!s->stopping && !s->turned)
        nanosleep(&pause, NULL);
    s->turned = false;
}

static void run_step(struct peer_state *s)
{
    const struct peer_step *step = s->script;
    if (s->fd < 0 && !answer(s))
        return;
    switch (step->action) {
    case PEER_TAKE:
    case PEER_HEAD:
        take(s, step->action == PEER_TAKE);
        break;
    case PEER_SEND:
        peer_write(s, step->text, step->len);
        break;
    case PEER_DRIP:
        drip(s, step);
        break;
    case PEER_RESET:
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
        hang_up(s, false);
        break;
    case PEER_SLAM:
        hang_up(s, false);
        break;
    case PEER_DRAIN:
        drain(s);
        break;
    case PEER_WAIT:
        wait_closed(s);
        break;
    case PEER_TURN:
        wait_turn(s);
        break;
    case PEER_CLOSE:
    case PEER_END:
        hang_up(s, true);
        break;
    }
}

static void *run(void *arg)
{
    struct peer_state *s = arg;
    sigset_t broken;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE); /* of this thread: the client's must do without */
    pthread_sigmask(SIG_BLOCK, &broken, NULL);
    for (; s->script->action != PEER_END; s->script++) {
        run_step(s);
        s->peer->steps++;
    }
    wait_closed(s); /* it may find nothing wrong with the last reply's connection */
    hang_up(s, true);
    return NULL;
}

/* ---- life ---- */

static void listen_tcp(struct peer_state *s, const char *scheme, const char *host)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(s->listener, (struct sockaddr *)&address, len), 0);
    getsockname(s->listener, (struct sockaddr *)&address, &len);
    snprintf(s->peer->endpoint, sizeof(s->peer->endpoint), "%s://%s:%u", scheme, host, ntohs(address.sin_port));
}

static void listen_unix(struct peer_state *s)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", s->folder);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(s->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    snprintf(s->peer->endpoint, sizeof(s->peer->endpoint), "unix:%s", address.sun_path);
}

static void load_certificate(struct peer_state *s)
{
    char key[96];
    certificate_make(s->folder, "localhost");
    snprintf(s->peer->ca_file, sizeof(s->peer->ca_file), "%s/public.crt", s->folder);
    snprintf(key, sizeof(key), "%s/private.key", s->folder);
    s->tls = SSL_CTX_new(TLS_server_method());
    cr_assert_eq(SSL_CTX_use_certificate_file(s->tls, s->peer->ca_file, SSL_FILETYPE_PEM), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey_file(s->tls, key, SSL_FILETYPE_PEM), 1);
}

void peer_start(struct peer *peer, enum peer_kind kind, const struct peer_step *script)
{
    struct peer_state *s = calloc(1, sizeof(*s));
    *peer = (struct peer){.state = s};
    s->peer = peer;
    s->script = script;
    s->fd = -1;
    strcpy(s->folder, "/tmp/cairn-peer-XXXXXX");
    cr_assert_not_null(mkdtemp(s->folder));
    if (kind == PEER_TLS)
        load_certificate(s);
    if (kind == PEER_UNIX)
        listen_unix(s);
    else
        listen_tcp(s, kind == PEER_TLS ? "https" : "http", kind == PEER_TLS ? "localhost" : "127.0.0.1");
    cr_assert_eq(listen(s->listener, 8), 0);
    cr_assert_eq(pthread_create(&s->thread, NULL, run, s), 0);
}

void peer_turn(struct peer *peer)
{
    peer->state->turned = true;
}

void peer_wait(struct peer *peer, unsigned steps)
{
    struct timespec pause = {0, 1000000};
    for (int i = 0; peer->steps < steps; i++) {
        cr_assert_lt(i, PATIENCE_S * 1000, "the script hangs at step %u", peer->steps);
        nanosleep(&pause, NULL);
    }
}

static void remove_folder(const struct peer_state *s)
{
    static const char *const names[] = {"socket", "public.crt", "private.key"};
    char path[96];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", s->folder, names[i]);
        unlink(path);
    }
    rmdir(s->folder);
}

void peer_stop(struct peer *peer)
{
    struct peer_state *s = peer->state;
    s->stopping = true;
    pthread_join(s->thread, NULL);
    close(s->listener);
    SSL_CTX_free(s->tls);
    remove_folder(s);
    free(s);
    buf_release(&peer->body);
    peer->state = NULL;
}
