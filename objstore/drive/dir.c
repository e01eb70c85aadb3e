/* A drive that is a directory: each operation is one system call relative to the directory's descriptor. */
#include "objstore/drive/drive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "objstore/drive/iov.h"

struct dir {
    struct drive drive;
    int fd;
};

struct dir_file {
    struct drive_file file;
    int fd;
};

static int dir_fd(struct drive *drive)
{
    return ((struct dir *)drive)->fd;
}

static int file_fd(struct drive_file *file)
{
    return ((struct dir_file *)file)->fd;
}

/* A system call that says -1 and errno, as our 0 or negative errno. */
static int answer(int result)
{
    return result < 0 ? -errno : 0;
}

static int dir_open_file(struct drive *drive, const char *name, enum drive_open how, struct drive_file **ret_file)
{
    static const int flags[] = {
        [DRIVE_READ] = O_RDONLY,
        [DRIVE_READ_WRITE] = O_RDWR,
        [DRIVE_CREATE] = O_RDWR | O_CREAT | O_EXCL,
    };
    struct dir_file *file = malloc(sizeof(*file));

    if (!file)
        return -ENOMEM;
    file->file.drive = drive;
    file->fd = openat(dir_fd(drive), name, flags[how] | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->fd < 0) {
        int r = -errno;
        free(file);
        return r;
    }
    *ret_file = &file->file;
    return 0;
}

static void dir_close_file(struct drive_file *file)
{
    close(file_fd(file));
    free(file);
}

static int dir_mkdir(struct drive *drive, const char *folder)
{
    int r = answer(mkdirat(dir_fd(drive), folder, 0700));

    return r == -EEXIST ? 0 : r;
}

static int dir_unlink(struct drive *drive, const char *name)
{
    return answer(unlinkat(dir_fd(drive), name, 0));
}

static int dir_rename(struct drive *drive, const char *from, const char *to)
{
    return answer(renameat(dir_fd(drive), from, dir_fd(drive), to));
}

static int dir_open_folder(struct drive *drive, const char *folder)
{
    int fd = openat(dir_fd(drive), *folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 ? -errno : fd;
}

static int dir_list(struct drive *drive, const char *folder, drive_visit *visit, void *arg)
{
    int r = 0, fd = dir_open_folder(drive, folder);

    if (fd < 0)
        return fd;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        r = -errno;
        close(fd);
        return r;
    }
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) {
            r = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        r = visit(arg, entry->d_name);
        if (r != 0)
            break;
    }
    closedir(dir);
    return r;
}

static int dir_sync_folder(struct drive *drive, const char *folder)
{
    int fd = dir_open_folder(drive, folder);

    if (fd < 0)
        return fd;
    int r = answer(fsync(fd));
    close(fd);
    return r;
}

static int dir_space(struct drive *drive, struct drive_space *ret_space)
{
    struct statvfs st;
    struct stat folder;

    if (fstatvfs(dir_fd(drive), &st) < 0 || fstat(dir_fd(drive), &folder) < 0)
        return -errno;
    ret_space->total = (uint64_t)st.f_blocks * st.f_frsize;
    ret_space->free = (uint64_t)st.f_bavail * st.f_frsize;
    ret_space->device = folder.st_dev;
    return 0;
}

static int dir_lock(struct drive *drive)
{
    int r = answer(flock(dir_fd(drive), LOCK_EX | LOCK_NB));

    return r == -EWOULDBLOCK ? -EBUSY : r;
}

static void dir_free(struct drive *drive)
{
    close(dir_fd(drive));
    free(drive);
}

/* The kernel may do less than asked (a signal, the end of the page cache); goes on until all is done or nothing more
 * comes. */
