/*
 * Putting a deployment together, in this order, and taking it apart in the reverse one:
 *
 *   drives → erasure sets → index replicas, on the first drives of the first set → data → namespace → repair, scrub
 *
 * Each step may rest on those before it only. A deployment whose drives were formatted earlier and hold segments has an
 * index; when all its replicas are gone the store is refused, rather than opened empty.
 */
#include "objstore/store.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "objstore/drive/set.h"
#include "objstore/namespace/namespace.h"

struct store {
    struct drives *drives;
    struct index *index;
    struct data *data;
    struct ns *ns;
    struct repair *repair;
    struct scrub *scrub;
    uint64_t reserve;
    size_t replica_count;
    const char
        *replicas[DRIVE_SET_MAX]; /* the index's folders, by place in the first set; NULL: not online when opened */
};

/* ---- opening ---- */

static int open_drives(struct store *store, const struct store_options *options, struct buf *message)
{
    struct drives_options drives = {
        .paths = options->drives,
        .count = options->drive_count,
        .parity = options->parity,
    };
    if (options->drive_count < 1 || options->drive_count > STORE_DRIVES_MAX) {
        buf_printf(message, "%zu drives; it takes 1 to %d", options->drive_count, STORE_DRIVES_MAX);
        return -EINVAL;
    }
    return drives_open(&drives, &store->drives, message);
}

static int visit_any(void *arg, const char *name)
{
    (void)arg, (void)name;
    return 1;
}

/* Whether something was stored: a drive of the first set has a segment. */
static bool holds_segments(const struct store *store)
{
    const struct drive_set *set = drives_sets(store->drives)[0];
    for (unsigned i = 0; i < drive_set_size(set); i++) {
        struct drive *drive = drive_set_get(set, i);
        if (drive && drive_list(drive, DRIVE_DATA_FOLDER, visit_any, NULL) > 0)
            return true;
    }
    return false;
}

static int index_of(struct store *store, struct buf *message)
{
    store->replica_count = drives_index_paths(store->drives, store->replicas);
    struct index_options index = {
        .paths = store->replicas,
        .count = store->replica_count,
        .write_quorum = store->replica_count / 2 + 1,
        .must_exist = !drives_formatted(store->drives) && holds_segments(store),
        .message = message,
    };
    return index_open(&index, &store->index);
}

/* Empty folders take the place of drives only when the others hold the index: if they do not, the drives that are gone
 * may be the ones to go on with, and are not to be refused as replaced. */
static int replace_drives(struct store *store, struct buf *message)
{
    if (drives_replacements(store->drives) == 0)
        return 0;
    int r = index_of(store, message);
    if (r < 0)
        return r;
    buf_clear(message); /* what it says of the replicas is said again */
    index_close(&store->index);
    return drives_replace(store->drives, message);
}

static int open_index(struct store *store, const struct store_options *options, struct buf *message)
{
    (void)options;
    int r = replace_drives(store, message);
    return r < 0 ? r : index_of(store, message);
}

static int open_data(struct store *store, const struct store_options *options, struct buf *message)
{
    (void)message;
    struct data_options data = {
        .sets = drives_sets(store->drives),
        .set_count = drives_set_count(store->drives),
        .index = store->index,
        .reserve = options->reserve,
    };
    return data_open(&data, &store->data);
}

static int open_namespace(struct store *store, const struct store_options *options, struct buf *message)
{
    (void)options, (void)message;
    return ns_open(store->index, store->data, &store->ns);
}

static int open_repair(struct store *store, const struct store_options *options, struct buf *message)
{
    (void)message;
    struct repair_options repair = {
        .data = store->data,
        .event = options->repair_event,
        .event_arg = options->repair_arg,
    };
    return repair_start(&repair, &store->repair);
}

static int open_scrub(struct store *store, const struct store_options *options, struct buf *message)
{
    (void)message;
    struct scrub_options scrub = {
        .data = store->data,
        .index = store->index,
        .period_ns = options->scrub_period == 0  ? STORE_SCRUB_NS
                     : options->scrub_period < 0 ? 0
                                                 : options->scrub_period,
    };
    return scrub_start(&scrub, &store->scrub);
}

