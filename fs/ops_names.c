#include <linux/fs.h>

#include "fs/notify.h"
#include "fs/ops.h"

/* New inodes belong to whoever made them; the server gives them the group of a set-group-ID directory. */
static void set_owner(struct request *r, struct posix_op *op)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(r->req);
    const struct mount_options *o = r->fs->options;

    op->uid = o->uid == OPTION_ID_NONE ? ctx->uid : (uint32_t)o->uid;
    op->gid = o->gid == OPTION_ID_NONE ? ctx->gid : (uint32_t)o->gid;
}

/* What an operation that makes a name gives. */
struct made {
    struct posix_attr attr, dir;
};

/* Runs an operation that makes name in dir. */
static int make(struct request *r, struct posix_op *op, uint64_t dir, struct span name, struct made *ret_made)
{
    struct posix_result result;
    struct posix_attr dirs[2];

    set_owner(r, op);
    int error = run_change(r, op, dir, 0, &result, dirs);
    if (error == -EEXIST)
        name_changed(r, dir, name, true, NULL); /* somebody was faster, and push has yet to tell */
    if (error == 0)
        *ret_made = (struct made){result.attr, dirs[0]};
    return error;
}

static void make_and_reply(fuse_req_t req, fuse_ino_t parent, const char *name, struct posix_op *op)
{
    struct request r;
    struct made made;

    if (!request_begin_name(&r, req, name))
        return;
    op->ino = fs_ino(r.fs, parent);
    op->name = span_cstr(name);
    int error = make(&r, op, op->ino, op->name, &made);
    if (error < 0)
        reply_error(req, error);
    else
        reply_made(&r, op->ino, op->name, &made.attr, &made.dir);
    request_end(&r);
}

/* ---- mkdir: a directory that we have made is known completely ---- */

static void note_empty(struct request *r, uint64_t ino)
{
    struct fs *fs = r->fs;
    struct inode *inode = inode_get(fs->inodes, ino);

    if (!inode)
        return;
    pthread_mutex_lock(&inode->lock);
    if (!inode->children && (inode->children = nameset_new())) {
        inode->children_id = changes_now(&fs->changes);
        /* A change that came before the inode was known here would be missing in the set. */
        inode->children_complete = !changed_inode(&fs->changes, ino, r->since);
    }
    pthread_mutex_unlock(&inode->lock);
    inode_put(fs->inodes, &inode);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct request r;
    struct made made;

    if (!request_begin_name(&r, req, name))
        return;
    uint64_t dir = fs_ino(r.fs, parent);
    struct span text = span_cstr(name);
    struct posix_op op = {.code = POSIX_MKDIR, .ino = dir, .name = text, .mode = mode & 07777};
    int error = make(&r, &op, dir, text, &made);
    if (error < 0) {
        reply_error(req, error);
    } else {
        struct inode *held = inode_get(r.fs->inodes, made.attr.ino); /* so that its set outlives the next lines */
        note_empty(&r, made.attr.ino);
        reply_made(&r, dir, text, &made.attr, &made.dir);
        inode_put(r.fs->inodes, &held);
    }
    request_end(&r);
}

/* ---- the other makers ---- */

static uint32_t type_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFIFO:
        return POSIX_FIFO;
    case S_IFSOCK:
        return POSIX_SOCKET;
    case S_IFCHR:
        return POSIX_CHAR;
    case S_IFBLK:
        return POSIX_BLOCK;
    default:
        return POSIX_FILE;
    }
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    struct posix_op op = {.code = POSIX_MKNOD, .type = type_of(mode), .mode = mode & 07777, .rdev = rdev};

    if (op.type == POSIX_FILE)
        op = (struct posix_op){.code = POSIX_CREATE, .flags = POSIX_CREATE_EXCL, .mode = mode & 07777};
    make_and_reply(req, parent, name, &op);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    if (strlen(target) > POSIX_PATH_MAX) {
        fuse_reply_err(req, ENAMETOOLONG);
        return;
    }
    struct posix_op op = {.code = POSIX_SYMLINK, .name2 = span_cstr(target)};
    make_and_reply(req, parent, name, &op);
}

