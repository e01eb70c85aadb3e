#include "server/s3/hasher.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct hasher {
    struct hash *hashes[HASHER_MAX];
    size_t count;

    bool wants_thread; /* for a long stream; it starts with the first bytes, which a slow client may not send at all */
    bool threaded;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under lock */
    const void *bytes; /* NULL: nothing to do */
    size_t len;
    bool stop;
};

static void update_all(struct hasher *hasher, const void *bytes, size_t len)
{
    for (size_t i = 0; i < hasher->count; i++)
        hash_update(hasher->hashes[i], bytes, len);
}

static void *run(void *arg)
{
    struct hasher *hasher = arg;
    pthread_mutex_lock(&hasher->lock);
    for (;;) {
        while (!hasher->bytes && !hasher->stop)
            pthread_cond_wait(&hasher->changed, &hasher->lock);
        if (!hasher->bytes)
            break;
        pthread_mutex_unlock(&hasher->lock);
        update_all(hasher, hasher->bytes, hasher->len);
        pthread_mutex_lock(&hasher->lock);
        hasher->bytes = NULL;
        pthread_cond_broadcast(&hasher->changed);
    }
    pthread_mutex_unlock(&hasher->lock);
    return NULL;
}

int hasher_new(const enum hash_kind *kinds, size_t count, uint64_t stream_length, struct hasher **ret_hasher)
{
    struct hasher *hasher = calloc(1, sizeof(*hasher));
    if (!hasher)
        return -ENOMEM;
    pthread_mutex_init(&hasher->lock, NULL);
    pthread_cond_init(&hasher->changed, NULL);
    for (; hasher->count < count; hasher->count++) {
        int ret = hash_new(kinds[hasher->count], &hasher->hashes[hasher->count]);
        if (ret < 0) {
            hasher_free(&hasher);
            return ret;
        }
    }
    hasher->wants_thread = stream_length >= HASHER_THREAD_FROM;
    *ret_hasher = hasher;
    return 0;
}

/* With the lock held: until the thread has nothing in hand. */
static void wait_idle(struct hasher *hasher)
{
    while (hasher->bytes)
        pthread_cond_wait(&hasher->changed, &hasher->lock);
}

static void start_thread(struct hasher *hasher)
{
    hasher->wants_thread = false;
    hasher->threaded = pthread_create(&hasher->thread, NULL, run, hasher) == 0;
}

void hasher_feed(struct hasher *hasher, const void *bytes, size_t len)
{
    if (hasher->wants_thread)
        start_thread(hasher);
    if (!hasher->threaded) {
        update_all(hasher, bytes, len);
        return;
    }
    pthread_mutex_lock(&hasher->lock);
    wait_idle(hasher);
    hasher->bytes = bytes;
    hasher->len = len;
    pthread_cond_broadcast(&hasher->changed);
    pthread_mutex_unlock(&hasher->lock);
}

void hasher_wait(struct hasher *hasher)
{
    pthread_mutex_lock(&hasher->lock);
    wait_idle(hasher);
    pthread_mutex_unlock(&hasher->lock);
}

void hasher_final(struct hasher *hasher, size_t which, uint8_t ret_digest[HASH_MAX])
{
    hasher_wait(hasher);
    hash_final(hasher->hashes[which], ret_digest);
}

void hasher_free(struct hasher **ref)
{
    struct hasher *hasher = *ref;
    if (!hasher)
        return;
    if (hasher->threaded) {
        pthread_mutex_lock(&hasher->lock);
        hasher->stop = true;
        pthread_cond_broadcast(&hasher->changed);
        pthread_mutex_unlock(&hasher->lock);
        pthread_join(hasher->thread, NULL);
    }
    for (size_t i = 0; i < hasher->count; i++)
        hash_free(&hasher->hashes[i]);
    pthread_cond_destroy(&hasher->changed);
    pthread_mutex_destroy(&hasher->lock);
    free(hasher);
    *ref = NULL;
}
