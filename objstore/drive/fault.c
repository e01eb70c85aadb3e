/*
 * The undo log of a power cut: before an operation changes the drive, what it is about to change is noted; a sync of
 * the file (or of the folder, for names) forgets the notes that are older. A cut plays the notes that are left
 * backwards.
 */
#include "objstore/drive/fault.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
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

struct fault {
    struct drive drive;
    struct drive *inner;
    pthread_mutex_t lock; /* guards all below */
    struct fault_rule rules[FAULT_RULES_MAX];
    unsigned rule_count;
    uint64_t seen[8]; /* by bit of enum fault_op */
    bool gone;
    bool tracking;
    struct undo *newest;
    uint64_t undo_count;
};

struct fault_file {
    struct drive_file file;
    struct drive_file *inner;
    char name[DRIVE_NAME_MAX + 1];
};

static struct fault *fault_of(struct drive *drive)
{
    return (struct fault *)drive;
}

static struct drive_file *inner_file(struct drive_file *file)
{
    return ((struct fault_file *)file)->inner;
}

/* ---- rules ---- */

static const struct fault_rule *fault_match(struct fault *f, enum fault_op op)
{
    const struct fault_rule *hit = NULL;

    for (unsigned i = 0; i < f->rule_count; i++) {
        struct fault_rule *rule = &f->rules[i];

        if (!(rule->ops & op))
            continue;
        if (rule->after > 0) {
            rule->after--;
            continue;
        }
        if (rule->count == 1)
            rule->ops = 0; /* spent */
        if (rule->count > 1)
            rule->count--;
        if (!hit)
            hit = rule;
    }
    return hit;
}

/* The fate of one operation: 0 to go on, or an error; ret_kind tells TORN and FLIP, whose work the caller does. */
static int fault_fate(struct drive *drive, enum fault_op op, enum fault_kind *ret_kind)
{
    struct fault *f = fault_of(drive);
    int r = 0;

    *ret_kind = FAULT_ERROR;
    pthread_mutex_lock(&f->lock);
    f->seen[__builtin_ctz(op)]++;
    const struct fault_rule *rule = f->gone ? NULL : fault_match(f, op);
    if (rule && rule->kind == FAULT_GONE)
        f->gone = true;
    else if (rule) {
        *ret_kind = rule->kind;
        r = rule->kind == FAULT_FLIP ? 0 : rule->error;
    }
    if (f->gone)
        r = -ENODEV;
    pthread_mutex_unlock(&f->lock);
    return r;
}

static int fault_plain(struct drive *drive, enum fault_op op)
{
    enum fault_kind kind;

    return fault_fate(drive, op, &kind);
}

void fault_add(struct drive *drive, const struct fault_rule *rule)
{
    struct fault *f = fault_of(drive);

    pthread_mutex_lock(&f->lock);
    assert(f->rule_count < FAULT_RULES_MAX);
    f->rules[f->rule_count++] = *rule;
    pthread_mutex_unlock(&f->lock);
}

void fault_clear(struct drive *drive)
{
    struct fault *f = fault_of(drive);

    pthread_mutex_lock(&f->lock);
    f->rule_count = 0;
    f->gone = false;
    pthread_mutex_unlock(&f->lock);
}

void fault_gone(struct drive *drive)
{
    struct fault *f = fault_of(drive);

    pthread_mutex_lock(&f->lock);
    f->gone = true;
    pthread_mutex_unlock(&f->lock);
}

uint64_t fault_seen(struct drive *drive, unsigned ops)
{
    struct fault *f = fault_of(drive);
    uint64_t sum = 0;

    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < 8; i++)
        if (ops >> i & 1)
            sum += f->seen[i];
    pthread_mutex_unlock(&f->lock);
    return sum;
}

/* ---- the undo log ---- */

static struct undo *undo_new(enum undo_kind kind, const char *name, uint64_t off, size_t len)
{
    struct undo *undo = calloc(1, sizeof(*undo) + len);

