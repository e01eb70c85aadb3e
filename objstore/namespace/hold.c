#include "objstore/namespace/hold.h"

#include <errno.h>
#include <stdlib.h>

#define SLOTS_FIRST 256

int holds_init(struct holds *holds)
{
    holds->slots = calloc(SLOTS_FIRST, sizeof(*holds->slots));
    if (!holds->slots)
        return -ENOMEM;
    holds->size = SLOTS_FIRST;
    return -pthread_mutex_init(&holds->lock, NULL);
}

void holds_release(struct holds *holds)
{
    if (!holds->slots)
        return;
    for (size_t i = 0; i < holds->size; i++)
        for (struct hold *hold = holds->slots[i], *next; hold; hold = next) {
            next = hold->next;
            free(hold);
        }
    free(holds->slots);
    holds->slots = NULL;
    pthread_mutex_destroy(&holds->lock);
}

/* ---- table; the lock is held ---- */

static struct hold **slot_of(struct hold **slots, size_t size, uint64_t ino)
{
    return &slots[(ino * 0x9e3779b97f4a7c15ull >> 32) & (size - 1)];
}

/* Where the pointer to ino's hold is, or would be. */
static struct hold **hold_find(struct holds *holds, uint64_t ino)
{
    struct hold **at = slot_of(holds->slots, holds->size, ino);
    while (*at && (*at)->ino != ino)
        at = &(*at)->next;
    return at;
}

/* Doubles the table when it is full; without memory it only becomes slower. */
static void holds_grow(struct holds *holds)
{
    size_t size = holds->size * 2;
    struct hold **slots = holds->used < holds->size ? NULL : calloc(size, sizeof(*slots));
    if (!slots)
        return;
    for (size_t i = 0; i < holds->size; i++)
        for (struct hold *hold = holds->slots[i], *next; hold; hold = next) {
            struct hold **at = slot_of(slots, size, hold->ino);
            next = hold->next;
            hold->next = *at;
            *at = hold;
        }
    free(holds->slots);
    holds->slots = slots;
    holds->size = size;
}

static int hold_add(struct holds *holds, uint64_t ino, bool orphan)
{
    struct hold **at = hold_find(holds, ino);
    if (!*at) {
        struct hold *hold = calloc(1, sizeof(*hold));
        if (!hold)
            return -ENOMEM;
        hold->ino = ino;
        *at = hold;
        holds->used++;
    }
    (*at)->count++;
    (*at)->orphan |= orphan;
    holds_grow(holds);
    return 0;
}

/* Whether a commit after sequence has reaped ino, or so many that it can't be told any more. */
static bool reaped_after(const struct holds *holds, uint64_t ino, uint64_t sequence)
{
    for (uint64_t i = 0; i < holds->reaped_count; i++) {
        if (i == HOLDS_REAPED)
            return true;
        const struct reaped *reaped = &holds->reaped[(holds->reaped_count - 1 - i) % HOLDS_REAPED];
        if (reaped->sequence <= sequence)
            return false;
        if (reaped->ino == ino)
            return true;
    }
    return false;
}

/* ---- holders ---- */

int holds_take(struct holds *holds, uint64_t ino, uint64_t snapshot, bool orphan)
{
    pthread_mutex_lock(&holds->lock);
    int r = reaped_after(holds, ino, snapshot) ? -ESTALE : hold_add(holds, ino, orphan);
    pthread_mutex_unlock(&holds->lock);
    return r;
}

struct hold *holds_drop(struct holds *holds, uint64_t ino)
{
    struct hold *last = NULL;
    pthread_mutex_lock(&holds->lock);
    struct hold **at = hold_find(holds, ino);
    if (*at && --(*at)->count == 0) {
        last = *at;
        *at = last->next;
        holds->used--;
    }
    pthread_mutex_unlock(&holds->lock);
    return last;
}

/* ---- mutations ---- */

bool holds_orphan(struct holds *holds, uint64_t ino, uint64_t sequence)
{
    pthread_mutex_lock(&holds->lock);
    struct hold *hold = *hold_find(holds, ino);
    if (hold)
        hold->orphan = true;
    else
        holds->reaped[holds->reaped_count++ % HOLDS_REAPED] = (struct reaped){.ino = ino, .sequence = sequence};
    pthread_mutex_unlock(&holds->lock);
    return hold != NULL;
}

bool holds_has(struct holds *holds, uint64_t ino)
{
    pthread_mutex_lock(&holds->lock);
    bool held = *hold_find(holds, ino) != NULL;
    pthread_mutex_unlock(&holds->lock);
    return held;
}

void holds_unreap(struct holds *holds, uint64_t ino)
{
    pthread_mutex_lock(&holds->lock);
    for (uint64_t i = 0; i < holds->reaped_count && i < HOLDS_REAPED; i++) {
        struct reaped *reaped = &holds->reaped[(holds->reaped_count - 1 - i) % HOLDS_REAPED];
        if (reaped->ino == ino) {
            reaped->ino = 0;
            break;
        }
    }
    pthread_mutex_unlock(&holds->lock);
}