static ssize_t transfer(int fd, const struct iovec *iov, int count, uint64_t off, bool writing, int flags)
{
    struct iovec rest[IOV_MAX];
    size_t done = 0;

    while (count > 0) {
        ssize_t n = writing ? pwritev2(fd, iov, count, (off_t)(off + done), flags)
                            : preadv2(fd, iov, count, (off_t)(off + done), flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return done > 0 && !writing && errno == EAGAIN ? (ssize_t)done : -errno;
        if (n == 0 && writing)
            return -EIO;
        if (n == 0)
            break;
        done += (size_t)n;
        count = iov_rest(iov, count, (size_t)n, rest);
        iov = rest;
    }
    return (ssize_t)done;
}

/* With RWF_NOWAIT the kernel begins to read what is not there before it says EAGAIN, with its read-ahead. To ask for
 * the range by POSIX_FADV_WILLNEED besides would do harm: such pages come one by one, without the mark at which the
 * read-ahead goes on. */
static ssize_t dir_read(struct drive_file *file, const struct iovec *iov, int count, uint64_t off, enum drive_wait wait)
{
    ssize_t n = transfer(file_fd(file), iov, count, off, false, wait == DRIVE_CACHED ? RWF_NOWAIT : 0);

    if (wait != DRIVE_CACHED || n != -EOPNOTSUPP)
        return n;
    (void)posix_fadvise(file_fd(file), (off_t)off, (off_t)iov_bytes(iov, count), POSIX_FADV_WILLNEED);
    return -EAGAIN;
}

static int dir_write(struct drive_file *file, const struct iovec *iov, int count, uint64_t off)
{
    ssize_t n = transfer(file_fd(file), iov, count, off, true, 0);

    return n < 0 ? (int)n : 0;
}

static int dir_sync(struct drive_file *file, enum drive_wait wait)
{
    (void)wait;
    return answer(fdatasync(file_fd(file)));
}

static int dir_truncate(struct drive_file *file, uint64_t len)
{
    return answer(ftruncate(file_fd(file), (off_t)len));
}

static int dir_reserve(struct drive_file *file, uint64_t len)
{
    int r;

    do
        r = answer(fallocate(file_fd(file), 0, 0, (off_t)len));
    while (r == -EINTR);
    return r == -EOPNOTSUPP ? dir_truncate(file, len) : r;
}

static int dir_punch(struct drive_file *file, uint64_t off, uint64_t len)
{
    int r;

    do
        r = answer(fallocate(file_fd(file), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len));
    while (r == -EINTR);
    return r;
}

static int dir_size(struct drive_file *file, uint64_t *ret_len, uint64_t *ret_allocated)
{
    struct stat st;

    if (fstat(file_fd(file), &st) < 0)
        return -errno;
    *ret_len = (uint64_t)st.st_size;
    *ret_allocated = (uint64_t)st.st_blocks * 512;
    return 0;
}

static void dir_start_writeback(struct drive_file *file, uint64_t off, uint64_t len)
{
    (void)sync_file_range(file_fd(file), (off_t)off, (off_t)len, SYNC_FILE_RANGE_WRITE);
}

static const struct drive_ops dir_ops = {
    .open = dir_open_file,
    .mkdir = dir_mkdir,
    .unlink = dir_unlink,
    .rename = dir_rename,
    .list = dir_list,
    .sync_folder = dir_sync_folder,
    .space = dir_space,
    .lock = dir_lock,
    .free = dir_free,
    .close = dir_close_file,
    .read = dir_read,
    .write = dir_write,
    .sync = dir_sync,
    .reserve = dir_reserve,
    .truncate = dir_truncate,
    .punch = dir_punch,
    .size = dir_size,
    .start_writeback = dir_start_writeback,
};

int drive_dir_open(const char *path, struct drive **ret_drive)
{
    struct dir *dir = malloc(sizeof(*dir));

    if (!dir)
        return -ENOMEM;
    dir->drive.ops = &dir_ops;
    dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0) {
        int r = -errno;
        free(dir);
        return r;
    }
    *ret_drive = &dir->drive;
    return 0;
}
