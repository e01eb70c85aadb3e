#include "fs/again.h"
#include "fs/ops.h"
#include "fs/writeback.h"
#include "objstore/base/clock.h"

#define LOOK_AGAIN 3 /* times a reply that a change has crossed is asked for once more */

/* ---- lookup ---- */

/* Whether the directory is known so well that a name it does not have need not be asked for. */
static bool known_absent(struct fs *fs, uint64_t dir, struct span name)
{
    struct inode *inode = inode_find(fs->inodes, dir);
    bool absent = false;

    if (!inode)
        return false;
    pthread_mutex_lock(&inode->lock);
    if (inode->children && inode->children_complete)
        absent = !nameset_has(inode->children, name_hash(dir, name));
    pthread_mutex_unlock(&inode->lock);
    inode_put(fs->inodes, &inode);
    return absent && remote_push_connected(fs->remote);
}

/* One look; handle (0: none) holds what is found. -EAGAIN: it was found, and went. */
static int look_once(struct request *r, const struct posix_op *op, uint64_t handle, struct posix_result *ret_result)
{
    struct posix_result opened;

    if (!handle)
        return remote_one(r->fs->remote, r->call, op, ret_result);
    remote_call_begin(r->fs->remote, r->call);
    remote_add(r->call, op);
    remote_add(r->call, &(struct posix_op){.code = POSIX_OPEN, .handle = handle});
    int error = remote_send(r->call);
    if (error == 0)
        error = remote_next(r->call, ret_result);
    return error == 0 && remote_next(r->call, &opened) == -ESTALE ? -EAGAIN : error;
}

static int look_up(struct request *r, uint64_t dir, struct span name, struct posix_result *ret_result)
{
    struct posix_op op = {.code = POSIX_LOOKUP, .ino = dir, .name = name};
    int tries = 0, error;

    do {
        r->since = changes_now(&r->fs->changes);
        error = look_once(r, &op, again_handle(r->fs, r->req), ret_result); /* no handle serves twice */
    } while ((error == -EAGAIN || (error == 0 && changed_inode(&r->fs->changes, ret_result->attr.ino, r->since))) &&
             ++tries < LOOK_AGAIN);
    return error == -EAGAIN ? 0 : error;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct request r;
    struct posix_result result;
    struct span text = span_cstr(name);

    if (!request_begin_name(&r, req, name))
        return;
    uint64_t dir = fs_ino(r.fs, parent);
    int error = known_absent(r.fs, dir, text) ? -ENOENT : look_up(&r, dir, text, &result);
    if (error == 0)
        reply_found(&r, dir, text, &result.attr);
    else if (error == -ENOENT)
        reply_absent(&r, dir, text);
    else
        reply_error(req, error);
    request_end(&r);
}

static void op_forget(fuse_req_t req, fuse_ino_t node, uint64_t count)
{
    struct fs *fs = fuse_req_userdata(req);

    if (node != FUSE_ROOT_ID)
        inode_forget(fs->inodes, node, count);
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    struct fs *fs = fuse_req_userdata(req);

    for (size_t i = 0; i < count; i++)
        if (forgets[i].ino != FUSE_ROOT_ID)
            inode_forget(fs->inodes, forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}

/* ---- getattr ---- */

/* What we know of the inode and is current, so that a write followed by stat asks nobody. */
static bool known_attr(struct fs *fs, struct inode *inode, struct posix_attr *ret_attr)
{
    pthread_mutex_lock(&inode->lock);
    bool known = fs_knows(fs, inode);
    if (known)
        *ret_attr = inode->attr;
    pthread_mutex_unlock(&inode->lock);
    return known;
}

/* A directory is not held open at the server. To whoever still stands in it, or has it open, a removed one is what it
 * was, without a link. (Whoever walks there is told by push that the name is gone.) */
static bool removed_directory(struct inode *inode, struct posix_attr *ret_attr)
{
    pthread_mutex_lock(&inode->lock);
    *ret_attr = inode->attr;
    pthread_mutex_unlock(&inode->lock);
    ret_attr->nlink = 0;
    return ret_attr->type == POSIX_DIR;
}

static int look(struct request *r, struct inode *inode, struct posix_attr *ret_attr)
{
    struct posix_op op = {.code = POSIX_GETATTR, .ino = inode->ino};
    struct posix_result result;
    int tries = 0, error;

    do {
        r->since = changes_now(&r->fs->changes);
        error = remote_one(r->fs->remote, r->call, &op, &result);
    } while (error == 0 && changed_inode(&r->fs->changes, inode->ino, r->since) && ++tries < LOOK_AGAIN);
    if (error == -ESTALE && removed_directory(inode, ret_attr))
        return 0;
    if (error < 0)
        return error;
    pthread_mutex_lock(&inode->lock);
    fs_learn(r->fs, inode, &result.attr, r->since);
    pthread_mutex_unlock(&inode->lock);
    *ret_attr = result.attr;
    return 0;
}

static void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
    struct request r;
    struct posix_attr attr;

    (void)fi;
    if (!request_begin(&r, req))
        return;
    struct inode *inode = inode_of(req, node);
    if (inode) {
        int error = known_attr(r.fs, inode, &attr) ? 0 : look(&r, inode, &attr);
        if (error < 0)
            reply_error(req, error);
        else
            reply_attr(&r, inode, &attr);
        inode_put(r.fs->inodes, &inode);
    }
    request_end(&r);
}

/* ---- setattr ---- */

