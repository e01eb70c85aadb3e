#include "server/posix/compound.h"

/* ================================================================ the table */

posix_run *const posix_runs[] = {
    [POSIX_GETROOT] = run_getroot,     [POSIX_LOOKUP] = run_lookup,     [POSIX_GETATTR] = run_getattr,
    [POSIX_READLINK] = run_readlink,   [POSIX_READDIR] = run_readdir,   [POSIX_GETXATTR] = run_getxattr,
    [POSIX_LISTXATTR] = run_listxattr, [POSIX_STATFS] = run_statfs,     [POSIX_READ] = run_read,
    [POSIX_SEEK] = run_seek,           [POSIX_FSYNC] = run_fsync,       [POSIX_OPEN] = run_open,
    [POSIX_RELEASE] = run_release,     [POSIX_SETATTR] = run_setattr,   [POSIX_CREATE] = run_create,
    [POSIX_MKDIR] = run_mkdir,         [POSIX_SYMLINK] = run_symlink,   [POSIX_MKNOD] = run_mknod,
    [POSIX_LINK] = run_link,           [POSIX_UNLINK] = run_unlink,     [POSIX_RMDIR] = run_rmdir,
    [POSIX_RENAME] = run_rename,       [POSIX_WRITE] = run_write,       [POSIX_PUNCH] = run_punch,
    [POSIX_COPY] = run_copy,           [POSIX_SETXATTR] = run_setxattr, [POSIX_REMOVEXATTR] = run_removexattr,
    [POSIX_MKROOT] = run_mkroot,
};

size_t posix_runs_count(void)
{
    return sizeof(posix_runs) / sizeof(posix_runs[0]);
}

/* ================================================================ helpers */

int compound_ino(struct compound *c, uint64_t argument, uint64_t *ret_ino)
{
    uint64_t ino = argument == POSIX_INO_CURRENT ? c->current : argument;
    if (ino == 0)
        return -EINVAL;
    if (ino == NS_ROOT && c->session->bucket[0])
        return -EACCES;
    *ret_ino = ino;
    return 0;
}

int compound_inode(struct compound *c, uint64_t argument, struct inode *ret_inode)
{
    uint64_t ino;
    int rc = compound_ino(c, argument, &ino);
    return rc < 0 ? rc : ns_inode(c->txn, ino, ret_inode);
}

int compound_name(struct span name)
{
    if (name.len == 0 || memchr(name.ptr, '/', name.len) || memchr(name.ptr, 0, name.len))
        return -EINVAL;
    return name.len > POSIX_NAME_MAX ? -ENAMETOOLONG : 0;
}

_Static_assert((int)POSIX_FILE == INODE_FILE && (int)POSIX_DIR == INODE_DIR &&
                   (int)POSIX_LINK_SYMBOLIC == INODE_SYMLINK && (int)POSIX_FIFO == INODE_FIFO &&
                   (int)POSIX_SOCKET == INODE_SOCKET && (int)POSIX_CHAR == INODE_CHAR &&
                   (int)POSIX_BLOCK == INODE_BLOCK,
               "types on the wire are the namespace's");

void compound_attr(struct posix_result *result, const struct inode *inode)
{
    result->attr = (struct posix_attr){
        .ino = inode->ino,
        .version = inode->version,
        .size = inode->size,
        .blocks = inode->blocks,
        .rdev = inode->rdev,
        .parent = inode->type == INODE_DIR ? inode->parent : 0,
        .atime = inode->atime,
        .mtime = inode->mtime,
        .ctime = inode->ctime,
        .btime = inode->btime,
        .mode = inode->mode,
        .uid = inode->uid,
        .gid = inode->gid,
        .nlink = inode->nlink,
        .type = (uint32_t)inode->type,
    };
}

int compound_hold(struct compound *c, uint64_t handle, uint64_t ino)
{
    int rc = ns_hold(c->txn, ino);
    if (rc == 0)
        c->holds[c->hold_count++] = (struct handle_record){handle, ino};
    return rc;
}
