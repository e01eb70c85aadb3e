/*
 * The kernel's side of a mount, for tests: requests as the kernel would send them, one at a time, and replies checked
 * as it would. It knows the nodes and handles that it was given, and uses no others.
 */
#ifndef CAIRN_TESTS_FUSE_KERNEL_H
#define CAIRN_TESTS_FUSE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "fs/fs.h"

enum kernel_kind {
    KERNEL_LOOKUP,
    KERNEL_FORGET,
    KERNEL_GETATTR,
    KERNEL_SETATTR,
    KERNEL_READLINK,
    KERNEL_STATFS,
    KERNEL_OPENDIR,
    KERNEL_READDIR,
    KERNEL_READDIRPLUS,
    KERNEL_RELEASEDIR,
    KERNEL_FSYNCDIR,
    KERNEL_OPEN,
    KERNEL_CREATE,
    KERNEL_READ,
    KERNEL_WRITE,
    KERNEL_FLUSH,
    KERNEL_FSYNC,
    KERNEL_RELEASE,
    KERNEL_LSEEK,
    KERNEL_FALLOCATE,
    KERNEL_COPY,
    KERNEL_MKDIR,
    KERNEL_MKNOD,
    KERNEL_SYMLINK,
    KERNEL_LINK,
    KERNEL_UNLINK,
    KERNEL_RMDIR,
    KERNEL_RENAME,
    KERNEL_GETXATTR,
    KERNEL_LISTXATTR,
    KERNEL_SETXATTR,
    KERNEL_REMOVEXATTR,
    KERNEL_WAIT, /* a moment in which the mount's own threads go on */
    KERNEL_KINDS
};

/* What one request is about; numbers of any size mean something. */
struct kernel_call {
    enum kernel_kind kind;
    unsigned which, other; /* of the nodes, or of what is open; 0: the root */
    uint64_t off;
    uint32_t size; /* at most KERNEL_SIZE_MAX */
    uint32_t flags;
    char name[256], name2[256]; /* not empty; without '/' */
};
#define KERNEL_SIZE_MAX FS_BUFFER

/* Connects fs, which mount_open() would. One at a time. */
void fuse_kernel_begin(struct fs *fs);
/* Sends a request and takes the reply; aborts when there is none, two, or one that the kernel would not take. */
void fuse_kernel_call(const struct kernel_call *call);
/* Closes everything. fs_close() is due. */
void fuse_kernel_end(void);

#endif