    assert(undo); /* a test's drive: it must not forget */
    undo->kind = kind;
    undo->off = off;
    undo->len = len;
    snprintf(undo->name, sizeof(undo->name), "%s", name);
    return undo;
}

static bool fault_tracks(struct fault *f)
{
    pthread_mutex_lock(&f->lock);
    bool tracking = f->tracking && !f->gone;
    pthread_mutex_unlock(&f->lock);
    return tracking;
}

static void undo_push(struct fault *f, struct undo *undo)
{
    pthread_mutex_lock(&f->lock);
    undo->older = f->newest;
    undo->number = ++f->undo_count;
    f->newest = undo;
    pthread_mutex_unlock(&f->lock);
}

static void note_bytes(struct drive_file *file, uint64_t off, size_t len)
{
    struct fault_file *ff = (struct fault_file *)file;

    if (!fault_tracks(fault_of(file->drive)))
        return;
    struct undo *undo = undo_new(UNDO_BYTES, ff->name, off, len);
    struct iovec iov = {undo->bytes, len};
    (void)drive_read(ff->inner, &iov, 1, off, false); /* what is past the end was zero */
    undo_push(fault_of(file->drive), undo);
}

static void note_length(struct drive_file *file)
{
    struct fault_file *ff = (struct fault_file *)file;
    uint64_t len, allocated;

    if (!fault_tracks(fault_of(file->drive)) || drive_file_size(ff->inner, &len, &allocated) < 0)
        return;
    undo_push(fault_of(file->drive), undo_new(UNDO_LENGTH, ff->name, len, 0));
}

static uint64_t undo_mark(struct fault *f)
{
    pthread_mutex_lock(&f->lock);
    uint64_t mark = f->undo_count;
    pthread_mutex_unlock(&f->lock);
    return mark;
}

static bool undo_is_of(const struct undo *undo, const char *name, bool names)
{
    bool of_names = undo->kind == UNDO_CREATE || undo->kind == UNDO_RENAME;
    size_t len = strlen(name);

    if (of_names != names)
        return false;
    if (!names)
        return strcmp(undo->name, name) == 0;
    return len == 0 ? !strchr(undo->name, '/') : strncmp(undo->name, name, len) == 0 && undo->name[len] == '/';
}

/* Forgets what the notes up to mark say of a file's bytes, or of the names in a folder. */
static void undo_forget(struct fault *f, uint64_t mark, const char *name, bool names)
{
    pthread_mutex_lock(&f->lock);
    for (struct undo **at = &f->newest; *at;) {
        struct undo *undo = *at;

        if (undo->number <= mark && undo_is_of(undo, name, names)) {
            *at = undo->older;
            free(undo);
        } else {
            at = &undo->older;
        }
    }
    pthread_mutex_unlock(&f->lock);
}

static int undo_play(struct fault *f, const struct undo *undo)
{
    struct drive_file *file = NULL;
    struct iovec iov = {(void *)undo->bytes, undo->len};

    if (undo->kind == UNDO_CREATE)
        return drive_unlink(f->inner, undo->name);
    if (undo->kind == UNDO_RENAME)
        return drive_rename(f->inner, undo->name, undo->from);
    int r = drive_open(f->inner, undo->name, DRIVE_READ_WRITE, &file);
    if (r < 0)
        return r;
    r = undo->kind == UNDO_LENGTH ? drive_truncate(file, undo->off) : drive_write(file, &iov, 1, undo->off);
    drive_file_close(&file);
    return r;
}

void fault_track(struct drive *drive)
{
    struct fault *f = fault_of(drive);

    pthread_mutex_lock(&f->lock);
    f->tracking = true;
    pthread_mutex_unlock(&f->lock);
}

int fault_power_cut(struct drive *drive, uint64_t seed)
{
    struct fault *f = fault_of(drive);
    int result = 0;

    fault_gone(drive);
    for (struct undo *undo = f->newest; undo; undo = f->newest) {
        seed = seed ? seed * 6364136223846793005u + 1442695040888963407u : 0;
        int r = seed >> 63 ? 0 : undo_play(f, undo);
        if (r < 0 && r != -ENOENT)
            result = -EIO;
        f->newest = undo->older;
        free(undo);
    }
    return result;
}

