#include "fs/inode.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS_FIRST 4096u

struct inodes {
    pthread_mutex_t lock;
    struct inode **buckets; /* lock, as all that follows */
    size_t bucket_count;    /* a power of two */
    size_t count;
    void (*on_free)(struct inode *inode, void *arg);
    void *on_free_arg;
};

int inodes_new(struct inodes **ret_inodes)
{
    struct inodes *t = calloc(1, sizeof *t);

    if (!t)
        return -ENOMEM;
    t->bucket_count = BUCKETS_FIRST;
    t->buckets = calloc(t->bucket_count, sizeof *t->buckets);
    if (!t->buckets) {
        free(t);
        return -ENOMEM;
    }
    pthread_mutex_init(&t->lock, NULL);
    *ret_inodes = t;
    return 0;
}

static void inode_free(struct inodes *t, struct inode *inode)
{
    if (t->on_free)
        t->on_free(inode, t->on_free_arg);
    nameset_free(&inode->children);
    pthread_mutex_destroy(&inode->lock);
    free(inode);
}

void inodes_free(struct inodes **inodes)
{
    struct inodes *t = *inodes;

    if (!t)
        return;
    for (size_t i = 0; i < t->bucket_count; i++) {
        while (t->buckets[i]) {
            struct inode *inode = t->buckets[i];
            t->buckets[i] = inode->next;
            inode_free(t, inode);
        }
    }
    pthread_mutex_destroy(&t->lock);
    free(t->buckets);
    free(t);
    *inodes = NULL;
}

void inodes_on_free(struct inodes *inodes, void (*fn)(struct inode *inode, void *arg), void *arg)
{
    inodes->on_free = fn;
    inodes->on_free_arg = arg;
}

/* ---- under the table's lock ---- */

static struct inode **bucket_of(struct inode **buckets, size_t count, uint64_t ino)
{
    uint64_t hash = ino * 0x9e3779b97f4a7c15u;
    return &buckets[hash >> 32 & (count - 1)];
}

static struct inode **place_of(struct inodes *t, uint64_t ino)
{
    struct inode **at = bucket_of(t->buckets, t->bucket_count, ino);

    while (*at && (*at)->ino != ino)
        at = &(*at)->next;
    return at;
}

/* Without memory for a larger one the table stays as it is, and slower. */
static void grow(struct inodes *t)
{
    size_t count = t->bucket_count * 2;
    struct inode **buckets = calloc(count, sizeof *buckets);

    if (!buckets)
        return;
    for (size_t i = 0; i < t->bucket_count; i++) {
        while (t->buckets[i]) {
            struct inode *inode = t->buckets[i];
            t->buckets[i] = inode->next;
            struct inode **at = bucket_of(buckets, count, inode->ino);
            inode->next = *at;
            *at = inode;
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->bucket_count = count;
}

static struct inode *add(struct inodes *t, uint64_t ino)
{
    struct inode *inode = calloc(1, sizeof *inode);

    if (!inode)
        return NULL;
    if (t->count >= t->bucket_count)
        grow(t);
    inode->ino = ino;
    pthread_mutex_init(&inode->lock, NULL);
    *place_of(t, ino) = inode;
    t->count++;
    return inode;
}

/* Takes the inode out when nothing refers to it any more; the caller frees it after unlocking. */
static struct inode *remove_unused(struct inodes *t, struct inode **at)
{
    struct inode *inode = *at;

    if (inode->refs > 0 || inode->lookups > 0)
        return NULL;
    *at = inode->next;
    t->count--;
    return inode;
}

/* ---- references ---- */

static struct inode *find(struct inodes *t, uint64_t ino, bool make)
{
    pthread_mutex_lock(&t->lock);
    struct inode *inode = *place_of(t, ino);
    if (!inode && make)
        inode = add(t, ino);
    if (inode)
        inode->refs++;
    pthread_mutex_unlock(&t->lock);
    return inode;
}

struct inode *inode_get(struct inodes *inodes, uint64_t ino)
{
    return find(inodes, ino, true);
}

struct inode *inode_find(struct inodes *inodes, uint64_t ino)
{
    return find(inodes, ino, false);
}

struct inode *inode_ref(struct inodes *inodes, struct inode *inode)
{
    pthread_mutex_lock(&inodes->lock);
    inode->refs++;
    pthread_mutex_unlock(&inodes->lock);
    return inode;
}

void inode_put(struct inodes *inodes, struct inode **inode)
{
    struct inode *held = *inode, *gone = NULL;

    if (!held)
        return;
    *inode = NULL;
    pthread_mutex_lock(&inodes->lock);
    if (--held->refs == 0)
        gone = remove_unused(inodes, place_of(inodes, held->ino));
    pthread_mutex_unlock(&inodes->lock);
    if (gone)
        inode_free(inodes, gone);
}

void inode_looked_up(struct inodes *inodes, struct inode *inode)
{
    pthread_mutex_lock(&inodes->lock);
    inode->lookups++;
    pthread_mutex_unlock(&inodes->lock);
}

void inode_forget(struct inodes *inodes, uint64_t ino, uint64_t count)
{
    struct inode *gone = NULL;

    pthread_mutex_lock(&inodes->lock);
    struct inode **at = place_of(inodes, ino);
    if (*at) {
        (*at)->lookups -= count < (*at)->lookups ? count : (*at)->lookups;
        gone = remove_unused(inodes, at);
    }
    pthread_mutex_unlock(&inodes->lock);
    if (gone)
        inode_free(inodes, gone);
}

size_t inodes_list(struct inodes *inodes, size_t *at, uint64_t *ret_inos, size_t cap)
{
    size_t count = 0;

    pthread_mutex_lock(&inodes->lock);
    for (; *at < inodes->bucket_count; ++*at) {
        size_t chain = 0;
        for (struct inode *i = inodes->buckets[*at]; i; i = i->next)
            chain++;
        if (count + chain > cap) /* a chain is given whole, so that nothing is left out between two calls */
            break;
        for (struct inode *i = inodes->buckets[*at]; i; i = i->next)
            ret_inos[count++] = i->ino;
    }
    pthread_mutex_unlock(&inodes->lock);
    return count;
}
