#include <fcntl.h>
#include <stdlib.h>

#include "fs/notify.h"
#include "fs/ops.h"
#include "fs/release.h"
#include "fs/writeback.h"

#define CREATE_TRIES 8

static struct handle *handle_of(struct fuse_file_info *fi)
{
    return (struct handle *)(uintptr_t)fi->fh;
}

static bool opened_for_write(const struct fuse_file_info *fi)
{
    return (fi->flags & O_ACCMODE) != O_RDONLY;
}

/* ---- handles ---- */

static bool is_nameless(struct inode *inode)
{
    pthread_mutex_lock(&inode->lock);
    bool nameless = inode->attr.nlink == 0;
    pthread_mutex_unlock(&inode->lock);
    return nameless;
}

static void handle_free(struct fs *fs, struct handle *h)
{
    opened_remove(fs, &h->opened);
    whole_drop(fs, h);
    releaser_add(fs->releaser, h->number,
                 h->inode && is_nameless(h->inode)); /* giving back what was never taken does no harm */
    inode_put(fs->inodes, &h->inode);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

static void handle_close(struct fs *fs, struct opened *opened)
{
    handle_free(fs, (struct handle *)opened);
}

static struct handle *handle_new(struct fs *fs)
{
    struct handle *h = calloc(1, sizeof *h);

    if (!h)
        return NULL;
    pthread_mutex_init(&h->lock, NULL);
    h->number = remote_handle(fs->remote);
    h->opened.close = handle_close;
    opened_add(fs, &h->opened);
    return h;
}

/* What the kernel is to do with an open file of ours. Appending goes past its page cache: it can't know where the end
 * will be when somebody else appends, too. Closing what was only read has nothing to flush. */
static void set_open_flags(struct fuse_file_info *fi, struct handle *h)
{
    fi->fh = (uintptr_t)h;
    fi->direct_io = opened_for_write(fi) && fi->flags & O_APPEND;
    fi->noflush = !opened_for_write(fi);
}

/* ---- open ---- */

/* Whether the pages that the kernel has of the inode are those of this version; if not, they are to be dropped, and
 * those that come are. The inode's lock is held. */
static bool pages_are_current(struct fs *fs, struct inode *inode, const struct posix_attr *attr, uint64_t since)
{
    bool crossed = changed_inode(&fs->changes, inode->ino, since);
    struct posix_attr copy = *attr;

    if (!crossed && inode->pages && inode->pages == attr->version)
        return true;
    /* While bytes of ours are on their way it can't be told whether they are counted in the version already. */
    inode->pages = crossed || writeback_show(inode, &copy) ? 0 : attr->version;
    return false;
}

static int drop_privileges(struct request *r, struct posix_attr *attr)
{
    uint32_t mode = privileges_after_write(r->req, attr);
    struct posix_op op = {.code = POSIX_SETATTR, .ino = attr->ino, .valid = POSIX_SET_MODE, .mode = mode};
    struct posix_result result;

    if (mode == attr->mode)
        return 0;
    int error = remote_one(r->fs->remote, r->call, &op, &result);
    if (error == 0)
        *attr = result.attr;
    return error;
}

/* Opens at the server, and truncates. *ret_before: attributes at the open; *ret_attr: after all. */
static int open_remote(struct request *r, struct handle *h, bool truncate, bool whole, struct posix_attr *ret_before,
                       struct posix_attr *ret_attr)
{
    uint64_t ino = h->inode->ino;
    struct posix_result result;

    remote_add(r->call, &(struct posix_op){.code = POSIX_OPEN, .ino = ino, .handle = h->number});
    if (truncate)
        remote_add(r->call, &(struct posix_op){.code = POSIX_SETATTR, .ino = ino, .valid = POSIX_SET_SIZE});
    if (whole)
        remote_add(r->call, &(struct posix_op){.code = POSIX_READ, .ino = ino, .len = WHOLE_MAX});
    int error = remote_send(r->call);
    if (error == 0)
        error = remote_next(r->call, &result);
    *ret_before = *ret_attr = result.attr;
    if (error == 0 && truncate) {
        error = remote_next(r->call, &result);
        *ret_attr = result.attr;
        if (error == 0)
            error = drop_privileges(r, ret_attr);
    }
    if (error == 0 && whole && remote_next(r->call, &result) == 0) /* else it is read when it is wanted */
        whole_keep(r->fs, h, result.data, &result.attr, r->since);
    return error;
}

/* Whether attr is what the kernel was last told of the inode. The inode's lock is held. */
static bool kernel_knows(const struct inode *inode, const struct posix_attr *attr)
{
    return inode->attr_time && inode->attr.version == attr->version && inode->attr.ctime == attr->ctime;
}

static int open_file(struct request *r, struct handle *h, struct fuse_file_info *fi, struct posix_attr *ret_attr)
{
    bool truncate = fi->flags & O_TRUNC;
    struct inode *inode = h->inode;
    struct posix_attr before, attr;
    int error = truncate ? writeback_flush(r->fs, inode, NULL, false, NULL) : 0;

    r->since = changes_now(&r->fs->changes);
    if (error == 0)
        error = open_remote(r, h, truncate, whole_wanted(r->fs, inode, fi), &before, &attr);
    if (error < 0)
        return error;
    pthread_mutex_lock(&inode->lock);
    bool news = !kernel_knows(inode, &before);
    fi->keep_cache = pages_are_current(r->fs, inode, &before, r->since);
    if (truncate) {
        unsynced_add(r->fs, inode, r->call->stamp, &attr);
        fs_own_change(r->fs, inode, &attr, 1, r->since);
    } else {
        fs_learn(r->fs, inode, &attr, r->since);
    }
    pthread_mutex_unlock(&inode->lock);
    if (news)
        notify_attributes_now(r->fs->notify, inode->ino);
    if (!fi->keep_cache || truncate)
        readahead_drop(r->fs->readahead, inode->ino);
    h->size = attr.size;
    writeback_error_begin(inode, &h->errors);
    *ret_attr = attr;
    return 0;
}

static void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
    struct posix_attr attr;
    struct request r;

    if (!request_begin(&r, req))
        return;
    struct handle *h = handle_new(r.fs);
    int error = h && (h->inode = inode_get(r.fs->inodes, fs_ino(r.fs, node))) ? 0 : -ENOMEM;
    if (error == 0)
        error = open_file(&r, h, fi, &attr);
    if (error < 0) {
        reply_error(req, error);
    } else {
        set_open_flags(fi, h);
        error = fuse_reply_open(req, fi);
    }
    if (error != 0 && h)
        handle_free(r.fs, h);
    request_end(&r);
}

