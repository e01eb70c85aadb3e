#include "fs/fs.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/again.h"
#include "fs/notify.h"
#include "fs/readahead.h"
#include "fs/release.h"
#include "fs/writeback.h"
#include "objstore/base/clock.h"

#define DISCONNECTED_S 1.0 /* how long the kernel keeps what it has while push does not tell of changes */
#define BUFFERS_KEPT 16
#define BLOCK_SIZE (128 << 10) /* what programs should read and write at once */

/* ---- attributes ---- */

static mode_t type_bits(uint32_t type)
{
    switch (type) {
    case POSIX_DIR:
        return S_IFDIR;
    case POSIX_LINK_SYMBOLIC:
        return S_IFLNK;
    case POSIX_FIFO:
        return S_IFIFO;
    case POSIX_SOCKET:
        return S_IFSOCK;
    case POSIX_CHAR:
        return S_IFCHR;
    case POSIX_BLOCK:
        return S_IFBLK;
    default:
        return S_IFREG;
    }
}

static struct timespec timespec_of(int64_t ns)
{
    int64_t s = ns / NS_PER_SEC, rest = ns % NS_PER_SEC;

    return rest < 0 ? (struct timespec){s - 1, rest + NS_PER_SEC} : (struct timespec){s, rest};
}

struct stat fs_stat(const struct fs *fs, const struct posix_attr *attr)
{
    const struct mount_options *o = fs->options;

    return (struct stat){
        .st_ino = attr->ino,
        .st_mode = type_bits(attr->type) | (attr->mode & 07777),
        .st_nlink = attr->nlink,
        .st_uid = o->uid == OPTION_ID_NONE ? attr->uid : (uid_t)o->uid,
        .st_gid = o->gid == OPTION_ID_NONE ? attr->gid : (gid_t)o->gid,
        .st_rdev = attr->rdev,
        .st_size = (off_t)attr->size,
        .st_blksize = BLOCK_SIZE,
        .st_blocks = (blkcnt_t)((attr->blocks + 511) / 512),
        .st_atim = timespec_of(attr->atime),
        .st_mtim = timespec_of(attr->mtime),
        .st_ctim = timespec_of(attr->ctime),
    };
}

static double valid(struct fs *fs, bool changed)
{
    if (changed)
        return 0;
    double longest = (double)fs->options->attr_timeout_ns / NS_PER_SEC;
    if (remote_push_connected(fs->remote))
        return longest;
    return longest < DISCONNECTED_S ? longest : DISCONNECTED_S;
}

double fs_valid_inode(struct fs *fs, uint64_t ino, uint64_t since)
{
    return valid(fs, changed_inode(&fs->changes, ino, since));
}

double fs_valid_name(struct fs *fs, uint64_t dir, struct span name, uint64_t since)
{
    return valid(fs, changed_name(&fs->changes, dir, name, since));
}

bool fs_knows(struct fs *fs, const struct inode *inode)
{
    return inode->attr_time && !changed_inode(&fs->changes, inode->ino, inode->attr_time) &&
           clock_mono_ns() < inode->attr_until && remote_push_connected(fs->remote);
}

static void keep_attr(struct fs *fs, struct inode *inode, const struct posix_attr *attr, uint64_t time)
{
    inode->attr = *attr;
    inode->attr_time = time;
    inode->attr_until = clock_mono_ns() + fs->options->attr_timeout_ns;
}

void fs_learn(struct fs *fs, struct inode *inode, const struct posix_attr *attr, uint64_t since)
{
    if (!changed_inode(&fs->changes, inode->ino, since))
        keep_attr(fs, inode, attr, since);
}

void fs_own_change(struct fs *fs, struct inode *inode, const struct posix_attr *attr, unsigned contents, uint64_t since)
{
    bool crossed = changed_inode(&fs->changes, inode->ino, since);
    uint64_t time = changes_inode(&fs->changes, inode->ino);

    if (inode->pages)
        inode->pages += contents;
    inode->attr_time = 0;
    if (attr && !crossed)
        keep_attr(fs, inode, attr, time);
}

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
