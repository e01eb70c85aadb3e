/*
 * Who heals, and is told that there is something to heal. Any thread.
 */
#ifndef CAIRN_DATA_DAMAGE_H
#define CAIRN_DATA_DAMAGE_H

#include <pthread.h>

struct damage {
    pthread_mutex_t lock; /* guards the two; innermost, and held while fn runs */
    void (*fn)(void *arg);
    void *arg;
};

void damage_init(struct damage *damage);
void damage_release(struct damage *damage);
/* Who is told from now on; NULL: nobody, and no call is under way when this returns. */
void damage_subscribe(struct damage *damage, void (*fn)(void *arg), void *arg);
/* Tells that something was queued, or found to lack a file. arg is the struct damage: for a mutation's callback too. */
void damage_tell(void *arg);

#endif