/* ---- create ---- */

static int create_file(struct request *r, struct handle *h, const struct posix_op *op, struct posix_attr *ret_attr,
                       struct posix_attr ret_dirs[2])
{
    struct posix_result result;

    remote_call_begin(r->fs->remote, r->call);
    r->since = changes_now(&r->fs->changes);
    int error = run_change(r, op, op->ino, 0, &result, ret_dirs);
    if (error < 0)
        return error;
    h->inode = inode_get(r->fs->inodes, result.attr.ino);
    if (!h->inode)
        return -ENOMEM;
    pthread_mutex_lock(&h->inode->lock);
    h->inode->no_capability = h->inode->young = true;
    h->inode->pages = result.attr.version;
    unsynced_add(r->fs, h->inode, r->call->stamp, &result.attr);
    pthread_mutex_unlock(&h->inode->lock);
    *ret_attr = result.attr;
    return 0;
}

/* The kernel takes the answer to a create as leave to open. It has not looked at a file that is there already, so only
 * what surely is the caller's to open passes here. */
static bool is_own(const struct request *r, const struct posix_attr *attr, const struct fuse_file_info *fi)
{
    static const uint32_t needed[] = {[O_RDONLY] = S_IRUSR, [O_WRONLY] = S_IWUSR, [O_RDWR] = S_IRUSR | S_IWUSR};
    int access = fi->flags & O_ACCMODE;
    struct stat st = fs_stat(r->fs, attr);

    return S_ISREG(st.st_mode) && st.st_uid == fuse_req_ctx(r->req)->uid && access <= O_RDWR &&
           (st.st_mode & needed[access]) == needed[access];
}

/* The name is there already, though the kernel thought not. -EAGAIN: it has gone again. -ESTALE: the kernel is to look
 * the name up, check permission, and open. */
static int open_existing(struct request *r, struct handle *h, const struct posix_op *op, struct fuse_file_info *fi,
                         struct posix_attr *ret_attr)
{
    struct posix_op look = {.code = POSIX_LOOKUP, .ino = op->ino, .name = op->name};
    struct posix_result result;

    name_changed(r, op->ino, op->name, true, NULL);
    int error = remote_one(r->fs->remote, r->call, &look, &result);
    if (error < 0)
        return error == -ENOENT ? -EAGAIN : error;
    if (!is_own(r, &result.attr, fi))
        return -ESTALE;
    h->inode = inode_get(r->fs->inodes, result.attr.ino);
    if (!h->inode)
        return -ENOMEM;
    remote_call_begin(r->fs->remote, r->call);
    error = open_file(r, h, fi, ret_attr);
    if (error == -ESTALE) {
        inode_put(r->fs->inodes, &h->inode);
        return -EAGAIN;
    }
    return error;
}