/* ---- operations ---- */

static int fault_open(struct drive *drive, const char *name, enum drive_open how, struct drive_file **ret_file)
{
    struct fault_file *file = calloc(1, sizeof(*file));

    if (!file)
        return -ENOMEM;
    int r = fault_plain(drive, FAULT_OPEN);
    if (r == 0)
        r = drive_open(fault_of(drive)->inner, name, how, &file->inner);
    if (r < 0) {
        free(file);
        return r;
    }
    file->file.drive = drive;
    snprintf(file->name, sizeof(file->name), "%s", name);
    if (how == DRIVE_CREATE && fault_tracks(fault_of(drive)))
        undo_push(fault_of(drive), undo_new(UNDO_CREATE, name, 0, 0));
    *ret_file = &file->file;
    return 0;
}

static void fault_close(struct drive_file *file)
{
    drive_file_close(&((struct fault_file *)file)->inner);
    free(file);
}

static int fault_mkdir(struct drive *drive, const char *folder)
{
    int r = fault_plain(drive, FAULT_NAMES);

    return r < 0 ? r : drive_mkdir(fault_of(drive)->inner, folder);
}

static int fault_unlink(struct drive *drive, const char *name)
{
    int r = fault_plain(drive, FAULT_NAMES);

    return r < 0 ? r : drive_unlink(fault_of(drive)->inner, name);
}

static int fault_rename(struct drive *drive, const char *from, const char *to)
{
    int r = fault_plain(drive, FAULT_NAMES);

    if (r == 0)
        r = drive_rename(fault_of(drive)->inner, from, to);
    if (r == 0 && fault_tracks(fault_of(drive))) {
        struct undo *undo = undo_new(UNDO_RENAME, to, 0, 0);
        snprintf(undo->from, sizeof(undo->from), "%s", from);
        undo_push(fault_of(drive), undo);
    }
    return r;
}

static int fault_list(struct drive *drive, const char *folder, drive_visit *visit, void *arg)
{
    int r = fault_plain(drive, FAULT_READ);

    return r < 0 ? r : drive_list(fault_of(drive)->inner, folder, visit, arg);
}

static int fault_sync_folder(struct drive *drive, const char *folder)
{
    struct fault *f = fault_of(drive);
    uint64_t mark = undo_mark(f);
    int r = fault_plain(drive, FAULT_NAMES);

    if (r == 0)
        r = drive_sync_folder(f->inner, folder);
    if (r == 0)
        undo_forget(f, mark, folder, true);
    return r;
}

static int fault_space(struct drive *drive, struct drive_space *ret_space)
{
    struct fault *f = fault_of(drive);

    pthread_mutex_lock(&f->lock);
    bool gone = f->gone;
    pthread_mutex_unlock(&f->lock);
    return gone ? -ENODEV : drive_space(f->inner, ret_space);
}

static int fault_lock(struct drive *drive)
{
    return drive_lock(fault_of(drive)->inner);
}

