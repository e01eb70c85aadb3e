#include "objstore/base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

/* The newest block is the one being filled. What would not fit a fresh block well gets a block of its own, put
 * behind the newest, so that the newest keeps being filled. */
struct arena_block {
    struct arena_block *next;
    size_t size; /* of bytes */
    size_t used;
    alignas(max_align_t) char bytes[];
};

enum {
    BLOCK_SIZE = 16 * 1024 - sizeof(struct arena_block), /* holds most requests whole */
    LARGE = BLOCK_SIZE / 4
};

#define ALIGNMENT alignof(max_align_t)

static struct arena_block *block_new(size_t size)
{
    struct arena_block *block = malloc(sizeof(*block) + size);
    if (block) {
        block->next = NULL;
        block->size = size;
        block->used = 0;
    }
    return block;
}

static struct arena_block *add_large(struct arena *a, size_t size)
{
    struct arena_block *block = block_new(size);
    if (!block)
        return NULL;
    struct arena_block **link = a->blocks ? &a->blocks->next : &a->blocks;
    block->next = *link;
    *link = block;
    return block;
}

static struct arena_block *add_newest(struct arena *a)
{
    struct arena_block *block = block_new(BLOCK_SIZE);
    if (!block)
        return NULL;
    block->next = a->blocks;
    a->blocks = block;
    return block;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > PTRDIFF_MAX - BLOCK_SIZE)
        return NULL;
    size = size ? (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1) : ALIGNMENT;
    struct arena_block *block = a->blocks;
    if (!block || block->size - block->used < size)
        block = size > LARGE ? add_large(a, size) : add_newest(a);
    if (!block)
        return NULL;
    void *at = block->bytes + block->used;
    block->used += size;
    a->used += size;
    return at;
}

void *arena_zalloc(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    void *at = arena_alloc(a, total);
    return at ? memset(at, 0, total) : NULL;
}

struct span arena_dup(struct arena *a, struct span s)
{
    char *copy = s.len < PTRDIFF_MAX ? arena_alloc(a, s.len + 1) : NULL;
    if (!copy)
        return SPAN_EMPTY;
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return span_make(copy, s.len);
}

static struct span arena_vprintf(struct arena *a, const char *fmt, va_list args)
{
    char text[512];
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    char *at = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
    if (at && (size_t)len < sizeof(text))
        memcpy(at, text, (size_t)len + 1);
    else if (at)
        vsnprintf(at, (size_t)len + 1, fmt, again);
    va_end(again);
    return at ? span_make(at, (size_t)len) : SPAN_EMPTY;
}

struct span arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct span text = arena_vprintf(a, fmt, args);
    va_end(args);
    return text;
}

void arena_reset(struct arena *a)
{
    struct arena_block *kept = NULL;
    while (a->blocks) {
        struct arena_block *block = a->blocks;
        a->blocks = block->next;
        if (!kept && block->size == BLOCK_SIZE)
            kept = block;
        else
            free(block);
    }
    if (kept) {
        kept->next = NULL;
        kept->used = 0;
    }
    *a = (struct arena){.blocks = kept};
}

void arena_release(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *block = a->blocks;
        a->blocks = block->next;
        free(block);
    }
    a->used = 0;
}
