#include "objstore/drive/drive.h"

#include <stddef.h>

void drive_free(struct drive **drive)
{
    if (!drive || !*drive)
        return;
    (*drive)->ops->free(*drive);
    *drive = NULL;
}

int drive_lock(struct drive *drive)
{
    return drive->ops->lock(drive);
}

int drive_mkdir(struct drive *drive, const char *folder)
{
    return drive->ops->mkdir(drive, folder);
}

int drive_unlink(struct drive *drive, const char *name)
{
    return drive->ops->unlink(drive, name);
}

int drive_rename(struct drive *drive, const char *from, const char *to)
{
    return drive->ops->rename(drive, from, to);
}

int drive_list(struct drive *drive, const char *folder, drive_visit *visit, void *arg)
{
    return drive->ops->list(drive, folder, visit, arg);
}

int drive_sync_folder(struct drive *drive, const char *folder)
{
    return drive->ops->sync_folder(drive, folder);
}

int drive_space(struct drive *drive, struct drive_space *ret_space)
{
    return drive->ops->space(drive, ret_space);
}

int drive_open(struct drive *drive, const char *name, enum drive_open how, struct drive_file **ret_file)
{
    return drive->ops->open(drive, name, how, ret_file);
}

void drive_file_close(struct drive_file **file)
{
    if (!file || !*file)
        return;
    (*file)->drive->ops->close(*file);
    *file = NULL;
}

ssize_t drive_read(struct drive_file *file, const struct iovec *iov, int count, uint64_t off, enum drive_wait wait)
{
    return file->drive->ops->read(file, iov, count, off, wait);
}

int drive_write(struct drive_file *file, const struct iovec *iov, int count, uint64_t off)
{
    return file->drive->ops->write(file, iov, count, off);
}

int drive_file_sync(struct drive_file *file, enum drive_wait wait)
{
    return file->drive->ops->sync(file, wait);
}

int drive_reserve(struct drive_file *file, uint64_t len)
{
    return file->drive->ops->reserve(file, len);
}

int drive_truncate(struct drive_file *file, uint64_t len)
{
    return file->drive->ops->truncate(file, len);
}

int drive_punch(struct drive_file *file, uint64_t off, uint64_t len)
{
    return file->drive->ops->punch(file, off, len);
}

int drive_file_size(struct drive_file *file, uint64_t *ret_len, uint64_t *ret_allocated)
{
    return file->drive->ops->size(file, ret_len, ret_allocated);
}

void drive_start_writeback(struct drive_file *file, uint64_t off, uint64_t len)
{
    file->drive->ops->start_writeback(file, off, len);
}
