#include "objstore/base/arena.h"
#include "objstore/base/pool.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdalign.h>

Test(arena, memory_is_aligned_and_apart)
{
    struct arena a = ARENA_INIT;
    char *last = NULL;
    size_t last_size = 0;
    for (size_t size = 0; size < 30000; size = size * 2 + 1) {
        char *p = arena_alloc(&a, size);
        cr_assert_not_null(p);
        cr_expect_eq((uintptr_t)p % alignof(max_align_t), 0);
        memset(p, 0xff, size);
        if (last_size)
            cr_expect_eq((unsigned char)last[last_size - 1], 0xff);
        char *z = arena_zalloc(&a, size, 1);
        for (size_t i = 0; i < size; i++)
            cr_assert_eq(z[i], 0);
        last = p;
        last_size = size;
    }
    arena_release(&a);
    arena_release(&a);
    cr_expect_null(a.blocks);
    cr_expect_eq(a.used, 0);
}

Test(arena, a_large_piece_does_not_end_the_block_being_filled)
{
    struct arena a = ARENA_INIT;
    char *first = arena_alloc(&a, 16);
    cr_assert_not_null(arena_alloc(&a, 1 << 20));
    cr_expect_eq((char *)arena_alloc(&a, 16), first + 16);
    cr_expect_geq(a.used, (1 << 20) + 32);
    arena_release(&a);
}

Test(arena, reset_keeps_one_block_whatever_came)
{
    struct arena a = ARENA_INIT;
    arena_alloc(&a, 1 << 20);
    void *first = arena_alloc(&a, 100);
    for (int i = 0; i < 1000; i++)
        arena_alloc(&a, 100);
    for (int round = 0; round < 2; round++) {
        arena_reset(&a);
        cr_expect_eq(a.used, 0);
        cr_expect_not_null(a.blocks);
    }
    cr_expect_not_null(first);
    struct arena_block *kept = a.blocks;
    arena_alloc(&a, 100);
    cr_expect_eq(a.blocks, kept);
    arena_release(&a);
}

Test(arena, sizes_past_memory_answer_null)
{
    struct arena a = ARENA_INIT;
    cr_expect_null(arena_alloc(&a, SIZE_MAX));
    cr_expect_null(arena_alloc(&a, PTRDIFF_MAX));
    cr_expect_null(arena_zalloc(&a, SIZE_MAX / 2, 3));
    cr_expect_null(arena_dup(&a, span_make("x", SIZE_MAX)).ptr);
    cr_expect_not_null(arena_alloc(&a, 1));
    arena_release(&a);
}

Test(arena, copies_and_formats_end_in_nul)
{
    struct arena a = ARENA_INIT;
    struct span s = arena_dup(&a, SPAN_LIT("a\0b"));
    cr_expect_eq(s.len, 3);
    cr_expect_eq(memcmp(s.ptr, "a\0b", 4), 0);
    cr_expect_str_eq(arena_dup(&a, SPAN_EMPTY).ptr, "");
    cr_expect_str_eq(arena_printf(&a, "%s/%d", "x", 5).ptr, "x/5");
    for (int width = 500; width < 530; width++) {
        s = arena_printf(&a, "%*d", width, 7);
        cr_expect_eq(s.len, width);
        cr_expect_eq(strlen(s.ptr), width);
        cr_expect_eq(s.ptr[width - 1], '7');
    }
    arena_release(&a);
}

Test(pool, buffers_are_page_aligned_and_come_back_warm)
{
    struct pool *pool;
    cr_assert_eq(pool_new(5000, 1, &pool), 0);
    cr_expect_eq(pool_size(pool) % 4096, 0);
    cr_expect_geq(pool_size(pool), 5000);
    char *a = pool_get(pool), *b = pool_get(pool);
    cr_expect_eq((uintptr_t)a % 4096, 0);
    cr_expect_neq(a, b);
    memset(a, 1, pool_size(pool));
    memset(b, 2, pool_size(pool));
    cr_expect_eq(a[pool_size(pool) - 1], 1);
    pool_put(pool, a);
    pool_put(pool, b); /* one idle buffer is kept, so this one goes */
    cr_expect_eq((char *)pool_get(pool), a);
    pool_put(pool, a);
    pool_put(pool, NULL);
    pool_free(&pool);
    cr_expect_null(pool);
    pool_free(&pool);
}

static void *churn(void *arg)
{
    struct pool *pool = arg;
    for (int i = 0; i < 2000; i++) {
        uint64_t *a = pool_get(pool), *b = pool_get(pool);
        *a = (uintptr_t)a;
        *b = (uintptr_t)b;
        cr_assert_eq(*a, (uintptr_t)a);
        pool_put(pool, a);
        cr_assert_eq(*b, (uintptr_t)b);
        pool_put(pool, b);
    }
    return NULL;
}

Test(pool, threads_never_hold_the_same_buffer)
{
    struct pool *pool;
    pthread_t threads[4];
    cr_assert_eq(pool_new(4096, 3, &pool), 0);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, churn, pool), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    pool_free(&pool);
}
