#include "server/net/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    KEEPALIVE_IDLE_S = 60, /* a peer that vanished without a word is found within about two minutes */
    KEEPALIVE_INTERVAL_S = 15,
    KEEPALIVE_PROBES = 4
};

static void set_int(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof(value)); /* tuning: the socket works without */
}

static void describe(struct listener *l)
{
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof(bound);
    if (getsockname(l->fd, (struct sockaddr *)&bound, &len) < 0)
        return;
    net_address_format(&bound, l->text);
    if (bound.ss_family == AF_INET)
        l->port = ntohs(((struct sockaddr_in *)&bound)->sin_port);
    else if (bound.ss_family == AF_INET6)
        l->port = ntohs(((struct sockaddr_in6 *)&bound)->sin6_port);
}

static int bind_and_listen(int family, const struct sockaddr *address, socklen_t len, struct listener *ret_listener)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (family != AF_UNIX)
        set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(fd, address, len) < 0 || listen(fd, BACKLOG) < 0) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    *ret_listener = (struct listener){.fd = fd};
    describe(ret_listener);
    return 0;
}

/* A socket file that nobody answers on was left by a process that died. */
static int remove_stale(const struct sockaddr_un *un)
{
    struct stat st;
    if (lstat(un->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    bool dead = connect(fd, (const struct sockaddr *)un, sizeof(*un)) < 0 && errno == ECONNREFUSED;
    close(fd);
    if (!dead)
        return -EADDRINUSE;
    return unlink(un->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int open_unix(const char *path, struct listener *ret_listener)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(un.sun_path) || len >= sizeof(ret_listener->unlink_path))
        return len ? -ENAMETOOLONG : -EINVAL;
    memcpy(un.sun_path, path, len + 1);
    int rc = remove_stale(&un);
    if (rc == 0)
        rc = bind_and_listen(AF_UNIX, (struct sockaddr *)&un, sizeof(un), ret_listener);
    if (rc == 0)
        memcpy(ret_listener->unlink_path, path, len + 1);
    return rc;
}

/* Every interface: one dual-stack socket, or IPv4 alone on a host without IPv6. */
static int open_any(uint16_t port, struct listener *ret_listener)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_ANY_INIT};
    int rc = bind_and_listen(AF_INET6, (struct sockaddr *)&in6, sizeof(in6), ret_listener);
    if (rc != -EAFNOSUPPORT && rc != -EADDRNOTAVAIL)
        return rc;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_ANY)}};
    return bind_and_listen(AF_INET, (struct sockaddr *)&in, sizeof(in), ret_listener);
}

static int open_each(const struct addrinfo *found, struct listener *ret_listeners, size_t cap)
{
    size_t count = 0;
    int rc = -EADDRNOTAVAIL;
    for (const struct addrinfo *at = found; at && count < cap; at = at->ai_next) {
        rc = bind_and_listen(at->ai_family, at->ai_addr, at->ai_addrlen, &ret_listeners[count]);
        if (rc == 0)
            count++;
        else if (rc != -EADDRNOTAVAIL && rc != -EAFNOSUPPORT) /* a family that this host lacks is no failure */
            break;
    }
    if (count && (rc == 0 || rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT))
        return (int)count;
    while (count)
        listener_close(&ret_listeners[--count]);
    return rc;
}

static int open_host(const char *host, const char *port, struct listener *ret_listeners, size_t cap)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    int rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0)
        return rc == EAI_SYSTEM ? -errno : -EADDRNOTAVAIL;
    rc = open_each(found, ret_listeners, cap);
    freeaddrinfo(found);
    return rc;
}

static int one(int rc)
{
    return rc < 0 ? rc : 1;
}

static int open_tcp(const char *address, struct listener *ret_listeners, size_t cap)
{
    const char *colon = strrchr(address, ':');
    char host[256];
    uint64_t port;
    if (!colon || span_to_u64(span_cstr(colon + 1), &port) < 0 || port > UINT16_MAX)
        return -EINVAL;
    struct span name = span_make(address, (size_t)(colon - address));
    if (name.len == 0)
        return one(open_any((uint16_t)port, ret_listeners));
    if (name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
        name = span_make(name.ptr + 1, name.len - 2);
    else if (span_find(name, ':', 0) >= 0)
        return -EINVAL; /* an IPv6 address wants its brackets */
    if (name.len >= sizeof(host))
        return -ENAMETOOLONG;
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    return open_host(host, colon + 1, ret_listeners, cap);
}

int listener_open(const char *address, struct listener *ret_listeners, size_t cap, char *ret_message,
                  size_t cap_message)
{
    int rc;
    if (strncmp(address, "unix:", 5) == 0)
        rc = one(open_unix(address + 5, ret_listeners));
    else
        rc = open_tcp(address, ret_listeners, cap);
    if (rc < 0)
        snprintf(ret_message, cap_message, "can not listen on %s: %s", address,
                 rc == -EINVAL ? "want HOST:PORT, [IPV6]:PORT, :PORT or unix:PATH" : strerror(-rc));
    return rc;
}

void listener_close(struct listener *listener)
{
    if (listener->fd < 0)
        return;
    close(listener->fd);
    listener->fd = -1;
    if (listener->unlink_path[0])
        unlink(listener->unlink_path);
}

static void tune(int fd, int family)
{
    if (family == AF_UNIX)
        return;
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
}

int listener_accept(const struct listener *listener, struct sockaddr_storage *ret_peer)
{
    for (;;) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof(peer);
        int fd = accept4(listener->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            tune(fd, peer.ss_family);
            *ret_peer = peer;
            return fd;
        }
        switch (errno) {
        case EAGAIN:
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS:
        case EBADF:
        case EINVAL:
            return -errno;
        default: /* accept(2): errors of the connection that was waiting show up here */
            continue;
        }
    }
}
