/*
 * Network addresses: their text form, and sets of them (CIDR). No DNS here. Any thread.
 */
#ifndef CAIRN_NET_ADDRESS_H
#define CAIRN_NET_ADDRESS_H

#include <sys/socket.h>

#include "objstore/base/span.h"

#define NET_ADDRESS_TEXT 128 /* of any address as text, with its NUL; a unix path has up to 108 bytes */

/* "192.0.2.1:9000", "[2001:db8::1]:9000", "unix:PATH" ("unix:" for an unnamed peer). */
void net_address_format(const struct sockaddr_storage *address, char ret_text[NET_ADDRESS_TEXT]);
/* The address alone, without a port: "192.0.2.1", "2001:db8::1", "unix". An IPv4-mapped IPv6 address is shown as IPv4.
 */
void net_address_host(const struct sockaddr_storage *address, char ret_text[NET_ADDRESS_TEXT]);
/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80", as forwarded headers have them.
 * -EINVAL. */
int net_address_parse(struct span text, struct sockaddr_storage *ret_address);

/* A set of addresses. All of unix sockets' peers, or an IPv6 prefix; IPv4 is held as ::ffff:0:0/96. */
struct net_cidr {
    bool unix_peers;
    uint8_t prefix[16];
    unsigned bits;
};

/* "10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "unix". -EINVAL, also when bits are set beyond the prefix' length. */
int net_cidr_parse(struct span text, struct net_cidr *ret_cidr);
bool net_cidr_has(const struct net_cidr *cidr, const struct sockaddr_storage *address);
/* Whether one of count sets has it. */
bool net_cidr_any(const struct net_cidr *cidrs, size_t count, const struct sockaddr_storage *address);

#endif
