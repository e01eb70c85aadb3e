#include "fs/s3/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "server/wire/sigv4.h"

#define CONNECT_TIMEOUT_NS (5 * NS_PER_SEC)
#define STALL_TIMEOUT_NS (30 * NS_PER_SEC)
#define IDLE_MAX 32
#define CURL_BUFFER (256L << 10) /* bytes that libcurl takes from the socket at once */
#define RESERVED_HEADERS 2       /* x-amz-date and x-amz-content-sha256 stand before the caller's */

/* One easy handle, which is one connection kept alive. */
struct connection {
    struct connection *next;
    CURL *curl;
    struct arena arena;
};

struct s3_client {
    char *base;      /* scheme and authority, as dialled */
    char *unix_path; /* or NULL */
    char *host;      /* as signed */
    char *access_key;
    char *secret;
    char *region;
    char *ca_file;
    long connect_timeout_ms;
    int64_t stall_timeout_ns;
    size_t idle_max;

    pthread_mutex_t lock;
    struct connection *idle;    /* lock */
    size_t idle_count;          /* lock */
    struct sigv4_signer signer; /* lock; renewed daily */
    bool signer_ready;          /* lock */
};

/* What the callbacks of one transfer share. */
struct transfer {
    const struct s3_request *request;
    struct s3_response *response;
    size_t sent;
    int error;
    int64_t stall_ns;
    int64_t moved_at; /* monotonic time of the last byte */
    curl_off_t moved; /* bytes both ways by then */
};

/* ---- the client ---- */

static int parse_endpoint(struct s3_client *c, const char *endpoint)
{
    struct span e = span_cstr(endpoint);
    if (span_starts(e, SPAN_LIT("unix:"))) {
        c->unix_path = strdup(endpoint + 5);
        c->base = strdup("http://localhost");
        c->host = c->host ? c->host : strdup("localhost");
        return e.len == 5 ? -EINVAL : c->unix_path && c->base && c->host ? 0 : -ENOMEM;
    }
    size_t scheme = span_starts(e, SPAN_LIT("http://")) ? 7 : span_starts(e, SPAN_LIT("https://")) ? 8 : 0;
    if (scheme == 0 || e.len == scheme || span_find(e, '/', scheme) >= 0)
        return -EINVAL;
    c->base = strdup(endpoint);
    c->host = c->host ? c->host : strdup(endpoint + scheme);
    return c->base && c->host ? 0 : -ENOMEM;
}

static int copy_options(struct s3_client *c, const struct s3_client_options *o)
{
    c->region = strdup(o->region ? o->region : "us-east-1");
    if (o->access_key) {
        c->access_key = strdup(o->access_key);
        c->secret = strdup(o->secret);
    }
    if (!c->region || (o->access_key && (!c->access_key || !c->secret)))
        return -ENOMEM;
    if (o->sign_host && !(c->host = strdup(o->sign_host)))
        return -ENOMEM;
    if (o->ca_file && !(c->ca_file = strdup(o->ca_file)))
        return -ENOMEM;
    c->connect_timeout_ms = (long)((o->connect_timeout_ns ? o->connect_timeout_ns : CONNECT_TIMEOUT_NS) / NS_PER_MS);
    c->stall_timeout_ns = o->stall_timeout_ns ? o->stall_timeout_ns : STALL_TIMEOUT_NS;
    c->idle_max = o->idle_max ? o->idle_max : IDLE_MAX;
    return parse_endpoint(c, o->endpoint);
}

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_begin(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

int s3_client_new(const struct s3_client_options *options, struct s3_client **ret_client)
{
    pthread_once(&curl_once, curl_begin);
    struct s3_client *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    pthread_mutex_init(&c->lock, NULL);
    int r = copy_options(c, options);
    if (r < 0) {
        s3_client_free(&c);
        return r;
    }
    *ret_client = c;
    return 0;
}

static void connection_free(struct connection *conn)
{
    if (conn->curl)
        curl_easy_cleanup(conn->curl);
    arena_release(&conn->arena);
    free(conn);
}

void s3_client_free(struct s3_client **client)
{
    struct s3_client *c = *client;
    if (!c)
        return;
    while (c->idle) {
        struct connection *conn = c->idle;
        c->idle = conn->next;
        connection_free(conn);
    }
    if (c->secret)
        explicit_bzero(c->secret, strlen(c->secret));
    explicit_bzero(&c->signer, sizeof c->signer);
    pthread_mutex_destroy(&c->lock);
    free(c->base);
    free(c->unix_path);
    free(c->host);
    free(c->access_key);
    free(c->secret);
    free(c->region);
    free(c->ca_file);
    free(c);
    *client = NULL;
}

/* ---- connections ---- */

static void connection_setup(struct s3_client *c, CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* a mount does not follow http_proxy */
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, c->connect_timeout_ms);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, CURL_BUFFER);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, CURL_BUFFER);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L); /* a key may hold "..": it is not to be folded */
    if (c->unix_path)
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, c->unix_path);
    if (c->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, c->ca_file);
}

