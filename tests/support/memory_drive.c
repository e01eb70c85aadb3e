#include "tests/support/memory_drive.h"

#include <errno.h>
#include <stdlib.h>

#define SPACE (64ull << 30)

struct memory {
    struct drive drive;
    struct memory_disk *disk;
};

struct open_file {
    struct drive_file file;
    struct memory_file *at;
};

/* ---- disks ---- */

void memory_disk_init(struct memory_disk *disk)
{
    static uint64_t devices;
    memset(disk, 0, sizeof(*disk));
    pthread_mutex_init(&disk->lock, NULL);
    disk->device = ++devices;
}

void memory_disk_release(struct memory_disk *disk)
{
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++)
        buf_release(&disk->files[i].bytes);
    pthread_mutex_destroy(&disk->lock);
}

static void file_copy(struct memory_file *file, const struct memory_file *from)
{
    if (strcmp(file->name, from->name) == 0 && file->change == from->change)
        return; /* nobody touched it since it was copied */
    buf_clear(&file->bytes);
    (void)buf_add_span(&file->bytes, buf_span(&from->bytes));
    struct buf bytes = file->bytes;
    *file = *from;
    file->bytes = bytes;
}

void memory_disk_copy(struct memory_disk *disk, const struct memory_disk *from)
{
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++)
        file_copy(&disk->files[i], &from->files[i]);
    memcpy(disk->folders, from->folders, sizeof(disk->folders));
    disk->changes = from->changes + 1000000; /* so that no later change looks like one of from's */
}

/* ---- under the lock ---- */

static struct memory_file *find(struct memory_disk *disk, const char *name)
{
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++)
        if (!disk->files[i].removed && strcmp(disk->files[i].name, name) == 0)
            return &disk->files[i];
    return NULL;
}

static struct memory_file *make(struct memory_disk *disk, const char *name)
{
    struct memory_file *file = find(disk, ""); /* a free place */
    if (file) {
        strncpy(file->name, name, DRIVE_NAME_MAX);
        buf_clear(&file->bytes);
        file->change = ++disk->changes;
    }
    return file;
}

static void drop(struct memory_disk *disk, struct memory_file *file)
{
    file->removed = file->opens > 0;
    if (!file->removed) {
        memset(file->name, 0, sizeof(file->name));
        buf_release(&file->bytes);
        file->change = ++disk->changes;
    }
}

/* The file reaches to len, zeros behind what it has. */
static int reach(struct memory_disk *disk, struct memory_file *file, uint64_t len)
{
    struct buf *b = &file->bytes;
    if (len > (size_t)1 << 30)
        return -ENOSPC;
    int rc = len > b->len ? buf_reserve(b, (size_t)len - b->len) : 0;
    if (rc == 0 && len > b->len) {
        memset(b->ptr + b->len, 0, (size_t)len - b->len);
        b->len = (size_t)len;
    }
    file->change = ++disk->changes;
    return rc;
}

struct buf *memory_disk_file(struct memory_disk *disk, const char *name)
{
    struct memory_file *file = find(disk, name);
    if (file)
        file->change = ++disk->changes;
    return file ? &file->bytes : NULL;
}

/* ---- operations on the drive ---- */

static struct memory_disk *disk_of(struct drive *drive)
{
    return ((struct memory *)drive)->disk;
}

static int op_open(struct drive *drive, const char *name, enum drive_open how, struct drive_file **ret_file)
{
    struct memory_disk *disk = disk_of(drive);
    struct open_file *open = calloc(1, sizeof(*open));
    if (!open)
        return -ENOMEM;
    pthread_mutex_lock(&disk->lock);
    struct memory_file *file = find(disk, name);
    int rc = !file && how != DRIVE_CREATE ? -ENOENT : file && how == DRIVE_CREATE ? -EEXIST : 0;
    if (rc == 0 && !file && !(file = make(disk, name)))
        rc = -ENOSPC;
    if (rc == 0) {
        file->opens++;
        *open = (struct open_file){{drive}, file};
        *ret_file = &open->file;
    }
    pthread_mutex_unlock(&disk->lock);
    if (rc < 0)
        free(open);
    return rc;
}

