#include "objstore/base/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* An idle buffer's first bytes link it to the next; last in, first out, since the last one is warm in the cache. */
struct idle {
    struct idle *next;
};

struct pool {
    size_t size;
    size_t page;
    size_t keep;
    pthread_mutex_t lock; /* guards what follows */
    struct idle *idle;
    size_t idle_count;
    size_t lent;
};

int pool_new(size_t size, size_t keep, struct pool **ret_pool)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert(size > 0);
    if (size > SIZE_MAX / 2)
        return -ENOMEM;
    struct pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return -ENOMEM;
    pool->size = (size + page - 1) & ~(page - 1);
    pool->page = page;
    pool->keep = keep;
    pthread_mutex_init(&pool->lock, NULL);
    *ret_pool = pool;
    return 0;
}

void pool_free(struct pool **pool)
{
    struct pool *p = *pool;
    if (!p)
        return;
    assert(p->lent == 0);
    while (p->idle) {
        struct idle *buffer = p->idle;
        p->idle = buffer->next;
        free(buffer);
    }
    pthread_mutex_destroy(&p->lock);
    free(p);
    *pool = NULL;
}

void *pool_get(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct idle *buffer = pool->idle;
    if (buffer) {
        pool->idle = buffer->next;
        pool->idle_count--;
    }
    pool->lent++;
    pthread_mutex_unlock(&pool->lock);
    if (buffer)
        return buffer;

    void *fresh = NULL;
    if (posix_memalign(&fresh, pool->page, pool->size) == 0)
        return fresh;
    pthread_mutex_lock(&pool->lock);
    pool->lent--;
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

void pool_put(struct pool *pool, void *buffer)
{
    if (!buffer)
        return;
    pthread_mutex_lock(&pool->lock);
    assert(pool->lent > 0);
    pool->lent--;
    bool keep = pool->idle_count < pool->keep;
    if (keep) {
        struct idle *idle = buffer;
        idle->next = pool->idle;
        pool->idle = idle;
        pool->idle_count++;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!keep)
        free(buffer);
}

size_t pool_size(const struct pool *pool)
{
    return pool->size;
}