static struct connection *connection_get(struct s3_client *c)
{
    pthread_mutex_lock(&c->lock);
    struct connection *conn = c->idle;
    if (conn) {
        c->idle = conn->next;
        c->idle_count--;
    }
    pthread_mutex_unlock(&c->lock);
    if (conn)
        return conn;
    conn = calloc(1, sizeof *conn);
    if (!conn)
        return NULL;
    conn->curl = curl_easy_init();
    if (!conn->curl) {
        free(conn);
        return NULL;
    }
    connection_setup(c, conn->curl);
    return conn;
}

static void connection_put(struct s3_client *c, struct connection *conn)
{
    arena_reset(&conn->arena);
    pthread_mutex_lock(&c->lock);
    bool keep = c->idle_count < c->idle_max;
    if (keep) {
        conn->next = c->idle;
        c->idle = conn;
        c->idle_count++;
    }
    pthread_mutex_unlock(&c->lock);
    if (!keep)
        connection_free(conn);
}

/* ---- signing ---- */

static int current_signer(struct s3_client *c, int64_t now, struct sigv4_signer *ret_signer)
{
    int r = 0;
    pthread_mutex_lock(&c->lock);
    if (!c->signer_ready || sigv4_signer_stale(&c->signer, now)) {
        r = sigv4_signer_init(span_cstr(c->access_key), span_cstr(c->secret), span_cstr(c->region), SPAN_LIT("s3"), now,
                              &c->signer);
        c->signer_ready = r == 0;
    }
    if (r == 0)
        *ret_signer = c->signer;
    pthread_mutex_unlock(&c->lock);
    return r;
}

static int payload_hash(const struct s3_request *request, char ret_text[65])
{
    if (request->unsigned_payload) {
        strcpy(ret_text, SIGV4_UNSIGNED_PAYLOAD);
        return 0;
    }
    if (request->body.len == 0) {
        strcpy(ret_text, SIGV4_EMPTY_SHA256);
        return 0;
    }
    uint8_t digest[HASH_MAX];
    int r = hash_once(HASH_SHA256, request->body.ptr, request->body.len, digest);
    if (r == 0)
        hex_encode(digest, 32, ret_text);
    return r;
}

static int add_header(struct curl_slist **list, struct arena *a, struct span name, struct span value)
{
    /* "name;" is libcurl's way to send an empty value */
    struct span line = value.len ? arena_printf(a, SPAN_FMT ": " SPAN_FMT, SPAN_ARG(name), SPAN_ARG(value))
                                 : arena_printf(a, SPAN_FMT ";", SPAN_ARG(name));
    struct curl_slist *longer = line.ptr ? curl_slist_append(*list, line.ptr) : NULL;
    if (!longer)
        return -ENOMEM;
    *list = longer;
    return 0;
}

/* The headers that all requests bear, signed or not: the caller's, after the two of the signature. */
static int gather_headers(const struct s3_request *request, const char *timestamp, const char *hash,
                          struct http_header headers[S3_HEADERS_MAX + RESERVED_HEADERS])
{
    if (request->header_count > S3_HEADERS_MAX)
        return -EINVAL;
    headers[0] = (struct http_header){SPAN_LIT("x-amz-date"), span_cstr(timestamp)};
    headers[1] = (struct http_header){SPAN_LIT("x-amz-content-sha256"), span_cstr(hash)};
    for (size_t i = 0; i < request->header_count; i++)
        headers[RESERVED_HEADERS + i] = request->headers[i];
    return (int)(request->header_count + RESERVED_HEADERS);
}

