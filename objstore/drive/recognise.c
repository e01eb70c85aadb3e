/* Each drive in its place, whatever order the folders are named in; and empty folders in the places of drives that are
 * gone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "objstore/base/errors.h"
#include "objstore/drive/opening.h"
#include "objstore/drive/path.h"
#include "objstore/drive/set_priv.h"
#include "objstore/drive/superblock.h"

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
        return opening_refuse(o, f, CAIRN_EFOREIGN, "belongs to another deployment");
    struct drive_set *set = drives->sets[f->super.set_index];
    const char *stranger = folder_is_stranger(o, f, set);
    if (stranger)
        return opening_refuse(o, f, CAIRN_EFOREIGN, stranger);
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
        return opening_refuse(o, f, -EINVAL, "one folder more than the deployment has drives");
    if (trouble) {
        drive_free(&f->drive);
        opening_say(o, "drive %s is offline: %s", f->path, trouble);
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
        opening_say(o, "set %zu has %u of %u drives and needs %u", i, online, set->size, drive_set_data(set));
        return CAIRN_EQUORUM;
    }
    return 0;
}

static int folders_place(struct opening *o, const struct superblock *most, struct drives *drives)
{
    int r = 0;

    if (o->count > drives->set_count * drives->sets[0]->size) {
        opening_say(o, "the deployment has %zu drives, but %zu folders are named",
                    drives->set_count * drives->sets[0]->size, o->count);
        return -EINVAL;
    }
    for (size_t i = 0; r == 0 && i < o->count; i++) {
        if (o->folders[i].kind == FOLDER_OCCUPIED)
            return opening_refuse(o, &o->folders[i], CAIRN_EFOREIGN, "the folder is not empty and is no drive of ours");
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

int opening_recognise(struct opening *o, struct drives **ret_drives)
{
    const struct superblock *most = deployment_of_most(o);
    struct drives *drives = NULL;

    if (!most) {
        size_t i = 0;
        while (o->folders[i].kind != FOLDER_DAMAGED)
            i++;
        return opening_refuse(o, &o->folders[i], CAIRN_EBADSUPER,
                              "its superblock is damaged, and no other drive is good");
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
