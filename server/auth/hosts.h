/*
 * Host candidates: what the client may have signed as Host, given what arrived. A pure function.
 *
 * in order                                        because
 * Host as received                                it is nearly always right
 * without its port, when that is 80, 443 or ours  a load balancer appended it
 * with each of those ports, when it has none      a proxy took it off
 * X-Forwarded-Host of a trusted proxy, likewise   the proxy says what it replaced; often without the port
 * each alias; for "*.suffix" the first label of   a mesh or gateway renamed the service
 * the received host, then suffix
 * each alias that has no port, with the received  and it kept the port
 */
#ifndef CAIRN_AUTH_HOSTS_H
#define CAIRN_AUTH_HOSTS_H

#include "objstore/base/arena.h"

#define HOSTS_MAX 64 /* two hosts with 10 ports each, 16 aliases with and without a port */

struct hosts {
    struct span items[HOSTS_MAX]; /* distinct, in order */
    size_t count;
};

struct hosts_input {
    struct span received, forwarded; /* forwarded may be empty */
    const struct span *aliases;
    size_t alias_count;
    const unsigned *ports;
    size_t port_count;
};

/* Texts are in the arena or borrowed from input. Fewer candidates when memory is short. */
void hosts_list(const struct hosts_input *input, struct arena *arena, struct hosts *ret_hosts);

#endif
