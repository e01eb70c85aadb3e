#include "objstore/data/lacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "objstore/data/damage.h"

void lacks_init(struct lacks *lacks, struct damage *damage)
{
    *lacks = (struct lacks){.damage = damage};
    pthread_mutex_init(&lacks->lock, NULL);
}

void lacks_release(struct lacks *lacks)
{
    free(lacks->at);
    pthread_mutex_destroy(&lacks->lock);
}

/* The first at or behind a segment; the caller holds the lock. */
static size_t lack_find(const struct lacks *lacks, uint64_t segment)
{
    size_t low = 0, high = lacks->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (lacks->at[middle].segment < segment)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool lack_is(const struct lacks *lacks, size_t at, uint64_t segment)
{
    return at < lacks->count && lacks->at[at].segment == segment;
}

static int lack_insert(struct lacks *lacks, size_t at, struct lack lack)
{
    if (lacks->count == lacks->cap) {
        size_t cap = lacks->cap ? 2 * lacks->cap : 64;
        struct lack *grown = realloc(lacks->at, cap * sizeof(grown[0]));

        if (!grown)
            return -ENOMEM;
        lacks->at = grown;
        lacks->cap = cap;
    }
    memmove(lacks->at + at + 1, lacks->at + at, (lacks->count - at) * sizeof(lacks->at[0]));
    lacks->at[at] = lack;
    lacks->count++;
    return 0;
}

int lacks_add(struct lacks *lacks, uint64_t segment, uint64_t live, uint32_t places)
{
    int r = 0;

    if (places == 0)
        return 0;
    pthread_mutex_lock(&lacks->lock);
    size_t at = lack_find(lacks, segment);
    if (lack_is(lacks, at, segment))
        lacks->at[at].places |= places;
    else
        r = lack_insert(lacks, at, (struct lack){segment, live, places});
    pthread_mutex_unlock(&lacks->lock);
    damage_tell(lacks->damage);
    return r;
}

void lacks_drop(struct lacks *lacks, uint64_t segment, uint32_t places)
{
    pthread_mutex_lock(&lacks->lock);
    size_t at = lack_find(lacks, segment);
    if (lack_is(lacks, at, segment) && (lacks->at[at].places &= ~places) == 0) {
        lacks->count--;
        memmove(lacks->at + at, lacks->at + at + 1, (lacks->count - at) * sizeof(lacks->at[0]));
    }
    pthread_mutex_unlock(&lacks->lock);
}

uint32_t lacks_get(struct lacks *lacks, uint64_t segment)
{
    pthread_mutex_lock(&lacks->lock);
    size_t at = lack_find(lacks, segment);
    uint32_t places = lack_is(lacks, at, segment) ? lacks->at[at].places : 0;
    pthread_mutex_unlock(&lacks->lock);
    return places;
}

void lacks_sum(struct lacks *lacks, uint64_t *segments, uint64_t *bytes)
{
    pthread_mutex_lock(&lacks->lock);
    for (size_t i = 0; i < lacks->count; i++)
        *bytes += lacks->at[i].live * (uint64_t)__builtin_popcount(lacks->at[i].places);
    *segments += lacks->count;
    pthread_mutex_unlock(&lacks->lock);
}

bool lacks_next(struct lacks *lacks, uint64_t from, struct lack *ret_lack)
{
    pthread_mutex_lock(&lacks->lock);
    size_t at = lack_find(lacks, from);
    bool found = at < lacks->count;
    if (found)
        *ret_lack = lacks->at[at];
    pthread_mutex_unlock(&lacks->lock);
    return found;
}
