/*
 * A compound's journey:
 *
 *   decode every operation, find the class of the whole
 *   → the session
 *   → what may block or fail for want of memory: bodies of WRITEs to stable storage, room for the reply and its record
 *   → the transaction: one snapshot, or one mutation that holds the changes and the record of the reply
 *   → after it: handles kept or given back, late reads, the flush
 *   → the reply
 *
 * A mutation may run more than once, so it touches only what is "made anew by each run". An operation's failure is a
 * status in the reply, and what ran before it stands; a failure of the store below it (EIO, ENOSPC, ENOMEM) undoes the
 * compound as a whole.
 */
#include <assert.h>
#include <stdlib.h>

#include "server/posix/compound.h"

/* ================================================================ running */

static int add_result(struct compound *c, struct posix_result *result)
{
    size_t len = c->reader ? (size_t)body_reader_length(c->reader) : 0;
    if (result->data.len + len > compound_room(c))
        return -EMSGSIZE;
    if (!c->reader)
        return posix_result_add(c->reply, result);
    struct late_read *late = &c->late[c->late_count];
    int rc = posix_result_reserve(c->reply, result, len, &late->at);
    if (rc < 0)
        return rc;
    late->reader = c->reader;
    c->reader = NULL;
    c->late_count++;
    return 0;
}

/* 0, or the operation's error, which is in the reply. */
static int run_one(struct compound *c)
{
    posix_run *run = c->op->code < posix_runs_count() ? posix_runs[c->op->code] : NULL;
    struct posix_result result = {.code = c->op->code};

    int rc = run ? run(c, &result) : -ENOSYS;
    if (rc == 0) {
        rc = add_result(c, &result);
        if (rc == 0 && result.attr.ino)
            c->current = result.attr.ino;
    }
    if (rc < 0) {
        struct posix_result failure = {.code = c->op->code, .status = posix_status(rc)};
        posix_result_add(c->reply, &failure);
    }
    body_reader_free(&c->reader);
    body_reader_free(&c->inline_reader);
    return rc;
}

/* Not the operation's doing: the store failed under it, perhaps half-way. */
static bool is_fatal(int rc)
{
    int number = cairn_errno(rc);
    return number == EIO || number == ENOMEM || number == ENOSPC;
}

/* 0, or in a mutation the error that undoes it. */
static int run_all(struct compound *c)
{
    c->current = 0;
    c->flush = false;
    posix_reply_begin(
        c->reply,
        &(struct posix_reply){.instance = posix_instance(c->posix),
                              .sequence = c->head.sequence,
                              .commit = c->class == POSIX_CHANGES ? index_txn_sequence(ns_txn_index(c->txn)) : 0});
    for (c->at = 0; c->at < c->count; c->at++) {
        c->op = &c->ops[c->at];
        int rc = run_one(c);
        if (c->class == POSIX_CHANGES && is_fatal(rc))
            return rc;
        if (rc < 0 && !(c->op->marks & POSIX_OP_CONTINUE)) {
            c->at++;
            break;
        }
    }
    c->ran = c->at;
    return posix_reply_end(c->reply);
}

/* ---- a mutation ---- */

