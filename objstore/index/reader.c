/*
 * Read transactions. They stand on the path of every GET, so one costs no lock: each thread tends to its own slot,
 * whose LMDB transaction is renewed rather than begun.
 *
 *   busy   gate   who may use the slot's transaction and the replicas' databases
 *   0      any    nobody, but whoever sets busy next
 *   1      0      the reader
 *   1      1      a reader from before the gate was closed, which the writer waits for; a new one backs off
 *
 * The reader sets busy and then looks at the gate; the writer closes the gate and then looks at busy: both in one total
 * order, so one of them sees the other.
 *
 * Another primary needs no gate: a reader that has its snapshot goes on in the old one, which stays open; the next
 * transaction of the slot is of the new one. A reader that has come upon a commit in the old one which nobody will show
 * there any more begins again.
 */
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/index/index_priv.h"

enum { GATE_POLL_NS = 50000 };

int record_give(struct index_txn *txn, int rc, struct span key, const MDB_val *stored, struct span *ret_value)
{
    rc = rc ? lmdb_error(rc) : record_open(key, span_make(stored->mv_data, stored->mv_size), ret_value);
    if (rc == CAIRN_ECORRUPT)
        writer_suspect(txn->index, txn->generation);
    return rc;
}

int readers_init(struct index *index)
{
    size_t size = READERS_MAX * sizeof(*index->readers);
    index->readers = aligned_alloc(CACHE_LINE, size);
    if (!index->readers)
        return -ENOMEM;
    memset(index->readers, 0, size);
    return 0;
}

static void slot_drop(struct index_txn *slot)
{
    while (slot->kept_count)
        mdb_cursor_close(slot->kept[--slot->kept_count]);
    if (slot->mdb)
        mdb_txn_abort(slot->mdb);
    slot->mdb = NULL;
}

void readers_leave(struct index *index, const struct replica *replica)
{
    for (size_t i = 0; index->readers && i < READERS_MAX; i++)
        if (index->readers[i].replica == replica)
            slot_drop(&index->readers[i]);
}

void readers_release(struct index *index)
{
    free(index->readers);
    index->readers = NULL;
}

/* ---- the gate ---- */

static bool slot_drained(struct index_txn *slot, int64_t deadline)
{
    static const struct timespec poll = {.tv_nsec = GATE_POLL_NS};
    while (atomic_load(&slot->busy)) {
        if (clock_mono_ns() > deadline)
            return false;
        nanosleep(&poll, NULL);
    }
    return true;
}

bool gate_close(struct index *index)
{
    int64_t deadline = clock_mono_ns() + STALL_NS;
    atomic_store(&index->gate, 1);
    for (size_t i = 0; i < READERS_MAX; i++) {
        if (!slot_drained(&index->readers[i], deadline)) {
            gate_open(index);
            return false;
        }
    }
    return true;
}

void gate_open(struct index *index)
{
    atomic_store(&index->gate, 0);
    futex_wake(&index->gate, INT_MAX);
}

/* ---- slots ---- */

static unsigned first_slot(void)
{
    static atomic_uint threads;
    static __thread unsigned mine; /* 1 more than the slot */
    if (!mine)
        mine = atomic_fetch_add(&threads, 1) % READERS_MAX + 1;
    return mine - 1;
}

static void slot_give_back(struct index_txn *slot)
{
    atomic_store_explicit(&slot->busy, 0, memory_order_release);
}

/* Even to end the transaction that a slot keeps is a write to its replica's drive. */
static bool slot_is_stuck(const struct index_txn *slot)
{
    return slot->mdb && atomic_load(&slot->replica->detained);
}

static bool slot_try(struct index_txn *slot)
{
    if (atomic_load_explicit(&slot->busy, memory_order_relaxed) || atomic_exchange(&slot->busy, 1))
        return false;
    if (!slot_is_stuck(slot))
        return true;
    slot_give_back(slot);
    return false;
}

static struct index_txn *slot_find(struct index *index)
{
    unsigned first = first_slot();
    for (unsigned i = 0; i < READERS_MAX; i++) {
        struct index_txn *slot = &index->readers[(first + i) % READERS_MAX];
        if (slot_try(slot))
            return slot;
    }
    return NULL;
}

