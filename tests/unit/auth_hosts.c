/* Which hosts are tried when the one received does not match the signature. */
#include <criterion/criterion.h>

#include "server/auth/hosts.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct arena arena;

static void fini(void)
{
    arena_release(&arena);
}

TestSuite(auth_hosts, .fini = fini, .timeout = 60);

static struct hosts list(struct hosts_input input)
{
    struct hosts hosts;
    hosts_list(&input, &arena, &hosts);
    return hosts;
}

/* The candidates are exactly those of a NULL-terminated list, in its order. */
static void expect(struct hosts_input input, const char *const *expected)
{
    struct hosts hosts = list(input);
    size_t i = 0;
    for (; expected[i]; i++) {
        cr_assert_lt(i, hosts.count, "%s is missing", expected[i]);
        cr_assert(span_is(hosts.items[i], expected[i]), "%zu: " SPAN_FMT ", not %s", i, SPAN_ARG(hosts.items[i]),
                  expected[i]);
    }
    cr_assert_eq(hosts.count, i, SPAN_FMT " is too many", SPAN_ARG(hosts.items[i]));
}

#define HOSTS(...) ((const char *const[]){__VA_ARGS__, NULL})

Test(auth_hosts, the_host_received_comes_first_then_it_with_each_port)
{
    static const unsigned ports[] = {9000, 9443};
    expect((struct hosts_input){.received = SPAN_LIT("s3.example.org"), .ports = ports, .port_count = 2},
           HOSTS("s3.example.org", "s3.example.org:80", "s3.example.org:443", "s3.example.org:9000",
                 "s3.example.org:9443"));
}

Test(auth_hosts, a_port_that_a_balancer_may_have_added_is_taken_off)
{
    static const unsigned ports[] = {9000};
    static const char *const with_port[] = {"h:80", "h:443", "h:9000"};
    for (size_t i = 0; i < COUNT(with_port); i++)
        expect((struct hosts_input){.received = span_cstr(with_port[i]), .ports = ports, .port_count = 1},
               HOSTS(with_port[i], "h"));
    expect((struct hosts_input){.received = SPAN_LIT("h:9001"), .ports = ports, .port_count = 1}, HOSTS("h:9001"));
    expect((struct hosts_input){.received = SPAN_LIT("[::1]:9000"), .ports = ports, .port_count = 1},
           HOSTS("[::1]:9000", "[::1]"));
    expect((struct hosts_input){.received = SPAN_LIT("[::1]")}, HOSTS("[::1]", "[::1]:80", "[::1]:443"));
}

Test(auth_hosts, what_a_trusted_proxy_forwards_is_tried_with_and_without_ports)
{
    expect((struct hosts_input){.received = SPAN_LIT("minio"), .forwarded = SPAN_LIT("public.example.org")},
           HOSTS("minio", "minio:80", "minio:443", "public.example.org", "public.example.org:80",
                 "public.example.org:443"));
}

Test(auth_hosts, an_exact_alias_is_tried_as_it_is_and_with_the_port_received)
{
    static const struct span aliases[] = {{"minio-east", 10}, {"minio-west:9443", 15}};
    expect((struct hosts_input){.received = SPAN_LIT("minio:9000"), .aliases = aliases, .alias_count = 2},
           HOSTS("minio:9000", "minio-east", "minio-east:9000", "minio-west:9443"));
    expect((struct hosts_input){.received = SPAN_LIT("minio"), .aliases = aliases, .alias_count = 1},
           HOSTS("minio", "minio:80", "minio:443", "minio-east"));
}

Test(auth_hosts, a_suffix_alias_takes_the_first_label_of_what_was_received)
{
    static const struct span aliases[] = {{"*.s3.example.net", 16}};
    expect((struct hosts_input){.received = SPAN_LIT("photos.internal:9000"), .aliases = aliases, .alias_count = 1},
           HOSTS("photos.internal:9000", "photos.s3.example.net", "photos.s3.example.net:9000"));
    expect((struct hosts_input){.received = SPAN_LIT("photos:9000"), .aliases = aliases, .alias_count = 1},
           HOSTS("photos:9000", "photos.s3.example.net", "photos.s3.example.net:9000"));
}

Test(auth_hosts, none_is_tried_twice)
{
    static const unsigned ports[] = {80, 443, 443};
    static const struct span aliases[] = {{"h", 1}, {"h:443", 5}, {"h", 1}};
    expect((struct hosts_input){.received = SPAN_LIT("h"),
                                .forwarded = SPAN_LIT("h:80"),
                                .aliases = aliases,
                                .alias_count = 3,
                                .ports = ports,
                                .port_count = 3},
           HOSTS("h", "h:80", "h:443"));
}

Test(auth_hosts, without_a_host_only_what_is_configured_remains)
{
    static const struct span aliases[] = {{"h", 1}};
    expect((struct hosts_input){.aliases = aliases, .alias_count = 1}, HOSTS("h"));
    cr_assert_eq(list((struct hosts_input){0}).count, 0);
}

Test(auth_hosts, the_most_that_can_be_configured_is_all_tried)
{
    enum { ALIASES = 16, PORTS = 8 };
    static unsigned ports[PORTS];
    struct span aliases[ALIASES];
    for (unsigned i = 0; i < PORTS; i++)
        ports[i] = 9000 + i;
    for (int i = 0; i < ALIASES; i++)
        aliases[i] = arena_printf(&arena, "alias%d", i);
    struct hosts_input input = {.received = SPAN_LIT("h:1"),
                                .forwarded = SPAN_LIT("public"),
                                .aliases = aliases,
                                .alias_count = ALIASES,
                                .ports = ports,
                                .port_count = PORTS};
    struct hosts hosts = list(input);
    cr_assert(span_is(hosts.items[hosts.count - 1], "alias15:1"));
    input.received = SPAN_LIT("h");
    hosts = list(input);
    cr_assert(span_is(hosts.items[hosts.count - 1], "alias15"));
}
