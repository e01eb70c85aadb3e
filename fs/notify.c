#include "fs/notify.h"

#include <stdlib.h>

#include "fs/readahead.h"

#define LIST_PAGE 1024

enum kind { TELL_ATTRIBUTES, TELL_CONTENTS, TELL_NAME, TELL_ALL };

struct item {
    struct item *next;
    enum kind kind;
    uint64_t ino;      /* TELL_NAME: the directory */
    uint64_t off, len; /* TELL_CONTENTS: len 0 for all behind off */
    uint16_t name_len;
    char name[];
};

struct notify {
    struct fs *fs;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct item *first, **last; /* lock, as all that follows */
    size_t count;
    bool all; /* everything is to be taken back, before anything queued */
    bool stopping, runs;
    pthread_t thread;
};

/* ---- queueing ---- */

static void queue(struct notify *n, struct item what, struct span name)
{
    struct item *item = what.kind == TELL_ALL ? NULL : malloc(sizeof *item + name.len);

    if (item) {
        *item = what;
        item->name_len = (uint16_t)name.len;
        if (name.len)
            memcpy(item->name, name.ptr, name.len);
    }
    pthread_mutex_lock(&n->lock);
    if (item && n->count < NOTIFY_QUEUE_MAX && !n->stopping) {
        *n->last = item;
        n->last = &item->next;
        n->count++;
        item = NULL;
    } else {
        n->all = true;
    }
    pthread_cond_signal(&n->work);
    pthread_mutex_unlock(&n->lock);
    free(item);
}

void notify_attributes(struct notify *notify, uint64_t ino)
{
    queue(notify, (struct item){.kind = TELL_ATTRIBUTES, .ino = ino}, SPAN_EMPTY);
}

void notify_contents(struct notify *notify, uint64_t ino, uint64_t off, uint64_t len)
{
    queue(notify, (struct item){.kind = TELL_CONTENTS, .ino = ino, .off = off, .len = len}, SPAN_EMPTY);
}

void notify_name(struct notify *notify, uint64_t dir, struct span name)
{
    queue(notify, (struct item){.kind = TELL_NAME, .ino = dir}, name);
}

/* ---- our own tables ---- */

static void forget_contents(struct fs *fs, uint64_t ino, bool pages)
{
    changes_inode(&fs->changes, ino);
    struct inode *inode = inode_find(fs->inodes, ino);
    if (!inode)
        return;
    pthread_mutex_lock(&inode->lock);
    inode->attr_time = 0;
    inode->no_capability = inode->young = false;
    if (pages)
        inode->pages = 0;
    pthread_mutex_unlock(&inode->lock);
    inode_put(fs->inodes, &inode);
    if (pages)
        readahead_drop(fs->readahead, ino);
}

static void note_name(struct fs *fs, uint64_t dir, struct span name)
{
    changes_name(&fs->changes, dir, name);
    changes_inode(&fs->changes, dir);
    struct inode *inode = inode_find(fs->inodes, dir);
    if (!inode)
        return;
    pthread_mutex_lock(&inode->lock);
    inode->attr_time = 0;
    if (!nameset_add(inode->children, name_hash(dir, name)))
        nameset_free(&inode->children);
    pthread_mutex_unlock(&inode->lock);
    inode_put(fs->inodes, &inode);
}

/* ---- what push tells ---- */

void notify_event(const struct remote_event *event, void *arg)
{
    struct fs *fs = arg;

    switch (event->kind) {
    case POSIX_FRAME_ENTRY:
        note_name(fs, event->dir, event->name);
        notify_name(fs->notify, event->dir, event->name);
        notify_attributes(fs->notify, event->dir);
        if (event->ino) {
            forget_contents(fs, event->ino, false);
            notify_attributes(fs->notify, event->ino);
        }
        break;
    case POSIX_FRAME_DATA:
        forget_contents(fs, event->ino, true);
        notify_contents(fs->notify, event->ino, 0, 0);
        break;
    case POSIX_FRAME_ATTR:
        forget_contents(fs, event->ino, false);
        notify_attributes(fs->notify, event->ino);
        break;
    case POSIX_FRAME_ALL:
        changes_all(&fs->changes);
        queue(fs->notify, (struct item){.kind = TELL_ALL}, SPAN_EMPTY);
        break;
    case POSIX_FRAME_ALIVE:
        break;
    }
}

/* ---- telling ---- */

/* An offset below 0 concerns the attributes only. A kernel that does not know the inode says ENOENT: as good. */
#define ATTRIBUTES_ONLY (-1)

static void tell_inode(struct fs *fs, uint64_t ino, off_t off, off_t len)
{
    fuse_lowlevel_notify_inval_inode(fs->session, fs_node(fs, ino), off, len);
}

