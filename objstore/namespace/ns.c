#include <endian.h>
#include <stdlib.h>

#include "objstore/base/clock.h"
#include "objstore/namespace/inode.h"
#include "objstore/namespace/ns_priv.h"

/* ---- counters ---- */

static const struct span counters_key = {.ptr = (const char[]){TAG_COUNTERS}, .len = 1};

static int counters_get(struct index_txn *txn, struct counters_record *ret_counters)
{
    struct span value;
    int r = index_get(txn, counters_key, &value);
    if (r < 0)
        return r;
    if (value.len != sizeof(*ret_counters))
        return CAIRN_ECORRUPT;
    memcpy(ret_counters, value.ptr, sizeof(*ret_counters));
    return ret_counters->version == NS_FORMAT ? 0 : CAIRN_EFORMAT;
}

static int counters_add(struct ns_txn *txn, uint64_t numbers, int inodes, uint64_t *ret_first)
{
    struct counters_record counters;
    int r = counters_get(txn->index, &counters);
    if (r < 0)
        return r == -ENOENT ? CAIRN_ECORRUPT : r;
    *ret_first = le64toh(counters.next_ino);
    counters.next_ino = htole64(*ret_first + numbers);
    counters.inodes = htole64(le64toh(counters.inodes) + (uint64_t)(int64_t)inodes);
    return index_put(txn->index, counters_key, span_make(&counters, sizeof(counters)));
}

int counters_read(struct index_txn *txn, struct counters *ret_counters)
{
    struct counters_record record;
    int r = counters_get(txn, &record);
    if (r < 0)
        return r;
    *ret_counters = (struct counters){.next_ino = le64toh(record.next_ino), .inodes = le64toh(record.inodes)};
    return 0;
}

int number_new(struct ns_txn *txn, int inodes, uint64_t *ret_number)
{
    return counters_add(txn, 1, inodes, ret_number);
}

int inodes_count(struct ns_txn *txn, int by)
{
    uint64_t next;
    return counters_add(txn, 0, by, &next);
}

int ns_statfs(struct ns *ns, struct ns_statfs *ret_statfs)
{
    struct data_status status;
    struct counters counters;
    struct index_txn *txn;
    int r = data_status(ns->data, &status);
    if (r == 0)
        r = index_read_begin(ns->index, &txn);
    if (r < 0)
        return r;
    r = counters_read(txn, &counters);
    index_read_end(&txn);
    if (r < 0)
        return r;
    *ret_statfs = (struct ns_statfs){.total = status.total, .free = status.free, .inodes = counters.inodes};
    return 0;
}

/* ---- transactions ---- */

int ns_view_begin(struct ns *ns, struct ns_txn **ret_txn)
{
    struct ns_txn *txn = calloc(1, sizeof(*txn));
    if (!txn)
        return -ENOMEM;
    txn->ns = ns;
    txn->now = clock_real_ns();
    int r = index_read_begin(ns->index, &txn->index);
    if (r < 0) {
        free(txn);
        return r;
    }
    *ret_txn = txn;
    return 0;
}

void ns_view_end(struct ns_txn **txn)
{
    if (!*txn)
        return;
    index_read_end(&(*txn)->index);
    arena_release(&(*txn)->arena);
    free(*txn);
    *txn = NULL;
}

struct application {
    struct ns *ns;
    ns_mutation *fn;
    void *arg;
};

static int mutation_run(struct index_txn *index, void *arg)
{
    const struct application *app = arg;
    struct ns_txn txn = {.ns = app->ns, .index = index, .writable = true, .now = clock_real_ns()};
    int result = app->fn(&txn, app->arg);
    if (result >= 0 && txn.failed < 0)
        result = txn.failed;
    if (result >= 0) {
        int r = changes_attach(&txn);
        if (r < 0)
            result = r;
    }
    changes_discard(&txn);
    arena_release(&txn.arena);
    return result;
}

int ns_apply(struct ns *ns, ns_mutation *fn, void *arg, enum index_wait wait)
{
    struct application app = {.ns = ns, .fn = fn, .arg = arg};
    return index_apply(ns->index, mutation_run, &app, wait);
}

int ns_flush(struct ns *ns)
{
    return index_flush(ns->index);
}

uint64_t ns_mark(struct ns *ns)
{
    return index_mark(ns->index);
}

int ns_flush_since(struct ns *ns, uint64_t *mark)
{
    return index_flush_since(ns->index, mark);
}

int64_t ns_txn_now(const struct ns_txn *txn)
{
    return txn->now;
}

struct index_txn *ns_txn_index(struct ns_txn *txn)
{
    return txn->index;
}

/* ---- life ---- */

/* The first open: counters and the root. */
static int ns_format(struct ns_txn *txn, void *arg)
{
    struct counters_record counters = {.version = NS_FORMAT, .next_ino = htole64(NS_ROOT)};
    struct counters_record found;
    struct inode root;
    (void)arg;
    int r = counters_get(txn->index, &found);
    if (r != -ENOENT)
        return r;
    r = index_put(txn->index, counters_key, span_make(&counters, sizeof(counters)));
    if (r == 0)
        r = inode_new(txn, INODE_DIR, (struct ns_owner){.mode = 0755}, &root);
    if (r < 0)
        return r;
    assert(root.ino == NS_ROOT);
    root.parent = NS_ROOT;
    return inode_put(txn, &root);
}

/* Looks first: an index without a write quorum still opens for reading. */
static int ns_prepare(struct ns *ns)
{
    struct counters_record counters;
    struct index_txn *txn;
    int r = index_read_begin(ns->index, &txn);
    if (r < 0)
        return r;
    r = counters_get(txn, &counters);
    index_read_end(&txn);
    return r == -ENOENT ? ns_apply(ns, ns_format, NULL, INDEX_DURABLE) : r;
}

int ns_open(struct index *index, struct data *data, struct ns **ret_ns)
{
    struct ns *ns = calloc(1, sizeof(*ns));
    if (!ns)
        return -ENOMEM;
    ns->index = index;
    ns->data = data;
    ns->scratch = malloc(SCRATCH_SIZE);
    int r = ns->scratch ? 0 : -ENOMEM;
    if (r == 0)
        r = holds_init(&ns->holds);
    if (r == 0)
        r = subscriber_init(&ns->subscriber);
    ns->opened = r == 0;
    if (r == 0)
        r = ns_prepare(ns);
    if (r == 0)
        r = reaper_start(ns);
    if (r < 0) {
        ns_close(&ns);
        return r;
    }
    *ret_ns = ns;
    return 0;
}

void ns_close(struct ns **ns)
{
    if (!*ns)
        return;
    uint64_t mark = index_mark((*ns)->index);
    reaper_stop(*ns);
    if ((*ns)->opened) {
        ns_subscribe(*ns, NULL, NULL);
        index_flush_since((*ns)->index, &mark); /* who waits for a commit is told of its failure */
        subscriber_release(&(*ns)->subscriber);
    }
    holds_release(&(*ns)->holds);
    free((*ns)->scratch);
    free(*ns);
    *ns = NULL;
}
