#include "fs/names.h"

#include <stdlib.h>

#include "fs/changes.h"
#include "objstore/base/clock.h"

#define BUCKETS_FIRST 4096u

struct name {
    struct name *next;              /* in its bucket */
    struct name *prev_of, *next_of; /* of its inode, or in the queue of absent ones */
    struct inode *inode;            /* NULL: absent */
    uint64_t dir, hash;
    int64_t until; /* absent: when the kernel stops believing it */
    uint16_t len;
    char bytes[];
};

struct names {
    pthread_mutex_t lock; /* guards all that follows */
    struct name **buckets;
    size_t bucket_count, count;
    struct name *absent_first, *absent_last; /* by age */
    size_t absent_count;
};

int names_new(struct names **ret_names)
{
    struct names *n = calloc(1, sizeof *n);

    if (!n)
        return -ENOMEM;
    n->bucket_count = BUCKETS_FIRST;
    n->buckets = calloc(n->bucket_count, sizeof *n->buckets);
    if (!n->buckets) {
        free(n);
        return -ENOMEM;
    }
    pthread_mutex_init(&n->lock, NULL);
    *ret_names = n;
    return 0;
}

void names_free(struct names **names)
{
    struct names *n = *names;

    if (!n)
        return;
    for (size_t i = 0; i < n->bucket_count; i++) {
        while (n->buckets[i]) {
            struct name *name = n->buckets[i];
            n->buckets[i] = name->next;
            free(name);
        }
    }
    pthread_mutex_destroy(&n->lock);
    free(n->buckets);
    free(n);
    *names = NULL;
}

/* ---- under the lock ---- */

static struct name **place_of(struct names *n, uint64_t hash, uint64_t dir, struct span name)
{
    struct name **at = &n->buckets[hash & (n->bucket_count - 1)];

    while (*at && !((*at)->hash == hash && (*at)->dir == dir && span_eq(span_make((*at)->bytes, (*at)->len), name)))
        at = &(*at)->next;
    return at;
}

static void grow(struct names *n)
{
    size_t count = n->bucket_count * 2;
    struct name **buckets = calloc(count, sizeof *buckets);

    if (!buckets)
        return; /* it stays as it is, and slower */
    for (size_t i = 0; i < n->bucket_count; i++) {
        while (n->buckets[i]) {
            struct name *name = n->buckets[i];
            n->buckets[i] = name->next;
            name->next = buckets[name->hash & (count - 1)];
            buckets[name->hash & (count - 1)] = name;
        }
    }
    free(n->buckets);
    n->buckets = buckets;
    n->bucket_count = count;
}

/* A name stands in its inode's list, newest first, or in the queue of absent ones, oldest first. */
static void link_owner(struct names *n, struct name *name, struct inode *inode)
{
    name->inode = inode;
    name->prev_of = name->next_of = NULL;
    if (inode) {
        name->next_of = inode->names;
        if (inode->names)
            inode->names->prev_of = name;
        inode->names = name;
        return;
    }
    name->prev_of = n->absent_last;
    *(n->absent_last ? &n->absent_last->next_of : &n->absent_first) = name;
    n->absent_last = name;
    n->absent_count++;
}

static void unlink_owner(struct names *n, struct name *name)
{
    struct name **first = name->inode ? &name->inode->names : &n->absent_first;

    *(name->prev_of ? &name->prev_of->next_of : first) = name->next_of;
    if (name->next_of)
        name->next_of->prev_of = name->prev_of;
    else if (!name->inode)
        n->absent_last = name->prev_of;
    n->absent_count -= !name->inode;
}

static void drop_at(struct names *n, struct name **at)
{
    struct name *name = *at;

    unlink_owner(n, name);
    *at = name->next;
    n->count--;
    free(name);
}

static void drop(struct names *n, struct name *name)
{
    drop_at(n, place_of(n, name->hash, name->dir, span_make(name->bytes, name->len)));
}

