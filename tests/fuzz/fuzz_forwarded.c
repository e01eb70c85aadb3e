/*
 * Whom a request comes from and what it signed as Host, from a head that came through a trusted proxy: Forwarded and
 * X-Forwarded-*, and the candidates for Host. What somebody puts before the proxy's own words changes nothing.
 */
#include "server/auth/hosts.h"
#include "server/http/http_priv.h"
#include "tests/fuzz/fuzz.h"

static struct net_cidr trusted[2];

struct reading {
    char client[NET_ADDRESS_TEXT];
    bool secure, trusted;
    struct span host;
};

static struct reading read_peer(const struct http_head *head, struct arena *a)
{
    static struct http_request request;
    struct reading reading;
    request = (struct http_request){.head = *head, .host = head->host, .arena = *a};
    FUZZ_CHECK(net_address_parse(SPAN_LIT("10.0.0.1:9"), &request.client) == 0);
    forwarded_apply(&request, trusted, 2);
    *a = request.arena;
    net_address_format(&request.client, reading.client);
    reading.secure = request.secure;
    reading.trusted = net_cidr_any(trusted, 2, &request.client);
    reading.host = request.forwarded_host;
    return reading;
}

static bool same(const struct reading *a, const struct reading *b)
{
    return strcmp(a->client, b->client) == 0 && a->secure == b->secure && span_eq(a->host, b->host);
}

/* The same head with a header of that name and value before all others. */
static struct http_head with_header(const struct http_head *head, struct span name, struct span value)
{
    struct http_head longer = *head;
    memmove(longer.headers + 1, head->headers, head->header_count * sizeof(*head->headers));
    longer.headers[0] = (struct http_header){name, value};
    longer.header_count++;
    return longer;
}

/* A client sends these itself; the proxy's own come after them. */
static void check_prepended(const struct http_head *head, const struct reading *reading, struct arena *a)
{
    static const struct {
        struct span name, value;
    } rows[] = {
        {SPAN_LIT("X-Forwarded-For"), SPAN_LIT("6.6.6.6")},
        {SPAN_LIT("X-Forwarded-Proto"), SPAN_LIT("gopher")},
        {SPAN_LIT("X-Forwarded-Host"), SPAN_LIT("evil.example")},
        {SPAN_LIT("Forwarded"), SPAN_LIT("for=6.6.6.6;proto=gopher;host=evil.example")},
    };
    if (head->header_count == HTTP_HEADERS_MAX || reading->trusted)
        return; /* every hop was a proxy of ours, so that the first word is the client's */
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct span own = SPAN_EMPTY;
        size_t at = 0;
        if (!http_head_next(head, rows[i].name, &at, &own))
            continue; /* the proxy says nothing of this: it is not the one that guards it */
        struct http_head longer = with_header(head, rows[i].name, rows[i].value);
        struct reading again = read_peer(&longer, a);
        FUZZ_CHECK(same(reading, &again));
    }
}

static void check_hosts(struct span received, struct span forwarded)
{
    static const struct span aliases[] = {SPAN_LIT("minio-east"), SPAN_LIT("*.example.org"), SPAN_LIT("s3.local:9000")};
    static const unsigned ports[] = {9000, 9443};
    struct arena a = ARENA_INIT;
    struct hosts hosts;
    struct hosts_input input = {received, forwarded, aliases, 3, ports, 2};
    hosts_list(&input, &a, &hosts);
    FUZZ_CHECK(hosts.count <= HOSTS_MAX);
    FUZZ_CHECK(received.len == 0 || span_eq(hosts.items[0], received));
    for (size_t i = 0; i < hosts.count; i++)
        for (size_t j = 0; j < i; j++)
            FUZZ_CHECK(!span_eq(hosts.items[i], hosts.items[j]));
    arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_head head;
    size_t scanned = 0;
    FUZZ_CHECK(net_cidr_parse(SPAN_LIT("10.0.0.0/8"), &trusted[0]) == 0);
    FUZZ_CHECK(net_cidr_parse(SPAN_LIT("2001:db8::/32"), &trusted[1]) == 0);
    if (http_request_parse(span_make(data, size), &scanned, &head) <= 0)
        return 0;
    struct arena a = ARENA_INIT;
    struct reading reading = read_peer(&head, &a);
    check_prepended(&head, &reading, &a);
    check_hosts(head.host, reading.host);
    arena_release(&a);
    return 0;
}
