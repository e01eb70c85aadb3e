/*
 * Formatting, and what a crash leaves after each step:
 *
 *   1 folders made, their names synced                   empty folders: the next open formats
 *   2 index/, data/, superblock FORMING on every drive   no drive READY: the next open formats anew
 *   3 superblock READY on every drive                    some READY: the next open makes the FORMING ones READY
 *
 * Nothing is stored before step 3 is done on every drive.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/drive/opening.h"
#include "objstore/drive/path.h"
#include "objstore/drive/superblock.h"
#include "objstore/ec/ec.h"

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
        opening_say(o, "%zu drives can't be divided into equal sets of 4 to 16", o->count);
        return -EINVAL;
    }
    if (parity > (int)size / 2) {
        opening_say(o, "a set of %u drives takes at most %u of parity, not %d", size, size / 2, parity);
        return -EINVAL;
    }
    *ret_size = size;
    *ret_parity = (unsigned)parity;
    return 0;
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
        return opening_refuse(o, f, r, cairn_strerror(r));
    if (f->kind != FOLDER_EMPTY && f->kind != FOLDER_FORMING)
        return opening_refuse(o, f, -EEXIST, "changed while it was being formatted");
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
            return opening_refuse(o, f, r, cairn_strerror(r));
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

int opening_format(struct opening *o)
{
    struct superblock common = {0};
    unsigned size, parity;

    for (size_t i = 0; i < o->count; i++)
        if (o->folders[i].kind == FOLDER_OCCUPIED)
            return opening_refuse(o, &o->folders[i], -EEXIST,
                                  "the folder is not empty and is no drive of ours; not formatted");
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
