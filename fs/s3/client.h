/*
 * S3 client: signed requests over kept-alive connections, with libcurl underneath. It knows HTTP and SigV4, and neither
 * FUSE nor the POSIX dialect.
 *
 * A client is shared by any number of threads; each request takes an idle connection, or opens one, and blocks its
 * caller until the reply is whole. A request is sent once: whether to try again is its caller's decision, since only
 * the caller knows if that is safe.
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
    int64_t connect_timeout_ns; /* 0: 5 s */
    int64_t stall_timeout_ns;   /* gives up when no byte moves for so long; 0: 30 s */
    size_t idle_max;            /* connections kept open when idle; 0: 32 */
};

/* 0; -EINVAL for an endpoint that is none of the forms above; -ENOMEM. Strings are copied. */
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
    /* Asked about once a second and when bytes move: true ends the request with -EINTR. May be NULL. */
    bool (*interrupted)(void *arg);
    void *interrupted_arg;
    /* Takes the body of a 2xx reply as it comes, instead of response->body; anything but len ends the request with
     * -EIO. May be NULL. */
    size_t (*sink)(const struct s3_response *response, const void *bytes, size_t len, void *arg);
    void *sink_arg;
};
#define S3_HEADERS_MAX 32

struct s3_response {
    int status;
    struct http_head head; /* its spans point into head_bytes */
    struct buf head_bytes;
    struct buf body; /* of an error always, else unless there is a sink */
};
#define S3_RESPONSE_INIT ((struct s3_response){0})

/* Sends the request and waits for the reply, whatever its status; response may be used again and again. 0;
 * -ECONNREFUSED, -ENOENT (unix socket), -EHOSTUNREACH: nothing was sent; -ECONNRESET, -ETIMEDOUT: it is not known
 * whether the server acted; -EINTR; -EPROTO (TLS, or no HTTP); -EKEYREJECTED (its certificate is not trusted); -ENOMEM.
 */
int s3_send(struct s3_client *client, const struct s3_request *request, struct s3_response *response);
/* Accepts a zeroed response. */
void s3_response_release(struct s3_response *response);

/* The Code of an S3 error reply ("NoSuchBucket"), or an empty span; lives as the response's body. */
struct span s3_error_code(const struct s3_response *response);

#endif
