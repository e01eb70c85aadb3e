/*
 * The PROXY protocol's header, versions 1 (text) and 2 (binary), with which a proxy says for whom it connects.
 * (https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt) A pure function; any thread.
 */
#ifndef CAIRN_NET_PROXY_PROTOCOL_H
#define CAIRN_NET_PROXY_PROTOCOL_H

#include <sys/socket.h>

#include "objstore/base/span.h"

#define PROXY_HEADER_MAX 4096 /* bytes; version 1 takes at most 107, version 2 a few hundred with its TLVs */

struct proxy_header {
    bool known;                     /* false: LOCAL or UNKNOWN, the connection speaks for itself */
    struct sockaddr_storage client; /* AF_INET or AF_INET6 when known */
    bool secure;                    /* version 2 with a TLS TLV whose client bit is set */
};

/* Bytes that the header at the start of bytes takes; 0 when it is not complete (all of bytes then belongs to it, if it
 * turns out to be one); -ENOMSG when this is no PROXY header; CAIRN_ESYNTAX, CAIRN_ETOOBIG. */
ptrdiff_t proxy_header_parse(struct span bytes, struct proxy_header *ret_header);

#endif
