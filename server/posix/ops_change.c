/*
 * Operations that change: POSIX.md has what each does. Each checks all before it changes anything, so its error means
 * that it did nothing.
 */
#include <sys/stat.h>

#include "server/posix/compound.h"

/* ================================================================ making */

static int directory(struct compound *c, uint64_t argument, struct inode *ret_dir)
{
    int rc = compound_inode(c, argument, ret_dir);
    return rc == 0 && ret_dir->type != INODE_DIR ? -ENOTDIR : rc;
}

/* A directory with S_ISGID gives its group to what is made in it, and the bit to directories. */
static void inherit(const struct inode *dir, struct ns_create *create)
{
    if (!(dir->mode & S_ISGID))
        return;
    create->gid = dir->gid;
    if (create->type == INODE_DIR)
        create->mode |= S_ISGID;
}

static int make(struct compound *c, struct ns_create create, struct inode *ret_inode)
{
    struct inode dir;
    create.mode = c->op->mode;
    create.uid = c->op->uid;
    create.gid = c->op->gid;
    if (create.mode & ~07777u)
        return -EINVAL;
    int rc = compound_name(c->op->name);
    if (rc == 0)
        rc = directory(c, c->op->ino, &dir);
    if (rc < 0)
        return rc;
    inherit(&dir, &create);
    return ns_create(c->txn, dir.ino, c->op->name, &create, ret_inode);
}

static int make_and_tell(struct compound *c, struct ns_create create, struct posix_result *result)
{
    struct inode inode;
    int rc = make(c, create, &inode);
    if (rc == 0)
        compound_attr(result, &inode);
    return rc;
}

int run_mkdir(struct compound *c, struct posix_result *result)
{
    return make_and_tell(c, (struct ns_create){.type = INODE_DIR}, result);
}

int run_symlink(struct compound *c, struct posix_result *result)
{
    struct span target = c->op->name2;
    if (target.len == 0 || memchr(target.ptr, 0, target.len))
        return -EINVAL;
    if (target.len > NS_PATH_MAX)
        return -ENAMETOOLONG;
    return make_and_tell(c, (struct ns_create){.type = INODE_SYMLINK, .target = target}, result);
}

int run_mknod(struct compound *c, struct posix_result *result)
{
    uint32_t type = c->op->type;
    if (type < INODE_FILE || type > INODE_BLOCK || type == INODE_DIR || type == INODE_SYMLINK)
        return -EINVAL;
    return make_and_tell(c, (struct ns_create){.type = (enum inode_type)type, .rdev = c->op->rdev}, result);
}

/* The file that CREATE opens: 0, or -ENOENT when it is to be made. */
static int find_existing(struct compound *c, struct inode *ret_inode)
{
    uint64_t dir;
    if (c->op->flags & POSIX_CREATE_EXCL)
        return -ENOENT; /* ns_create finds out */
    int rc = compound_ino(c, c->op->ino, &dir);
    if (rc == 0)
        rc = compound_name(c->op->name);
    if (rc == 0)
        rc = ns_lookup(c->txn, dir, c->op->name, ret_inode);
    return rc == 0 && ret_inode->type == INODE_DIR ? -EISDIR : rc;
}

int run_create(struct compound *c, struct posix_result *result)
{
    struct inode inode;
    int rc = find_existing(c, &inode);
    if (rc == -ENOENT) {
        rc = make(c, (struct ns_create){.type = INODE_FILE}, &inode);
        result->flags = POSIX_CREATED;
    }
    if (rc < 0)
        return rc;
    compound_attr(result, &inode);
    return c->op->handle ? compound_hold(c, c->op->handle, inode.ino) : 0;
}

/* One folder of MKROOT's path. */
static int descend(struct compound *c, struct span name, struct inode *inode)
{
    struct ns_create create = {.type = INODE_DIR, .mode = c->op->mode, .uid = c->op->uid, .gid = c->op->gid};
    uint64_t dir = inode->ino;
    int rc = span_is(name, "..") || span_is(name, ".") ? -EINVAL : compound_name(name);
    if (rc == 0)
        rc = ns_lookup(c->txn, dir, name, inode);
    if (rc == -ENOENT)
        rc = ns_create(c->txn, dir, name, &create, inode);
    return rc == 0 && inode->type != INODE_DIR ? -ENOTDIR : rc;
}

