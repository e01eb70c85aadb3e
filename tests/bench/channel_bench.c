/*
 * What a small round trip of a mount costs its client: one GETATTR of the root, asked again and again.
 *     channel_bench HOST:PORT BUCKET [SECONDS]          with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
 * "bare" sends the same signed bytes each time over a blocking socket and looks at nothing that comes but its length:
 * the floor. "channel" is s3_send. Both take turns, against the same daemon.
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fs/s3/client.h"
#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "server/wire/posix.h"
#include "server/wire/sigv4.h"

enum { TURNS = 10, LOOK_AT_CLOCK = 64 };

static const struct uri_pair query = {{"cairn", 5}, {"posix", 5}, true};
static double seconds = 2;

static void die(const char *what, int r)
{
    fprintf(stderr, "channel_bench: %s: %s\n", what, cairn_strerror(r));
    exit(1);
}

struct bench {
    const char *address, *bucket, *access_key, *secret;
    struct span path;
    struct s3_client *client;
    struct s3_response response;
    struct posix_request header;
    struct buf compound; /* the GETATTR */
    struct buf bytes;    /* the whole request */
    int fd;
    size_t reply_len;
};

/* ---- the request ---- */

static void encode(struct bench *b, const struct posix_op *op)
{
    buf_clear(&b->compound);
    posix_request_begin(&b->compound, &b->header);
    posix_op_add(&b->compound, op);
    posix_request_end(&b->compound);
}

/* 0, or the transport's or the reply's error. */
static int trip(struct bench *b, struct posix_result *ret_result)
{
    struct s3_request request = {
        .method = "POST", .path = b->path, .query = &query, .query_count = 1, .body = buf_span(&b->compound)};
    struct posix_reply reply;
    struct span results;
    int r = s3_send(b->client, &request, &b->response);
    if (r < 0)
        return r;
    if (b->response.status != 200 || posix_reply_decode(buf_span(&b->response.body), &reply, &results) < 0)
        return -EPROTO;
    if (reply.status)
        return posix_status_code(reply.status);
    return posix_result_next(&results, ret_result) == 1 ? posix_status_code(ret_result->status) : -EPROTO;
}

static void open_session(struct bench *b)
{
    struct posix_result result;
    b->header.slot = POSIX_SLOT_NONE;
    random_bytes(b->header.session, sizeof b->header.session);
    encode(b, &(struct posix_op){.code = POSIX_SESSION_OPEN, .name = SPAN_LIT("bench"), .count = 60000});
    int r = trip(b, &result);
    if (r < 0)
        die("no session", r);
    b->header.generation = result.value;
    encode(b, &(struct posix_op){.code = POSIX_GETROOT, .name = span_cstr(b->bucket)});
    if ((r = trip(b, &result)) < 0)
        die("no root", r);
    encode(b, &(struct posix_op){.code = POSIX_GETATTR, .ino = result.attr.ino});
}

/* ---- the bare socket ---- */