static int op_mkdir(struct drive *drive, const char *folder)
{
    struct memory_disk *disk = disk_of(drive);
    pthread_mutex_lock(&disk->lock);
    int at = 0;
    while (at < 2 && disk->folders[at][0] && strcmp(disk->folders[at], folder) != 0)
        at++;
    if (at < 2)
        strncpy(disk->folders[at], folder, DRIVE_NAME_MAX);
    pthread_mutex_unlock(&disk->lock);
    return at < 2 ? 0 : -ENOSPC;
}

static int op_unlink(struct drive *drive, const char *name)
{
    struct memory_disk *disk = disk_of(drive);
    pthread_mutex_lock(&disk->lock);
    struct memory_file *file = find(disk, name);
    if (file)
        drop(disk, file);
    pthread_mutex_unlock(&disk->lock);
    return file ? 0 : -ENOENT;
}

static int op_rename(struct drive *drive, const char *from, const char *to)
{
    struct memory_disk *disk = disk_of(drive);
    pthread_mutex_lock(&disk->lock);
    struct memory_file *file = find(disk, from), *old = find(disk, to);
    if (file && old)
        drop(disk, old);
    if (file) {
        memset(file->name, 0, sizeof(file->name));
        strncpy(file->name, to, DRIVE_NAME_MAX);
        file->change = ++disk->changes;
    }
    pthread_mutex_unlock(&disk->lock);
    return file ? 0 : -ENOENT;
}

/* The name of the entry in folder that path is, or leads through; NULL when it is not in there. */
static const char *entry_in(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    if (len == 0)
        return strchr(path, '/') ? NULL : path;
    return strncmp(path, folder, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
}

static int op_list(struct drive *drive, const char *folder, drive_visit *visit, void *arg)
{
    struct memory_disk *disk = disk_of(drive);
    const char *names[MEMORY_FILES_MAX + 2];
    int count = 0, rc = 0;
    pthread_mutex_lock(&disk->lock);
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *file = &disk->files[i];
        const char *name = file->name[0] && !file->removed ? entry_in(file->name, folder) : NULL;
        if (name)
            names[count++] = name;
    }
    for (int i = 0; i < 2 && !*folder; i++)
        if (disk->folders[i][0])
            names[count++] = disk->folders[i];
    pthread_mutex_unlock(&disk->lock);
    for (int i = 0; i < count && rc == 0; i++)
        rc = visit(arg, names[i]);
    return rc;
}

static int op_sync_folder(struct drive *drive, const char *folder)
{
    (void)drive, (void)folder;
    return 0;
}

static int op_space(struct drive *drive, struct drive_space *ret_space)
{
    *ret_space = (struct drive_space){.total = SPACE, .free = SPACE / 2, .device = disk_of(drive)->device};
    return 0;
}

static int op_lock(struct drive *drive)
{
    (void)drive;
    return 0;
}

static void op_free(struct drive *drive)
{
    free(drive);
}

/* ---- operations on files ---- */

static struct memory_file *file_of(struct drive_file *file)
{
    return ((struct open_file *)file)->at;
}

static void op_close(struct drive_file *file)
{
    struct memory_disk *disk = disk_of(file->drive);
    pthread_mutex_lock(&disk->lock);
    struct memory_file *at = file_of(file);
    if (--at->opens == 0 && at->removed)
        drop(disk, at);
    pthread_mutex_unlock(&disk->lock);
    free(file);
}

