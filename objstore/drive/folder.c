#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "objstore/base/errors.h"
#include "objstore/drive/opening.h"
#include "objstore/drive/superblock.h"

void opening_say(struct opening *o, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (o->message->len > 0)
        buf_add_cstr(o->message, "; ");
    buf_add_cstr(o->message, text);
}

int opening_refuse(struct opening *o, const struct folder *f, int error, const char *why)
{
    buf_clear(o->message);
    opening_say(o, "drive %s: %s", f->path, why);
    return error;
}

static int visit_is_empty(void *arg, const char *name)
{
    (void)arg;
    /* A file system's own folder, and what a format that was cut short may leave. */
    return strcmp(name, "lost+found") == 0 || strcmp(name, SUPERBLOCK_TEMP) == 0 ||
                   strcmp(name, DRIVE_INDEX_FOLDER) == 0 || strcmp(name, DRIVE_DATA_FOLDER) == 0
               ? 0
               : 1;
}

static int visit_any(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return 1;
}

/* 0 when the folder is empty or not there, 1 when it holds anything. */
static int folder_holds(struct drive *drive, const char *folder, drive_visit *visit)
{
    int r = drive_list(drive, folder, visit, NULL);

    return r == -ENOENT ? 0 : r;
}

/* A folder is empty when it has nothing, or only the empty folders that a format makes before its superblock. */
static enum folder_kind folder_without_superblock(struct folder *f)
{
    int r = folder_holds(f->drive, "", visit_is_empty);

    if (r == 0)
        r = folder_holds(f->drive, DRIVE_INDEX_FOLDER, visit_any);
    if (r == 0)
        r = folder_holds(f->drive, DRIVE_DATA_FOLDER, visit_any);
    if (r < 0)
        f->error = r;
    return r < 0 ? FOLDER_ABSENT : r > 0 ? FOLDER_OCCUPIED : FOLDER_EMPTY;
}

int folder_look(struct opening *o, struct folder *f)
{
    int r = o->options->open ? o->options->open(o->options->open_arg, f->path, &f->drive)
                             : drive_dir_open(f->path, &f->drive);

    f->error = r;
    f->kind = FOLDER_ABSENT;
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    r = drive_lock(f->drive);
    if (r == -EBUSY)
        return opening_refuse(o, f, r, "in use by another process, or named twice");
    if (r == 0)
        r = superblock_read(f->drive, &f->super);
    f->error = r;
    if (r == 0)
        f->kind = f->super.state == SUPERBLOCK_READY ? FOLDER_READY : FOLDER_FORMING;
    else if (r == -ENOENT)
        f->kind = folder_without_superblock(f);
    else if (r == CAIRN_EBADSUPER)
        f->kind = FOLDER_DAMAGED;
    else if (r == CAIRN_EFORMAT)
        return opening_refuse(o, f, r, "formatted by a version of this program that is not known here");
    return 0;
}
