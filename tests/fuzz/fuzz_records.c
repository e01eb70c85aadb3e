/*
 * Damaged records of every layer, under a check that holds. The first byte says what is done with them, the second is
 * an argument of that; the rest are edits (struct edit). Whatever a record says, the answer is a result or an error,
 * within bounded time; a listing ends.
 *
 *   0        all is closed, and opened as at a start of the daemon: recovery, sessions, everything read, verified,
 *            reaped, tidied, healed, reclaimed; an odd argument: with a drive that lost its segments
 *   other    reads, then one change, in a mutation that is undone
 */
#include "objstore/base/errors.h"
#include "objstore/namespace/ns_priv.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/exercise.h"

static struct memory_store store;

/* ---- edits ---- */

enum { VALUE_MAX = 70000 };

struct edit {
    uint8_t kind;      /* below, and which of a record's bytes */
    uint16_t record;   /* counted among those that there are */
    uint16_t at;       /* where in the value or key, or how long */
    struct span bytes; /* a byte of length, then these */
};
enum edit_kind { EDIT_VALUE, EDIT_CUT, EDIT_GROW, EDIT_DROP, EDIT_KEY, EDIT_COPY, EDIT_NEW, EDIT_KINDS };

static bool edit_next(struct span *rest, struct edit *ret_edit)
{
    if (rest->len < 6)
        return false;
    *ret_edit = (struct edit){(uint8_t)rest->ptr[0], get_le16(rest->ptr + 1), get_le16(rest->ptr + 3), SPAN_EMPTY};
    size_t len = (uint8_t)rest->ptr[5];
    *rest = span_from(*rest, 6);
    ret_edit->bytes = span_head(*rest, len);
    *rest = span_from(*rest, len);
    return true;
}

static struct record record_of(uint16_t number)
{
    struct span rest = buf_span(&store.records);
    struct record record = {SPAN_EMPTY, SPAN_EMPTY};
    for (size_t i = 0; record_next(&rest, &record) && i < number; i++)
        ;
    return record;
}

/* The bytes of the edit over those of to from its place on. */
static void lay_over(char *to, size_t len, const struct edit *edit)
{
    size_t at = len ? edit->at % len : 0;
    struct span bytes = span_head(edit->bytes, len - at);
    if (bytes.len)
        memcpy(to + at, bytes.ptr, bytes.len);
}

/* A key that the index can't hold is none. */
static void put_record(struct index_txn *txn, struct span key, struct span value)
{
    if (key.len > 0 && key.ptr[0] != 0)
        FUZZ_CHECK(index_put(txn, key, value) == 0);
}

static void edit_value(struct index_txn *txn, const struct edit *edit, struct record record)
{
    static char value[VALUE_MAX];
    size_t len = record.value.len < VALUE_MAX ? record.value.len : VALUE_MAX;
    memset(value, edit->at & 0xff, sizeof(value));
    if (len)
        memcpy(value, record.value.ptr, len);
    if (edit->kind % EDIT_KINDS == EDIT_VALUE)
        lay_over(value, len, edit);
    else if (edit->kind % EDIT_KINDS == EDIT_CUT)
        len = edit->at % (len + 1);
    else
        len = len + edit->at < VALUE_MAX ? len + edit->at : VALUE_MAX;
    put_record(txn, record.key, span_make(value, len));
}

static void edit_key(struct index_txn *txn, const struct edit *edit, struct record record)
{
    char key[INDEX_KEY_MAX];
    memcpy(key, record.key.ptr, record.key.len);
    lay_over(key, record.key.len, edit);
    if (edit->kind % EDIT_KINDS == EDIT_KEY)
        (void)index_delete(txn, record.key);
    put_record(txn, span_make(key, record.key.len), record.value);
}

/* A record of the edit's bytes: a key of so many of them, and the value. */
static void edit_new(struct index_txn *txn, const struct edit *edit)
{
    size_t key_len = edit->bytes.len ? edit->at % (edit->bytes.len + 1) : 0;
    put_record(txn, span_head(edit->bytes, key_len), span_from(edit->bytes, key_len));
}

static void edit_one(struct index_txn *txn, const struct edit *edit)
{
    struct record record = record_of(edit->record % 256);
    switch (edit->kind % EDIT_KINDS) {
    case EDIT_VALUE:
    case EDIT_CUT:
    case EDIT_GROW:
        edit_value(txn, edit, record);
        return;
    case EDIT_DROP:
        (void)index_delete(txn, record.key);
        return;
    case EDIT_KEY:
    case EDIT_COPY:
        edit_key(txn, edit, record);
        return;
    default:
        edit_new(txn, edit);
    }
}

static void edit_all(struct index_txn *txn, struct span edits)
{
    struct edit edit;
    while (edit_next(&edits, &edit))
        edit_one(txn, &edit);
}

/* ---- in a mutation that is undone ---- */

struct run {
    struct span edits;
    uint8_t what, argument;
};

static int run_undone(struct ns_txn *txn, void *arg)
{
    const struct run *run = arg;
    edit_all(ns_txn_index(txn), run->edits);
    exercise_reads(txn);
    exercise_change(store.ns, txn, run->what, run->argument);
    return -ECANCELED;
}

static void check_undone(struct run *run)
{
    if (!store.ns)
        FUZZ_CHECK(memory_store_open(&store) == 0);
    FUZZ_CHECK(ns_apply(store.ns, run_undone, run, INDEX_APPLIED) == -ECANCELED);
    backlog_drained(&store.ns->backlog); /* what was undone may have woken the reaper */
}

/* ---- as at a start ---- */

static int run_edits(struct index_txn *txn, void *arg)
{
    edit_all(txn, ((const struct run *)arg)->edits);
    return 0;
}

static void check_start(struct run *run)
{
    memory_store_close(&store);
    memory_store_restore(&store);
    FUZZ_CHECK(index_apply(store.index, run_edits, run, INDEX_APPLIED) == 0);
    if (run->argument & 1)
        memory_store_lose(&store);
    int rc = memory_store_open(&store);
    FUZZ_CHECK(rc <= 0 && cairn_errname(rc)[0] != '?');
    if (rc == 0) {
        exercise_session(store.posix);
        exercise_view(store.ns);
        memory_store_rest(&store);
        FUZZ_CHECK(ns_verify(store.ns, NULL, NULL) == 0 || run->edits.len);
        memory_store_close(&store);
    }
    memory_store_restore(&store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    if (!made)
        memory_store_init(&store, true);
    made = true;
    if (size < 2)
        return 0;
    struct run run = {span_make(data + 2, size - 2), data[0], data[1]};
    if (run.what == 0)
        check_start(&run);
    else
        check_undone(&run);
    return 0;
}
