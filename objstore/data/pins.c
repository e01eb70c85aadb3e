#include "objstore/data/pins.h"

#include "objstore/data/format.h"

void pins_init(struct pins *pins)
{
    for (int i = 0; i < PIN_BUCKETS; i++) {
        pthread_mutex_init(&pins->buckets[i].lock, NULL);
        pins->buckets[i].first = NULL;
    }
    atomic_init(&pins->awaited, false);
}

void pins_release(struct pins *pins)
{
    for (int i = 0; i < PIN_BUCKETS; i++)
        pthread_mutex_destroy(&pins->buckets[i].lock);
}

static struct pin_bucket *pin_bucket(struct pins *pins, uint64_t segment, uint64_t offset)
{
    return &pins->buckets[(segment * 31 + offset / EXTENT_ALIGN) % PIN_BUCKETS];
}

void pins_add(struct pins *pins, struct pinned *pinned)
{
    struct pin_bucket *bucket = pin_bucket(pins, pinned->segment, pinned->offset);

    pthread_mutex_lock(&bucket->lock);
    pinned->next = bucket->first;
    bucket->first = pinned;
    pthread_mutex_unlock(&bucket->lock);
}

bool pins_remove(struct pins *pins, struct pinned *pinned)
{
    struct pin_bucket *bucket = pin_bucket(pins, pinned->segment, pinned->offset);

    pthread_mutex_lock(&bucket->lock);
    struct pinned **at = &bucket->first;
    while (*at != pinned)
        at = &(*at)->next;
    *at = pinned->next;
    pthread_mutex_unlock(&bucket->lock);
    return atomic_load(&pins->awaited);
}

void pins_walk(struct pins *pins)
{
    atomic_store(&pins->awaited, false);
}

static bool bucket_has(struct pin_bucket *bucket, uint64_t segment, uint64_t offset)
{
    pthread_mutex_lock(&bucket->lock);
    const struct pinned *pinned = bucket->first;
    while (pinned && (pinned->segment != segment || pinned->offset != offset))
        pinned = pinned->next;
    pthread_mutex_unlock(&bucket->lock);
    return pinned != NULL;
}

bool pins_have(struct pins *pins, uint64_t segment, uint64_t offset)
{
    struct pin_bucket *bucket = pin_bucket(pins, segment, offset);

    if (!bucket_has(bucket, segment, offset))
        return false;
    atomic_store(&pins->awaited, true);
    return bucket_has(bucket, segment, offset); /* it may have gone before it could see that */
}
