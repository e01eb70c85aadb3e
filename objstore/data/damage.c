#include "objstore/data/damage.h"

#include <stddef.h>

void damage_init(struct damage *damage)
{
    pthread_mutex_init(&damage->lock, NULL);
    damage->fn = NULL;
    damage->arg = NULL;
}

void damage_release(struct damage *damage)
{
    pthread_mutex_destroy(&damage->lock);
}

void damage_subscribe(struct damage *damage, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&damage->lock);
    damage->fn = fn;
    damage->arg = arg;
    pthread_mutex_unlock(&damage->lock);
}

void damage_tell(void *arg)
{
    struct damage *damage = arg;

    pthread_mutex_lock(&damage->lock);
    if (damage->fn)
        damage->fn(damage->arg);
    pthread_mutex_unlock(&damage->lock);
}