static int authorization_of(struct s3_client *c, const struct sigv4_request *to_sign, int64_t now,
                            struct span timestamp, struct arena *a, struct span *ret_authorization)
{
    struct sigv4_signer signer;
    int r = current_signer(c, now, &signer);
    if (r == 0)
        r = sigv4_sign(&signer, to_sign, timestamp, a, ret_authorization, NULL);
    explicit_bzero(&signer, sizeof signer);
    return r;
}

static int sign(struct s3_client *c, const struct s3_request *request, struct arena *a, struct curl_slist **list)
{
    char timestamp[DATE_BASIC_SIZE], hash[65];
    struct http_header headers[S3_HEADERS_MAX + RESERVED_HEADERS];
    int64_t now = clock_real_ns();
    date_format_basic(now, timestamp);
    int r = payload_hash(request, hash);
    int count = r < 0 ? r : gather_headers(request, timestamp, hash, headers);
    if (count < 0)
        return count;
    struct uri_query query = {(struct uri_pair *)request->query, request->query_count};
    struct sigv4_request to_sign = {.method = span_cstr(request->method),
                                    .path = request->path,
                                    .query = &query,
                                    .headers = headers,
                                    .header_count = (size_t)count,
                                    .host = span_cstr(c->host),
                                    .payload_hash = span_cstr(hash)};
    struct span authorization = SPAN_EMPTY;
    if (c->access_key)
        r = authorization_of(c, &to_sign, now, span_cstr(timestamp), a, &authorization);
    for (int i = 0; r == 0 && i < count; i++)
        r = add_header(list, a, headers[i].name, headers[i].value);
    if (r == 0 && c->access_key)
        r = add_header(list, a, SPAN_LIT("Authorization"), authorization);
    return r < 0 ? r : add_header(list, a, SPAN_LIT("Host"), span_cstr(c->host));
}

/* ---- a transfer's callbacks ---- */

/* Gathers the head; what comes after its empty line is a trailer. A 100 Continue's head gives way to the next. The
 * status must be known when the first byte of the body comes. */
static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct buf *head = &t->response->head_bytes;
    struct span line = span_make(bytes, size * count);
    if (span_starts(line, SPAN_LIT("HTTP/"))) {
        buf_clear(head);
        t->response->status = 0;
    }
    if (t->response->status != 0)
        return line.len;
    if (buf_add_span(head, line) < 0)
        return 0;
    if (!span_is(line, "\r\n"))
        return line.len;
    size_t scanned = 0;
    if (http_response_parse(buf_span(head), &scanned, &t->response->head) <= 0) {
        t->error = -EPROTO;
        return 0;
    }
    t->response->status = t->response->head.status;
    return line.len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * count;
    long status = t->response->status;
    if (status >= 200 && status < 300 && t->request->sink)
        return t->request->sink(t->response, bytes, len, t->request->sink_arg);
    return buf_add(&t->response->body, bytes, len) == 0 ? len : 0;
}

static size_t on_read(char *ret, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct span rest = span_head(span_from(t->request->body, t->sent), size * count);
    memcpy(ret, rest.ptr, rest.len);
    t->sent += rest.len;
    return rest.len;
}

/* libcurl sends a body again on a connection that turned out to be dead. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct transfer *t = arg;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > t->request->body.len)
        return CURL_SEEKFUNC_FAIL;
    t->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    struct transfer *t = arg;
    (void)down_total, (void)up_total;
    int64_t now = clock_mono_ns();
    if (down + up != t->moved) {
        t->moved = down + up;
        t->moved_at = now;
    }
    if (t->request->interrupted && t->request->interrupted(t->request->interrupted_arg))
        t->error = -EINTR;
    else if (now - t->moved_at > t->stall_ns)
        t->error = -ETIMEDOUT;
    return t->error != 0;
}

/* ---- sending ---- */

