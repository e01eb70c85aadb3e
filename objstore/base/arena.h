/*
 * Arena: memory of one request, freed as a whole. One thread at a time.
 */
#ifndef CAIRN_BASE_ARENA_H
#define CAIRN_BASE_ARENA_H

#include "objstore/base/span.h"

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t              used;   /* bytes handed out, for limits */
};

#define ARENA_INIT ((struct arena){0})

/* Memory of size bytes, aligned for any type, not cleared; NULL when memory is short. size 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t size);
/* As arena_alloc, cleared; NULL also when count * size overflows. */
void *arena_zalloc(struct arena *a, size_t count, size_t size);
/* A NUL-terminated copy of s (the NUL is not counted); .ptr is NULL when memory is short. */
struct span arena_dup(struct arena *a, struct span s);
/* The formatted text, NUL-terminated; .ptr is NULL when memory is short. */
struct span arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Forgets everything handed out; keeps one block for reuse. */
void arena_reset(struct arena *a);
/* Frees all. Accepts a zeroed arena, and leaves one. */
void arena_release(struct arena *a);

#endif
