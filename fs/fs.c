#include "fs/fs.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/again.h"
#include "fs/notify.h"
#include "fs/readahead.h"
#include "fs/release.h"
#include "fs/writeback.h"

#define BUFFERS_KEPT 16

/* ---- what is open ---- */

void opened_add(struct fs *fs, struct opened *opened)
{
    pthread_mutex_lock(&fs->lock);
    opened->prev = NULL;
    opened->next = fs->opened;
    if (fs->opened)
        fs->opened->prev = opened;
    fs->opened = opened;
    pthread_mutex_unlock(&fs->lock);
}

void opened_remove(struct fs *fs, struct opened *opened)
{
    pthread_mutex_lock(&fs->lock);
    *(opened->prev ? &opened->prev->next : &fs->opened) = opened->next;
    if (opened->next)
        opened->next->prev = opened->prev;
    pthread_mutex_unlock(&fs->lock);
}

/* ---- life ---- */

static void inode_gone(struct inode *inode, void *arg)
{
    struct fs *fs = arg;

    names_drop_inode(fs->names, inode);
    writeback_forget(inode);
}

static int open_remote(struct fs *fs)
{
    const struct mount_options *o = fs->options;
    struct remote_options options = {
        .client = {.endpoint = o->source.endpoint,
                   .sign_host = o->sign_host,
                   .access_key = o->credentials.access_key,
                   .secret = o->credentials.secret,
                   .region = o->region,
                   .ca_file = o->ca_file},
        .bucket = o->source.bucket,
        .prefix = o->source.prefix,
        .soft_deadline_ns = o->soft ? o->timeout_ns : 0,
        .on_event = notify_event,
        .on_event_arg = fs,
        .interrupted = request_interrupted,
    };
    char host[HOST_NAME_MAX + 1] = "?", name[HOST_NAME_MAX + PATH_MAX];
    struct posix_attr root;

    gethostname(host, HOST_NAME_MAX);
    snprintf(name, sizeof name, "%s:%s", host, o->mountpoint);
    name[POSIX_NAME_MAX] = '\0';
    options.name = name;
    int r = remote_open(&options, &fs->remote, &root);
    if (r < 0)
        return r;
    if (root.type != POSIX_DIR)
        return -ENOTDIR;
    fs->root = root.ino;
    struct inode *inode = inode_get(fs->inodes, root.ino); /* the kernel never forgets it */
    return inode ? 0 : -ENOMEM;
}

int fs_open(const struct mount_options *options, struct fs **ret_fs)
{
    struct fs *fs = calloc(1, sizeof *fs);

    if (!fs)
        return -ENOMEM;
    fs->options = options;
    pthread_mutex_init(&fs->lock, NULL);
    request_set_fs(fs);
    int r = inodes_new(&fs->inodes);
    if (r == 0)
        r = names_new(&fs->names);
    if (r == 0)
        r = calls_new(fs, &fs->calls);
    if (r == 0)
        r = pool_new(FS_BUFFER, BUFFERS_KEPT, &fs->buffers);
    if (r == 0)
        r = notify_new(fs, &fs->notify);
    if (r == 0)
        r = readahead_new(fs, options->read_ahead, &fs->readahead);
    if (r == 0)
        r = writeback_new(fs, options->dirty, &fs->writeback);
    if (r == 0)
        r = releaser_new(fs, &fs->releaser);
    if (r == 0)
        r = again_new(&fs->again);
    if (r == 0) {
        inodes_on_free(fs->inodes, inode_gone, fs);
        r = open_remote(fs);
    }
    *ret_fs = fs;
    if (r < 0)
        fs_close(ret_fs);
    return r;
}

void fs_close(struct fs **fs)
{
    struct fs *f = *fs;

    if (!f)
        return;
    atomic_store(&f->ending, true);
    writeback_free(&f->writeback);
    while (f->opened)
        f->opened->close(f, f->opened);
    releaser_free(&f->releaser);
    again_free(&f->again);
    readahead_free(&f->readahead);
    remote_close(&f->remote);
    notify_free(&f->notify);
    if (f->session)
        fuse_session_destroy(f->session);
    inodes_free(&f->inodes);
    names_free(&f->names);
    calls_free(&f->calls);
    pool_free(&f->buffers);
    request_set_fs(NULL);
    pthread_mutex_destroy(&f->lock);
    free(f);
    *fs = NULL;
}