static int curl_error(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -EHOSTUNREACH;
    case CURLE_COULDNT_CONNECT:
        return -ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return -EKEYREJECTED;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return -EPROTO;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_WRITE_ERROR:
        return -EIO;
    default:
        return -ECONNRESET;
    }
}

static int make_url(struct s3_client *c, const struct s3_request *request, struct arena *a, struct span *ret_url)
{
    struct buf url = BUF_INIT;
    buf_add_cstr(&url, c->base);
    buf_add_span(&url, request->path);
    for (size_t i = 0; i < request->query_count; i++) {
        buf_add_char(&url, i ? '&' : '?');
        uri_encode_buf(request->query[i].name, URI_QUERY, &url);
        buf_add_char(&url, '=');
        uri_encode_buf(request->query[i].value, URI_QUERY, &url);
    }
    *ret_url = arena_dup(a, buf_span(&url));
    int r = url.failed ? url.failed : ret_url->ptr ? 0 : -ENOMEM;
    buf_release(&url);
    return r;
}

static void set_transfer(CURL *curl, struct transfer *t)
{
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(curl, CURLOPT_READDATA, t);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, t);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

static void set_method(CURL *curl, const struct s3_request *request)
{
    bool put = strcmp(request->method, "PUT") == 0, post = strcmp(request->method, "POST") == 0;
    curl_easy_setopt(curl, CURLOPT_NOBODY, 0L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL);
    if (put) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body.len);
        return;
    }
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 0L);
    if (post) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.len ? request->body.ptr : "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        return;
    }
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    if (strcmp(request->method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else if (strcmp(request->method, "GET") != 0)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

static int prepare(struct s3_client *c, struct connection *conn, const struct s3_request *request,
                   struct curl_slist **list)
{
    struct span url;
    int r = make_url(c, request, &conn->arena, &url);
    if (r < 0 || (r = sign(c, request, &conn->arena, list)) < 0)
        return r;
    /* neither libcurl's wait for 100 Continue nor the type of a form */
    static const char *const without[] = {"Expect:", "Content-Type:"};
    for (size_t i = 0; i < 2; i++) {
        struct curl_slist *longer = curl_slist_append(*list, without[i]);
        if (!longer)
            return -ENOMEM;
        *list = longer;
    }
    curl_easy_setopt(conn->curl, CURLOPT_URL, url.ptr);
    curl_easy_setopt(conn->curl, CURLOPT_HTTPHEADER, *list);
    set_method(conn->curl, request);
    return 0;
}

int s3_send(struct s3_client *client, const struct s3_request *request, struct s3_response *response)
{
    struct connection *conn = connection_get(client);
    if (!conn)
        return -ENOMEM;
    buf_clear(&response->head_bytes);
    buf_clear(&response->body);
    response->status = 0;
    struct transfer t = {
        .request = request, .response = response, .stall_ns = client->stall_timeout_ns, .moved_at = clock_mono_ns()};
    struct curl_slist *list = NULL;
    int r = prepare(client, conn, request, &list);
    if (r == 0) {
        set_transfer(conn->curl, &t);
        r = curl_error(curl_easy_perform(conn->curl));
        if (r < 0 && t.error < 0)
            r = t.error;
    }
    curl_easy_setopt(conn->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(list);
    connection_put(client, conn);
    return r;
}

void s3_response_release(struct s3_response *response)
{
    buf_release(&response->head_bytes);
    buf_release(&response->body);
}

struct span s3_error_code(const struct s3_response *response)
{
    static const char open[] = "<Code>", close[] = "</Code>";
    struct span body = buf_span(&response->body);
    const char *from = body.len ? memmem(body.ptr, body.len, open, sizeof open - 1) : NULL;
    if (!from)
        return SPAN_EMPTY;
    from += sizeof open - 1;
    const char *to = memmem(from, body.len - (size_t)(from - body.ptr), close, sizeof close - 1);
    return to ? span_make(from, (size_t)(to - from)) : SPAN_EMPTY;
}