static const struct {
    const char *name;
    int (*open)(struct store *store, const struct store_options *options, struct buf *message);
} steps[] = {
    {"drives", open_drives},       {"index", open_index},   {"data", open_data},
    {"namespace", open_namespace}, {"repair", open_repair}, {"scrub", open_scrub},
};

/* Each step's own words, and for one that fails what it was and why. */
static int open_steps(struct store *store, const struct store_options *options, struct buf *message)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct buf said = BUF_INIT;
        int rc = steps[i].open(store, options, &said);
        if (rc < 0)
            buf_clear(message); /* warnings of earlier steps would hide it */
        if (said.len > 0 && message->len > 0)
            buf_add_cstr(message, "; ");
        buf_add_span(message, buf_span(&said));
        buf_release(&said);
        if (rc < 0 && message->len == 0)
            buf_printf(message, "%s: %s", steps[i].name, cairn_strerror(rc));
        if (rc < 0)
            return rc;
    }
    return 0;
}

int store_open(const struct store_options *options, struct store **ret_store, char *ret_message, size_t cap)
{
    struct buf message = BUF_INIT;
    struct store *store = calloc(1, sizeof(*store));
    int rc = -ENOMEM;
    if (store) {
        store->reserve = options->reserve;
        rc = open_steps(store, options, &message);
    }
    if (cap > 0)
        snprintf(ret_message, cap, SPAN_FMT, SPAN_ARG(buf_span(&message)));
    buf_release(&message);
    if (rc < 0)
        store_close(&store);
    else
        *ret_store = store;
    return rc;
}

void store_close(struct store **store)
{
    if (!*store)
        return;
    scrub_stop(&(*store)->scrub);
    repair_stop(&(*store)->repair);
    ns_close(&(*store)->ns);
    data_close(&(*store)->data);
    index_close(&(*store)->index);
    drives_close(&(*store)->drives);
    free(*store);
    *store = NULL;
}

/* ---- parts ---- */

struct ns *store_ns(struct store *store)
{
    return store->ns;
}

struct data *store_data(struct store *store)
{
    return store->data;
}

struct index *store_index(struct store *store)
{
    return store->index;
}

void store_scrub(struct store *store)
{
    scrub_hurry(store->scrub);
}

void store_trim(struct store *store)
{
    index_trim(store->index);
    malloc_trim(0);
}

/* ---- status of drives ---- */

static uint64_t less_reserve(const struct store *store, const struct drive_status *drive)
{
    uint64_t reserve = data_reserve(store->reserve, drive->total);
    return drive->free > reserve ? drive->free - reserve : 0;
}

static enum store_drive_state drive_row_state(const struct drive_status *drive, uint64_t left)
{
    switch (drive->state) {
    case DRIVE_ONLINE:
        return left > 0 ? STORE_DRIVE_ONLINE : STORE_DRIVE_FULL;
    case DRIVE_SLOW:
        return STORE_DRIVE_SLOW;
    case DRIVE_FAULTY:
        return STORE_DRIVE_FAULTY;
    case DRIVE_MISSING:
        break;
    }
    return STORE_DRIVE_MISSING;
}

static void drive_row(struct store *store, size_t set, unsigned place, struct store_drive_status *ret_row)
{
    struct drive_status drive;
    drive_set_status(drives_sets(store->drives)[set], place, &drive);
    uint64_t left = less_reserve(store, &drive);
    *ret_row = (struct store_drive_status){
        .path = drive.path,
        .set = (uint32_t)set,
        .position = place,
        .state = drive_row_state(&drive, left),
        .error = drive.error,
        .times_slow = drive.times_slow,
        .capacity = drive.total,
        .free = left,
    };
    memcpy(ret_row->id, drive.id, sizeof(ret_row->id));
}

static void add_index(struct store *store, struct store_drive_status *rows, size_t count)
{
    struct index_replica_status replicas[INDEX_REPLICAS_MAX];
    size_t have = index_status(store->index, replicas, INDEX_REPLICAS_MAX);
    for (size_t i = 0; i < have && i < count; i++) {
        rows[i].index_replica = true;
        rows[i].index_healthy = replicas[i].healthy;
        rows[i].index_sequence = replicas[i].sequence;
    }
}

