/*
 * Opening the drives of a deployment: look at every folder, decide, format or put each drive in its place.
 *
 * Formatting, and what a crash leaves after each step:
 *   1 folders made, their names synced  empty folders: the next open formats
 *   2 index/, data/, superblock FORMING on every drive   no drive READY: the next open formats anew
 *   3 superblock READY on every drive   some READY: the next open makes the FORMING ones READY
 * Nothing is stored before step 3 is done on every drive.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/drive/set_priv.h"
#include "objstore/drive/superblock.h"
#include "objstore/ec/ec.h"

enum folder_kind {
    FOLDER_ABSENT, /* can't be opened or read; error says why */
    FOLDER_EMPTY,
    FOLDER_OCCUPIED, /* has files, but no superblock */
    FOLDER_DAMAGED,  /* its superblock does not verify */
    FOLDER_FORMING,
    FOLDER_READY,
    FOLDER_KINDS
};

struct folder {
    const char *path;
    struct drive *drive;
    enum folder_kind kind;
    int error;
    bool placed;
    struct superblock super; /* of FORMING and READY */
};

struct opening {
    const struct drives_options *options;
    struct folder *folders;
    size_t count;
    size_t kinds[FOLDER_KINDS];
    struct buf *message;
};

/* ---- messages ---- */

static void say(struct opening *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct opening *o, const char *fmt, ...)
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

static int refuse(struct opening *o, const struct folder *f, int error, const char *why)
{
    buf_clear(o->message);
    say(o, "drive %s: %s", f->path, why);
    return error;
}

/* ---- looking ---- */

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

static int folder_look(struct opening *o, struct folder *f)
{
    int r = o->options->open ? o->options->open(o->options->open_arg, f->path, &f->drive)
                             : drive_dir_open(f->path, &f->drive);

    f->error = r;
    f->kind = FOLDER_ABSENT;
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    r = drive_lock(f->drive);
    if (r == -EBUSY)
        return refuse(o, f, r, "in use by another process, or named twice");
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
        return refuse(o, f, r, "formatted by a version of this program that is not known here");
    return 0;
}

static int opening_look(struct opening *o)
{
    for (size_t i = 0; i < o->count; i++) {
        struct folder *f = &o->folders[i];

        f->path = o->options->paths[i];
        int r = folder_look(o, f);
        if (r < 0)
            return r;
        o->kinds[f->kind]++;
    }
    return 0;
}

/* ---- formatting ---- */

/* The largest size up to 16 that divides n. */
static unsigned set_size_for(size_t n)
{
    unsigned size = n < DRIVE_SET_MAX ? (unsigned)n : DRIVE_SET_MAX;

    while (n % size != 0)
        size--;
    return size;
}

static int layout_check(struct opening *o, unsigned *ret_size, unsigned *ret_parity)
{
    unsigned size = set_size_for(o->count);
    int parity = o->options->parity < 0 ? (int)ec_default_parity(size) : o->options->parity;

    buf_clear(o->message);
    if (o->count > DRIVE_SET_MAX && size < 4) {
        say(o, "%zu drives can't be divided into equal sets of 4 to 16", o->count);
        return -EINVAL;
    }
    if (parity > (int)size / 2) {
        say(o, "a set of %u drives takes at most %u of parity, not %d", size, size / 2, parity);
        return -EINVAL;
    }
    *ret_size = size;
    *ret_parity = (unsigned)parity;
    return 0;
}

