#include "server/auth/hosts.h"

#include "server/wire/uri.h"

static const unsigned well_known[] = {80, 443};

static void add(struct hosts *hosts, struct span host)
{
    if (host.len == 0 || hosts->count == HOSTS_MAX)
        return;
    for (size_t i = 0; i < hosts->count; i++)
        if (span_eq(hosts->items[i], host))
            return;
    hosts->items[hosts->count++] = host;
}

static void add_port(struct hosts *hosts, struct arena *arena, struct span host, unsigned have, unsigned port)
{
    if (have == 0)
        add(hosts, arena_printf(arena, SPAN_FMT ":%u", SPAN_ARG(host), port));
    else if (have == port)
        add(hosts, uri_host_name(host));
}

/* The host as it stands, and with and without the ports that may have been added or taken off. */
static void add_host(const struct hosts_input *in, struct arena *arena, struct span host, struct hosts *hosts)
{
    unsigned have = uri_host_port(host);
    add(hosts, host);
    if (host.len == 0)
        return;
    for (size_t i = 0; i < sizeof well_known / sizeof well_known[0]; i++)
        add_port(hosts, arena, host, have, well_known[i]);
    for (size_t i = 0; i < in->port_count; i++)
        add_port(hosts, arena, host, have, in->ports[i]);
}

static void add_alias(struct hosts *hosts, struct arena *arena, struct span received, struct span alias)
{
    unsigned port = uri_host_port(received);
    struct span name = uri_host_name(received);
    struct span label = span_cut(&name, '.');
    if (span_starts(alias, SPAN_LIT("*.")))
        alias = arena_printf(arena, SPAN_FMT SPAN_FMT, SPAN_ARG(label), SPAN_ARG(span_from(alias, 1)));
    add(hosts, alias);
    if (alias.len && port && uri_host_port(alias) == 0)
        add_port(hosts, arena, alias, 0, port);
}

void hosts_list(const struct hosts_input *input, struct arena *arena, struct hosts *ret_hosts)
{
    ret_hosts->count = 0;
    add_host(input, arena, input->received, ret_hosts);
    add_host(input, arena, input->forwarded, ret_hosts);
    for (size_t i = 0; i < input->alias_count; i++)
        add_alias(ret_hosts, arena, input->received, input->aliases[i]);
}
