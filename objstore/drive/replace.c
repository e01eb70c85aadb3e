/*
 * Replacing a drive: an empty folder takes the place of one that is gone. Which drives a set has is what its
 * superblocks list; each list has a generation, and the highest is the truth, whoever has it.
 *
 *   step                                                   a crash after it leaves              and the next open
 *   1  index/, data/ made in the empty folder              an empty folder                      begins again
 *   2  its superblock: the list with its new UUID,         the newest list on the new drive     takes it, and does 3
 *      the next generation
 *   3  the superblocks of the set's others, one by one     the newest list on some              takes it, and does
 *                                                                                                the rest
 *
 * A drive whose UUID is not in the newest list was replaced, and is refused. If all drives that know the newest list
 * are away, the old drive is taken for what it was: what it has is old, but never wrong, since each granule says which
 * blob it is of.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "objstore/base/errors.h"
#include "objstore/drive/path.h"
#include "objstore/drive/set_priv.h"
#include "objstore/drive/superblock.h"

static void say_line(struct buf *message, const struct place *p, unsigned place, size_t set, int error)
{
    if (message->len > 0)
        buf_add_cstr(message, "; ");
    if (error)
        buf_printf(message, "drive %s is empty and can't be formatted: %s", p->path, cairn_strerror(error));
    else
        buf_printf(message, "drive %s was empty: it takes place %u of set %zu and is filled", p->path, place, set);
}

static int place_write_super(struct drive_set *set, unsigned place, struct drive *drive)
{
    struct superblock super = set->super;

    super.place = (uint16_t)place;
    super.state = SUPERBLOCK_READY;
    return superblock_write(drive, &super);
}

void set_write_supers(struct drive_set *set, uint32_t places)
{
    for (; places; places &= places - 1) {
        unsigned place = (unsigned)__builtin_ctz(places);
        int r = place_write_super(set, place, set->places[place].drive);

        if (r < 0) /* the next start does it: others have the list */
            drive_set_note(set, place, DRIVE_WRITE_ERROR, r);
    }
}

/* Makes the empty folder a drive of the set; it has no place yet in what runs. */
static int candidate_format(struct drive_set *set, unsigned place)
{
    struct place *p = &set->places[place];
    struct superblock before = set->super;

    int r = path_sync_parent(p->path); /* somebody may have made it a moment ago */
    if (r == 0)
        r = drive_mkdir(p->candidate, DRIVE_INDEX_FOLDER);
    if (r == 0)
        r = drive_mkdir(p->candidate, DRIVE_DATA_FOLDER);
    if (r < 0)
        return r;
    set->super.generation++;
    uuid_new(set->super.drives[place]);
    r = place_write_super(set, place, p->candidate);
    if (r < 0)
        set->super = before; /* if it is on the drive after all, the next start takes it */
    return r;
}

static int place_replace(struct drive_set *set, unsigned place)
{
    struct place *p = &set->places[place];
    uint32_t others = drive_set_online(set);
    int r = candidate_format(set, place);

    if (r < 0) {
        p->error = r; /* it stays open, so that nobody else takes it */
        return r;
    }
    set_write_supers(set, others);
    memcpy(p->id, set->super.drives[place], UUID_SIZE);
    r = drive_set_put(set, place, NULL, p->candidate);
    if (r == 0)
        p->candidate = NULL;
    return r;
}

static bool is_candidate(const struct place *p)
{
    return p->candidate && p->error == -ENODATA;
}

size_t drives_replacements(const struct drives *drives)
{
    size_t count = 0;

    for (size_t i = 0; i < drives->set_count; i++)
        for (unsigned place = 0; place < drives->sets[i]->size; place++)
            count += is_candidate(&drives->sets[i]->places[place]);
    return count;
}

int drives_replace(struct drives *drives, struct buf *ret_message)
{
    for (size_t i = 0; i < drives->set_count; i++) {
        struct drive_set *set = drives->sets[i];

        for (unsigned place = 0; place < set->size; place++) {
            if (!is_candidate(&set->places[place]))
                continue;
            int r = place_replace(set, place);
            say_line(ret_message, &set->places[place], place, i, r);
        }
    }
    return drives_find_sharers(drives);
}
