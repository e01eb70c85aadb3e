/*
 * What a trusted proxy says about whom it speaks for: Forwarded (RFC 7239), or X-Forwarded-For, -Proto and -Host. A
 * list grows to the right, so it is read from there: the client is the first address that is no trusted proxy itself;
 * what stands left of it anybody could have written.
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

struct hop {
    struct span address, proto, host;
};

static void apply_hop(struct http_request *request, const struct hop *hop)
{
    if (hop->proto.len)
        request->secure = span_eq_nocase(hop->proto, SPAN_LIT("https"));
    if (hop->host.len)
        request->forwarded_host = hop->host;
}

/* Goes on while the hop is a trusted proxy; false at the client. */
static bool step(struct http_request *request, struct span address, const struct net_cidr *trusted, size_t count)
{
    struct sockaddr_storage hop;
    if (net_address_parse(address, &hop) < 0)
        return false; /* "unknown", or an obfuscated name: no further can be told */
    request->client = hop;
    return net_cidr_any(trusted, count, &hop);
}

static void apply_standard(struct http_request *request, struct span list, const struct net_cidr *trusted, size_t count)
{
    while (list.ptr) {
        struct span element = cut_last(&list);
        struct hop hop = {parameter(element, "for"), parameter(element, "proto"), parameter(element, "host")};
        apply_hop(request, &hop);
        if (!step(request, hop.address, trusted, count))
            return;
    }
}

static void apply_customary(struct http_request *request, struct span list, const struct net_cidr *trusted,
                            size_t count)
{
    struct span protos = http_head_get(&request->head, "x-forwarded-proto");
    struct span hosts = http_head_get(&request->head, "x-forwarded-host");
    struct hop hop = {.proto = protos.ptr ? cut_last(&protos) : SPAN_EMPTY,
                      .host = hosts.ptr ? cut_last(&hosts) : SPAN_EMPTY};
    apply_hop(request, &hop);
    while (list.ptr && step(request, cut_last(&list), trusted, count))
        ;
}

void forwarded_apply(struct http_request *request, const struct net_cidr *trusted, size_t trusted_count)
{
    struct span standard = http_head_get(&request->head, "forwarded");
    if (standard.ptr)
        apply_standard(request, standard, trusted, trusted_count);
    else
        apply_customary(request, http_head_get(&request->head, "x-forwarded-for"), trusted, trusted_count);
}