static ssize_t op_read(struct drive_file *file, const struct iovec *iov, int count, uint64_t off, enum drive_wait wait)
{
    struct memory_disk *disk = disk_of(file->drive);
    ssize_t done = 0;
    (void)wait;
    pthread_mutex_lock(&disk->lock);
    struct span rest = span_from(buf_span(&file_of(file)->bytes), (size_t)off);
    for (int i = 0; i < count && rest.len > 0; i++) {
        struct span part = span_head(rest, iov[i].iov_len);
        if (part.len)
            memcpy(iov[i].iov_base, part.ptr, part.len);
        rest = span_from(rest, part.len);
        done += (ssize_t)part.len;
    }
    pthread_mutex_unlock(&disk->lock);
    return done;
}

static int op_write(struct drive_file *file, const struct iovec *iov, int count, uint64_t off)
{
    struct memory_disk *disk = disk_of(file->drive);
    uint64_t end = off;
    for (int i = 0; i < count; i++)
        end += iov[i].iov_len;
    pthread_mutex_lock(&disk->lock);
    struct memory_file *at = file_of(file);
    int rc = reach(disk, at, end);
    for (int i = 0; rc == 0 && i < count; off += iov[i++].iov_len)
        if (iov[i].iov_len)
            memcpy(at->bytes.ptr + off, iov[i].iov_base, iov[i].iov_len);
    pthread_mutex_unlock(&disk->lock);
    return rc;
}

static int op_sync(struct drive_file *file, enum drive_wait wait)
{
    (void)file;
    (void)wait;
    return 0;
}

static int op_reserve(struct drive_file *file, uint64_t len)
{
    struct memory_disk *disk = disk_of(file->drive);
    pthread_mutex_lock(&disk->lock);
    int rc = reach(disk, file_of(file), len);
    pthread_mutex_unlock(&disk->lock);
    return rc;
}

static int op_truncate(struct drive_file *file, uint64_t len)
{
    struct memory_disk *disk = disk_of(file->drive);
    pthread_mutex_lock(&disk->lock);
    int rc = reach(disk, file_of(file), len);
    if (rc == 0)
        file_of(file)->bytes.len = (size_t)len;
    pthread_mutex_unlock(&disk->lock);
    return rc;
}

static int op_punch(struct drive_file *file, uint64_t off, uint64_t len)
{
    struct memory_disk *disk = disk_of(file->drive);
    pthread_mutex_lock(&disk->lock);
    struct memory_file *at = file_of(file);
    uint64_t here = off < at->bytes.len ? at->bytes.len - off : 0;
    if (here > 0) {
        memset(at->bytes.ptr + off, 0, (size_t)(len < here ? len : here));
        at->change = ++disk->changes;
    }
    pthread_mutex_unlock(&disk->lock);
    return 0;
}

static int op_size(struct drive_file *file, uint64_t *ret_len, uint64_t *ret_allocated)
{
    struct memory_disk *disk = disk_of(file->drive);
    pthread_mutex_lock(&disk->lock);
    *ret_len = *ret_allocated = file_of(file)->bytes.len;
    pthread_mutex_unlock(&disk->lock);
    return 0;
}

static void op_hint(struct drive_file *file, uint64_t off, uint64_t len)
{
    (void)file, (void)off, (void)len;
}

static const struct drive_ops memory_ops = {
    .open = op_open,
    .mkdir = op_mkdir,
    .unlink = op_unlink,
    .rename = op_rename,
    .list = op_list,
    .sync_folder = op_sync_folder,
    .space = op_space,
    .lock = op_lock,
    .free = op_free,
    .close = op_close,
    .read = op_read,
    .write = op_write,
    .sync = op_sync,
    .reserve = op_reserve,
    .truncate = op_truncate,
    .punch = op_punch,
    .size = op_size,
    .start_writeback = op_hint,
};

int memory_drive_open(struct memory_disk *disk, struct drive **ret_drive)
{
    struct memory *memory = malloc(sizeof(*memory));
    if (!memory)
        return -ENOMEM;
    *memory = (struct memory){{&memory_ops}, disk};
    *ret_drive = &memory->drive;
    return 0;
}