static int add(struct names *n, uint64_t hash, uint64_t dir, struct span text, struct inode *inode, int64_t until)
{
    struct name *name = malloc(sizeof *name + text.len);

    if (!name)
        return -ENOMEM;
    *name = (struct name){.dir = dir, .hash = hash, .until = until, .len = (uint16_t)text.len};
    memcpy(name->bytes, text.ptr, text.len);
    if (n->count >= n->bucket_count)
        grow(n);
    struct name **bucket = &n->buckets[hash & (n->bucket_count - 1)];
    name->next = *bucket;
    *bucket = name;
    n->count++;
    link_owner(n, name, inode);
    return 0;
}

static void drop_outdated(struct names *n, int64_t now)
{
    while (n->absent_first && n->absent_first->until < now)
        drop(n, n->absent_first);
}

/* ---- the calls ---- */

int names_note(struct names *names, uint64_t dir, struct span name, struct inode *inode)
{
    uint64_t hash = name_hash(dir, name);
    int r = 0;

    pthread_mutex_lock(&names->lock);
    struct name *there = *place_of(names, hash, dir, name);
    if (!there) {
        r = add(names, hash, dir, name, inode, 0);
    } else if (there->inode != inode) {
        unlink_owner(names, there);
        link_owner(names, there, inode);
    }
    pthread_mutex_unlock(&names->lock);
    return r;
}

int names_note_absent(struct names *names, uint64_t dir, struct span name, int64_t ttl_ns)
{
    uint64_t hash = name_hash(dir, name);
    int64_t now = clock_mono_ns();
    int r = 0;

    pthread_mutex_lock(&names->lock);
    drop_outdated(names, now);
    struct name **there = place_of(names, hash, dir, name);
    if (*there)
        drop_at(names, there);
    r = names->absent_count < NAMES_NEGATIVE_MAX ? add(names, hash, dir, name, NULL, now + ttl_ns) : -ENOSPC;
    pthread_mutex_unlock(&names->lock);
    return r;
}

/* Takes a name out: the inode it stood for, or NULL. */
static struct inode *take_out(struct names *n, uint64_t dir, struct span name)
{
    struct name **at = place_of(n, name_hash(dir, name), dir, name);
    struct inode *inode = *at ? (*at)->inode : NULL;

    if (*at)
        drop_at(n, at);
    return inode;
}

uint64_t names_drop(struct names *names, uint64_t dir, struct span name)
{
    pthread_mutex_lock(&names->lock);
    struct inode *inode = take_out(names, dir, name);
    uint64_t ino = inode ? inode->ino : 0;
    pthread_mutex_unlock(&names->lock);
    return ino;
}

void names_move(struct names *names, uint64_t dir, struct span name, uint64_t dir2, struct span name2, bool swap,
                uint64_t ret_inos[2])
{
    pthread_mutex_lock(&names->lock);
    struct inode *moved = take_out(names, dir, name), *there = take_out(names, dir2, name2);
    ret_inos[0] = moved ? moved->ino : 0;
    ret_inos[1] = there ? there->ino : 0;
    /* Without memory the name goes unnoted: the kernel may keep it after ALL until its time runs out. */
    if (moved)
        add(names, name_hash(dir2, name2), dir2, name2, moved, 0);
    if (there && swap)
        add(names, name_hash(dir, name), dir, name, there, 0);
    pthread_mutex_unlock(&names->lock);
}

void names_drop_inode(struct names *names, struct inode *inode)
{
    pthread_mutex_lock(&names->lock);
    while (inode->names)
        drop(names, inode->names);
    pthread_mutex_unlock(&names->lock);
}

static void copy_name(const struct name *name, struct name_copy *ret_copy)
{
    ret_copy->dir = name->dir;
    ret_copy->len = name->len;
    memcpy(ret_copy->name, name->bytes, name->len);
}

size_t names_list(struct names *names, size_t *at, struct name_copy *ret_names, size_t cap)
{
    size_t count = 0;

    pthread_mutex_lock(&names->lock);
    for (; *at < names->bucket_count; ++*at) {
        size_t chain = 0;
        for (struct name *name = names->buckets[*at]; name; name = name->next)
            chain++;
        if (count + chain > cap) /* a chain is given whole, so that nothing is left out between two calls */
            break;
        for (struct name *name = names->buckets[*at]; name; name = name->next)
            copy_name(name, &ret_names[count++]);
    }
    pthread_mutex_unlock(&names->lock);
    return count;
}
