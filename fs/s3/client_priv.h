/*
 * Inside the S3 client. The journey of a request:
 *
 *     s3_send → an idle connection that is still quiet, or one that libcurl opens (client.c, connection.c)
 *             → its head as text, signed (request.c)
 *             → sent, and the reply taken in (exchange.c, reply.c) → the connection goes back, or is closed
 */
#ifndef CAIRN_FS_S3_CLIENT_PRIV_H
#define CAIRN_FS_S3_CLIENT_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "fs/s3/client.h"
#include "fs/s3/connection.h"
#include "server/wire/sigv4.h"

struct s3_client {
    char *url, *unix_path; /* as dialled; or NULL */
    char *host;            /* as signed */
    char *access_key, *secret, *region, *ca_file;
    struct endpoint endpoint; /* over the strings above */
    int64_t stall_timeout_ns;
    size_t idle_max;
    atomic_bool reached; /* a connection was opened once */

    pthread_mutex_t lock;
    struct connection *idle;    /* lock: the last used first */
    size_t idle_count;          /* lock */
    struct sigv4_signer signer; /* lock; renewed daily */
    bool signer_ready;          /* lock */
};

/* Writes the request's head into out, signed with the time of now; a needs to live during the call. 0, -EINVAL (what
 * would not be one request any more: a line break in a header, a blank in the path), -ENOMEM. */
int request_write(struct s3_client *client, const struct s3_request *request, int64_t now, struct arena *a,
                  struct buf *out);

/* Sends the head in connection->out and the body, and takes the reply in. s3_send's errors from -ECONNRESET on.
 * *ret_reusable: whether another request may follow. */
int exchange_run(struct connection *connection, const struct s3_request *request, struct s3_response *response,
                 int64_t stall_ns, int64_t tick_ns, bool *ret_reusable);

#endif
