/*
 * Admin: what operators, probes and scrapers ask. A few exact paths, which no bucket can shadow ("cairn" and "minio"
 * are refused as names of buckets). Where the host names a bucket (virtual-host style) they are keys as any other.
 *
 * path                           who may      answer
 * /cairn/health/live             anyone       200 while the process serves
 * /cairn/health/ready            anyone       200 when writes are taken, 503 when there is no write quorum
 * /cairn/health/cluster          anyone       the same, with x-cairn-write-quorum
 * /cairn/health/cluster/read     anyone       200 while reads are answered
 * /minio/health/…                anyone       the same under the names that existing probes use
 * /cairn/metrics                 signed, or anyone with metrics_public     Prometheus text
 * /minio/v2/metrics/cluster      likewise
 * /cairn/admin/v1/status         signed       JSON: drives, sets, space, quorum
 * /cairn/admin/v1/scrub          signed, POST 202: every shard is being verified, now
 * /minio/admin/…                 signed       NotImplemented: MinIO's administration clients hear it in plain words
 */
#ifndef CAIRN_ADMIN_H
#define CAIRN_ADMIN_H

#include "server/http/http.h"
#include "server/http/server.h"

struct store;
struct posix;

struct admin {
    struct store *store; /* all borrowed */
    struct posix *posix;
    struct http_server *server; /* may be set after the requests' routing is, before the server starts */
    bool metrics_public;
};

#define ADMIN_OF_MINIO "/minio/admin/" /* its clients sign for no region */

/* Whether the request is for one of the paths above. */
bool admin_wants(const struct http_request *request);
/* An http_handler for those; arg is the struct admin. -EACCES when the caller may not, -ENOSYS for
 * MinIO's administration, S3_METHOD_NOT_ALLOWED for a method other than GET and HEAD, or POST where that is told; the reply has not begun then. */
int admin_handle(struct http_request *request, void *arg);

#endif
