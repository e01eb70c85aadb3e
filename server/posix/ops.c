#include "server/posix/compound.h"

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