/* What a former run of this mutation held did not come about. */
static int forget_run(struct compound *c)
{
    size_t want = c->surplus_count + c->hold_count;
    if (want > c->surplus_cap) {
        uint64_t *grown = reallocarray(c->surplus, want, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        c->surplus = grown;
        c->surplus_cap = want;
    }
    for (size_t i = 0; i < c->hold_count; i++)
        c->surplus[c->surplus_count++] = c->holds[i].ino;
    c->hold_count = 0;
    return 0;
}

/* The compound ran before: its reply again, and its handles if this process does not have them. It may have run in the
 * batch that is open still: the instance is the present one here, not later, and an FSYNC is waited for as at first. */
static int replay(struct compound *c, const struct stored_reply *stored)
{
    size_t count = stored->handles.len / sizeof(struct handle_record);

    buf_clear(c->reply);
    int rc = buf_add_span(c->reply, stored->reply);
    for (size_t i = 0; i < count && i < c->handle_count; i++) {
        struct handle_record hold;
        memcpy(&hold, stored->handles.ptr + i * sizeof(hold), sizeof(hold));
        if (ns_hold(c->txn, hold.ino) == 0)
            c->holds[c->hold_count++] = hold;
    }
    c->flush = false;
    for (size_t i = 0; i < c->count; i++)
        c->flush |= c->ops[i].code == POSIX_FSYNC;
    struct posix_reply head;
    struct span results;
    if (rc == 0 && posix_reply_decode(buf_span(c->reply), &head, &results) < 0)
        return CAIRN_ECORRUPT;
    c->ran = rc == 0 ? head.count : 0;
    posix_reply_set_instance(c->reply, posix_instance(c->posix));
    posix_reply_set_replayed(c->reply);
    return rc;
}

static int change(struct ns_txn *txn, void *arg)
{
    struct compound *c = arg;
    struct stored_reply stored;

    c->txn = txn;
    int rc = forget_run(c);
    if (rc < 0)
        return rc;
    if (c->session->state == SESSION_ENDED)
        return CAIRN_ESESSION;
    if (posix_session_is_behind(c->posix, c->session))
        return -EREMCHG;
    rc = posix_reply_get(txn, c->session, c->head.slot, &stored);
    if (rc == 0 && stored.sequence == c->head.sequence)
        return replay(c, &stored);
    if (rc == 0 && stored.sequence > c->head.sequence)
        return -EALREADY;
    if (rc < 0 && rc != -ENOENT)
        return rc;
    ns_txn_set_origin(txn, c->session->generation);
    rc = run_all(c);
    if (rc < 0)
        return rc;
    stored.sequence = c->head.sequence;
    stored.handles = span_make(c->holds, c->hold_count * sizeof(*c->holds));
    stored.reply = buf_span(c->reply);
    return posix_reply_put(txn, c->session, c->head.slot, &stored, &c->scratch);
}

/* ---- a snapshot ---- */

static int look_in_view(struct compound *c)
{
    http_seat_leave();
    int rc = ns_view_begin(c->posix->ns, &c->txn);
    http_seat_take();
    if (rc < 0)
        return rc;
    rc = run_all(c);
    ns_view_end(&c->txn);
    return rc;
}

static int look_in_mutation(struct ns_txn *txn, void *arg)
{
    struct compound *c = arg;
    c->txn = txn;
    int rc = forget_run(c);
    return rc < 0 ? rc : run_all(c);
}

/* A snapshot that holds every applied change may have to wait for its commit, and would end the batch that a client's
 * changes share. What takes no bulk out of the index then looks inside the writer instead, where those changes are. */
static bool is_light(const struct compound *c)
{
    return c->reply_max && c->reply_max <= POSIX_STORED_MAX;
}

static int read_fully(struct late_read *late, struct buf *reply)
{
    size_t len = (size_t)body_reader_length(late->reader);
    for (size_t done = 0; done < len;) {
        ptrdiff_t got = body_read(late->reader, reply->ptr + late->at + done, len - done);
        if (got <= 0)
            return got < 0 ? (int)got : CAIRN_ECORRUPT;
        done += (size_t)got;
    }
    return 0;
}

static void read_late(struct compound *c)
{
    static const struct posix_result read_result = {.code = POSIX_READ};
    for (size_t i = 0; i < c->late_count; i++) {
        http_seat_leave();
        int rc = read_fully(&c->late[i], c->reply);
        http_seat_take();
        if (rc < 0)
            posix_result_spoil(c->reply, &read_result, c->late[i].at, posix_status(rc));
    }
}

/* ================================================================ after it */

/* Handles that were taken are kept, those of RELEASE given back, in this order. */
static void settle_handles(struct compound *c, bool stands)
{
    struct posix *posix = c->posix;

    for (size_t i = 0; i < c->surplus_count; i++)
        ns_unhold(posix->ns, c->surplus[i]);
    for (size_t i = 0; i < c->hold_count; i++) {
        const struct handle_record *hold = &c->holds[i];
        if (!stands || !posix_session_keep(c->session, c->head.slot, c->head.sequence, hold->handle, hold->ino))
            ns_unhold(posix->ns, hold->ino);
    }
    for (size_t i = 0; stands && i < c->ran; i++)
        if (c->ops[i].code == POSIX_RELEASE)
            posix_session_drop(posix, c->session, c->ops[i].handle);
}

/* mark is the index's from before the compound: a commit that failed since is told here; an earlier one by the
 * instance. */
static int flush(struct compound *c, uint64_t mark)
{
    http_seat_leave();
    int rc = index_flush_since(c->posix->index, &mark);
    http_seat_take();
    posix_reply_set_instance(c->reply, posix_instance(c->posix));
    return rc;
}

static int apply(struct compound *c, ns_mutation *fn)
{
    http_seat_leave();
    int rc = ns_apply(c->posix->ns, fn, c, INDEX_APPLIED);
    http_seat_take();
    return rc < 0 ? rc : 0;
}

static int look(struct compound *c)
{
    return is_light(c) && index_read_waits(c->posix->index) ? apply(c, look_in_mutation) : look_in_view(c);
}

static int run_in_transaction(struct compound *c)
{
    int rc = compound_prepare(c);
    if (rc == 0)
        rc = c->class == POSIX_CHANGES ? apply(c, change) : look(c);
    settle_handles(c, rc == 0);
    if (rc == 0)
        read_late(c);
    return rc;
}

static int run_admitted(struct compound *c)
{
    uint64_t mark = index_mark(c->posix->index);
    int rc = run_in_transaction(c);
    if (rc == 0 && c->flush)
        rc = flush(c, mark);
    return rc == 0 ? c->reply->failed : rc;
}

void compound_run(struct compound *c)
{
    uint64_t slot = c->class == POSIX_READS ? POSIX_SLOT_NONE : c->head.slot;
    int rc = slot == POSIX_SLOT_NONE && c->class != POSIX_READS ? -EBADSLT : 0;

    if (rc == 0)
        rc = posix_session_begin(c->session, slot, c->head.sequence, c->handle_count);
    if (rc == 0) {
        rc = run_admitted(c);
        posix_session_settle(c->session, c->handle_count);
    }
    if (rc < 0)
        posix_refuse(c->posix, c->head.sequence, rc, c->reply);
}

void compound_release(struct compound *c)
{
    for (size_t i = 0; c->bodies && i < c->count; i++)
        body_writer_free(&c->bodies[i]);
    for (size_t i = 0; i < c->late_count; i++)
        body_reader_free(&c->late[i].reader);
    free(c->surplus);
    buf_release(&c->scratch);
    posix_session_put(c->posix, &c->session);
    arena_release(&c->arena);
}

/* ================================================================ the whole */

int posix_compound(struct posix *posix, const struct posix_caller *caller, struct span request, struct buf *reply)
{
    struct compound c = {.posix = posix, .caller = caller, .reply = reply};

    reply->limit = POSIX_REPLY_MAX;
    int rc = compound_decode(&c, request);
    if (rc == 0 && posix_class_of(c.ops[0].code) == POSIX_SESSION) {
        compound_session(&c);
    } else {
        if (rc == 0)
            rc = posix_session_get(posix, c.head.session, c.head.generation, caller, false, &c.session);
        if (rc == 0)
            compound_run(&c);
        else
            posix_refuse(posix, c.head.sequence, rc, reply);
    }
    compound_release(&c);
    return reply->failed ? -ENOMEM : 0;
}
