#include "server/auth/key_cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"

#define ENTRIES 64

struct entry {
    char scope[SIGV4_SCOPE_MAX];
    size_t scope_len;
    const struct identity *identity; /* NULL: free */
    struct sigv4_key key;
};

struct key_cache {
    pthread_rwlock_t lock;
    struct entry entries[ENTRIES]; /* lock */
};

int key_cache_new(struct key_cache **ret_cache)
{
    struct key_cache *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    pthread_rwlock_init(&c->lock, NULL);
    *ret_cache = c;
    return 0;
}

void key_cache_free(struct key_cache **cache)
{
    if (!*cache)
        return;
    pthread_rwlock_destroy(&(*cache)->lock);
    explicit_bzero(*cache, sizeof **cache);
    free(*cache);
    *cache = NULL;
}

static struct entry *place(struct key_cache *cache, const struct identity *identity, struct span scope)
{
    return &cache->entries[xxh3(scope.ptr, scope.len, (uintptr_t)identity) % ENTRIES];
}

static bool holds(const struct entry *e, const struct identity *identity, struct span scope)
{
    return e->identity == identity && span_eq(span_make(e->scope, e->scope_len), scope);
}

int key_cache_get(struct key_cache *cache, const struct identity *identity, const struct sigv4_auth *auth,
                  struct sigv4_key *ret_key)
{
    struct entry *e = place(cache, identity, auth->scope);
    pthread_rwlock_rdlock(&cache->lock);
    bool hit = holds(e, identity, auth->scope);
    if (hit)
        *ret_key = e->key;
    pthread_rwlock_unlock(&cache->lock);
    if (hit)
        return 0;
    int r = sigv4_key_derive(span_cstr(identity->secret), auth->date, auth->region, auth->service, ret_key);
    if (r < 0 || auth->scope.len > sizeof e->scope)
        return r;
    pthread_rwlock_wrlock(&cache->lock);
    memcpy(e->scope, auth->scope.ptr, auth->scope.len);
    e->scope_len = auth->scope.len;
    e->identity = identity;
    e->key = *ret_key;
    pthread_rwlock_unlock(&cache->lock);
    return 0;
}