/* Where others make and remove the name, too, it may take turns. */
static int create_or_open(struct request *r, struct handle *h, const struct posix_op *op, struct fuse_file_info *fi,
                          struct posix_attr *ret_attr, struct posix_attr ret_dirs[2])
{
    int tries = 0, error;

    do {
        error = create_file(r, h, op, ret_attr, ret_dirs);
        if (error == -EEXIST && fi->flags & O_EXCL)
            name_changed(r, op->ino, op->name, true, NULL);
        else if (error == -EEXIST)
            error = open_existing(r, h, op, fi, ret_attr);
    } while (error == -EAGAIN && ++tries < CREATE_TRIES);
    return error == -EAGAIN ? -ESTALE : error;
}

static int reply_created(struct request *r, struct handle *h, const struct posix_op *op, const struct posix_attr *attr,
                         const struct posix_attr *dir, struct fuse_file_info *fi)
{
    struct fs *fs = r->fs;
    struct fuse_entry_param entry;
    struct inode *inode;
    double attr_valid = fs_valid_inode(fs, attr->ino, r->since);
    double name_valid = name_changed(r, op->ino, op->name, true, dir);

    pthread_mutex_lock(&h->inode->lock);
    fs_learn(fs, h->inode, attr, r->since);
    pthread_mutex_unlock(&h->inode->lock);
    r->since = changes_now(&fs->changes);
    int error = entry_fill(r, op->ino, op->name, attr, name_valid, attr_valid, &entry, &inode);
    if (error < 0) {
        reply_error(r->req, error);
        return error;
    }
    set_open_flags(fi, h);
    error = fuse_reply_create(r->req, &entry, fi);
    if (error != 0)
        entry_undo(fs, attr->ino);
    else
        entry_recheck(r, op->ino, op->name, attr->ino);
    inode_put(fs->inodes, &inode);
    return error;
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
    struct request r;
    struct posix_attr attr, dirs[2] = {0};

    if (!request_begin_name(&r, req, name))
        return;
    const struct mount_options *o = r.fs->options;
    struct handle *h = handle_new(r.fs);
    struct posix_op op = {.code = POSIX_CREATE,
                          .ino = fs_ino(r.fs, parent),
                          .name = span_cstr(name),
                          .flags = POSIX_CREATE_EXCL,
                          .mode = mode & 07777,
                          .uid = o->uid == OPTION_ID_NONE ? fuse_req_ctx(req)->uid : (uint32_t)o->uid,
                          .gid = o->gid == OPTION_ID_NONE ? fuse_req_ctx(req)->gid : (uint32_t)o->gid,
                          .handle = h ? h->number : 0};
    int error = h ? create_or_open(&r, h, &op, fi, &attr, dirs) : -ENOMEM;
    if (error < 0)
        reply_error(req, error);
    else
        error = reply_created(&r, h, &op, &attr, &dirs[0], fi);
    if (error != 0 && h)
        handle_free(r.fs, h);
    request_end(&r);
}

/* ---- flush, fsync, release ---- */

/* What sending has failed with since this handle was told last counts more than how this flush went. */
static int flush_file(struct fs *fs, struct handle *h, bool durable)
{
    int error = writeback_flush(fs, h->inode, NULL, durable, NULL);

    if (error == -EINTR)
        return error;
    int kept = writeback_error(h->inode, &h->errors);
    return kept < 0 ? kept : error;
}

/* Of what was opened for writing (set_open_flags): the flags of the open are not told here. */
static void op_flush(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
    struct fs *fs = fuse_req_userdata(req);

    (void)node;
    request_note(req);
    reply_error(req, flush_file(fs, handle_of(fi), fs->options->sync));
    request_unnote();
}

static void op_fsync(fuse_req_t req, fuse_ino_t node, int datasync, struct fuse_file_info *fi)
{
    struct fs *fs = fuse_req_userdata(req);

    (void)node, (void)datasync;
    request_note(req);
    reply_error(req, flush_file(fs, handle_of(fi), true));
    request_unnote();
}

static void op_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
    struct fs *fs = fuse_req_userdata(req);

    (void)node;
    handle_free(fs, handle_of(fi));
    fuse_reply_err(req, 0);
}

void ops_open(struct fuse_lowlevel_ops *ops)
{
    ops->open = op_open;
    ops->create = op_create;
    ops->flush = op_flush;
    ops->fsync = op_fsync;
    ops->release = op_release;
}
