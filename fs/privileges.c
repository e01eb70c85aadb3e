#include <fcntl.h>

#include "fs/notify.h"
#include "fs/ops.h"
#include "fs/writeback.h"

uint32_t privileges_after_write(fuse_req_t req, const struct posix_attr *attr)
{
    uint32_t mode = attr->mode & ~(uint32_t)S_ISUID;

    if (fuse_req_ctx(req)->uid == 0)
        return attr->mode;
    return mode & S_IXGRP ? mode & ~(uint32_t)S_ISGID : mode;
}

/* What is known of the inode, or is asked for. */
static int get_attr(struct fs *fs, struct inode *inode, struct posix_attr *ret_attr)
{
    struct posix_result result;

    pthread_mutex_lock(&inode->lock);
    bool known = fs_knows(fs, inode);
    *ret_attr = inode->attr;
    pthread_mutex_unlock(&inode->lock);
    if (known)
        return 0;
    uint64_t since = changes_now(&fs->changes);
    int r = call_one(fs, &(struct posix_op){.code = POSIX_GETATTR, .ino = inode->ino}, &result);
    if (r < 0)
        return r;
    *ret_attr = result.attr;
    pthread_mutex_lock(&inode->lock);
    fs_learn(fs, inode, &result.attr, since);
    writeback_show(inode, ret_attr);
    pthread_mutex_unlock(&inode->lock);
    return 0;
}

static int drop_mode(fuse_req_t req, struct inode *inode)
{
    struct fs *fs = fuse_req_userdata(req);
    uint64_t since = changes_now(&fs->changes);
    struct posix_result result;
    struct posix_attr attr;
    int r = get_attr(fs, inode, &attr);

    if (r < 0)
        return r;
    struct posix_op op = {
        .code = POSIX_SETATTR, .ino = inode->ino, .valid = POSIX_SET_MODE, .mode = privileges_after_write(req, &attr)};
    if (op.mode == attr.mode)
        return 0;
    r = writeback_flush(fs, inode, &op, false, &result);
    if (r < 0)
        return r;
    pthread_mutex_lock(&inode->lock);
    fs_own_change(fs, inode, &result.attr, 0, since);
    pthread_mutex_unlock(&inode->lock);
    notify_attributes_now(fs->notify, inode->ino); /* the kernel would run it with the old mode */
    return 0;
}

static int drop_capability(struct fs *fs, struct inode *inode)
{
    struct posix_op op = {.code = POSIX_REMOVEXATTR, .ino = inode->ino, .name = SPAN_LIT(PRIVILEGES_CAPABILITY)};
    uint64_t since = changes_now(&fs->changes);
    struct posix_result result;

    pthread_mutex_lock(&inode->lock);
    bool none = inode->no_capability;
    pthread_mutex_unlock(&inode->lock);
    if (none)
        return 0;
    int r = call_one(fs, &op, &result);
    if (r < 0 && r != -ENODATA)
        return r;
    pthread_mutex_lock(&inode->lock);
    inode->no_capability = !changed_inode(&fs->changes, inode->ino, since);
    if (r == 0)
        fs_own_change(fs, inode, &result.attr, 0, since);
    pthread_mutex_unlock(&inode->lock);
    return 0;
}

int privileges_drop(fuse_req_t req, struct inode *inode)
{
    int r = drop_mode(req, inode);
    return r < 0 ? r : drop_capability(fuse_req_userdata(req), inode);
}
