#include "objstore/drive/bounded.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "objstore/drive/bounded_priv.h"

#define THREADS 32 /* reads of the disk that are under way at once on one drive */
#define CLOSE_PATIENCE NS_PER_SEC

/* ---- operations on the drive ---- */

static struct call *call_name(struct drive *drive, const char *name, int (*fn)(struct call *call))
{
    struct call *call = call_new(bounded_of(drive), NULL, PULSE_SYNC, fn);

    if (call)
        snprintf(call->name, sizeof(call->name), "%s", name);
    return call;
}

static int do_open(struct call *call)
{
    return drive_open(call->on->inner, call->name, call->how, &call->opened);
}

static int bounded_open(struct drive *drive, const char *name, enum drive_open how, struct drive_file **ret_file)
{
    struct bounded *b = bounded_of(drive);
    struct bounded_file *file = calloc(1, sizeof(*file));
    struct call *call = file ? call_name(drive, name, do_open) : NULL;
    int r = -ENOMEM;

    if (call) {
        call->how = how;
        r = call_make(&call);
    }
    if (r == 0) {
        *file = (struct bounded_file){.file = {.drive = drive}, .inner = call->opened, .refs = 1};
        atomic_fetch_add(&b->refs, 1);
        *ret_file = &file->file;
    } else {
        free(file);
    }
    call_free(call);
    return r;
}

static int do_mkdir(struct call *call)
{
    return drive_mkdir(call->on->inner, call->name);
}

static int bounded_mkdir(struct drive *drive, const char *folder)
{
    return call_answer(call_name(drive, folder, do_mkdir));
}

static int do_unlink(struct call *call)
{
    return drive_unlink(call->on->inner, call->name);
}

static int bounded_unlink(struct drive *drive, const char *name)
{
    return call_answer(call_name(drive, name, do_unlink));
}

static int do_rename(struct call *call)
{
    return drive_rename(call->on->inner, call->name, call->to);
}

static int bounded_rename(struct drive *drive, const char *from, const char *to)
{
    struct call *call = call_name(drive, from, do_rename);

    if (call)
        snprintf(call->to, sizeof(call->to), "%s", to);
    return call_answer(call);
}

static int keep_name(void *arg, const char *name)
{
    return buf_add(arg, name, strlen(name) + 1);
}

static int do_list(struct call *call)
{
    return drive_list(call->on->inner, call->name, keep_name, &call->names);
}

static int bounded_list(struct drive *drive, const char *folder, drive_visit *visit, void *arg)
{
    struct call *call = call_name(drive, folder, do_list);

    if (!call)
        return -ENOMEM;
    int r = call_make(&call);
    for (size_t at = 0; r == 0 && at < call->names.len; at += strlen(call->names.ptr + at) + 1)
        r = visit(arg, call->names.ptr + at);
    call_free(call);
    return r;
}

static int do_sync_folder(struct call *call)
{
    return drive_sync_folder(call->on->inner, call->name);
}

static int bounded_sync_folder(struct drive *drive, const char *folder)
{
    return call_answer(call_name(drive, folder, do_sync_folder));
}

static int do_space(struct call *call)
{
    return drive_space(call->on->inner, &call->space);
}

static int bounded_space(struct drive *drive, struct drive_space *ret_space)
{
    struct call *call = call_name(drive, "", do_space);

    if (!call)
        return -ENOMEM;
    int r = call_make(&call);
    if (r == 0)
        *ret_space = call->space;
    call_free(call);
    return r;
}

static int bounded_lock(struct drive *drive)
{
    return drive_lock(bounded_of(drive)->inner);
}

/* ---- operations on a file ---- */

static void bounded_close(struct drive_file *file)
{
    bounded_file_unref(bounded_file_of(file));
}

static struct call *call_file(struct drive_file *file, uint64_t off, uint64_t len, int (*fn)(struct call *call))
{
    struct call *call = call_new(bounded_of(file->drive), bounded_file_of(file), PULSE_SYNC, fn);

    if (call) {
        call->off = off;
        call->len = len;
    }
    return call;
}

static int do_sync(struct call *call)
{
    return drive_file_sync(call->file->inner, DRIVE_WAIT);
}

