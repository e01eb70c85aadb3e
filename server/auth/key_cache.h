/*
 * Signing keys by (access key, day, region, service), so that a request costs one HMAC chain less. Fixed in size; a
 * newer key takes an older one's place. Any thread.
 */
#ifndef CAIRN_AUTH_KEY_CACHE_H
#define CAIRN_AUTH_KEY_CACHE_H

#include "server/auth/credentials.h"
#include "server/wire/sigv4.h"

struct key_cache;

int key_cache_new(struct key_cache **ret_cache);
void key_cache_free(struct key_cache **cache);
/* The signing key for auth's scope, derived when it is not there. sigv4_key_derive's errors. */
int key_cache_get(struct key_cache *cache, const struct identity *identity, const struct sigv4_auth *auth,
                  struct sigv4_key *ret_key);

#endif
