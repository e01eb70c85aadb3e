#include "server/admin/admin_priv.h"

#include "objstore/base/errors.h"
#include "objstore/store.h"
#include "server/s3/s3_error.h"

static int health_live(struct http_request *request, struct admin *admin)
{
    (void)admin;
    return http_reply_bytes(request, 200, "text/plain", SPAN_EMPTY);
}

static int health_ready(struct http_request *request, struct admin *admin)
{
    struct store_status status;
    store_status(admin->store, &status);
    int r = http_reply_header_fmt(request, "x-cairn-write-quorum", "%u", status.index_write_quorum);
    return r < 0 ? r : http_reply_bytes(request, status.writable ? 200 : 503, "text/plain", SPAN_EMPTY);
}

static int health_read(struct http_request *request, struct admin *admin)
{
    struct store_status status;
    store_status(admin->store, &status);
    return http_reply_bytes(request, status.readable ? 200 : 503, "text/plain", SPAN_EMPTY);
}

static int not_here(struct http_request *request, struct admin *admin)
{
    (void)request;
    (void)admin;
    return -ENOSYS;
}

static int scrub(struct http_request *request, struct admin *admin)
{
    store_scrub(admin->store);
    return http_reply_bytes(request, 202, "text/plain", SPAN_EMPTY);
}

enum who { ANYONE, SIGNED, SCRAPER };

static const struct route {
    const char *path;
    const char *name; /* in metrics and logs */
    enum who who;
    bool post; /* it does something, and takes no other method */
    int (*run)(struct http_request *request, struct admin *admin);
} routes[] = {
    {"/cairn/health/live", "HealthLive", ANYONE, false, health_live},
    {"/cairn/health/ready", "HealthReady", ANYONE, false, health_ready},
    {"/cairn/health/cluster", "HealthCluster", ANYONE, false, health_ready},
    {"/cairn/health/cluster/read", "HealthClusterRead", ANYONE, false, health_read},
    {"/minio/health/live", "HealthLive", ANYONE, false, health_live},
    {"/minio/health/ready", "HealthReady", ANYONE, false, health_ready},
    {"/minio/health/cluster", "HealthCluster", ANYONE, false, health_ready},
    {"/minio/health/cluster/read", "HealthClusterRead", ANYONE, false, health_read},
    {"/cairn/metrics", "Metrics", SCRAPER, false, admin_metrics},
    {"/minio/v2/metrics/cluster", "Metrics", SCRAPER, false, admin_metrics},
    {"/cairn/admin/v1/status", "AdminStatus", SIGNED, false, admin_status},
    {"/cairn/admin/v1/scrub", "AdminScrub", SIGNED, true, scrub},
};
static const struct route of_minio = {ADMIN_OF_MINIO, "AdminOfMinio", SIGNED, false, not_here};
#define ROUTES (sizeof routes / sizeof routes[0])

static const struct route *find_route(struct span path)
{
    if (!span_starts(path, SPAN_LIT("/cairn/")) && !span_starts(path, SPAN_LIT("/minio/")))
        return NULL;
    for (size_t i = 0; i < ROUTES; i++)
        if (span_is(path, routes[i].path))
            return &routes[i];
    return span_starts(path, span_cstr(of_minio.path)) ? &of_minio : NULL;
}

static bool route_takes(const struct route *route, struct span method)
{
    return route->post ? span_is(method, "POST") : span_is(method, "GET") || span_is(method, "HEAD");
}

bool admin_wants(const struct http_request *request)
{
    return find_route(request->head.path) != NULL;
}

int admin_handle(struct http_request *request, void *arg)
{
    struct admin *admin = arg;
    const struct route *route = find_route(request->head.path);
    if (!route)
        return -ENOENT;
    request->operation = route->name;
    if (route != &of_minio && !route_takes(route, request->head.method))
        return S3_METHOD_NOT_ALLOWED;
    bool open = route->who == ANYONE || (route->who == SCRAPER && admin->metrics_public);
    if (!open && !request->identity)
        return -EACCES;
    return route->run(request, admin);
}
