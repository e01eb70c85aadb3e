/*
 * The HTTP server: connections, workers, the park. It knows no S3: who verifies, who handles and what an error looks
 * like are functions given to it.
 */
#ifndef CAIRN_HTTP_SERVER_H
#define CAIRN_HTTP_SERVER_H

#include "server/http/http.h"
#include "server/http/metrics.h"
#include "server/net/listener.h"

struct tls;
struct http_server;

/* Replies to a request that was no good as HTTP, or whose handler failed without having replied. status is 400, 404,
 * 408, 431, 500, 501, 503 or 505; error is the code that led to it. The request's head is zeroed where it could not be
 * read. */
typedef int http_failure(struct http_request *request, int status, int error);
/* After each request, reply sent: for logs. */
typedef void http_observer(const struct http_request *request, const struct http_result *result, void *arg);

#define HTTP_CONNECTIONS_MAX 8192

struct http_server_options {
    struct listener *listeners; /* borrowed, closed by their owner after http_server_free */
    size_t listener_count;
    struct tls *tls;                /* NULL: plain. Unix sockets are plain all the same */
    const struct net_cidr *trusted; /* proxies; borrowed */
    size_t trusted_count;
    http_handler *verify; /* the choke point: 0 lets the request pass to handle; otherwise it has replied, or the server
                             calls fail */
    void *verify_arg;
    http_handler *handle;
    void *handle_arg;
    http_failure *fail;
    http_observer *observe; /* NULL: none */
    void *observe_arg;

    /* 0 takes the default */
    unsigned seats;       /* cores this process may use */
    unsigned workers_max; /* 4096 */
    unsigned
        connections_max; /* HTTP_CONNECTIONS_MAX; more wait in the listen queue, until silent ones have made room */
    int64_t head_ns;     /* from a head's first byte to its last (and TLS handshake, PROXY header): 30 s */
    int64_t idle_ns;     /* between two requests: 120 s */
    int64_t crowded_ns;  /* likewise, and within a head, while there is no room for another connection: 2 s */
    int64_t body_ns;     /* between two reads, or two writes, of a body: 60 s */
    uint64_t rate_min;   /* bytes per second below which a peer is too slow in the long run: 1024 */
};

/* Makes the server; nothing runs. 0, -ENOMEM, a negative errno. */
int http_server_new(const struct http_server_options *options, struct http_server **ret_server);
/* Starts to serve. 0 or a negative errno. */
int http_server_start(struct http_server *server);
/* Takes no more connections (the listeners refuse them from here on), closes idle ones, lets running requests end until
 * deadline (monotonic ns), then cuts them; ends all threads. 0; CAIRN_EDEADLINE when a handler is still running 5 s
 * later: nothing that it uses may be freed then. */
int http_server_stop(struct http_server *server, int64_t deadline);
/* Stopped, or never started. Accepts NULL. */
void http_server_free(struct http_server **server);

/* Any thread, at any time between new and free. */
struct http_metrics *http_server_metrics(struct http_server *server);
struct http_server_status {
    unsigned connections, parked;
    unsigned workers, running, waiting, spare; /* see seats.h */
};
void http_server_status(struct http_server *server, struct http_server_status *ret_status);

#endif
