#include "fs/slab.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Free slots of a class, last in, first out: the last one is warm in the cache. */
struct stack {
    char **slots;
    size_t count, all;
};

struct slab {
    pthread_mutex_t lock; /* guards the stacks */
    struct stack stacks[SLAB_CLASSES];
    char *memory;
    size_t bytes;
};

size_t slab_slot_size(enum slab_class class)
{
    return class == SLAB_SMALL ? SLAB_SMALL_SIZE : SLAB_LARGE_SIZE;
}

static int stack_fill(struct stack *stack, char *memory, size_t count, size_t size)
{
    stack->slots = calloc(count, sizeof *stack->slots);
    if (!stack->slots)
        return -ENOMEM;
    stack->count = stack->all = count;
    for (size_t i = 0; i < count; i++)
        stack->slots[count - 1 - i] = memory + i * size;
    return 0;
}

int slab_new(uint64_t bytes, struct slab **ret_slab)
{
    struct slab *s = calloc(1, sizeof *s);

    if (!s)
        return -ENOMEM;
    size_t small = bytes / 4 / SLAB_SMALL_SIZE, large = (bytes - bytes / 4) / SLAB_LARGE_SIZE;
    pthread_mutex_init(&s->lock, NULL);
    s->bytes = small * SLAB_SMALL_SIZE + large * SLAB_LARGE_SIZE;
    s->memory = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int r = s->memory == MAP_FAILED ? -ENOMEM : 0;
    if (r == 0)
        r = stack_fill(&s->stacks[SLAB_LARGE], s->memory, large, SLAB_LARGE_SIZE);
    if (r == 0)
        r = stack_fill(&s->stacks[SLAB_SMALL], s->memory + large * SLAB_LARGE_SIZE, small, SLAB_SMALL_SIZE);
    if (r < 0)
        slab_free(&s);
    else
        *ret_slab = s;
    return r;
}

void slab_free(struct slab **slab)
{
    struct slab *s = *slab;

    if (!s)
        return;
    for (int class = 0; class < SLAB_CLASSES; class ++) {
        assert(s->stacks[class].count == s->stacks[class].all);
        free(s->stacks[class].slots);
    }
    if (s->memory != MAP_FAILED && s->memory)
        munmap(s->memory, s->bytes);
    pthread_mutex_destroy(&s->lock);
    free(s);
    *slab = NULL;
}

char *slab_get(struct slab *slab, enum slab_class class)
{
    struct stack *stack = &slab->stacks[class];

    pthread_mutex_lock(&slab->lock);
    char *slot = stack->count > 0 ? stack->slots[--stack->count] : NULL;
    pthread_mutex_unlock(&slab->lock);
    return slot;
}

void slab_put(struct slab *slab, enum slab_class class, char *slot)
{
    struct stack *stack = &slab->stacks[class];

    pthread_mutex_lock(&slab->lock);
    assert(stack->count < stack->all);
    stack->slots[stack->count++] = slot;
    pthread_mutex_unlock(&slab->lock);
}

size_t slab_idle(struct slab *slab, enum slab_class class)
{
    pthread_mutex_lock(&slab->lock);
    size_t count = slab->stacks[class].count;
    pthread_mutex_unlock(&slab->lock);
    return count;
}
