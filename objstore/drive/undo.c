#include "objstore/drive/undo.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum undo_kind { UNDO_BYTES, UNDO_LENGTH, UNDO_CREATE, UNDO_RENAME };

struct undo {
    struct undo *older;
    uint64_t number; /* counts up */
    enum undo_kind kind;
    char name[DRIVE_NAME_MAX + 1];
    char from[DRIVE_NAME_MAX + 1]; /* UNDO_RENAME */
    uint64_t off;                  /* UNDO_BYTES; the length of UNDO_LENGTH */
    size_t len;
    uint8_t bytes[];
};

void undo_log_init(struct undo_log *log)
{
    *log = (struct undo_log){0};
    pthread_mutex_init(&log->lock, NULL);
}

void undo_log_release(struct undo_log *log)
{
    while (log->newest) {
        struct undo *undo = log->newest;
        log->newest = undo->older;
        free(undo);
    }
    pthread_mutex_destroy(&log->lock);
}

void undo_log_start(struct undo_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->on = true;
    pthread_mutex_unlock(&log->lock);
}

/* ---- notes ---- */

static bool undo_is_on(struct undo_log *log)
{
    pthread_mutex_lock(&log->lock);
    bool on = log->on;
    pthread_mutex_unlock(&log->lock);
    return on;
}

static struct undo *undo_new(enum undo_kind kind, const char *name, size_t len)
{
    struct undo *undo = calloc(1, sizeof(*undo) + len);

    assert(undo); /* a test's drive: it must not forget */
    undo->kind = kind;
    undo->len = len;
    snprintf(undo->name, sizeof(undo->name), "%s", name);
    return undo;
}

static void undo_push(struct undo_log *log, struct undo *undo)
{
    pthread_mutex_lock(&log->lock);
    undo->older = log->newest;
    undo->number = ++log->count;
    log->newest = undo;
    pthread_mutex_unlock(&log->lock);
}

void undo_bytes(struct undo_log *log, struct drive_file *file, const char *name, uint64_t off, size_t len)
{
    if (!undo_is_on(log))
        return;
    struct undo *undo = undo_new(UNDO_BYTES, name, len);
    struct iovec iov = {undo->bytes, len};
    undo->off = off;
    (void)drive_read(file, &iov, 1, off, DRIVE_WAIT); /* what is past the end was zero */
    undo_push(log, undo);
}

void undo_length(struct undo_log *log, struct drive_file *file, const char *name)
{
    uint64_t len, allocated;

    if (!undo_is_on(log) || drive_file_size(file, &len, &allocated) < 0)
        return;
    struct undo *undo = undo_new(UNDO_LENGTH, name, 0);
    undo->off = len;
    undo_push(log, undo);
}

void undo_created(struct undo_log *log, const char *name)
{
    if (undo_is_on(log))
        undo_push(log, undo_new(UNDO_CREATE, name, 0));
}

void undo_renamed(struct undo_log *log, const char *from, const char *to)
{
    if (!undo_is_on(log))
        return;
    struct undo *undo = undo_new(UNDO_RENAME, to, 0);
    snprintf(undo->from, sizeof(undo->from), "%s", from);
    undo_push(log, undo);
}

/* ---- syncs ---- */

uint64_t undo_mark(struct undo_log *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t mark = log->count;
    pthread_mutex_unlock(&log->lock);
    return mark;
}

static bool undo_is_of_file(const struct undo *undo, const char *name)
{
    return (undo->kind == UNDO_BYTES || undo->kind == UNDO_LENGTH) && strcmp(undo->name, name) == 0;
}

static bool undo_is_in_folder(const struct undo *undo, const char *folder)
{
    size_t len = strlen(folder);

    if (undo->kind != UNDO_CREATE && undo->kind != UNDO_RENAME)
        return false;
    return len == 0 ? !strchr(undo->name, '/') : strncmp(undo->name, folder, len) == 0 && undo->name[len] == '/';
}

static void undo_forget(struct undo_log *log, uint64_t mark, const char *name,
                        bool (*is_of)(const struct undo *undo, const char *name))
{
    pthread_mutex_lock(&log->lock);
    for (struct undo **at = &log->newest; *at;) {
        struct undo *undo = *at;

        if (undo->number <= mark && is_of(undo, name)) {
            *at = undo->older;
            free(undo);
        } else {
            at = &undo->older;
        }
    }
    pthread_mutex_unlock(&log->lock);
}

void undo_forget_file(struct undo_log *log, uint64_t mark, const char *name)
{
    undo_forget(log, mark, name, undo_is_of_file);
}

void undo_forget_folder(struct undo_log *log, uint64_t mark, const char *folder)
{
    undo_forget(log, mark, folder, undo_is_in_folder);
}

/* ---- the cut ---- */

static int undo_apply(const struct undo *undo, struct drive *drive)
{
    struct drive_file *file = NULL;
    struct iovec iov = {(void *)undo->bytes, undo->len};

    if (undo->kind == UNDO_CREATE)
        return drive_unlink(drive, undo->name);
    if (undo->kind == UNDO_RENAME)
        return drive_rename(drive, undo->name, undo->from);
    int r = drive_open(drive, undo->name, DRIVE_READ_WRITE, &file);
    if (r < 0)
        return r;
    r = undo->kind == UNDO_LENGTH ? drive_truncate(file, undo->off) : drive_write(file, &iov, 1, undo->off);
    drive_file_close(&file);
    return r;
}

int undo_play(struct undo_log *log, struct drive *drive, uint64_t seed)
{
    int result = 0;

    pthread_mutex_lock(&log->lock);
    while (log->newest) {
        struct undo *undo = log->newest;

        seed = seed ? seed * 6364136223846793005u + 1442695040888963407u : 0;
        int r = seed >> 63 ? 0 : undo_apply(undo, drive);
        if (r < 0 && r != -ENOENT) /* a file that was removed since has nothing to undo */
            result = -EIO;
        log->newest = undo->older;
        free(undo);
    }
    log->on = false;
    pthread_mutex_unlock(&log->lock);
    return result;
}
