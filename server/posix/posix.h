/*
 * The POSIX dialect's server side: sessions, compounds, bulk bytes, push. server/wire/POSIX.md is the protocol.
 */
#ifndef CAIRN_POSIX_H
#define CAIRN_POSIX_H

#include "server/http/http.h"

struct index;
struct ns;
struct posix;

/* May the caller of request use the dialect on bucket (empty: the whole endpoint)? 0, or an error, as a rule -EACCES.
 * Since operations name inodes by number, whoever may use it on one bucket reaches all: say yes only to who may do
 * everything. On the request's thread, before its body is read; must not reply. */
typedef int posix_authorize(struct http_request *request, struct span bucket, void *arg);

struct posix_options {
    posix_authorize *authorize; /* NULL: every signed request, no anonymous one */
    void *authorize_arg;
    uint32_t sessions_max; /* 0: 1024 */
};

/* Adopts the sessions that the index knows, subscribes to the namespace's events and starts two threads (expiry, push).
 * ns and index are borrowed until posix_free; index is the one below ns. 0, -ENOMEM, -EAGAIN (no thread), -EIO,
 * CAIRN_ECORRUPT. */
int posix_new(struct ns *ns, struct index *index, const struct posix_options *options, struct posix **ret_posix);
/* Ends push streams and threads; sessions stay in the index. No request may be under way and no stream be parked: end
 * the HTTP server first. Accepts NULL. */
void posix_free(struct posix **posix);

/* Whether a request is of the dialect: its query has "cairn". */
bool posix_wants(const struct http_request *request);
/* An http_handler for those; arg is the struct posix. A negative answer with no reply begun is for server/s3's error
 * reply. */
int posix_handle(struct http_request *request, void *arg);

struct posix_counts {
    uint32_t sessions; /* live */
    uint32_t adopted;  /* of a former life of the server, not reclaimed yet */
    uint32_t streams;  /* push */
    uint64_t handles;  /* open */
};
/* Any thread; does not block. */
void posix_count(struct posix *posix, struct posix_counts *ret_counts);

#endif
