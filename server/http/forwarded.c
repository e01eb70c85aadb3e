/*
 * What a trusted proxy says about whom it speaks for: Forwarded (RFC 7239), or X-Forwarded-For, -Proto and -Host. A
 * list grows to the right, and with further lines of the header: so it is read from its end. The client is the first
 * address that is no trusted proxy itself; what stands left of it anybody could have written.
 *
 * A proxy that writes one kind of these headers may let a client's own of the other kind pass. So where both are there,
 * what they both say must agree, or it does not count.
 */
#include "server/http/http_priv.h"

/* The last element of a comma-separated list; *list keeps what stands before it, .ptr NULL when that was all. */
static struct span cut_last(struct span *list)
{
    size_t at = list->len;
    while (at > 0 && list->ptr[at - 1] != ',')
        at--;
    struct span last = span_trim(span_from(*list, at));
    *list = at ? span_make(list->ptr, at - 1) : SPAN_EMPTY;
    return last;
}

static struct span unquote(struct span s)
{
    if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
        return span_make(s.ptr + 1, s.len - 2);
    return s;
}

/* The value of one parameter of a Forwarded element ("for=…;proto=…;host=…"); .ptr NULL without it. */
static struct span parameter(struct span element, const char *name)
{
    while (element.ptr) {
        struct span value = span_trim(span_cut(&element, ';'));
        struct span key = span_cut(&value, '=');
        if (value.ptr && span_eq_nocase(span_trim(key), span_cstr(name)))
            return unquote(span_trim(value));
    }
    return SPAN_EMPTY;
}

/* What one kind of the headers says. */
struct telling {
    struct sockaddr_storage client;
    bool has_client;
    struct span proto, host; /* .len 0: not said */
};

/* Goes on while the hop is a trusted proxy; false at the client. */
static bool step(struct telling *t, struct span address, const struct net_cidr *trusted, size_t count)
{
    struct sockaddr_storage hop;
    if (net_address_parse(address, &hop) < 0)
        return false; /* "unknown", or an obfuscated name: no further can be told */
    t->client = hop;
    t->has_client = true;
    return net_cidr_any(trusted, count, &hop);
}

static struct telling read_standard(struct span list, const struct net_cidr *trusted, size_t count)
{
    struct telling t = {.has_client = false};
    bool more = true;
    while (list.ptr && more) {
        struct span element = cut_last(&list);
        struct span proto = parameter(element, "proto"), host = parameter(element, "host");
        t.proto = proto.len ? proto : t.proto;
        t.host = host.len ? host : t.host;
        more = step(&t, parameter(element, "for"), trusted, count);
    }
    return t;
}

/* Of the lists of protocols and hosts only the nearest proxy's words. */
static struct telling read_customary(struct http_request *request, const struct net_cidr *trusted, size_t count)
{
    struct span list = http_head_list(&request->head, SPAN_LIT("x-forwarded-for"), &request->arena);
    struct span protos = http_head_list(&request->head, SPAN_LIT("x-forwarded-proto"), &request->arena);
    struct span hosts = http_head_list(&request->head, SPAN_LIT("x-forwarded-host"), &request->arena);
    struct telling t = {.proto = cut_last(&protos), .host = cut_last(&hosts)};
    while (list.ptr && step(&t, cut_last(&list), trusted, count))
        ;
    return t;
}

static struct span agreed(struct span a, struct span b)
{
    if (!a.len || !b.len)
        return a.len ? a : b;
    return span_eq_nocase(a, b) ? a : SPAN_EMPTY;
}

static bool same_host(const struct telling *a, const struct telling *b)
{
    char text_a[NET_ADDRESS_TEXT], text_b[NET_ADDRESS_TEXT];
    net_address_host(&a->client, text_a);
    net_address_host(&b->client, text_b);
    return strcmp(text_a, text_b) == 0;
}

void forwarded_apply(struct http_request *request, const struct net_cidr *trusted, size_t trusted_count)
{
    struct span list = http_head_list(&request->head, SPAN_LIT("forwarded"), &request->arena);
    struct telling standard = read_standard(list, trusted, trusted_count);
    struct telling customary = read_customary(request, trusted, trusted_count);
    struct span proto = agreed(standard.proto, customary.proto);
    if (proto.len)
        request->secure = span_eq_nocase(proto, SPAN_LIT("https"));
    request->forwarded_host = agreed(standard.host, customary.host);
    if (!standard.has_client)
        standard = customary;
    if (standard.has_client && (!customary.has_client || same_host(&standard, &customary)))
        request->client = standard.client;
}
