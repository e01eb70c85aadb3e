#include "objstore/drive/fault.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "objstore/drive/iov.h"
#include "objstore/drive/undo.h"

struct fault {
    struct drive drive;
    struct drive *inner;
    pthread_mutex_t lock; /* guards all below but undo */
    pthread_cond_t released;
    uint64_t releases;
    unsigned hanging;
    struct fault_rule rules[FAULT_RULES_MAX];
    unsigned rule_count;
    uint64_t seen[8]; /* by bit of enum fault_op */
    bool gone;
    struct undo_log undo;
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

static void note_bytes(struct drive_file *file, uint64_t off, size_t len)
{
    undo_bytes(&fault_of(file->drive)->undo, inner_file(file), ((struct fault_file *)file)->name, off, len);
}

static void note_length(struct drive_file *file)
{
    undo_length(&fault_of(file->drive)->undo, inner_file(file), ((struct fault_file *)file)->name);
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

/* The caller holds the lock. */
static void fault_hang(struct fault *f)
{
    uint64_t release = f->releases;

    f->hanging++;
    while (f->releases == release)
        pthread_cond_wait(&f->released, &f->lock);
    f->hanging--;
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
    if (rule && rule->kind == FAULT_HANG)
        fault_hang(f);
    else if (rule && rule->kind == FAULT_GONE)
        f->gone = true;
    else if (rule && rule->kind != FAULT_COLD) {
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
    f->releases++;
    pthread_cond_broadcast(&f->released);
    pthread_mutex_unlock(&f->lock);
}

void fault_release(struct drive *drive)
{
    struct fault *f = fault_of(drive);

    pthread_mutex_lock(&f->lock);
    f->releases++;
    pthread_cond_broadcast(&f->released);
    pthread_mutex_unlock(&f->lock);
}

unsigned fault_hanging(struct drive *drive)
{
    struct fault *f = fault_of(drive);

    pthread_mutex_lock(&f->lock);
    unsigned hanging = f->hanging;
    pthread_mutex_unlock(&f->lock);
    return hanging;
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

/* ---- power ---- */

void fault_track(struct drive *drive)
{
    undo_log_start(&fault_of(drive)->undo);
}

int fault_power_cut(struct drive *drive, uint64_t seed)
{
    fault_gone(drive);
    return undo_play(&fault_of(drive)->undo, fault_of(drive)->inner, seed);
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
    if (how == DRIVE_CREATE)
        undo_created(&fault_of(drive)->undo, name);
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
    if (r == 0)
        undo_renamed(&fault_of(drive)->undo, from, to);
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
    uint64_t mark = undo_mark(&f->undo);
    int r = fault_plain(drive, FAULT_NAMES);

    if (r == 0)
        r = drive_sync_folder(f->inner, folder);
    if (r == 0)
        undo_forget_folder(&f->undo, mark, folder);
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

    undo_log_release(&f->undo);
    drive_free(&f->inner);
    pthread_cond_destroy(&f->released);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* Whether memory is to hold nothing; such a read is not counted. */
static bool fault_is_cold(struct fault *f)
{
    bool cold = false;

    pthread_mutex_lock(&f->lock);
    for (unsigned i = 0; i < f->rule_count; i++) {
        const struct fault_rule *rule = &f->rules[i];

        cold = cold ||
               (rule->ops & FAULT_READ && rule->after == 0 && (rule->kind == FAULT_COLD || rule->kind == FAULT_HANG));
    }
    pthread_mutex_unlock(&f->lock);
    return cold;
}

static ssize_t fault_read(struct drive_file *file, const struct iovec *iov, int count, uint64_t off,
                          enum drive_wait wait)
{
    enum fault_kind kind;

    if (wait == DRIVE_CACHED && fault_is_cold(fault_of(file->drive)))
        return -EAGAIN;
    int r = fault_fate(file->drive, FAULT_READ, &kind);
    if (r < 0)
        return r;
    ssize_t n = drive_read(inner_file(file), iov, count, off, wait);
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

static int fault_sync(struct drive_file *file, enum drive_wait wait)
{
    struct fault *f = fault_of(file->drive);
    uint64_t mark = undo_mark(&f->undo);
    int r = fault_plain(file->drive, FAULT_SYNC);

    if (r == 0)
        r = drive_file_sync(inner_file(file), wait);
    if (r == 0)
        undo_forget_file(&f->undo, mark, ((struct fault_file *)file)->name);
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
};

int fault_drive_new(struct drive *inner, struct drive **ret_drive)
{
    struct fault *f = calloc(1, sizeof(*f));

    if (!f)
        return -ENOMEM;
    f->drive.ops = &fault_ops;
    f->inner = inner;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->released, NULL);
    undo_log_init(&f->undo);
    *ret_drive = &f->drive;
    return 0;
}