static int sync_here(struct drive_file *file)
{
    struct bounded *b = bounded_of(file->drive);

    if (bounded_is_slow(b))
        return -ETIMEDOUT;
    int slot = pulse_begin(b->group, b->place, PULSE_SYNC, clock_mono_ns());
    int r = drive_file_sync(bounded_file_of(file)->inner, DRIVE_WAIT);
    pulse_end(b->group, b->place, PULSE_SYNC, slot, clock_mono_ns());
    return r;
}

static int bounded_sync(struct drive_file *file, enum drive_wait wait)
{
    return wait == DRIVE_WAIT ? sync_here(file) : call_answer(call_file(file, 0, 0, do_sync));
}

static int do_reserve(struct call *call)
{
    return drive_reserve(call->file->inner, call->len);
}

static int bounded_reserve(struct drive_file *file, uint64_t len)
{
    return call_answer(call_file(file, 0, len, do_reserve));
}

static int do_truncate(struct call *call)
{
    return drive_truncate(call->file->inner, call->len);
}

static int bounded_truncate(struct drive_file *file, uint64_t len)
{
    return call_answer(call_file(file, 0, len, do_truncate));
}

static int do_punch(struct call *call)
{
    return drive_punch(call->file->inner, call->off, call->len);
}

static int bounded_punch(struct drive_file *file, uint64_t off, uint64_t len)
{
    return call_answer(call_file(file, off, len, do_punch));
}

static int do_size(struct call *call)
{
    return drive_file_size(call->file->inner, &call->off, &call->len);
}

static int bounded_size(struct drive_file *file, uint64_t *ret_len, uint64_t *ret_allocated)
{
    struct call *call = call_file(file, 0, 0, do_size);

    if (!call)
        return -ENOMEM;
    int r = call_make(&call);
    if (r == 0) {
        *ret_len = call->off;
        *ret_allocated = call->len;
    }
    call_free(call);
    return r;
}

/* ---- writing ---- */

static int bounded_write(struct drive_file *file, const struct iovec *iov, int count, uint64_t off)
{
    struct bounded *b = bounded_of(file->drive);

    if (bounded_is_slow(b))
        return -ETIMEDOUT;
    int slot = pulse_begin(b->group, b->place, PULSE_WRITE, clock_mono_ns());
    int r = drive_write(bounded_file_of(file)->inner, iov, count, off);
    pulse_end(b->group, b->place, PULSE_WRITE, slot, clock_mono_ns());
    return r;
}

static void bounded_start_writeback(struct drive_file *file, uint64_t off, uint64_t len)
{
    struct bounded *b = bounded_of(file->drive);

    if (bounded_is_slow(b))
        return;
    int slot = pulse_begin(b->group, b->place, PULSE_WRITE, clock_mono_ns());
    drive_start_writeback(bounded_file_of(file)->inner, off, len);
    pulse_end(b->group, b->place, PULSE_WRITE, slot, clock_mono_ns());
}

/* ---- life ---- */

static void bounded_free(struct drive *drive)
{
    struct bounded *b = bounded_of(drive);

    (void)lane_free(&b->lane, CLOSE_PATIENCE);
    pulse_leave(b->group, b->place);
    bounded_unref(b);
}

static const struct drive_ops bounded_ops = {
    .open = bounded_open,
    .mkdir = bounded_mkdir,
    .unlink = bounded_unlink,
    .rename = bounded_rename,
    .list = bounded_list,
    .sync_folder = bounded_sync_folder,
    .space = bounded_space,
    .lock = bounded_lock,
    .free = bounded_free,
    .close = bounded_close,
    .read = bounded_read,
    .write = bounded_write,
    .sync = bounded_sync,
    .reserve = bounded_reserve,
    .truncate = bounded_truncate,
    .punch = bounded_punch,
    .size = bounded_size,
    .start_writeback = bounded_start_writeback,
};

int bounded_drive_new(struct drive *inner, struct pulse_group *group, unsigned place, struct drive **ret_drive)
{
    struct bounded *b = calloc(1, sizeof(*b));

    if (!b)
        return -ENOMEM;
    int r = lane_new(THREADS, &b->lane);
    if (r < 0) {
        free(b);
        return r;
    }
    b->drive.ops = &bounded_ops;
    b->inner = inner;
    b->group = pulse_group_ref(group);
    b->place = place;
    b->refs = 1;
    pulse_join(group, place);
    *ret_drive = &b->drive;
    return 0;
}
