#include "tests/support/memory_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "objstore/base/errors.h"
#include "objstore/namespace/ns_priv.h"
#include "tests/support/memory_fill.h"
#include "tests/support/scratch.h"

#define SEGMENT_BYTES (4u << 20)

void memory_must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "memory_store: %s\n", what);
        abort();
    }
}

/* ---- records ---- */

static void record_add(struct buf *records, struct span key, struct span value)
{
    uint8_t lengths[8];
    put_le32(lengths, (uint32_t)key.len);
    put_le32(lengths + 4, (uint32_t)value.len);
    buf_add(records, lengths, sizeof(lengths));
    buf_add_span(records, key);
    buf_add_span(records, value);
}

bool record_next(struct span *rest, struct record *ret_record)
{
    if (rest->len == 0)
        return false;
    size_t key_len = get_le32(rest->ptr), value_len = get_le32(rest->ptr + 4);
    ret_record->key = span_make(rest->ptr + 8, key_len);
    ret_record->value = span_make(rest->ptr + 8 + key_len, value_len);
    *rest = span_from(*rest, 8 + key_len + value_len);
    return true;
}

static void records_read(struct index_txn *txn, struct buf *records)
{
    struct index_cursor cursor;
    struct span key, value;
    memory_must(index_cursor_open(txn, &cursor) == 0, "no cursor");
    int rc = index_cursor_seek(&cursor, SPAN_EMPTY, &key, &value);
    for (; rc == 0; rc = index_cursor_next(&cursor, &key, &value))
        if (key.ptr[0] != 0) /* the index's own */
            record_add(records, key, value);
    index_cursor_close(&cursor);
    memory_must(rc == -ENOENT && !records->failed, "the records can't be read");
}

struct rewind {
    struct memory_store *store;
    bool ns_only; /* refuse when another layer's records have changed, and give no number of an inode twice */
    struct buf now;
};

/* The next number stays as it is now, in what is gone back to as well. */
static void keep_next_number(struct span then, struct span now)
{
    size_t at = offsetof(struct counters_record, next_ino);
    memory_must(then.len == sizeof(struct counters_record) && then.len == now.len, "counters");
    memcpy((char *)then.ptr + at, now.ptr + at, sizeof(uint64_t));
}

/* Next to each other in the order of keys: what is missing comes back, what is new goes. */
static int records_merge(struct index_txn *txn, struct rewind *r)
{
    struct span then = buf_span(&r->store->records), now = buf_span(&r->now);
    struct record a = {SPAN_EMPTY, SPAN_EMPTY}, b = {SPAN_EMPTY, SPAN_EMPTY};
    bool has_a = record_next(&then, &a), has_b = record_next(&now, &b);
    int rc = 0;
    while (rc == 0 && (has_a || has_b)) {
        int order = !has_b ? -1 : !has_a ? 1 : span_cmp(a.key, b.key);
        bool same = order == 0 && span_eq(a.value, b.value);
        char tag = order <= 0 ? a.key.ptr[0] : b.key.ptr[0];
        if (!same && r->ns_only && strchr("BLSFH", tag))
            return -EBUSY;
        if (!same && r->ns_only && tag == TAG_COUNTERS)
            keep_next_number(a.value, b.value);
        if (!same)
            rc = order <= 0 ? index_put(txn, a.key, a.value) : index_delete(txn, b.key);
        if (order <= 0)
            has_a = record_next(&then, &a);
        if (order >= 0)
            has_b = record_next(&now, &b);
    }
    return rc;
}

static int compare_records(struct index_txn *txn, void *arg)
{
    struct rewind *r = arg;
    buf_clear(&r->now);
    records_read(txn, &r->now);
    return span_eq(buf_span(&r->now), buf_span(&r->store->records)) ? 0 : 1;
}

static int rewind_records(struct index_txn *txn, void *arg)
{
    return compare_records(txn, arg) == 0 ? 0 : records_merge(txn, arg);
}

static int rewind_store(struct memory_store *store, bool ns_only)
{
    struct rewind r = {.store = store, .ns_only = ns_only};
    int rc = index_apply(store->index, rewind_records, &r, INDEX_APPLIED);
    buf_release(&r.now);
    return rc;
}

void memory_store_restore(struct memory_store *store)
{
    memory_must(!store->drives, "restored while it was open");
    memory_must(rewind_store(store, false) == 0, "the records can't be put back");
    for (int i = 0; i < MEMORY_DRIVES; i++)
        memory_disk_copy(&store->disks[i], &store->kept[i]);
}

bool memory_store_rewind(struct memory_store *store)
{
    int rc = rewind_store(store, true);
    memory_must(rc == 0 || rc == -EBUSY, "the records can't be put back");
    return rc == 0;
}