int path_sync_parent(const char *path)
{
    char *parent = NULL;

    if (asprintf(&parent, "%s/..", path) < 0)
        return -ENOMEM;
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(parent);
    if (fd < 0)
        return errno == EACCES ? 0 : -errno;
    int r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

/* Makes a folder that is not there, and opens it. Whoever has made it, perhaps a moment ago: its name must not get lost
 * with all that is stored in it. */
static int folder_make(struct opening *o, struct folder *f)
{
    int r = f->kind == FOLDER_ABSENT ? f->error : 0;

    if (r == -ENOENT)
        r = mkdir(f->path, 0700) < 0 ? -errno : folder_look(o, f);
    if (r == 0)
        r = path_sync_parent(f->path);
    if (r < 0)
        return refuse(o, f, r, cairn_strerror(r));
    if (f->kind != FOLDER_EMPTY && f->kind != FOLDER_FORMING)
        return refuse(o, f, -EEXIST, "changed while it was being formatted");
    return 0;
}

static int folder_prepare(struct folder *f)
{
    int r = drive_mkdir(f->drive, DRIVE_INDEX_FOLDER);

    if (r == 0)
        r = drive_mkdir(f->drive, DRIVE_DATA_FOLDER);
    return r < 0 ? r : superblock_write(f->drive, &f->super);
}

static int folders_write(struct opening *o, enum superblock_state state)
{
    for (size_t i = 0; i < o->count; i++) {
        struct folder *f = &o->folders[i];

        f->super.state = state;
        int r = state == SUPERBLOCK_FORMING ? folder_prepare(f) : superblock_write(f->drive, &f->super);
        if (r < 0)
            return refuse(o, f, r, cairn_strerror(r));
        f->kind = state == SUPERBLOCK_READY ? FOLDER_READY : FOLDER_FORMING;
    }
    return 0;
}

/* The superblocks of one set; folders [first, first + size) are its places in order. */
static void set_compose(struct folder *first, const struct superblock *common, uint32_t set_index)
{
    struct superblock super = *common;

    super.set_index = set_index;
    uuid_new(super.set);
    for (unsigned i = 0; i < super.set_size; i++)
        uuid_new(super.drives[i]);
    for (unsigned i = 0; i < super.set_size; i++) {
        super.place = (uint16_t)i;
        first[i].super = super;
    }
}

static int opening_format(struct opening *o)
{
    struct superblock common = {0};
    unsigned size, parity;

    for (size_t i = 0; i < o->count; i++)
        if (o->folders[i].kind == FOLDER_OCCUPIED)
            return refuse(o, &o->folders[i], -EEXIST, "the folder is not empty and is no drive of ours; not formatted");
    int r = layout_check(o, &size, &parity);
    for (size_t i = 0; r == 0 && i < o->count; i++)
        r = folder_make(o, &o->folders[i]);
    if (r < 0)
        return r;
    uuid_new(common.deployment);
    common.set_size = (uint16_t)size;
    common.parity = (uint16_t)parity;
    common.set_count = (uint32_t)(o->count / size);
    for (uint32_t i = 0; i < common.set_count; i++)
        set_compose(o->folders + i * size, &common, i);
    r = folders_write(o, SUPERBLOCK_FORMING);
    return r < 0 ? r : folders_write(o, SUPERBLOCK_READY);
}

/* ---- recognising ---- */

static bool folder_is_member(const struct folder *f)
{
    return f->kind == FOLDER_READY || f->kind == FOLDER_FORMING;
}

/* The superblock that most members agree with, so that a message names the stranger and not the household. */
static const struct superblock *deployment_of_most(const struct opening *o)
{
    const struct superblock *best = NULL;
    size_t best_votes = 0;

    for (size_t i = 0; i < o->count && best_votes <= o->count / 2; i++) {
        size_t votes = 0;

        if (o->folders[i].kind != FOLDER_READY)
            continue;
        for (size_t j = 0; j < o->count; j++)
            votes += folder_is_member(&o->folders[j]) &&
                     superblock_same_deployment(&o->folders[i].super, &o->folders[j].super);
        if (votes > best_votes) {
            best = &o->folders[i].super;
            best_votes = votes;
        }
    }
    return best;
}

/* Ends a format that was cut short, beside drives where it was not; false when its drive does not take it. */
static bool folder_complete(struct folder *f)
{
    if (f->kind == FOLDER_READY)
        return true;
    f->super.state = SUPERBLOCK_READY;
    f->error = superblock_write(f->drive, &f->super);
    f->kind = f->error == 0 ? FOLDER_READY : FOLDER_ABSENT;
    return f->error == 0;
}

/* The newest superblock of the set that a member belongs to. */
static const struct superblock *set_newest(const struct opening *o, const struct superblock *super)
{
    const struct superblock *newest = super;

    for (size_t i = 0; i < o->count; i++) {
        const struct folder *f = &o->folders[i];

        if (folder_is_member(f) && superblock_same_deployment(&f->super, super) &&
            f->super.set_index == super->set_index && memcmp(f->super.set, super->set, UUID_SIZE) == 0 &&
            f->super.generation > newest->generation)
            newest = &f->super;
    }
    return newest;
}

/* Why a member of the deployment has no place in it; NULL when it has. */
static const char *folder_is_stranger(const struct opening *o, const struct folder *f, const struct drive_set *set)
{
    if (!superblock_is_listed(&f->super, set_newest(o, &f->super)))
        return "was replaced by another drive; empty the folder to use it again";
    if (set->places[f->super.place].drive)
        return "a copy of another drive of this deployment";
    for (size_t i = 0; i < o->count; i++) {
        const struct folder *other = &o->folders[i];
        if (other->placed && other->super.set_index == f->super.set_index &&
            !superblock_same_set(&other->super, &f->super))
            return "belongs to another set of this deployment's drives";
    }
    return NULL;
}

/* Only once it is known to be ours may it be written to. */
static int folder_place(struct opening *o, struct folder *f, const struct superblock *most, struct drives *drives)
{
    if (!superblock_same_deployment(&f->super, most))
        return refuse(o, f, CAIRN_EFOREIGN, "belongs to another deployment");
    struct drive_set *set = drives->sets[f->super.set_index];
    const char *stranger = folder_is_stranger(o, f, set);
    if (stranger)
        return refuse(o, f, CAIRN_EFOREIGN, stranger);
    if (!folder_complete(f))
        return 0; /* it is left out */
    set->super = *set_newest(o, &f->super);
    memcpy(set->id, f->super.set, UUID_SIZE);
    for (unsigned i = 0; i < set->size; i++)
        memcpy(set->places[i].id, set->super.drives[i], UUID_SIZE);
    int r = drive_set_put(set, f->super.place, f->path, f->drive);
    if (r == 0) {
        f->drive = NULL;
        f->placed = true;
    }
    return r;
}

/* ---- empty folders beside drives ---- */

/* Whether all that are drives already have a property that the empty folder has not. */
static bool folder_lacks(const struct opening *o, const struct folder *f, bool (*has)(const char *path))
{
    for (size_t i = 0; i < o->count; i++)
        if (folder_is_member(&o->folders[i]) && !has(o->folders[i].path))
            return false;
    return !has(f->path);
}

/* Why an empty folder does not take the place of a drive; NULL when it may. The place is clear when every drive that is
 * missing has an empty folder: then it does not matter which takes which. A folder of a disk that is not mounted is
 * empty too. */
static const char *not_a_replacement(const struct opening *o, const struct folder *f, const struct drives *drives)
{
    if (o->count != drives->set_count * drives->sets[0]->size)
        return "empty, and not filled as long as drives are left out";
    for (size_t i = 0; i < o->count; i++)
        if (!folder_is_member(&o->folders[i]) && o->folders[i].kind != FOLDER_EMPTY)
            return "empty, and not filled as long as another drive is offline";
    if (folder_lacks(o, f, path_is_mount_point) || folder_lacks(o, f, path_is_off_root))
        return "empty, and on no file system of its own as the other drives are: is its disk mounted?";
    return NULL;
}

/* The place for a folder that can't say its own: where it stands in the list, if free, or else the first free one. */
static struct drive_set *free_place(struct drives *drives, size_t wish, unsigned *ret_place)
{
    unsigned size = drives->sets[0]->size;
    size_t total = drives->set_count * size;

    for (size_t i = 0; i <= total; i++) {
        size_t at = i == 0 ? wish : i - 1;
        if (at >= total)
            continue;
        struct place *place = &drives->sets[at / size]->places[at % size];
        if (place->drive || place->path)
            continue;
        *ret_place = (unsigned)(at % size);
        return drives->sets[at / size];
    }
    return NULL;
}

static int folder_leave_out(struct opening *o, struct folder *f, struct drives *drives)
{
    unsigned place = 0;
    struct drive_set *set = free_place(drives, (size_t)(f - o->folders), &place);
    bool empty = f->kind == FOLDER_EMPTY;
    const char *trouble = empty ? not_a_replacement(o, f, drives) : cairn_strerror(f->error);

    if (!set)
        return refuse(o, f, -EINVAL, "one folder more than the deployment has drives");
    if (trouble) {
        drive_free(&f->drive);
        say(o, "drive %s is offline: %s", f->path, trouble);
    } else {
        set->places[place].candidate = f->drive;
        f->drive = NULL;
    }
    return drive_set_miss(set, place, f->path, empty ? -ENODATA : f->error);
}

static int sets_check(struct opening *o, const struct drives *drives)
{
    for (size_t i = 0; i < drives->set_count; i++) {
        const struct drive_set *set = drives->sets[i];
        unsigned online = (unsigned)__builtin_popcount(set->online);

        if (online >= drive_set_data(set))
            continue;
        say(o, "set %zu has %u of %u drives and needs %u", i, online, set->size, drive_set_data(set));
        return CAIRN_EQUORUM;
    }
    return 0;
}

static int folders_place(struct opening *o, const struct superblock *most, struct drives *drives)
{
    int r = 0;

    if (o->count > drives->set_count * drives->sets[0]->size) {
        say(o, "the deployment has %zu drives, but %zu folders are named", drives->set_count * drives->sets[0]->size,
            o->count);
        return -EINVAL;
    }
    for (size_t i = 0; r == 0 && i < o->count; i++) {
        if (o->folders[i].kind == FOLDER_OCCUPIED)
            return refuse(o, &o->folders[i], CAIRN_EFOREIGN, "the folder is not empty and is no drive of ours");
        if (folder_is_member(&o->folders[i]))
            r = folder_place(o, &o->folders[i], most, drives);
    }
    for (size_t i = 0; r == 0 && i < o->count; i++)
        if (!folder_is_member(&o->folders[i]))
            r = folder_leave_out(o, &o->folders[i], drives);
    return r < 0 ? r : sets_check(o, drives);
}

/* Ends a replacement that was cut short. */
static void supers_complete(const struct opening *o, struct drives *drives)
{
    for (size_t i = 0; i < o->count; i++) {
        const struct folder *f = &o->folders[i];
        struct drive_set *set = f->placed ? drives->sets[f->super.set_index] : NULL;

        if (set && f->super.generation < set->super.generation)
            set_write_supers(set, 1u << f->super.place);
    }
}

static int opening_recognise(struct opening *o, struct drives **ret_drives)
{
    const struct superblock *most = deployment_of_most(o);
    struct drives *drives = NULL;

    if (!most) {
        size_t i = 0;
        while (o->folders[i].kind != FOLDER_DAMAGED)
            i++;
        return refuse(o, &o->folders[i], CAIRN_EBADSUPER, "its superblock is damaged, and no other drive is good");
    }
    int r = drives_new(most->set_count, most->set_size, most->parity, &drives);
    if (r < 0)
        return r;
    memcpy(drives->id, most->deployment, UUID_SIZE);
    r = folders_place(o, most, drives);
    if (r == 0)
        r = drives_find_sharers(drives);
    if (r == 0)
        supers_complete(o, drives);
    if (r < 0)
        drives_close(&drives);
    else
        *ret_drives = drives;
    return r;
}

int drives_open(const struct drives_options *options, struct drives **ret_drives, struct buf *ret_message)
{
    struct opening o = {.options = options, .count = options->count, .message = ret_message};

    if (options->count < 1 || options->count > DRIVES_MAX) {
        say(&o, "%zu drives; a deployment has 1 to %d", options->count, DRIVES_MAX);
        return -EINVAL;
    }
    o.folders = calloc(o.count, sizeof(o.folders[0]));
    if (!o.folders)
        return -ENOMEM;
    int r = opening_look(&o);
    bool format = o.kinds[FOLDER_READY] + o.kinds[FOLDER_DAMAGED] == 0;
    if (r == 0 && format)
        r = opening_format(&o);
    if (r == 0)
        r = opening_recognise(&o, ret_drives);
    if (r == 0)
        (*ret_drives)->formatted = format;
    for (size_t i = 0; i < o.count; i++)
        drive_free(&o.folders[i].drive);
    free(o.folders);
    return r;
}