/* Busy, with the gate open. */
static struct index_txn *slot_take(struct index *index)
{
    for (;;) {
        struct index_txn *slot = slot_find(index);
        if (!slot || !atomic_load(&index->gate))
            return slot;
        slot_give_back(slot);
        while (atomic_load(&index->gate))
            futex_wait(&index->gate, 1);
    }
}

static void raise_top(struct index *index, const struct index_txn *slot)
{
    unsigned used = (unsigned)(slot - index->readers) + 1;
    unsigned top = atomic_load(&index->readers_top);
    while (top < used && !atomic_compare_exchange_weak(&index->readers_top, &top, used))
        ;
}

static int slot_renew(struct index *index, struct index_txn *slot)
{
    atomic_store(&slot->floor, atomic_load(&index->sequence));
    slot->sequence = 0;
    struct replica *primary = index->primary;
    uint64_t generation = atomic_load(&primary->generation);
    if (slot->mdb && slot->generation == generation)
        return mdb_txn_renew(slot->mdb);
    slot_drop(slot);
    raise_top(index, slot);
    int rc = mdb_txn_begin(primary->env, NULL, MDB_RDONLY, &slot->mdb);
    if (rc) {
        slot->mdb = NULL;
        return rc;
    }
    slot->index = index;
    slot->dbi = primary->dbi;
    slot->replica = primary;
    slot->generation = generation;
    return 0;
}

/* ---- transactions ---- */

static void await(struct index *index, bool (*has_come)(struct index *index, const void *arg), const void *arg)
{
    if (has_come(index, arg))
        return;
    tide_enter(&index->finishes);
    queue_wake(index); /* the writer may linger */
    for (;;) {
        unsigned level = tide_look(&index->finishes);
        if (has_come(index, arg))
            break;
        tide_wait(&index->finishes, level);
    }
    tide_leave(&index->finishes);
}

static bool is_finished(struct index *index, const void *arg)
{
    const uint64_t *sequence = arg;
    return atomic_load(&index->finished) >= *sequence;
}

void await_finish(struct index *index, uint64_t sequence)
{
    await(index, is_finished, &sequence);
}

/* The primary may have committed what the other replicas have not yet. */
static bool is_visible(const struct index_txn *slot)
{
    return atomic_load(&slot->replica->visible_txnid) >= mdb_txn_id(slot->mdb);
}

static bool is_decided(struct index *index, const void *arg)
{
    const struct index_txn *slot = arg;
    return is_visible(slot) || index->primary != slot->replica;
}

bool index_read_waits(struct index *index)
{
    return atomic_load(&index->finished) < atomic_load(&index->applied);
}

/* One try: 0; -EAGAIN, when another primary has come and the snapshot is of nothing that is shown. */
static int read_begin(struct index *index, struct index_txn **ret_txn)
{
    struct index_txn *slot = slot_take(index);
    if (!slot)
        return -ENOMEM;
    int rc = slot_renew(index, slot);
    if (rc) {
        slot_give_back(slot);
        return lmdb_error(rc) == -ENOMEM ? -ENOMEM : -EIO;
    }
    *ret_txn = slot;
    if (is_visible(slot))
        return 0;
    await(index, is_decided, slot);
    if (is_visible(slot))
        return 0;
    index_read_end(ret_txn);
    return -EAGAIN;
}

int index_read_begin(struct index *index, struct index_txn **ret_txn)
{
    struct index_txn *txn;
    int rc;
    await_finish(index, atomic_load(&index->applied));
    do
        rc = read_begin(index, &txn);
    while (rc == -EAGAIN);
    if (rc == 0)
        *ret_txn = txn;
    return rc;
}

void index_read_end(struct index_txn **txn)
{
    if (!*txn)
        return;
    mdb_txn_reset((*txn)->mdb);
    slot_give_back(*txn);
    *txn = NULL;
}

uint64_t index_txn_sequence(struct index_txn *txn)
{
    if (txn->batch)
        return txn->batch->sequence;
    struct meta meta;
    if (!txn->sequence)
        txn->sequence = meta_get(txn->mdb, txn->dbi, &meta) < 0 ? 0 : meta.sequence;
    return txn->sequence;
}

