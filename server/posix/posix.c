#include "server/posix/posix.h"

#include <stdlib.h>

#include "objstore/base/cond.h"
#include "objstore/base/hash.h"
#include "server/posix/posix_priv.h"
#include "server/s3/s3_error.h"

#define KEEPALIVE_NS (10 * NS_PER_SEC)
#define BUFFERS_KEPT 16

/* ================================================================ requests */

bool posix_wants(const struct http_request *request)
{
    return uri_query_has(&request->query, "cairn");
}

static int serve_compound(struct posix *posix, const struct posix_caller *caller, struct http_request *request)
{
    struct span bytes;
    struct buf reply = BUF_INIT;
    int rc = http_body_all(request, POSIX_REQUEST_MAX, &bytes);
    if (rc < 0)
        return rc;
    rc = posix_compound(posix, caller, bytes, &reply);
    if (rc == 0)
        rc = posix_send(request, &reply);
    buf_release(&reply);
    return rc;
}

static const struct route {
    const char *method, *kind, *operation;
    int (*serve)(struct posix *posix, const struct posix_caller *caller, struct http_request *request);
} routes[] = {
    {"POST", "posix", "PosixCompound", serve_compound},
    {"GET", "data", "PosixRead", posix_data_get},
    {"PUT", "data", "PosixWrite", posix_data_put},
    {"GET", "push", "PosixPush", posix_push_get},
};

static const struct route *route_of(const struct http_request *request)
{
    struct span kind = uri_query_get(&request->query, "cairn");
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (span_is(request->head.method, routes[i].method) && span_is(kind, routes[i].kind))
            return &routes[i];
    return NULL;
}

static int authorize(struct posix *posix, struct http_request *request, struct span bucket)
{
    if (posix->options.authorize)
        return posix->options.authorize(request, bucket, posix->options.authorize_arg);
    return request->access_key.len ? 0 : -EACCES;
}

int posix_handle(struct http_request *request, void *arg)
{
    struct posix *posix = arg;
    struct posix_caller caller = {.access_key = request->access_key};
    struct span key;
    const struct route *route = route_of(request);
    if (!route)
        return S3_INVALID_REQUEST;
    request->operation = route->operation;
    int rc = uri_split_path(request->head.path, &request->arena, &caller.bucket, &key);
    if (rc == CAIRN_ESYNTAX)
        rc = S3_INVALID_URI;
    if (rc == 0 && key.len)
        rc = S3_INVALID_REQUEST;
    if (rc == 0)
        rc = authorize(posix, request, caller.bucket);
    return rc < 0 ? rc : route->serve(posix, &caller, request);
}

/* ================================================================ life */

static int start(struct posix *posix)
{
    int rc = pool_new(STREAM_BUFFER, BUFFERS_KEPT, &posix->buffers);
    if (rc == 0)
        rc = push_new(posix->ns, KEEPALIVE_NS, &posix->push);
    if (rc == 0)
        rc = posix_sessions_adopt(posix);
    return rc == 0 ? posix_keeper_start(posix) : rc;
}

static void init_locks(struct posix *posix)
{
    cond_init(&posix->wake);
    pthread_mutex_init(&posix->lock, NULL);
    pthread_mutex_init(&posix->opening, NULL);
}

int posix_new(struct ns *ns, struct index *index, const struct posix_options *options, struct posix **ret_posix)
{
    struct posix *posix = calloc(1, sizeof(*posix));
    if (!posix)
        return -ENOMEM;
    posix->ns = ns;
    posix->index = index;
    if (options)
        posix->options = *options;
    if (posix->options.sessions_max == 0)
        posix->options.sessions_max = SESSIONS_MAX_DEFAULT;
    random_bytes(&posix->instance, sizeof(posix->instance));
    init_locks(posix);
    int rc = start(posix);
    if (rc < 0) {
        posix_free(&posix);
        return rc;
    }
    *ret_posix = posix;
    return 0;
}

void posix_free(struct posix **posix_at)
{
    struct posix *posix = *posix_at;
    if (!posix)
        return;
    *posix_at = NULL;
    posix_keeper_stop(posix);
    posix_sessions_release(posix);
    push_free(&posix->push);
    pool_free(&posix->buffers);
    pthread_cond_destroy(&posix->wake);
    pthread_mutex_destroy(&posix->lock);
    pthread_mutex_destroy(&posix->opening);
    free(posix);
}

void posix_count(struct posix *posix, struct posix_counts *ret_counts)
{
    *ret_counts = (struct posix_counts){.streams = push_streams(posix->push)};
    pthread_mutex_lock(&posix->lock);
    for (size_t i = 0; i < SESSION_SLOTS; i++)
        for (struct session *session = posix->table[i]; session; session = session->next) {
            ret_counts->sessions++;
            ret_counts->adopted += session->state == SESSION_ADOPTED;
            pthread_mutex_lock(&session->lock);
            ret_counts->handles += session->handles.used;
            pthread_mutex_unlock(&session->lock);
        }
    pthread_mutex_unlock(&posix->lock);
}