/* Times that 64 bits of nanoseconds can't hold (before 1677, after 2262) become the nearest that they can. */
static int64_t ns_of(struct timespec t)
{
    int64_t s, ns;

    if (__builtin_mul_overflow((int64_t)t.tv_sec, NS_PER_SEC, &s) || __builtin_add_overflow(s, t.tv_nsec, &ns))
        return t.tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

static const struct {
    int fuse;
    uint32_t posix;
} set_bits[] = {
    {FUSE_SET_ATTR_MODE, POSIX_SET_MODE},
    {FUSE_SET_ATTR_UID, POSIX_SET_UID},
    {FUSE_SET_ATTR_GID, POSIX_SET_GID},
    {FUSE_SET_ATTR_SIZE, POSIX_SET_SIZE},
    {FUSE_SET_ATTR_ATIME, POSIX_SET_ATIME},
    {FUSE_SET_ATTR_MTIME, POSIX_SET_MTIME},
    {FUSE_SET_ATTR_ATIME_NOW, POSIX_SET_ATIME_NOW},
    {FUSE_SET_ATTR_MTIME_NOW, POSIX_SET_MTIME_NOW},
};

static uint32_t valid_of(int to_set)
{
    uint32_t valid = 0;

    for (size_t i = 0; i < sizeof set_bits / sizeof set_bits[0]; i++)
        if (to_set & set_bits[i].fuse)
            valid |= set_bits[i].posix;
    if (valid & POSIX_SET_ATIME_NOW)
        valid &= ~POSIX_SET_ATIME;
    if (valid & POSIX_SET_MTIME_NOW)
        valid &= ~POSIX_SET_MTIME;
    return valid;
}

/* Attributes after it. When something else has changed meanwhile (bytes of ours that went along, or others), they are
 * looked at again, since the kernel takes what it is given here as the latest. */
static int set_attr(struct request *r, struct inode *inode, const struct posix_op *op, struct posix_attr *ret_attr)
{
    struct fs *fs = r->fs;
    struct posix_result result;
    int error = writeback_flush(fs, inode, op, false, &result);

    if (error < 0)
        return error;
    bool resized = op->valid & POSIX_SET_SIZE;
    pthread_mutex_lock(&inode->lock);
    bool crossed = changed_inode(&fs->changes, inode->ino, r->since);
    fs_own_change(fs, inode, &result.attr, resized, r->since);
    pthread_mutex_unlock(&inode->lock);
    if (resized)
        readahead_drop(fs->readahead, inode->ino);
    if (crossed)
        return look(r, inode, ret_attr);
    r->since = changes_now(&fs->changes);
    *ret_attr = result.attr;
    return 0;
}

/* The kernel asks for dropping set-user-ID and set-group-ID itself, as part of mode. */
static void op_setattr(fuse_req_t req, fuse_ino_t node, struct stat *st, int to_set, struct fuse_file_info *fi)
{
    struct request r;
    struct posix_attr attr;

    (void)fi;
    if (!request_begin(&r, req))
        return;
    struct inode *inode = inode_of(req, node);
    if (inode) {
        struct posix_op op = {.code = POSIX_SETATTR,
                              .ino = inode->ino,
                              .valid = valid_of(to_set),
                              .mode = st->st_mode & 07777,
                              .uid = st->st_uid,
                              .gid = st->st_gid,
                              .size = (uint64_t)st->st_size,
                              .atime = ns_of(st->st_atim),
                              .mtime = ns_of(st->st_mtim)};
        bool later = writeback_defer(r.fs, inode, &op, &attr);
        int error = later ? 0 : set_attr(&r, inode, &op, &attr);
        if (error < 0)
            reply_error(req, error);
        else
            reply_attr(&r, inode, &attr);
        inode_put(r.fs->inodes, &inode);
    }
    request_end(&r);
}

/* ---- the rest ---- */

static void op_readlink(fuse_req_t req, fuse_ino_t node)
{
    struct request r;
    struct posix_result result;
    char target[POSIX_PATH_MAX + 1];

    if (!request_begin(&r, req))
        return;
    struct posix_op op = {.code = POSIX_READLINK, .ino = fs_ino(r.fs, node)};
    int error = remote_one(r.fs->remote, r.call, &op, &result);
    if (error == 0 && result.data.len <= POSIX_PATH_MAX) {
        memcpy(target, result.data.ptr, result.data.len);
        target[result.data.len] = '\0';
        fuse_reply_readlink(req, target);
    } else {
        reply_error(req, error < 0 ? error : -EIO);
    }
    request_end(&r);
}

static void op_statfs(fuse_req_t req, fuse_ino_t node)
{
    struct request r;
    struct posix_result result;
    const unsigned long block = 4096;

    (void)node;
    if (!request_begin(&r, req))
        return;
    int error = remote_one(r.fs->remote, r.call, &(struct posix_op){.code = POSIX_STATFS}, &result);
    if (error < 0) {
        reply_error(req, error);
    } else {
        uint64_t room = result.free / block; /* an inode takes far less, so this many can be made at least */
        struct statvfs st = {.f_bsize = block,
                             .f_frsize = block,
                             .f_blocks = result.total / block,
                             .f_bfree = room,
                             .f_bavail = room,
                             .f_files = result.inodes + room,
                             .f_ffree = room,
                             .f_favail = room,
                             .f_namemax = POSIX_NAME_MAX};
        fuse_reply_statfs(req, &st);
    }
    request_end(&r);
}

void ops_look(struct fuse_lowlevel_ops *ops)
{
    ops->lookup = op_lookup;
    ops->forget = op_forget;
    ops->forget_multi = op_forget_multi;
    ops->getattr = op_getattr;
    ops->setattr = op_setattr;
    ops->readlink = op_readlink;
    ops->statfs = op_statfs;
}