size_t store_drive_rows(struct store *store, struct store_drive_status *ret_rows, size_t cap)
{
    size_t sets = drives_set_count(store->drives);
    size_t size = drive_set_size(drives_sets(store->drives)[0]);
    for (size_t i = 0; i < sets * size && i < cap; i++)
        drive_row(store, i / size, (unsigned)(i % size), &ret_rows[i]);
    add_index(store, ret_rows, cap);
    return sets * size;
}

/* ---- status of sets ---- */

static void add_drive(struct store_set_status *row, const struct store_drive_status *drive)
{
    if (drive->state != STORE_DRIVE_ONLINE && drive->state != STORE_DRIVE_FULL)
        return;
    if (row->online == 0 || drive->capacity < row->capacity)
        row->capacity = drive->capacity;
    if (row->online == 0 || drive->free < row->free)
        row->free = drive->free;
    row->online++;
}

static void set_row(struct store *store, size_t number, struct store_set_status *ret_row)
{
    const struct drive_set *set = drives_sets(store->drives)[number];
    *ret_row = (struct store_set_status){
        .set = (uint32_t)number,
        .drives = drive_set_size(set),
        .parity = drive_set_parity(set),
        .write_quorum = drive_set_quorum(set),
    };
    for (unsigned i = 0; i < drive_set_size(set); i++) {
        struct store_drive_status drive;
        drive_row(store, number, i, &drive);
        add_drive(ret_row, &drive);
    }
    ret_row->capacity *= drive_set_data(set);
    ret_row->free *= drive_set_data(set);
    ret_row->readable = ret_row->online >= drive_set_data(set);
    ret_row->writable = ret_row->online >= ret_row->write_quorum;
}

size_t store_set_rows(struct store *store, struct store_set_status *ret_rows, size_t cap)
{
    size_t sets = drives_set_count(store->drives);
    for (size_t i = 0; i < sets && i < cap; i++)
        set_row(store, i, &ret_rows[i]);
    return sets;
}

/* ---- status of all ---- */

static void sum_sets(struct store *store, struct store_status *status)
{
    for (size_t i = 0; i < status->set_count; i++) {
        struct store_set_status row;
        set_row(store, i, &row);
        status->drive_count += row.drives;
        status->drives_online += row.online;
        status->capacity += row.capacity;
        status->free += row.free;
        status->readable = status->readable && row.readable;
        status->writable = status->writable || row.writable;
    }
}

static void sum_index(struct store *store, struct store_status *status)
{
    struct index_replica_status replicas[INDEX_REPLICAS_MAX];
    struct index_stats stats;
    status->index_replicas = (uint32_t)index_status(store->index, replicas, INDEX_REPLICAS_MAX);
    for (size_t i = 0; i < status->index_replicas; i++)
        status->index_healthy += replicas[i].healthy;
    status->index_write_quorum = status->index_replicas / 2 + 1;
    index_stats(store->index, &stats);
    status->writable = status->writable && stats.writable;
}

void store_status(struct store *store, struct store_status *ret_status)
{
    struct store_status status = {.set_count = (uint32_t)drives_set_count(store->drives), .readable = true};
    drives_id(store->drives, status.id);
    sum_sets(store, &status);
    sum_index(store, &status);
    if (data_status(store->data, &status.data) < 0)
        status.data = (struct data_status){0};
    repair_status(store->repair, &status.repair);
    scrub_status(store->scrub, &status.scrub);
    *ret_status = status;
}

const char *store_drive_state_name(enum store_drive_state state)
{
    static const char *const names[] = {
        [STORE_DRIVE_ONLINE] = "online", [STORE_DRIVE_FULL] = "full",       [STORE_DRIVE_SLOW] = "slow",
        [STORE_DRIVE_FAULTY] = "faulty", [STORE_DRIVE_MISSING] = "missing",
    };
    return names[state];
}