/* A slot that is taken after we passed it, or above the top that we saw, gets a snapshot no older than oldest was at
 * the start. One that is busy and has not set its floor yet shows that of its last use, which is lower. */
uint64_t index_oldest_reader(struct index *index)
{
    uint64_t oldest = atomic_load(&index->sequence);
    unsigned top = atomic_load(&index->readers_top);
    for (unsigned i = 0; i < top; i++) {
        struct index_txn *slot = &index->readers[i];
        uint64_t floor = atomic_load(&slot->busy) ? atomic_load(&slot->floor) : oldest;
        if (floor < oldest)
            oldest = floor;
    }
    return oldest;
}

/* ---- cursors ---- */

static int cursor_renew(struct index_txn *txn, MDB_cursor **ret_cursor)
{
    MDB_cursor *cursor = txn->kept[--txn->kept_count];
    int rc = mdb_cursor_renew(txn->mdb, cursor);
    if (rc)
        mdb_cursor_close(cursor);
    else
        *ret_cursor = cursor;
    return rc;
}

int index_cursor_open(struct index_txn *txn, struct index_cursor *ret_cursor)
{
    MDB_cursor *cursor;
    int rc;
    if (txn->kept_count)
        rc = cursor_renew(txn, &cursor);
    else
        rc = mdb_cursor_open(txn->mdb, txn->dbi, &cursor);
    if (rc)
        return lmdb_error(rc);
    *ret_cursor = (struct index_cursor){.txn = txn, .impl = cursor};
    return 0;
}

void index_cursor_close(struct index_cursor *cursor)
{
    struct index_txn *txn = cursor->txn;
    if (cursor->impl && !txn->batch && txn->kept_count < CURSORS_KEPT)
        txn->kept[txn->kept_count++] = cursor->impl;
    else if (cursor->impl)
        mdb_cursor_close(cursor->impl);
    *cursor = (struct index_cursor){0};
}

/* Gives the record that LMDB found; our own, which sort first, are nobody's. */
static int cursor_give(struct index_cursor *cursor, int rc, const MDB_val *key, const MDB_val *stored,
                       struct span *ret_key, struct span *ret_value)
{
    struct span found = rc ? SPAN_EMPTY : span_make(key->mv_data, key->mv_size);
    if (rc == 0 && found.ptr[0] == 0)
        return -ENOENT;
    rc = record_give(cursor->txn, rc, found, stored, ret_value);
    if (rc == 0)
        *ret_key = found;
    return rc;
}

int index_cursor_seek(struct index_cursor *cursor, struct span key, struct span *ret_key, struct span *ret_value)
{
    if (key.len > INDEX_KEY_MAX)
        return -EINVAL;
    if (key.len == 0 || key.ptr[0] == 0)
        key = SPAN_LIT("\1");
    MDB_val at = {key.len, (void *)key.ptr};
    MDB_val stored;
    int rc = mdb_cursor_get(cursor->impl, &at, &stored, MDB_SET_RANGE);
    return cursor_give(cursor, rc, &at, &stored, ret_key, ret_value);
}

int index_cursor_next(struct index_cursor *cursor, struct span *ret_key, struct span *ret_value)
{
    MDB_val at, stored;
    int rc = mdb_cursor_get(cursor->impl, &at, &stored, MDB_NEXT);
    return cursor_give(cursor, rc, &at, &stored, ret_key, ret_value);
}

int index_cursor_before(struct index_cursor *cursor, struct span key, struct span *ret_key, struct span *ret_value)
{
    if (key.len == 0 || key.len > INDEX_KEY_MAX)
        return -EINVAL;
    MDB_val at = {key.len, (void *)key.ptr};
    MDB_val stored;
    int rc = mdb_cursor_get(cursor->impl, &at, &stored, MDB_SET_RANGE);
    if (rc == 0)
        rc = mdb_cursor_get(cursor->impl, &at, &stored, MDB_PREV);
    else if (rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(cursor->impl, &at, &stored, MDB_LAST);
    return cursor_give(cursor, rc, &at, &stored, ret_key, ret_value);
}
