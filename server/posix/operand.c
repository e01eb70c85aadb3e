#include "server/posix/compound.h"

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

/* Every operation can still say how it went. */
size_t compound_room(const struct compound *c)
{
    size_t kept = (POSIX_OPS_MAX - c->at) * POSIX_RESULT_SMALL;
    return c->reply->len + kept < POSIX_REPLY_MAX ? POSIX_REPLY_MAX - kept - c->reply->len : 0;
}
