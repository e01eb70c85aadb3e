#include "fs/nameset.h"

#include <stdatomic.h>
#include <stdlib.h>

#define SLOTS_FIRST 16u

/* Open addressing; 0 is an empty slot, so a hash of 0 is stored as 1: a false "may exist" at worst. */
struct nameset {
    size_t count, slots; /* slots is a power of two */
    uint64_t *hashes;
};

static atomic_size_t bytes_used;

static uint64_t *slots_new(size_t slots)
{
    size_t bytes = slots * sizeof(uint64_t);

    if (atomic_fetch_add(&bytes_used, bytes) + bytes <= NAMESET_BYTES_MAX) {
        uint64_t *hashes = calloc(slots, sizeof(uint64_t));
        if (hashes)
            return hashes;
    }
    atomic_fetch_sub(&bytes_used, bytes);
    return NULL;
}

static void slots_free(uint64_t *hashes, size_t slots)
{
    free(hashes);
    atomic_fetch_sub(&bytes_used, slots * sizeof(uint64_t));
}

struct nameset *nameset_new(void)
{
    struct nameset *set = calloc(1, sizeof *set);

    if (!set)
        return NULL;
    set->slots = SLOTS_FIRST;
    set->hashes = slots_new(set->slots);
    if (!set->hashes) {
        free(set);
        return NULL;
    }
    return set;
}

void nameset_free(struct nameset **set)
{
    if (!*set)
        return;
    slots_free((*set)->hashes, (*set)->slots);
    free(*set);
    *set = NULL;
}

static uint64_t *place_of(uint64_t *hashes, size_t slots, uint64_t hash)
{
    size_t at = hash & (slots - 1);

    while (hashes[at] && hashes[at] != hash)
        at = (at + 1) & (slots - 1);
    return &hashes[at];
}

static bool grow(struct nameset *set)
{
    size_t slots = set->slots * 2;
    uint64_t *hashes = set->count < NAMESET_MAX ? slots_new(slots) : NULL;

    if (!hashes)
        return false;
    for (size_t i = 0; i < set->slots; i++)
        if (set->hashes[i])
            *place_of(hashes, slots, set->hashes[i]) = set->hashes[i];
    slots_free(set->hashes, set->slots);
    set->hashes = hashes;
    set->slots = slots;
    return true;
}

bool nameset_add(struct nameset *set, uint64_t hash)
{
    if (!set)
        return true;
    hash += hash == 0;
    if (*place_of(set->hashes, set->slots, hash) == hash)
        return true;
    if (set->count * 3 >= set->slots * 2 && !grow(set))
        return false;
    *place_of(set->hashes, set->slots, hash) = hash;
    set->count++;
    return true;
}

bool nameset_has(const struct nameset *set, uint64_t hash)
{
    hash += hash == 0;
    return !set || *place_of(set->hashes, set->slots, hash) == hash;
}