static void fault_free(struct drive *drive)
{
    struct fault *f = fault_of(drive);

    while (f->newest) {
        struct undo *undo = f->newest;
        f->newest = undo->older;
        free(undo);
    }
    drive_free(&f->inner);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static size_t iov_bytes(const struct iovec *iov, int count)
{
    size_t sum = 0;

    for (int i = 0; i < count; i++)
        sum += iov[i].iov_len;
    return sum;
}

static ssize_t fault_read(struct drive_file *file, const struct iovec *iov, int count, uint64_t off, bool cached_only)
{
    enum fault_kind kind;
    int r = fault_fate(file->drive, FAULT_READ, &kind);

    if (r < 0)
        return r;
    ssize_t n = drive_read(inner_file(file), iov, count, off, cached_only);
    if (n > 0 && kind == FAULT_FLIP)
        *(char *)iov[0].iov_base ^= 4;
    return n;
}

/* Writes the first half, or all with a bit wrong, of a copy. */
static int write_spoilt(struct drive_file *file, const struct iovec *iov, int count, uint64_t off, enum fault_kind kind)
{
    size_t len = iov_bytes(iov, count), at = 0;
    uint8_t *copy = malloc(len);

    if (!copy)
        return -ENOMEM;
    for (int i = 0; i < count; at += iov[i++].iov_len)
        memcpy(copy + at, iov[i].iov_base, iov[i].iov_len);
    if (kind == FAULT_FLIP)
        copy[len / 2] ^= 4;
    struct iovec spoilt = {copy, kind == FAULT_TORN ? len / 2 : len};
    int r = spoilt.iov_len > 0 ? drive_write(inner_file(file), &spoilt, 1, off) : 0;
    free(copy);
    return r;
}

static int fault_write(struct drive_file *file, const struct iovec *iov, int count, uint64_t off)
{
    enum fault_kind kind;
    int r = fault_fate(file->drive, FAULT_WRITE, &kind);

    if (r < 0 && kind != FAULT_TORN)
        return r;
    note_bytes(file, off, iov_bytes(iov, count));
    if (kind == FAULT_ERROR)
        return drive_write(inner_file(file), iov, count, off);
    int spoilt = write_spoilt(file, iov, count, off, kind);
    return r < 0 ? r : spoilt;
}

static int fault_sync(struct drive_file *file)
{
    struct fault *f = fault_of(file->drive);
    uint64_t mark = undo_mark(f);
    int r = fault_plain(file->drive, FAULT_SYNC);

    if (r == 0)
        r = drive_file_sync(inner_file(file));
    if (r == 0)
        undo_forget(f, mark, ((struct fault_file *)file)->name, false);
    return r;
}

static int fault_reserve(struct drive_file *file, uint64_t len)
{
    int r = fault_plain(file->drive, FAULT_RESERVE);

    if (r < 0)
        return r;
    note_length(file);
    return drive_reserve(inner_file(file), len);
}

static int fault_truncate(struct drive_file *file, uint64_t len)
{
    int r = fault_plain(file->drive, FAULT_RESERVE);

    if (r < 0)
        return r;
    note_length(file);
    return drive_truncate(inner_file(file), len);
}

static int fault_punch(struct drive_file *file, uint64_t off, uint64_t len)
{
    int r = fault_plain(file->drive, FAULT_PUNCH);

    if (r < 0)
        return r;
    note_bytes(file, off, len);
    return drive_punch(inner_file(file), off, len);
}

static int fault_size(struct drive_file *file, uint64_t *ret_len, uint64_t *ret_allocated)
{
    return drive_file_size(inner_file(file), ret_len, ret_allocated);
}

static void fault_start_writeback(struct drive_file *file, uint64_t off, uint64_t len)
{
    drive_start_writeback(inner_file(file), off, len);
}

static void fault_will_need(struct drive_file *file, uint64_t off, uint64_t len)
{
    drive_will_need(inner_file(file), off, len);
}

static const struct drive_ops fault_ops = {
    .open = fault_open,
    .mkdir = fault_mkdir,
    .unlink = fault_unlink,
    .rename = fault_rename,
    .list = fault_list,
    .sync_folder = fault_sync_folder,
    .space = fault_space,
    .lock = fault_lock,
    .free = fault_free,
    .close = fault_close,
    .read = fault_read,
    .write = fault_write,
    .sync = fault_sync,
    .reserve = fault_reserve,
    .truncate = fault_truncate,
    .punch = fault_punch,
    .size = fault_size,
    .start_writeback = fault_start_writeback,
    .will_need = fault_will_need,
};

int fault_drive_new(struct drive *inner, struct drive **ret_drive)
{
    struct fault *f = calloc(1, sizeof(*f));

    if (!f)
        return -ENOMEM;
    f->drive.ops = &fault_ops;
    f->inner = inner;
    pthread_mutex_init(&f->lock, NULL);
    *ret_drive = &f->drive;
    return 0;
}