int run_mkroot(struct compound *c, struct posix_result *result)
{
    struct span path = c->op->name2;
    struct inode inode;
    if (c->op->mode & ~07777u || (c->session->bucket[0] && !span_is(c->op->name, c->session->bucket)))
        return c->op->mode & ~07777u ? -EINVAL : -EACCES;
    int rc = ns_bucket_find(c->txn, c->op->name, &inode);
    while (rc == 0 && path.ptr) {
        struct span name = span_cut(&path, '/');
        if (name.len)
            rc = descend(c, name, &inode);
    }
    if (rc == 0)
        compound_attr(result, &inode);
    return rc;
}

/* ================================================================ names */

int run_link(struct compound *c, struct posix_result *result)
{
    struct inode inode;
    uint64_t ino, dir;
    int rc = compound_ino(c, c->op->ino, &ino);
    if (rc == 0)
        rc = compound_ino(c, c->op->ino2, &dir);
    if (rc == 0)
        rc = compound_name(c->op->name);
    if (rc == 0)
        rc = ns_link(c->txn, ino, dir, c->op->name, &inode);
    if (rc == 0)
        compound_attr(result, &inode);
    return rc;
}

int run_unlink(struct compound *c, struct posix_result *result)
{
    struct inode inode;
    uint64_t dir;
    int rc = compound_ino(c, c->op->ino, &dir);
    if (rc == 0)
        rc = compound_name(c->op->name);
    if (rc == 0)
        rc = ns_unlink(c->txn, dir, c->op->name, &inode);
    if (rc == 0)
        compound_attr(result, &inode);
    return rc;
}

int run_rmdir(struct compound *c, struct posix_result *result)
{
    uint64_t dir;
    (void)result;
    int rc = compound_ino(c, c->op->ino, &dir);
    if (rc == 0)
        rc = compound_name(c->op->name);
    return rc == 0 ? ns_rmdir(c->txn, dir, c->op->name) : rc;
}

_Static_assert(POSIX_RENAME_NOREPLACE == NS_RENAME_NOREPLACE && POSIX_RENAME_EXCHANGE == NS_RENAME_EXCHANGE,
               "as they travel");

int run_rename(struct compound *c, struct posix_result *result)
{
    uint32_t flags = c->op->flags;
    uint64_t from, to;
    (void)result;
    if (flags & ~(POSIX_RENAME_NOREPLACE | POSIX_RENAME_EXCHANGE) ||
        flags == (POSIX_RENAME_NOREPLACE | POSIX_RENAME_EXCHANGE))
        return -EINVAL;
    int rc = compound_ino(c, c->op->ino, &from);
    if (rc == 0)
        rc = compound_ino(c, c->op->ino2, &to);
    if (rc == 0)
        rc = compound_name(c->op->name);
    if (rc == 0)
        rc = compound_name(c->op->name2);
    return rc == 0 ? ns_rename(c->txn, from, c->op->name, to, c->op->name2, flags) : rc;
}

/* ================================================================ attributes */

_Static_assert(POSIX_SET_MODE == NS_SET_MODE && POSIX_SET_UID == NS_SET_UID && POSIX_SET_GID == NS_SET_GID &&
                   POSIX_SET_SIZE == NS_SET_SIZE && POSIX_SET_ATIME == NS_SET_ATIME &&
                   POSIX_SET_MTIME == NS_SET_MTIME && POSIX_SET_CTIME == NS_SET_CTIME,
               "as they travel");
#define SET_PLAIN (NS_SET_MODE | NS_SET_UID | NS_SET_GID | NS_SET_SIZE | NS_SET_ATIME | NS_SET_MTIME | NS_SET_CTIME)

static struct ns_setattr wanted(const struct compound *c, const struct inode *inode)
{
    const struct posix_op *op = c->op;
    struct ns_setattr set = {
        .valid = op->valid & SET_PLAIN,
        .mode = op->mode,
        .uid = op->uid,
        .gid = op->gid,
        .size = op->size,
        .atime = op->atime,
        .mtime = op->mtime,
        .ctime = op->ctime,
    };
    if (op->valid & POSIX_SET_ATIME_NOW) {
        set.valid |= NS_SET_ATIME;
        set.atime = ns_txn_now(c->txn);
    }
    if (op->valid & POSIX_SET_MTIME_NOW) {
        set.valid |= NS_SET_MTIME;
        set.mtime = ns_txn_now(c->txn);
    }
    if (op->valid & POSIX_SET_GROW && op->size <= inode->size)
        set.valid &= ~NS_SET_SIZE;
    return set;
}

