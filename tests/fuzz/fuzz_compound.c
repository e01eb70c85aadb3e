/*
 * Compounds of the POSIX dialect, run on a store (memory_store.h says what is in it). The first byte says how the rest
 * is taken: with bit 0 it is a whole request, else operations, which get the header of the store's session with a slot
 * from the byte's upper half. Each gets a reply that can be read, result for operation; changes sent again get the same
 * results and run once; and the store is whole after it.
 */
#include "objstore/base/errors.h"
#include "objstore/namespace/ns_priv.h"
#include "server/posix/posix_priv.h"
#include "server/wire/posix_priv.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/exercise.h"

enum { REQUEST_COUNT_AT = 42 };

static struct memory_store store;
static const struct posix_caller caller = {SPAN_LIT("box"), SPAN_LIT("key")};

static void open_store(void)
{
    FUZZ_CHECK(memory_store_open(&store) == 0);
    exercise_session(store.posix); /* the session has to reclaim */
}

static void reopen_store(void)
{
    memory_store_close(&store);
    memory_store_restore(&store);
    open_store();
}

/* ---- requests ---- */

/* The operations of a request, as far as they can be told apart. */
static size_t count_operations(struct span ops)
{
    size_t count = 0;
    while (ops.len >= POSIX_ITEM_HEAD) {
        ops = span_from(ops, (size_t)POSIX_ITEM_HEAD + get_le32(ops.ptr + 4));
        count++;
    }
    return count;
}

static void make_request(struct buf *request, uint8_t how, struct span rest)
{
    static uint64_t sequence = 1000;
    struct posix_request head = memory_session;
    if (how & 1) {
        buf_add_span(request, rest);
        return;
    }
    head.slot = how >> 4 ? how >> 4 : POSIX_SLOT_NONE;
    head.sequence = ++sequence;
    posix_request_begin(request, &head);
    buf_add_span(request, rest);
    put_le16(request->ptr + REQUEST_COUNT_AT, (uint16_t)count_operations(rest));
}

/* ---- replies ---- */

struct answer {
    struct buf bytes;
    struct posix_reply head;
    struct span results;
};

static void check_entries(struct span data)
{
    struct posix_entry entry;
    int rc;
    while ((rc = posix_entry_next(&data, &entry)) == 1)
        FUZZ_CHECK(entry.name.len > 0 && entry.name.len <= POSIX_NAME_MAX && entry.ino != 0);
    FUZZ_CHECK(rc == 0);
}

static void ask(struct span request, struct answer *answer)
{
    struct posix_request head;
    struct posix_result result;
    struct posix_op op;
    struct span ops, rest;
    int rc;
    FUZZ_CHECK(posix_compound(store.posix, &caller, request, &answer->bytes) == 0);
    FUZZ_CHECK(posix_reply_decode(buf_span(&answer->bytes), &answer->head, &answer->results) == 0);
    FUZZ_CHECK(answer->bytes.len <= POSIX_REPLY_MAX && (answer->head.status == 0 || answer->head.count == 0));
    if (posix_request_decode(request, &head, &ops) < 0) {
        FUZZ_CHECK(posix_status_code(answer->head.status) == -EPROTO);
        return;
    }
    FUZZ_CHECK(answer->head.count <= head.count);
    rest = answer->results;
    while ((rc = posix_result_next(&rest, &result)) == 1) {
        FUZZ_CHECK(posix_op_next(&ops, &op) != 0 && op.code == result.code);
        if (result.code == POSIX_READDIR && result.status == 0)
            check_entries(result.data);
    }
    FUZZ_CHECK(rc == 0);
}

/* Whether the request has an operation of this class, or of a higher one. */
static bool has_class(struct span request, int class)
{
    struct posix_request head;
    struct posix_op op;
    struct span ops;
    bool has = false;
    if (posix_request_decode(request, &head, &ops) < 0)
        return false;
    while (posix_op_next(&ops, &op) == 1)
        has |= posix_class_of(op.code) >= class;
    return has;
}

static void check_repeated(struct span request, const struct answer *first)
{
    struct answer again = {.bytes = BUF_INIT};
    ask(request, &again);
    FUZZ_CHECK(again.head.status == 0 && (again.head.flags & POSIX_REPLAYED));
    FUZZ_CHECK(span_eq(again.results, first->results));
    buf_release(&again.bytes);
}

static void print_finding(const char *text, void *arg)
{
    (void)arg;
    fprintf(stderr, "verify: %s\n", text);
}

static void check_whole(void)
{
    backlog_drained(&store.ns->backlog);
    FUZZ_CHECK(ns_verify(store.ns, print_finding, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf request = BUF_INIT;
    struct answer answer = {.bytes = BUF_INIT};
    struct posix_counts counts;
    if (!store.index)
        memory_store_init(&store, false);
    if (!store.ns)
        open_store();
    if (size == 0)
        return 0;
    make_request(&request, data[0], span_make(data + 1, size - 1));
    ask(buf_span(&request), &answer);
    bool changes = answer.head.status == 0 && has_class(buf_span(&request), POSIX_CHANGES);
    if (changes) {
        check_repeated(buf_span(&request), &answer);
        check_whole();
    }
    buf_release(&request);
    buf_release(&answer.bytes);
    posix_count(store.posix, &counts);
    if (counts.sessions != 1 || counts.handles != 1 || (changes && !memory_store_rewind(&store)))
        reopen_store(); /* another session, handles that stay open, blobs */
    return 0;
}
