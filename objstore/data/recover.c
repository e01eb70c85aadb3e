#include "objstore/data/recover.h"

#include <errno.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/punch.h"
#include "objstore/data/record.h"
#include "objstore/data/settle.h"
#include "objstore/data/stale.h"
#include "objstore/drive/drive.h"

struct id_list {
    uint64_t *at;
    size_t count, cap;
};

static int id_list_add(struct id_list *ids, uint64_t id)
{
    if (ids->count == ids->cap) {
        size_t cap = ids->cap ? 2 * ids->cap : 64;
        uint64_t *grown = realloc(ids->at, cap * sizeof(ids->at[0]));

        if (!grown)
            return -ENOMEM;
        ids->at = grown;
        ids->cap = cap;
    }
    ids->at[ids->count++] = id;
    return 0;
}

static int ids_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static bool id_list_have(const struct id_list *ids, uint64_t id)
{
    return ids->count > 0 && bsearch(&id, ids->at, ids->count, sizeof(id), ids_compare);
}

/* ---- what the index knows ---- */

static int known_ids(struct data *data, struct id_list *ret_ids)
{
    struct index_txn *txn = NULL;
    struct index_cursor cursor;
    struct span key, value;
    char tag = TAG_SEGMENT;
    uint64_t id;
    int r = index_read_begin(data->index, &txn);

    if (r < 0)
        return r;
    r = ids_load(&data->ids, txn);
    if (r == 0)
        r = index_cursor_open(txn, &cursor);
    if (r == 0) {
        r = index_cursor_seek(&cursor, span_make(&tag, 1), &key, &value);
        while (r == 0 && key_parse_id(key, TAG_SEGMENT, &id)) {
            r = id_list_add(ret_ids, id);
            if (r == 0)
                r = index_cursor_next(&cursor, &key, &value);
        }
        index_cursor_close(&cursor);
        r = r == -ENOENT ? 0 : r;
    }
    index_read_end(&txn);
    return r;
}

static int known_record(struct data *data, uint64_t id, struct segment_record *ret_record)
{
    struct index_txn *txn = NULL;
    int r = index_read_begin(data->index, &txn);

    if (r < 0)
        return r;
    r = segment_get_record(txn, id, ret_record);
    index_read_end(&txn);
    if (r == 0 && ret_record->set >= data->set_count)
        r = CAIRN_ECORRUPT;
    return r;
}

/* ---- files ---- */

struct listing {
    struct id_list files, halves; /* "ID.seg", "ID.new" */
};

static int visit_segment(void *arg, const char *name)
{
    struct listing *listing = arg;
    struct span digits = span_cstr(name);
    uint64_t id;
    bool half = digits.len == 20 && strcmp(name + 16, ".new") == 0;

    if (digits.len != 20 || (!half && strcmp(name + 16, ".seg") != 0) ||
        span_hex_to_u64(span_head(digits, 16), &id) < 0)
        return 0; /* not ours: left alone */
    return id_list_add(half ? &listing->halves : &listing->files, id);
}

static int halves_remove(struct drive *drive, const struct id_list *halves)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < halves->count; i++) {
        char name[SEGMENT_NAME_MAX];

        segment_temp_name(halves->at[i], name);
        r = drive_unlink(drive, name);
    }
    return r;
}

/* Lists the drive's segments, sorted, and removes what nothing names. */
static int place_look(struct data *data, struct drive *drive, const struct id_list *known, struct id_list *ret_files)
{
    struct listing listing = {0};
    bool discard = may_discard(data->index);
    int r = drive_list(drive, DRIVE_DATA_FOLDER, visit_segment, &listing);

    for (size_t i = 0; r == 0 && i < listing.files.count; i++)
        if (!ids_given(&data->ids, listing.files.at[i]))
            r = CAIRN_ECORRUPT;
    if (r == 0)
        r = halves_remove(drive, &listing.halves);
    for (size_t i = 0; r == 0 && i < listing.files.count; i++) {
        char name[SEGMENT_NAME_MAX];

        if (!discard || id_list_have(known, listing.files.at[i]))
            continue;
        segment_name(listing.files.at[i], name);
        r = drive_unlink(drive, name);
    }
    if (listing.files.count > 0)
        qsort(listing.files.at, listing.files.count, sizeof(uint64_t), ids_compare);
    free(listing.halves.at);
    *ret_files = listing.files;
    return r;
}

/* What the drives of a set have, by place. */
struct inventory {
    uint32_t listed;
    struct id_list files[DRIVE_SET_MAX];
};

/* A drive that can't be listed is one that fails, not a reason to stay closed. */
static int set_look(struct data *data, struct erasure_set *set, const struct id_list *known,
                    struct inventory *inventory)
{
    for (unsigned place = 0; place < set->n; place++) {
        struct drive *drive = drive_set_get(set->drives, place);
        int r = drive ? place_look(data, drive, known, &inventory->files[place]) : -ENODEV;

        if (r == CAIRN_ECORRUPT || r == -ENOMEM)
            return r;
        if (r == 0)
            inventory->listed |= 1u << place;
        else if (drive)
            place_note(set, place, true, r);
    }
    return 0;
}

static void inventories_free(struct data *data, struct inventory *inventories)
{
    for (size_t i = 0; inventories && i < data->set_count; i++)
        for (unsigned place = 0; place < DRIVE_SET_MAX; place++)
            free(inventories[i].files[place].at);
    free(inventories);
}

/* ---- segments ---- */

static int segment_note_lacks(struct data *data, uint64_t id, const struct inventory *inventories)
{
    struct segment_record record;
    uint32_t lacking = 0;
    int r = known_record(data, id, &record);

    if (r < 0)
        return r == -ENOENT ? 0 : r; /* settling has removed it */
    const struct inventory *have = &inventories[record.set];
    for (unsigned place = 0; place < data->sets[record.set].n; place++)
        if (have->listed >> place & 1 && !id_list_have(&have->files[place], id))
            lacking |= 1u << place;
    return record.state == SEGMENT_SEALED ? lacks_add(&data->sets[record.set].lacks, id, record.live, lacking) : 0;
}

static int segment_recover(struct data *data, uint64_t id, const struct inventory *inventories)
{
    struct segment_record record;
    int r = known_record(data, id, &record);

    if (r < 0)
        return r;
    struct erasure_set *set = &data->sets[record.set];
    r = record.state == SEGMENT_OPEN ? segment_settle(set, id) : segment_refresh(set, id, &record);
    /* Space that can't be given back now is given back by a later start; reads must not wait for it. */
    if (r < 0 && r != CAIRN_EQUORUM && r != -ENOSPC && r != -EIO)
        return r;
    return segment_note_lacks(data, id, inventories);
}

int data_recover(struct data *data)
{
    struct id_list known = {0};
    struct inventory *inventories = calloc(data->set_count, sizeof(*inventories));
    int r = inventories ? known_ids(data, &known) : -ENOMEM;

    for (size_t i = 0; r == 0 && i < data->set_count; i++)
        r = set_look(data, &data->sets[i], &known, &inventories[i]);
    for (size_t i = 0; r >= 0 && i < known.count; i++)
        r = segment_recover(data, known.at[i], inventories);
    inventories_free(data, inventories);
    free(known.at);
    return r < 0 ? r : 0;
}