static void op_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t parent, const char *name)
{
    struct request r;
    struct made made;

    if (!request_begin_name(&r, req, name))
        return;
    uint64_t dir = fs_ino(r.fs, parent);
    struct posix_op op = {.code = POSIX_LINK, .ino = fs_ino(r.fs, node), .ino2 = dir, .name = span_cstr(name)};
    int error = make(&r, &op, dir, op.name, &made);
    if (error < 0)
        reply_error(req, error);
    else
        reply_made(&r, dir, op.name, &made.attr, &made.dir);
    request_end(&r);
}

/* ---- unlink, rmdir ---- */

static void note_unlinked(struct request *r, const struct posix_attr *attr)
{
    struct inode *inode = inode_find(r->fs->inodes, attr->ino);

    if (!inode)
        return;
    pthread_mutex_lock(&inode->lock);
    fs_own_change(r->fs, inode, attr, 0, r->since);
    pthread_mutex_unlock(&inode->lock);
    inode_put(r->fs->inodes, &inode);
}

static void unmake(fuse_req_t req, fuse_ino_t parent, const char *name, uint16_t code)
{
    struct request r;
    struct posix_result result;
    struct posix_attr dirs[2];

    if (!request_begin_name(&r, req, name))
        return;
    struct posix_op op = {.code = code, .ino = fs_ino(r.fs, parent), .name = span_cstr(name)};
    int error = run_change(&r, &op, op.ino, 0, &result, dirs);
    if (error == 0 && code == POSIX_UNLINK)
        note_unlinked(&r, &result.attr);
    if (error == 0 || error == -ENOENT)
        name_changed(&r, op.ino, op.name, false, error == 0 ? &dirs[0] : NULL);
    reply_error(req, error);
    request_end(&r);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    unmake(req, parent, name, POSIX_UNLINK);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    unmake(req, parent, name, POSIX_RMDIR);
}

/* ---- rename ---- */

static void note_renamed(struct request *r, const struct posix_op *op)
{
    struct fs *fs = r->fs;
    uint64_t inos[2];

    names_move(fs->names, op->ino, op->name, op->ino2, op->name2, op->flags & POSIX_RENAME_EXCHANGE, inos);
    for (int i = 0; i < 2; i++) {
        if (inos[i]) {
            changes_inode(&fs->changes, inos[i]);
            notify_attributes(fs->notify, inos[i]); /* ctime, and the links of what was replaced */
        }
    }
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t parent2, const char *name2,
                      unsigned flags)
{
    struct request r;
    struct posix_result result;
    struct posix_attr dirs[2];

    if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    if (!name_fits(req, name2) || !request_begin_name(&r, req, name))
        return;
    struct posix_op op = {.code = POSIX_RENAME,
                          .ino = fs_ino(r.fs, parent),
                          .name = span_cstr(name),
                          .ino2 = fs_ino(r.fs, parent2),
                          .name2 = span_cstr(name2),
                          .flags = (flags & RENAME_NOREPLACE ? POSIX_RENAME_NOREPLACE : 0) |
                                   (flags & RENAME_EXCHANGE ? POSIX_RENAME_EXCHANGE : 0)};
    bool apart = op.ino != op.ino2;
    int error = run_change(&r, &op, op.ino2, apart ? op.ino : 0, &result, dirs);
    if (error == 0) {
        note_renamed(&r, &op);
        changes_name(&r.fs->changes, op.ino, op.name);
        name_changed(&r, op.ino2, op.name2, true, &dirs[0]);
        if (apart)
            dir_changed(&r, op.ino, SPAN_EMPTY, &dirs[1]);
    }
    reply_error(req, error);
    request_end(&r);
}

void ops_names(struct fuse_lowlevel_ops *ops)
{
    ops->mkdir = op_mkdir;
    ops->mknod = op_mknod;
    ops->symlink = op_symlink;
    ops->link = op_link;
    ops->unlink = op_unlink;
    ops->rmdir = op_rmdir;
    ops->rename = op_rename;
}
