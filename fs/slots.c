#include <stdlib.h>
#include <time.h>

#include "fs/remote_priv.h"
#include "objstore/base/clock.h"

#define INTERRUPT_POLL_NS (200 * NS_PER_MS) /* how soon a waiter for a slot notices that it was interrupted */

static void poll_deadline(struct timespec *ret_time)
{
    clock_gettime(CLOCK_REALTIME, ret_time);
    ret_time->tv_nsec += INTERRUPT_POLL_NS;
    if (ret_time->tv_nsec >= NS_PER_SEC) {
        ret_time->tv_nsec -= NS_PER_SEC;
        ret_time->tv_sec++;
    }
}

int slot_take(struct remote *remote, struct slot *ret_slot)
{
    int r = 0;
    pthread_mutex_lock(&remote->lock);
    while (remote->slots_free == 0 && r == 0) {
        struct timespec until;
        poll_deadline(&until);
        pthread_cond_timedwait(&remote->slot_freed, &remote->lock, &until);
        if (remote->interrupted && remote->interrupted())
            r = -EINTR;
    }
    if (r == 0) {
        int number = __builtin_ctzll(remote->slots_free);
        remote->slots_free &= remote->slots_free - 1;
        ret_slot->number = (uint16_t)number;
        ret_slot->sequence = ++remote->slot_sequence[number];
    }
    pthread_mutex_unlock(&remote->lock);
    return r;
}

void slot_give(struct remote *remote, const struct slot *slot)
{
    pthread_mutex_lock(&remote->lock);
    remote->slots_free |= 1ull << slot->number;
    pthread_cond_signal(&remote->slot_freed);
    pthread_mutex_unlock(&remote->lock);
}

void slot_renumber(struct remote *remote, struct slot *slot)
{
    pthread_mutex_lock(&remote->lock);
    slot->sequence = ++remote->slot_sequence[slot->number];
    pthread_mutex_unlock(&remote->lock);
}

/* ---- open handles ---- */

static struct open_handle **handle_place(struct remote *remote, uint64_t handle)
{
    struct open_handle **at = &remote->handles[handle % HANDLE_BUCKETS];
    while (*at && (*at)->handle != handle)
        at = &(*at)->next;
    return at;
}

int handle_note(struct remote *remote, uint64_t handle, uint64_t ino)
{
    struct open_handle *new = malloc(sizeof *new);
    if (!new)
        return -ENOMEM;
    *new = (struct open_handle){NULL, handle, ino};
    pthread_mutex_lock(&remote->lock);
    struct open_handle **at = handle_place(remote, handle);
    if (*at) {
        (*at)->ino = ino;
        free(new);
    } else {
        *at = new;
    }
    pthread_mutex_unlock(&remote->lock);
    return 0;
}

void handle_forget(struct remote *remote, uint64_t handle)
{
    pthread_mutex_lock(&remote->lock);
    struct open_handle **at = handle_place(remote, handle);
    struct open_handle *gone = *at;
    if (gone)
        *at = gone->next;
    pthread_mutex_unlock(&remote->lock);
    free(gone);
}

size_t handle_list(struct remote *remote, size_t *at, struct open_handle *ret_handles, size_t cap)
{
    size_t count = 0;
    pthread_mutex_lock(&remote->lock);
    for (; *at < HANDLE_BUCKETS; ++*at) {
        size_t chain = 0;
        for (struct open_handle *h = remote->handles[*at]; h; h = h->next)
            chain++;
        if (count + chain > cap) /* a chain is listed whole, so that nothing is left out between two calls */
            break;
        for (struct open_handle *h = remote->handles[*at]; h; h = h->next)
            ret_handles[count++] = *h;
    }
    pthread_mutex_unlock(&remote->lock);
    return count;
}

void handles_release(struct remote *remote)
{
    for (size_t i = 0; i < HANDLE_BUCKETS; i++) {
        while (remote->handles[i]) {
            struct open_handle *h = remote->handles[i];
            remote->handles[i] = h->next;
            free(h);
        }
    }
}
