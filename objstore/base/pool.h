/*
 * Buffer pool: page-aligned buffers of one size for bulk bytes, so that a request's memory is bounded and
 * transfers do not pass through malloc. Any thread.
 */
#ifndef CAIRN_BASE_POOL_H
#define CAIRN_BASE_POOL_H

#include <stddef.h>

struct pool;

/* A pool of buffers of size bytes (rounded up to a page) that keeps at most keep idle ones. 0, -ENOMEM. */
int pool_new(size_t size, size_t keep, struct pool **ret_pool);
/* All buffers must be back. Accepts NULL. */
void pool_free(struct pool **pool);
/* A buffer of pool_size() bytes, contents undefined; NULL when memory is short. Does not block. */
void *pool_get(struct pool *pool);
/* Takes a buffer back. Accepts NULL. */
void pool_put(struct pool *pool, void *buffer);
size_t pool_size(const struct pool *pool);

#endif