bool memory_store_changed(struct memory_store *store)
{
    struct rewind r = {.store = store};
    int rc = index_apply(store->index, compare_records, &r, INDEX_APPLIED);
    buf_release(&r.now);
    memory_must(rc >= 0, "the records can't be compared");
    return rc > 0;
}

/* ---- opening ---- */

static int open_disk(void *arg, const char *path, struct drive **ret_drive)
{
    return memory_drive_open(&((struct memory_store *)arg)->disks[path[strlen(path) - 1] - '0'], ret_drive);
}

static int open_drives(struct memory_store *store)
{
    const char *paths[MEMORY_DRIVES];
    struct drives_options options = {
        .paths = paths, .count = MEMORY_DRIVES, .parity = 1, .open = open_disk, .open_arg = store};
    struct buf message = BUF_INIT;
    for (int i = 0; i < MEMORY_DRIVES; i++)
        paths[i] = store->folders[i];
    int rc = drives_open(&options, &store->drives, &message);
    buf_release(&message);
    return rc;
}

static int open_layers(struct memory_store *store)
{
    struct data_options options = {.sets = drives_sets(store->drives),
                                   .set_count = drives_set_count(store->drives),
                                   .index = store->index,
                                   .segment_size = SEGMENT_BYTES,
                                   .reserve = 1};
    int rc = data_open(&options, &store->data);
    if (rc == 0)
        rc = ns_open(store->index, store->data, &store->ns);
    return rc < 0 ? rc : posix_new(store->ns, store->index, NULL, &store->posix);
}

int memory_store_open(struct memory_store *store)
{
    int rc = open_drives(store);
    if (rc == 0)
        rc = open_layers(store);
    if (rc < 0)
        memory_store_close(store);
    return rc;
}

static void heal(struct data *data)
{
    struct data_queued queued;
    struct data_refill_at at = {0};
    for (int turns = 0; turns < 64 && data_refill(data, &at, NULL) > 0; turns++)
        ;
    for (uint64_t from = 0; data_queued_next(data, from, &queued) == 0 && queued.blob >= from; from = queued.blob + 1)
        (void)data_heal(data, queued.blob, NULL);
}

void memory_store_rest(struct memory_store *store)
{
    struct backlog *backlog = &store->ns->backlog;
    pthread_mutex_lock(&backlog->lock);
    while (backlog->busy)
        pthread_cond_wait(&backlog->idle, &backlog->lock);
    pthread_mutex_unlock(&backlog->lock);
    heal(store->data);
    (void)data_reclaim_wait(store->data);
}

void memory_store_close(struct memory_store *store)
{
    posix_free(&store->posix);
    ns_close(&store->ns);
    data_close(&store->data);
    drives_close(&store->drives);
}

void memory_store_lose(struct memory_store *store)
{
    struct drive *drive;
    memory_must(memory_drive_open(&store->disks[MEMORY_DRIVES - 1], &drive) == 0, "a drive");
    memory_must(drive_unlink(drive, "data/0000000000000001.seg") == 0, "the segment has another name");
    drive_free(&drive);
}

/* ---- life ---- */

static int keep_records(struct index_txn *txn, void *arg)
{
    struct memory_store *store = arg;
    buf_clear(&store->records);
    records_read(txn, &store->records);
    return 0;
}

void memory_store_init(struct memory_store *store, bool crashed)
{
    char path[256];
    const char *paths[] = {path};
    struct index_options options = {.paths = paths, .count = 1, .write_quorum = 1};
    memset(store, 0, sizeof(*store));
    snprintf(path, sizeof(path), "%s/index", scratch_folder());
    for (int i = 0; i < MEMORY_DRIVES; i++) {
        memory_disk_init(&store->disks[i]);
        memory_disk_init(&store->kept[i]);
        snprintf(store->folders[i], sizeof(store->folders[i]), "%s/drive%d", scratch_folder(), i);
        memory_must(mkdir(store->folders[i], 0700) == 0, "no folder for a drive");
    }
    memory_must(index_open(&options, &store->index) == 0, "the index does not open");
    memory_must(memory_store_open(store) == 0, "it does not open");
    memory_fill(store, crashed);
    memory_store_rest(store);
    memory_store_close(store);
    if (crashed)
        memory_fill_raw(store);
    memory_must(index_apply(store->index, keep_records, store, INDEX_DURABLE) == 0, "the records can't be kept");
    for (int i = 0; i < MEMORY_DRIVES; i++)
        memory_disk_copy(&store->kept[i], &store->disks[i]);
}

void memory_store_release(struct memory_store *store)
{
    memory_store_close(store);
    index_close(&store->index);
    buf_release(&store->records);
    for (int i = 0; i < MEMORY_DRIVES; i++) {
        memory_disk_release(&store->disks[i]);
        memory_disk_release(&store->kept[i]);
    }
}