void notify_attributes_now(struct notify *notify, uint64_t ino)
{
    tell_inode(notify->fs, ino, ATTRIBUTES_ONLY, 0);
}

/* Expired, not dropped: a directory that is somebody's working directory stays where it is. Before Linux 6.2 there is
 * only dropping. */
static void tell_name(struct fs *fs, uint64_t dir, const char *name, size_t len)
{
    fuse_ino_t node = fs_node(fs, dir);

    if (fuse_lowlevel_notify_expire_entry(fs->session, node, name, len, FUSE_LL_EXPIRE_ONLY) == -ENOSYS)
        fuse_lowlevel_notify_inval_entry(fs->session, node, name, len);
}

static void tell_item(struct fs *fs, const struct item *item)
{
    struct inode *known = inode_find(fs->inodes, item->ino);

    if (!known)
        return; /* what we have never seen, the kernel has not */
    inode_put(fs->inodes, &known);
    if (item->kind == TELL_NAME)
        tell_name(fs, item->ino, item->name, item->name_len);
    else
        tell_inode(fs, item->ino, item->kind == TELL_CONTENTS ? (off_t)item->off : ATTRIBUTES_ONLY, (off_t)item->len);
}

static void forget_children(struct fs *fs, uint64_t ino)
{
    struct inode *inode = inode_find(fs->inodes, ino);

    if (!inode)
        return;
    pthread_mutex_lock(&inode->lock);
    nameset_free(&inode->children);
    pthread_mutex_unlock(&inode->lock);
    inode_put(fs->inodes, &inode);
}

static void tell_all_inodes(struct fs *fs)
{
    uint64_t inos[LIST_PAGE];
    size_t at = 0, count;

    while ((count = inodes_list(fs->inodes, &at, inos, LIST_PAGE)) > 0) {
        for (size_t i = 0; i < count; i++) {
            forget_children(fs, inos[i]);
            forget_contents(fs, inos[i], true);
            tell_inode(fs, inos[i], 0, 0);
        }
    }
}

/* Names go first: a path is walked from them. */
static void tell_all(struct fs *fs)
{
    struct name_copy *page = malloc(LIST_PAGE * sizeof *page);
    size_t at = 0, count;

    while (page && (count = names_list(fs->names, &at, page, LIST_PAGE)) > 0)
        for (size_t i = 0; i < count; i++)
            tell_name(fs, page[i].dir, page[i].name, page[i].len);
    free(page);
    tell_all_inodes(fs);
}

/* ---- the thread ---- */

/* The next thing to do: everything (NULL and true), or an item. False: the end. */
static bool take(struct notify *n, struct item **ret_item)
{
    pthread_mutex_lock(&n->lock);
    while (!n->all && !n->first && !n->stopping)
        pthread_cond_wait(&n->work, &n->lock);
    bool all = n->all, go = !n->stopping;
    n->all = false;
    struct item *item = all ? NULL : n->first;
    if (item && !(n->first = item->next))
        n->last = &n->first;
    n->count -= item != NULL;
    pthread_mutex_unlock(&n->lock);
    *ret_item = item;
    return go;
}

static void *tell(void *arg)
{
    struct notify *n = arg;
    struct item *item;

    while (take(n, &item)) {
        if (!n->fs->session)
            ; /* not mounted yet: the kernel knows nothing */
        else if (item)
            tell_item(n->fs, item);
        else
            tell_all(n->fs);
        free(item);
    }
    free(item);
    return NULL;
}

int notify_new(struct fs *fs, struct notify **ret_notify)
{
    struct notify *n = calloc(1, sizeof *n);

    if (!n)
        return -ENOMEM;
    n->fs = fs;
    n->last = &n->first;
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->work, NULL);
    int r = pthread_create(&n->thread, NULL, tell, n);
    n->runs = r == 0;
    if (r != 0)
        notify_free(&n);
    else
        *ret_notify = n;
    return -r;
}

void notify_stop(struct notify *notify)
{
    pthread_mutex_lock(&notify->lock);
    notify->stopping = true;
    pthread_cond_signal(&notify->work);
    pthread_mutex_unlock(&notify->lock);
    if (notify->runs)
        pthread_join(notify->thread, NULL);
    notify->runs = false;
}

void notify_free(struct notify **notify)
{
    struct notify *n = *notify;

    if (!n)
        return;
    notify_stop(n);
    while (n->first) {
        struct item *item = n->first;
        n->first = item->next;
        free(item);
    }
    pthread_cond_destroy(&n->work);
    pthread_mutex_destroy(&n->lock);
    free(n);
    *notify = NULL;
}
