#include "server/net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void map_ipv4(const void *ipv4, uint8_t ret_bytes[16])
{
    memcpy(ret_bytes, mapped_prefix, sizeof(mapped_prefix));
    memcpy(ret_bytes + sizeof(mapped_prefix), ipv4, 4);
}

/* The 16 bytes of an IPv4 or IPv6 address; false for other families. */
static bool address_bytes(const struct sockaddr_storage *address, uint8_t ret_bytes[16])
{
    if (address->ss_family == AF_INET)
        map_ipv4(&((const struct sockaddr_in *)address)->sin_addr, ret_bytes);
    else if (address->ss_family == AF_INET6)
        memcpy(ret_bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
    else
        return false;
    return true;
}

static unsigned address_port(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET ? ((const struct sockaddr_in *)address)->sin_port
                                               : ((const struct sockaddr_in6 *)address)->sin6_port);
}

void net_address_host(const struct sockaddr_storage *address, char ret_text[NET_ADDRESS_TEXT])
{
    uint8_t bytes[16];
    if (!address_bytes(address, bytes))
        snprintf(ret_text, NET_ADDRESS_TEXT, "unix");
    else if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0)
        inet_ntop(AF_INET, bytes + sizeof(mapped_prefix), ret_text, NET_ADDRESS_TEXT);
    else
        inet_ntop(AF_INET6, bytes, ret_text, NET_ADDRESS_TEXT);
}

void net_address_format(const struct sockaddr_storage *address, char ret_text[NET_ADDRESS_TEXT])
{
    if (address->ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)address;
        snprintf(ret_text, NET_ADDRESS_TEXT, "unix:%.*s", (int)strnlen(un->sun_path, sizeof(un->sun_path)),
                 un->sun_path);
        return;
    }
    char host[NET_ADDRESS_TEXT];
    net_address_host(address, host);
    snprintf(ret_text, NET_ADDRESS_TEXT, strchr(host, ':') ? "[%.64s]:%u" : "%.64s:%u", host, address_port(address));
}

/* Cuts text into host and port (0 without one); a bare IPv6 address has colons but no port. */
static int split_port(struct span text, struct span *ret_host, uint16_t *ret_port)
{
    struct span port = SPAN_EMPTY;
    ptrdiff_t colon = span_find(text, ':', 0);
    if (text.len && text.ptr[0] == '[') {
        ptrdiff_t close = span_find(text, ']', 0);
        if (close < 0)
            return -EINVAL;
        port = span_from(text, (size_t)close + 1);
        *ret_host = span_make(text.ptr + 1, (size_t)close - 1);
        if (port.len && port.ptr[0] != ':')
            return -EINVAL;
    } else if (colon >= 0 && span_find(text, ':', (size_t)colon + 1) < 0) {
        port = span_from(text, (size_t)colon);
        *ret_host = span_head(text, (size_t)colon);
    } else {
        *ret_host = text;
    }
    uint64_t number = 0;
    if (port.len && (span_to_u64(span_from(port, 1), &number) < 0 || number > UINT16_MAX))
        return -EINVAL;
    *ret_port = (uint16_t)number;
    return 0;
}

int net_address_parse(struct span text, struct sockaddr_storage *ret_address)
{
    struct span host;
    uint16_t port;
    char name[INET6_ADDRSTRLEN];
    if (split_port(text, &host, &port) < 0 || host.len == 0 || host.len >= sizeof(name))
        return -EINVAL;
    memcpy(name, host.ptr, host.len);
    name[host.len] = '\0';
    struct sockaddr_storage address = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
    if (inet_pton(AF_INET, name, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
    } else if (inet_pton(AF_INET6, name, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
    } else {
        return -EINVAL;
    }
    *ret_address = address;
    return 0;
}

/* Compares the first bits of two addresses. */
static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static bool zero_beyond(const uint8_t prefix[16], unsigned bits)
{
    for (unsigned bit = bits; bit < 128; bit++)
        if (prefix[bit / 8] & (0x80u >> bit % 8))
            return false;
    return true;
}

int net_cidr_parse(struct span text, struct net_cidr *ret_cidr)
{
    if (span_is(text, "unix")) {
        *ret_cidr = (struct net_cidr){.unix_peers = true};
        return 0;
    }
    struct span length = text, host = span_cut(&length, '/');
    struct sockaddr_storage address;
    struct net_cidr cidr = {0};
    if (span_find(host, '[', 0) >= 0 || net_address_parse(host, &address) < 0 || address_port(&address) != 0 ||
        !address_bytes(&address, cidr.prefix))
        return -EINVAL;
    uint64_t width = address.ss_family == AF_INET ? 32 : 128, bits = width;
    if (length.ptr && (span_to_u64(length, &bits) < 0 || bits > width))
        return -EINVAL;
    cidr.bits = (unsigned)(bits + 128 - width);
    if (!zero_beyond(cidr.prefix, cidr.bits))
        return -EINVAL;
    *ret_cidr = cidr;
    return 0;
}

bool net_cidr_has(const struct net_cidr *cidr, const struct sockaddr_storage *address)
{
    uint8_t bytes[16];
    if (address->ss_family == AF_UNIX || cidr->unix_peers)
        return cidr->unix_peers && address->ss_family == AF_UNIX;
    return address_bytes(address, bytes) && same_prefix(cidr->prefix, bytes, cidr->bits);
}

bool net_cidr_any(const struct net_cidr *cidrs, size_t count, const struct sockaddr_storage *address)
{
    for (size_t i = 0; i < count; i++)
        if (net_cidr_has(&cidrs[i], address))
            return true;
    return false;
}
