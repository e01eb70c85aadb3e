#include "server/net/proxy_protocol.h"

#include <netinet/in.h>

#include "objstore/base/errors.h"
#include "server/net/address.h"

#define V1_START SPAN_LIT("PROXY ")
#define V2_START SPAN_LIT("\r\n\r\n\0\r\nQUIT\n")

enum {
    V1_MAX = 107,
    V2_FIXED = 16,
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_TCP4_LEN = 12,
    V2_TCP6_LEN = 36,
    TLV_SSL = 0x20,
    TLV_SSL_CLIENT = 0x01
};

/* "TCP4 192.0.2.1 198.51.100.1 56324 443" */
static int v1_fields(struct span line, struct proxy_header *ret_header)
{
    struct span family = span_cut(&line, ' '), source = span_cut(&line, ' ');
    struct span target = span_cut(&line, ' '), port_text = span_cut(&line, ' ');
    uint64_t port;
    if (span_is(family, "UNKNOWN"))
        return 0;
    if (!target.len || line.len == 0 || span_to_u64(port_text, &port) < 0 || port > UINT16_MAX)
        return CAIRN_ESYNTAX;
    if (span_find(source, '[', 0) >= 0 || net_address_parse(source, &ret_header->client) < 0)
        return CAIRN_ESYNTAX;
    bool ipv4 = ret_header->client.ss_family == AF_INET;
    if (!span_is(family, ipv4 ? "TCP4" : "TCP6"))
        return CAIRN_ESYNTAX;
    if (ipv4)
        ((struct sockaddr_in *)&ret_header->client)->sin_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in6 *)&ret_header->client)->sin6_port = htons((uint16_t)port);
    ret_header->known = true;
    return 0;
}

static ptrdiff_t v1_parse(struct span bytes, struct proxy_header *ret_header)
{
    ptrdiff_t end = span_find(bytes, '\n', 0);
    if (end < 0)
        return bytes.len >= V1_MAX ? CAIRN_ESYNTAX : 0;
    if (end >= V1_MAX || bytes.ptr[end - 1] != '\r')
        return CAIRN_ESYNTAX;
    struct span line = span_from(span_head(bytes, (size_t)end - 1), V1_START.len);
    int rc = v1_fields(line, ret_header);
    return rc < 0 ? rc : end + 1;
}

static uint16_t be16(const char *at)
{
    return (uint16_t)((uint8_t)at[0] << 8 | (uint8_t)at[1]);
}

/* Walks the type-length-values behind the addresses; only TLS matters to us. */
static int v2_options(struct span rest, struct proxy_header *ret_header)
{
    while (rest.len) {
        if (rest.len < 3 || be16(rest.ptr + 1) > rest.len - 3)
            return CAIRN_ESYNTAX;
        size_t len = be16(rest.ptr + 1);
        if ((uint8_t)rest.ptr[0] == TLV_SSL && len >= 1)
            ret_header->secure = rest.ptr[3] & TLV_SSL_CLIENT;
        rest = span_from(rest, 3 + len);
    }
    return 0;
}

static int v2_addresses(uint8_t family, struct span body, struct proxy_header *ret_header)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&ret_header->client;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret_header->client;
    size_t len = family == V2_TCP4 ? V2_TCP4_LEN : V2_TCP6_LEN;
    if (family != V2_TCP4 && family != V2_TCP6)
        return 0; /* UDP, unix: accepted, says nothing that we use */
    if (body.len < len)
        return CAIRN_ESYNTAX;
    if (family == V2_TCP4) {
        in->sin_family = AF_INET;
        memcpy(&in->sin_addr, body.ptr, 4);
        memcpy(&in->sin_port, body.ptr + 8, 2);
    } else {
        in6->sin6_family = AF_INET6;
        memcpy(&in6->sin6_addr, body.ptr, 16);
        memcpy(&in6->sin6_port, body.ptr + 32, 2);
    }
    ret_header->known = true;
    return v2_options(span_from(body, len), ret_header);
}

static ptrdiff_t v2_parse(struct span bytes, struct proxy_header *ret_header)
{
    if (bytes.len < V2_FIXED)
        return 0;
    uint8_t command = (uint8_t)bytes.ptr[12], family = (uint8_t)bytes.ptr[13];
    size_t len = be16(bytes.ptr + 14);
    if (command != V2_LOCAL && command != V2_PROXY)
        return CAIRN_ESYNTAX;
    if (len > PROXY_HEADER_MAX - V2_FIXED)
        return CAIRN_ETOOBIG;
    if (bytes.len < V2_FIXED + len)
        return 0;
    int rc = command == V2_LOCAL ? 0 : v2_addresses(family, span_make(bytes.ptr + V2_FIXED, len), ret_header);
    return rc < 0 ? rc : (ptrdiff_t)(V2_FIXED + len);
}

/* Whether bytes and start agree as far as both go. */
static bool begins_alike(struct span bytes, struct span start)
{
    size_t len = bytes.len < start.len ? bytes.len : start.len;
    return memcmp(bytes.ptr, start.ptr, len) == 0;
}

ptrdiff_t proxy_header_parse(struct span bytes, struct proxy_header *ret_header)
{
    struct proxy_header header = {0};
    ptrdiff_t used;
    if (bytes.len == 0)
        return 0;
    if (begins_alike(bytes, V1_START))
        used = bytes.len < V1_START.len ? 0 : v1_parse(bytes, &header);
    else if (begins_alike(bytes, V2_START))
        used = v2_parse(bytes, &header);
    else
        return -ENOMSG;
    if (used > 0)
        *ret_header = header;
    return used;
}
