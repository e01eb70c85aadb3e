#include <sys/xattr.h>

#include "fs/ops.h"
#include "fs/writeback.h"

/* Access control lists would have to be honoured by every view; until they are, nobody may believe that they are. A
 * label of SELinux belongs to a host's policy, which takes it from the mount here, as for other network filesystems;
 * and "ls -l" asks for one of every file unless it is told that there are none. */
static bool supported(const char *name)
{
    return strncmp(name, "system.", 7) != 0 && strcmp(name, "security.selinux") != 0;
}

/* Names are answered for here; false then. */
static bool begin_xattr(struct request *r, fuse_req_t req, const char *name)
{
    if (!supported(name)) {
        fuse_reply_err(req, EOPNOTSUPP);
        return false;
    }
    if (strlen(name) > POSIX_NAME_MAX) {
        fuse_reply_err(req, ERANGE);
        return false;
    }
    return request_begin(r, req);
}

/* A probe (size 0) wants to know how much room to give. */
static void reply_value(fuse_req_t req, struct span value, size_t size)
{
    if (size == 0)
        fuse_reply_xattr(req, value.len);
    else if (value.len > size)
        fuse_reply_err(req, ERANGE);
    else
        fuse_reply_buf(req, value.ptr, value.len);
}

/* ---- what the kernel asks for at every write ----
 * It is believed also while push is cut, so that a write does not wait for a server that is away: the kernel only asks
 * in order to take the capability from a file that changes. */

static bool has_no_capability(struct fs *fs, uint64_t ino)
{
    struct inode *inode = inode_find(fs->inodes, ino);

    if (!inode)
        return false;
    pthread_mutex_lock(&inode->lock);
    bool none = inode->no_capability;
    pthread_mutex_unlock(&inode->lock);
    inode_put(fs->inodes, &inode);
    return none;
}

static void note_capability(struct request *r, uint64_t ino, bool none)
{
    struct inode *inode = inode_find(r->fs->inodes, ino);

    if (!inode)
        return;
    pthread_mutex_lock(&inode->lock);
    inode->no_capability = none && !changed_inode(&r->fs->changes, ino, r->since);
    pthread_mutex_unlock(&inode->lock);
    inode_put(r->fs->inodes, &inode);
}

/* ---- the operations ---- */

static void op_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size)
{
    struct fs *fs = fuse_req_userdata(req);
    bool capability = strcmp(name, PRIVILEGES_CAPABILITY) == 0;
    struct posix_result result;
    struct request r;

    if (capability && has_no_capability(fs, fs_ino(fs, node))) {
        fuse_reply_err(req, ENODATA);
        return;
    }
    if (!begin_xattr(&r, req, name))
        return;
    struct posix_op op = {.code = POSIX_GETXATTR, .ino = fs_ino(fs, node), .name = span_cstr(name)};
    int error = remote_one(fs->remote, r.call, &op, &result);
    if (capability)
        note_capability(&r, op.ino, error == -ENODATA);
    if (error < 0)
        reply_error(req, error);
    else
        reply_value(req, result.data, size);
    request_end(&r);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t node, size_t size)
{
    struct posix_result result;
    struct request r;

    if (!request_begin(&r, req))
        return;
    struct posix_op op = {.code = POSIX_LISTXATTR, .ino = fs_ino(r.fs, node)};
    int error = remote_one(r.fs->remote, r.call, &op, &result);
    if (error < 0)
        reply_error(req, error);
    else
        reply_value(req, result.data, size);
    request_end(&r);
}

static void change(fuse_req_t req, const char *name, struct posix_op *op, fuse_ino_t node)
{
    struct posix_result result;
    struct request r;

    if (!begin_xattr(&r, req, name))
        return;
    op->ino = fs_ino(r.fs, node);
    op->name = span_cstr(name);
    int error = remote_one(r.fs->remote, r.call, op, &result);
    struct inode *inode = error == 0 ? inode_find(r.fs->inodes, op->ino) : NULL;
    if (inode) {
        pthread_mutex_lock(&inode->lock);
        unsynced_add(r.fs, inode, r.call->stamp, &result.attr);
        fs_own_change(r.fs, inode, &result.attr, 0, r.since);
        inode->no_capability = inode->no_capability && strcmp(name, PRIVILEGES_CAPABILITY) != 0;
        pthread_mutex_unlock(&inode->lock);
        inode_put(r.fs->inodes, &inode);
    }
    reply_error(req, error);
    request_end(&r);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t node, const char *name, const char *value, size_t size, int flags)
{
    struct posix_op op = {.code = POSIX_SETXATTR,
                          .data = span_make(value, size),
                          .flags = (flags & XATTR_CREATE ? POSIX_XATTR_CREATE : 0) |
                                   (flags & XATTR_REPLACE ? POSIX_XATTR_REPLACE : 0)};

    if (size > POSIX_XATTR_MAX)
        fuse_reply_err(req, E2BIG);
    else
        change(req, name, &op, node);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t node, const char *name)
{
    struct posix_op op = {.code = POSIX_REMOVEXATTR};

    change(req, name, &op, node);
}

void ops_xattr(struct fuse_lowlevel_ops *ops)
{
    ops->getxattr = op_getxattr;
    ops->listxattr = op_listxattr;
    ops->setxattr = op_setxattr;
    ops->removexattr = op_removexattr;
}
