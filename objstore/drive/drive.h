/*
 * Drive: a directory that stores files, behind one table of operations. The directory itself (dir.c) stands below;
 * decorators such as fault injection (fault.h) wrap the same interface, and nothing above can tell.
 *
 * Names are relative to the drive's root, at most DRIVE_NAME_MAX bytes, with at most one '/'. Folder "" is the root.
 * Every call may block on the disk, unless a layer bounds it (bounded.h); any number of threads may call at once, on one file too. What was written is on stable
 * storage after drive_file_sync(); a name that was made, renamed or removed is, after drive_sync_folder() of its folder.
 * Errors are negative errnos of the system calls.
 */
#ifndef CAIRN_DRIVE_H
#define CAIRN_DRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define DRIVE_NAME_MAX 63

struct drive;
struct drive_file;

enum drive_open { DRIVE_READ, DRIVE_READ_WRITE, DRIVE_CREATE /* read-write; -EEXIST when the name is there */ };

/* What an operation does when the disk must work for it. */
enum drive_wait {
    DRIVE_CACHED,  /* a read: does not wait. Returns what memory holds, -EAGAIN when that is nothing; the drive begins to fetch the rest */
    DRIVE_PATIENT, /* waits, but not for a drive that is slow (bounded.h): -ETIMEDOUT */
    DRIVE_WAIT     /* however long it takes */
};

struct drive_space {
    uint64_t total; /* bytes of the filesystem */
    uint64_t free;  /* bytes that we may still write */
    uint64_t device; /* the same number for drives of one file system */
};

/* Called for each name in a folder ("." and ".." left out); a result other than 0 ends the walk and is its result. */
typedef int drive_visit(void *arg, const char *name);

struct drive_ops {
    int  (*open)(struct drive *drive, const char *name, enum drive_open how, struct drive_file **ret_file);
    int  (*mkdir)(struct drive *drive, const char *folder);
    int  (*unlink)(struct drive *drive, const char *name);
    int  (*rename)(struct drive *drive, const char *from, const char *to);
    int  (*list)(struct drive *drive, const char *folder, drive_visit *visit, void *arg);
    int  (*sync_folder)(struct drive *drive, const char *folder);
    int  (*space)(struct drive *drive, struct drive_space *ret_space);
    int  (*lock)(struct drive *drive);
    void (*free)(struct drive *drive);

    void    (*close)(struct drive_file *file);
    ssize_t (*read)(struct drive_file *file, const struct iovec *iov, int count, uint64_t off, enum drive_wait wait);
    int     (*write)(struct drive_file *file, const struct iovec *iov, int count, uint64_t off);
    int     (*sync)(struct drive_file *file, enum drive_wait wait);
    int     (*reserve)(struct drive_file *file, uint64_t len);
    int     (*truncate)(struct drive_file *file, uint64_t len);
    int     (*punch)(struct drive_file *file, uint64_t off, uint64_t len);
    int     (*size)(struct drive_file *file, uint64_t *ret_len, uint64_t *ret_allocated);
    void    (*start_writeback)(struct drive_file *file, uint64_t off, uint64_t len);
};

/* What every implementation puts first in its own structs. */
struct drive {
    const struct drive_ops *ops;
};
struct drive_file {
    struct drive *drive;
};

/* ---- the drive ---- */

/* The directory at path as a drive; path is copied. -ENOENT, -ENOTDIR, -EACCES, -ENOMEM … */
int drive_dir_open(const char *path, struct drive **ret_drive);
/* Closes; all files must be closed. Accepts NULL. */
void drive_free(struct drive **drive);
/* Makes sure that no other process, and no other struct drive, has the directory, until drive_free. -EBUSY. */
int drive_lock(struct drive *drive);
/* An existing folder is no error. */
int drive_mkdir(struct drive *drive, const char *folder);
int drive_unlink(struct drive *drive, const char *name);
/* Atomic; replaces to. Both in one folder. */
int drive_rename(struct drive *drive, const char *from, const char *to);
int drive_list(struct drive *drive, const char *folder, drive_visit *visit, void *arg);
int drive_sync_folder(struct drive *drive, const char *folder);
int drive_space(struct drive *drive, struct drive_space *ret_space);

/* ---- files ---- */

int drive_open(struct drive *drive, const char *name, enum drive_open how, struct drive_file **ret_file);
/* Accepts NULL. */
void drive_file_close(struct drive_file **file);
/* Reads into iov; returns the bytes read, fewer than asked only at the end of the file, or with DRIVE_CACHED. iov is not changed; at most
 * IOV_MAX entries. */
ssize_t drive_read(struct drive_file *file, const struct iovec *iov, int count, uint64_t off, enum drive_wait wait);
/* Writes all of iov. 0 or an error; then any part of the range may have changed. */
int drive_write(struct drive_file *file, const struct iovec *iov, int count, uint64_t off);
/* The file's data, and as much of its inode as reading them back needs, is on stable storage. */
int drive_file_sync(struct drive_file *file, enum drive_wait wait);
/* Makes the file len bytes long with space for all of them; it reads as zeros. A file system that cannot reserve gets a sparse file.
 * -ENOSPC leaves the file short. */
int drive_reserve(struct drive_file *file, uint64_t len);
int drive_truncate(struct drive_file *file, uint64_t len);
/* Gives the space of the range back; it reads as zeros after. File systems that cannot: -EOPNOTSUPP. */
int drive_punch(struct drive_file *file, uint64_t off, uint64_t len);
/* Length, and bytes of disk that the file takes. */
int drive_file_size(struct drive_file *file, uint64_t *ret_len, uint64_t *ret_allocated);
/* A hint, without an answer: write dirty pages of the range out now. Does not wait for it. */
void drive_start_writeback(struct drive_file *file, uint64_t off, uint64_t len);

#endif