int run_setattr(struct compound *c, struct posix_result *result)
{
    struct inode inode;
    if (c->op->valid & ~POSIX_SET_ALL || (c->op->valid & POSIX_SET_MODE && c->op->mode & ~07777u))
        return -EINVAL;
    int rc = compound_inode(c, c->op->ino, &inode);
    if (rc < 0)
        return rc;
    struct ns_setattr set = wanted(c, &inode);
    if (set.valid)
        rc = ns_setattr(c->txn, inode.ino, &set, &inode);
    if (rc == 0)
        compound_attr(result, &inode);
    return rc;
}

_Static_assert(POSIX_XATTR_CREATE == NS_XATTR_CREATE && POSIX_XATTR_REPLACE == NS_XATTR_REPLACE, "as they travel");

/* Unlike a file's, it may hold '/'. */
static int xattr_name(struct span name)
{
    if (name.len == 0 || memchr(name.ptr, 0, name.len))
        return -EINVAL;
    return name.len > POSIX_NAME_MAX ? -ERANGE : 0;
}

static int tell(struct compound *c, uint64_t ino, struct posix_result *result)
{
    struct inode inode;
    int rc = ns_inode(c->txn, ino, &inode);
    if (rc == 0)
        compound_attr(result, &inode);
    return rc;
}

int run_setxattr(struct compound *c, struct posix_result *result)
{
    uint64_t ino;
    if (c->op->flags & ~(POSIX_XATTR_CREATE | POSIX_XATTR_REPLACE))
        return -EINVAL;
    int rc = compound_ino(c, c->op->ino, &ino);
    if (rc == 0 && c->op->data.len > POSIX_XATTR_MAX)
        rc = -E2BIG;
    if (rc == 0)
        rc = xattr_name(c->op->name);
    if (rc == 0)
        rc = ns_xattr_set(c->txn, ino, c->op->name, c->op->data, c->op->flags);
    return rc == 0 ? tell(c, ino, result) : rc;
}

int run_removexattr(struct compound *c, struct posix_result *result)
{
    uint64_t ino;
    int rc = compound_ino(c, c->op->ino, &ino);
    if (rc == 0)
        rc = xattr_name(c->op->name);
    if (rc == 0)
        rc = ns_xattr_remove(c->txn, ino, c->op->name);
    return rc == 0 ? tell(c, ino, result) : rc;
}

/* ================================================================ contents */

static int file_to_change(struct compound *c, uint64_t argument, struct inode *ret_inode)
{
    int rc = compound_inode(c, argument, ret_inode);
    if (rc < 0 || ret_inode->type == INODE_FILE)
        return rc;
    return ret_inode->type == INODE_DIR ? -EISDIR : -EINVAL;
}

int run_write(struct compound *c, struct posix_result *result)
{
    struct body_writer *body = c->bodies[c->at];
    struct inode inode;
    if (c->op->flags & ~POSIX_WRITE_END)
        return -EINVAL;
    int rc = file_to_change(c, c->op->ino, &inode);
    if (rc < 0)
        return rc;
    result->value = c->op->flags & POSIX_WRITE_END ? inode.size : c->op->off;
    if (body)
        rc = ns_write(c->txn, inode.ino, result->value, body, &inode);
    if (rc == 0)
        compound_attr(result, &inode);
    return rc;
}

int run_punch(struct compound *c, struct posix_result *result)
{
    struct inode inode;
    int rc = file_to_change(c, c->op->ino, &inode);
    if (rc == 0 && c->op->len)
        rc = ns_punch(c->txn, inode.ino, c->op->off, c->op->len, &inode);
    if (rc == 0)
        compound_attr(result, &inode);
    return rc;
}

int run_copy(struct compound *c, struct posix_result *result)
{
    struct inode from, to;
    int rc = file_to_change(c, c->op->ino, &from);
    if (rc == 0)
        rc = file_to_change(c, c->op->ino2, &to);
    if (rc < 0)
        return rc;
    uint64_t there = c->op->off < from.size ? from.size - c->op->off : 0;
    result->value = c->op->len < there ? c->op->len : there;
    if (result->value)
        rc = ns_copy_range(c->txn, from.ino, c->op->off, to.ino, c->op->off2, result->value, &to);
    if (rc == 0)
        compound_attr(result, &to);
    return rc;
}
