/*
 * S3 client: signed requests over kept-alive connections. libcurl opens them; what goes over them is HTTP/1.1 of our
 * own (README.md), since a small request is most of what a mount sends. It knows HTTP and SigV4, and neither FUSE nor
 * the POSIX dialect.
 *
 * A client is shared by any number of threads; each request takes an idle connection, or opens one, and blocks its
 * caller until the reply is whole. A request is sent once: whether to try again is its caller's decision, since only
 * the caller knows if that is safe. The environment (http_proxy and its like) is not looked at.
 */
#ifndef CAIRN_FS_S3_CLIENT_H
#define CAIRN_FS_S3_CLIENT_H

#include "objstore/base/arena.h"
#include "objstore/base/span.h"
#include "server/wire/http_head.h"
#include "server/wire/uri.h"

struct s3_client;
struct s3_response;

struct s3_client_options {
    const char *endpoint;   /* "http://host[:port]", "https://host[:port]" or "unix:PATH"; no path behind */
    const char *sign_host;  /* the Host to send and sign, where a proxy or mesh wants another; NULL: the endpoint's */
    const char *access_key; /* NULL: requests are not signed */
    const char *secret;
    const char *region;         /* NULL: us-east-1 */
    const char *ca_file;        /* PEM bundle to trust instead of the system's; NULL */
    int64_t connect_timeout_ns; /* of name, connection and TLS; 0: 5 s */
    int64_t stall_timeout_ns;   /* gives up when no byte moves for so long; 0: 30 s */
    size_t idle_max;            /* connections kept open when idle; 0: 32 */
};

/* 0; -EINVAL for an endpoint that is none of the forms above, a sign_host that is no host[:port], an access key
 * without a secret, a key or region with blanks; -ENOMEM. Strings are copied. */
int s3_client_new(const struct s3_client_options *options, struct s3_client **ret_client);
/* No request may be under way. Accepts NULL. */
void s3_client_free(struct s3_client **client);

struct s3_request {
    const char *method;           /* "GET" */
    struct span path;             /* raw, percent-encoded, begins with '/' */
    const struct uri_pair *query; /* decoded pairs; may be NULL */
    size_t query_count;
    const struct http_header
        *headers;        /* beyond those the client makes: Host, x-amz-date, x-amz-content-sha256, Authorization */
    size_t header_count; /* at most S3_HEADERS_MAX */
    struct span body;
    bool unsigned_payload; /* sign UNSIGNED-PAYLOAD instead of the body's SHA-256: bulk bytes */
    /* Asked about once a second: true ends the request with -EINTR. May be NULL. */
    bool (*interrupted)(void *arg);
    void *interrupted_arg;
    /* For the body of a 2xx reply whose length is known, and not 0: gives memory for all of it; NULL: response->body
     * takes it. It must live until s3_send has returned, and means nothing after a failure. May be NULL. */
    void *(*place)(const struct s3_response *response, size_t len, void *arg);
    void *place_arg;
    /* Takes the body of a 2xx reply as it comes, instead of place and response->body; anything but len ends the request
     * with -EIO. interrupted is asked after each piece. May be NULL. */
    size_t (*sink)(const struct s3_response *response, const void *bytes, size_t len, void *arg);
    void *sink_arg;
};
#define S3_HEADERS_MAX 32

struct s3_response {
    int status;
    struct http_head head; /* its spans point into head_bytes */
    struct buf head_bytes;
    struct buf body; /* what went to neither place nor sink; at most 16 MiB */
};
#define S3_RESPONSE_INIT ((struct s3_response){0})

/* Sends the request and waits for the reply, whatever its status; response may be used again and again. 0, or
 *
 *   -ECONNREFUSED   nothing was sent: nobody listens there, or nobody who speaks TLS any more
 *   -EHOSTUNREACH   nothing was sent: the host is not known, or not reached in time
 *   -EKEYREJECTED   nothing was sent: its certificate is not trusted
 *   -EINVAL         nothing was sent: the request is none (a line break in a header, a blank in the path)
 *   -ECONNRESET     the connection broke; it is not known whether the server acted
 *   -ETIMEDOUT      no byte moved for stall_timeout_ns; likewise
 *   -EINTR, -EIO    interrupted, or the sink's; likewise
 *   -EPROTO         there was never TLS, or what came is no HTTP/1.x, or a body of more than 16 MiB for response->body
 *   -ENOMEM
 */
int s3_send(struct s3_client *client, const struct s3_request *request, struct s3_response *response);
/* Accepts a zeroed response. */
void s3_response_release(struct s3_response *response);

/* The Code of an S3 error reply ("NoSuchBucket"), or an empty span; lives as the response's body. */
struct span s3_error_code(const struct s3_response *response);

#endif