static void connect_bare(struct bench *b)
{
    char host[256];
    const char *colon = strrchr(b->address, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (!colon)
        die("HOST:PORT is wanted", -EINVAL);
    snprintf(host, sizeof host, "%.*s", (int)(colon - b->address), b->address);
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        die(host, -EHOSTUNREACH);
    b->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (b->fd < 0 || connect(b->fd, found->ai_addr, found->ai_addrlen) < 0)
        die(b->address, -errno);
    freeaddrinfo(found);
}

static void sign(struct bench *b)
{
    struct arena a = ARENA_INIT;
    struct sigv4_signer signer;
    char timestamp[DATE_BASIC_SIZE], hash[65];
    uint8_t digest[HASH_MAX];
    struct span authorization;
    int64_t now = clock_real_ns();
    struct span body = buf_span(&b->compound);
    hash_once(HASH_SHA256, body.ptr, body.len, digest);
    hex_encode(digest, 32, hash);
    date_format_basic(now, timestamp);
    struct http_header headers[] = {{SPAN_LIT("x-amz-date"), span_cstr(timestamp)},
                                    {SPAN_LIT("x-amz-content-sha256"), span_cstr(hash)}};
    struct uri_query pairs = {(struct uri_pair *)&query, 1};
    struct sigv4_request request = {.method = SPAN_LIT("POST"),
                                    .path = b->path,
                                    .query = &pairs,
                                    .headers = headers,
                                    .header_count = 2,
                                    .host = span_cstr(b->address),
                                    .payload_hash = span_cstr(hash)};
    int r = sigv4_signer_init(span_cstr(b->access_key), span_cstr(b->secret), SPAN_LIT("us-east-1"), SPAN_LIT("s3"),
                              now, &signer);
    if (r == 0)
        r = sigv4_sign(&signer, &request, span_cstr(timestamp), &a, &authorization, NULL);
    if (r < 0)
        die("signing", r);
    buf_clear(&b->bytes);
    buf_printf(&b->bytes,
               "POST " SPAN_FMT "?cairn=posix HTTP/1.1\r\nHost: %s\r\nx-amz-date: %s\r\nx-amz-content-sha256: %s\r\n"
               "Authorization: " SPAN_FMT "\r\nContent-Length: %zu\r\n\r\n",
               SPAN_ARG(b->path), b->address, timestamp, hash, SPAN_ARG(authorization), body.len);
    buf_add_span(&b->bytes, body);
    arena_release(&a);
}

static int bare_trip(struct bench *b)
{
    char reply[4096];
    size_t got = 0;
    if (send(b->fd, b->bytes.ptr, b->bytes.len, MSG_NOSIGNAL) != (ssize_t)b->bytes.len)
        return -errno;
    do {
        ssize_t n = recv(b->fd, reply + got, sizeof reply - got, 0);
        if (n <= 0)
            return n < 0 ? -errno : -ECONNRESET;
        got += (size_t)n;
    } while (got < b->reply_len);
    b->reply_len = got; /* the first tells the length of the others: they come in one piece */
    return memcmp(reply, "HTTP/1.1 200", 12) == 0 ? 0 : -EPROTO;
}

static int channel_trip(struct bench *b)
{
    struct posix_result result;
    return trip(b, &result);
}

/* ---- measuring ---- */

struct figures {
    const char *name;
    int (*trip)(struct bench *b);
    double wall, user, system; /* µs, of all turns */
    uint64_t count;
};

static double us_of(struct timeval t)
{
    return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

static void measure(struct bench *b, struct figures *f)
{
    struct rusage before, after;
    int64_t start = clock_mono_ns(), end = start + (int64_t)(seconds * NS_PER_SEC / TURNS), now = start;
    getrusage(RUSAGE_THREAD, &before);
    for (uint64_t i = 0; now < end; f->count++, i++) {
        int r = f->trip(b);
        if (r < 0)
            die(f->name, r);
        if (i % LOOK_AT_CLOCK == 0)
            now = clock_mono_ns();
    }
    getrusage(RUSAGE_THREAD, &after);
    f->wall += (double)(now - start) / 1000;
    f->user += us_of(after.ru_utime) - us_of(before.ru_utime);
    f->system += us_of(after.ru_stime) - us_of(before.ru_stime);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        die("usage: channel_bench HOST:PORT BUCKET [SECONDS]", -EINVAL);
    struct bench b = {.address = argv[1], .bucket = argv[2]};
    struct figures rows[] = {{"bare", bare_trip, 0, 0, 0, 0}, {"channel", channel_trip, 0, 0, 0, 0}};
    char endpoint[512], path[128];
    b.access_key = getenv("AWS_ACCESS_KEY_ID");
    b.secret = getenv("AWS_SECRET_ACCESS_KEY");
    if (!b.access_key || !b.secret)
        die("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are wanted", -EINVAL);
    if (argc > 3)
        seconds = atof(argv[3]);
    snprintf(endpoint, sizeof endpoint, "http://%s", b.address);
    snprintf(path, sizeof path, "/%s", b.bucket);
    b.path = span_cstr(path);
    struct s3_client_options options = {.endpoint = endpoint, .access_key = b.access_key, .secret = b.secret};
    int r = s3_client_new(&options, &b.client);
    if (r < 0)
        die(endpoint, r);
    open_session(&b);
    connect_bare(&b);
    for (int turn = 0; turn < TURNS; turn++)
        for (size_t i = 0; i < 2; i++) {
            sign(&b);
            measure(&b, &rows[i]);
        }
    for (size_t i = 0; i < 2; i++) {
        double n = (double)rows[i].count;
        printf("%-8s %7.1f µs a round trip, of which %5.1f µs of the client's processor (%4.1f user, %4.1f system)\n",
               rows[i].name, rows[i].wall / n, (rows[i].user + rows[i].system) / n, rows[i].user / n,
               rows[i].system / n);
    }
    close(b.fd);
    s3_response_release(&b.response);
    buf_release(&b.compound);
    buf_release(&b.bytes);
    s3_client_free(&b.client);
    return 0;
}
