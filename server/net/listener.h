/*
 * Listening sockets: HOST:PORT, [IPV6]:PORT, :PORT (every interface, both families), unix:PATH.
 */
#ifndef CAIRN_NET_LISTENER_H
#define CAIRN_NET_LISTENER_H

#include "server/net/address.h"

struct listener {
    int fd;                      /* non-blocking, close-on-exec */
    char text[NET_ADDRESS_TEXT]; /* as bound: the real port where 0 was asked for */
    unsigned port;               /* 0 for a unix socket */
    char unlink_path[108];       /* of a unix socket; "" otherwise */
};

#define LISTENERS_PER_ADDRESS 8 /* a name such as localhost may stand for several addresses */

/* Opens what address stands for: the number of listeners made (1 … cap), or a negative errno with ret_message
 * (cap_message bytes) saying in one line what is wrong. A stale unix socket, one that nobody answers on, is replaced;
 * -EADDRINUSE when it is alive. May ask DNS: call it at start. */
int listener_open(const char *address, struct listener *ret_listeners, size_t cap, char *ret_message,
                  size_t cap_message);
/* Closes, and unlinks a unix socket. Accepts a closed one. */
void listener_close(struct listener *listener);

/* The next connection: its non-blocking, close-on-exec socket with TCP_NODELAY and keep-alive probes set, and the peer.
 * -EAGAIN when none waits; -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS: try again later. Connections that broke before they
 * were taken are passed over. */
int listener_accept(const struct listener *listener, struct sockaddr_storage *ret_peer);

#endif
