/* PROXY headers, addresses and networks: nothing is read past the end, and a header reads the same with bytes behind
 * it. */
#include "server/net/address.h"
#include "server/net/proxy_protocol.h"
#include "tests/fuzz/fuzz.h"

static void check_proxy(struct span input)
{
    struct proxy_header whole = {0}, exact = {0};
    ptrdiff_t used = proxy_header_parse(input, &whole);
    FUZZ_CHECK(used <= (ptrdiff_t)input.len);
    if (used <= 0)
        return;
    FUZZ_CHECK(proxy_header_parse(span_head(input, (size_t)used), &exact) == used);
    FUZZ_CHECK(exact.known == whole.known && exact.secure == whole.secure);
    for (size_t len = 1; len < (size_t)used; len++)
        FUZZ_CHECK(proxy_header_parse(span_head(input, len), &exact) == 0);
    char text[NET_ADDRESS_TEXT];
    if (whole.known)
        net_address_format(&whole.client, text);
}

/* What is read, written and read again is the same. */
static void check_address(struct span input)
{
    struct sockaddr_storage address, again;
    struct net_cidr cidr;
    char text[NET_ADDRESS_TEXT], text_again[NET_ADDRESS_TEXT];
    if (net_cidr_parse(input, &cidr) == 0)
        FUZZ_CHECK(cidr.unix_peers || cidr.bits <= 128);
    if (net_address_parse(input, &address) < 0)
        return;
    net_address_format(&address, text);
    FUZZ_CHECK(net_address_parse(span_cstr(text), &again) == 0);
    net_address_format(&again, text_again);
    FUZZ_CHECK(strcmp(text, text_again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* of its exact size, so that a byte too far is seen */
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    check_proxy(span_make(copy, size));
    check_address(span_make(copy, size));
    free(copy);
    return 0;
}
