/* The segments of a set that have no file where they should: a sorted array, since start-up finds them in order. */
#include <errno.h>
#include <stdlib.h>

#include "objstore/data/data_priv.h"

/* The first at or behind a segment; the caller holds the lock. */
static size_t lack_find(const struct erasure_set *set, uint64_t segment)
{
    size_t low = 0, high = set->lack_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (set->lacks[middle].segment < segment)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool lack_is(const struct erasure_set *set, size_t at, uint64_t segment)
{
    return at < set->lack_count && set->lacks[at].segment == segment;
}

static int lack_insert(struct erasure_set *set, size_t at, struct lack lack)
{
    if (set->lack_count == set->lack_cap) {
        size_t cap = set->lack_cap ? 2 * set->lack_cap : 64;
        struct lack *grown = realloc(set->lacks, cap * sizeof(grown[0]));

        if (!grown)
            return -ENOMEM;
        set->lacks = grown;
        set->lack_cap = cap;
    }
    memmove(set->lacks + at + 1, set->lacks + at, (set->lack_count - at) * sizeof(set->lacks[0]));
    set->lacks[at] = lack;
    set->lack_count++;
    return 0;
}

int lacks_add(struct erasure_set *set, uint64_t segment, uint64_t live, uint32_t places)
{
    int r = 0;

    if (places == 0)
        return 0;
    pthread_mutex_lock(&set->lacks_lock);
    size_t at = lack_find(set, segment);
    if (lack_is(set, at, segment))
        set->lacks[at].places |= places;
    else
        r = lack_insert(set, at, (struct lack){segment, live, places});
    pthread_mutex_unlock(&set->lacks_lock);
    damage_tell(set->data);
    return r;
}

void lacks_drop(struct erasure_set *set, uint64_t segment, uint32_t places)
{
    pthread_mutex_lock(&set->lacks_lock);
    size_t at = lack_find(set, segment);
    if (lack_is(set, at, segment) && (set->lacks[at].places &= ~places) == 0) {
        set->lack_count--;
        memmove(set->lacks + at, set->lacks + at + 1, (set->lack_count - at) * sizeof(set->lacks[0]));
    }
    pthread_mutex_unlock(&set->lacks_lock);
}

uint32_t lacks_get(struct erasure_set *set, uint64_t segment)
{
    pthread_mutex_lock(&set->lacks_lock);
    size_t at = lack_find(set, segment);
    uint32_t places = lack_is(set, at, segment) ? set->lacks[at].places : 0;
    pthread_mutex_unlock(&set->lacks_lock);
    return places;
}

void lacks_sum(struct erasure_set *set, uint64_t *segments, uint64_t *bytes)
{
    pthread_mutex_lock(&set->lacks_lock);
    for (size_t i = 0; i < set->lack_count; i++)
        *bytes += set->lacks[i].live * (uint64_t)__builtin_popcount(set->lacks[i].places);
    *segments += set->lack_count;
    pthread_mutex_unlock(&set->lacks_lock);
}

bool lacks_next(struct erasure_set *set, uint64_t from, struct lack *ret_lack)
{
    pthread_mutex_lock(&set->lacks_lock);
    size_t at = lack_find(set, from);
    bool found = at < set->lack_count;
    if (found)
        *ret_lack = set->lacks[at];
    pthread_mutex_unlock(&set->lacks_lock);
    return found;
}
