/*
 * Auth: the choke point. Every request passes auth_verify before any handler sees it; whatever way it is signed, and
 * however its body is framed, there is no way around.
 *
 * signed by              body
 * Authorization header   x-amz-content-sha256: a hash, UNSIGNED-PAYLOAD, or one of the streaming words
 * presigned query        unsigned, unless it says otherwise
 * nothing                anonymous: identity stays NULL, and each handler decides (today all but health refuse)
 * an HTML form (POST)    refused: NotImplemented
 * Signature Version 2    refused
 *
 * Verification of a body goes on while a handler reads it: the stages of body_stages.c lie on the connection's bytes.
 *
 * A proxy or mesh may have changed Host, and then what the client signed is not what we see; a short list of candidates
 * is tried in order (hosts.h). The reply to a mismatch names those that were tried.
 */
#ifndef CAIRN_AUTH_H
#define CAIRN_AUTH_H

#include "server/auth/credentials.h"
#include "server/http/http.h"

#define AUTH_ALIASES_MAX 16
#define AUTH_PORTS_MAX 8

struct auth_options {
    struct credentials *credentials; /* borrowed */
    struct span region;              /* of this deployment; empty: any region is accepted */
    struct span regionless;          /* paths that begin so may be signed for any region, or none; empty: none may */
    const struct span *aliases;      /* --host-alias: exact, or "*.suffix"; borrowed */
    size_t alias_count;              /* at most AUTH_ALIASES_MAX */
    const unsigned *ports;           /* we listen on; borrowed */
    size_t port_count;               /* at most AUTH_PORTS_MAX */
};

struct auth;

/* 0, -EINVAL, -ENOMEM. */
int auth_new(const struct auth_options *options, struct auth **ret_auth);
void auth_free(struct auth **auth);

/* An http_handler, arg is the struct auth: sets access_key, identity, host and content_length of the request and puts
 * the body's stages on. 0: the request may go on. Otherwise the error was sent as the reply, and a negative error is
 * returned. */
int auth_verify(struct http_request *request, void *auth);

#endif
