/*
 * Operations about the session: each is alone in its compound, and answers for itself.
 */
#include <stdlib.h>

#include "objstore/base/hash.h"
#include "server/posix/compound.h"

/* ================================================================ open */

static uint32_t granted(uint32_t wanted_ms)
{
    if (wanted_ms < POSIX_LEASE_MIN_MS)
        return POSIX_LEASE_MIN_MS;
    return wanted_ms > POSIX_LEASE_MAX_MS ? POSIX_LEASE_MAX_MS : wanted_ms;
}

static uint64_t random_number(void)
{
    uint64_t number;
    do
        random_bytes(&number, sizeof(number));
    while (number == 0);
    return number;
}

/* The record first: a session that a client knows is always one that a restarted server knows. */
static int open_anew(struct compound *c)
{
    struct session_record_parts parts = {
        .id = c->head.session,
        .generation = random_number(),
        .lease_ms = granted(c->ops[0].count),
        .bucket = c->caller->bucket,
        .access_key = c->caller->access_key,
        .name = c->ops[0].name,
    };
    if (parts.bucket.len > BUCKET_MAX || parts.access_key.len > ACCESS_KEY_MAX || parts.name.len > POSIX_NAME_MAX)
        return -EINVAL;
    int rc = posix_record_open(c->posix, &parts);
    if (rc < 0)
        return rc;
    rc = posix_session_add(c->posix, &parts, SESSION_LIVE, &c->session);
    if (rc < 0)
        posix_record_forget(c->posix, parts.id);
    return rc;
}

static int session_open(struct compound *c, struct posix_result *result)
{
    http_seat_leave();
    pthread_mutex_lock(&c->posix->opening);
    int rc = posix_session_reopen(c->posix, c->head.session, c->caller, &c->session);
    if (rc == CAIRN_ESESSION) {
        rc = open_anew(c);
        result->flags = POSIX_OPENED_ANEW;
    }
    pthread_mutex_unlock(&c->posix->opening);
    http_seat_take();
    if (rc < 0)
        return rc;
    result->value = c->session->generation;
    result->count = (uint32_t)(c->session->lease_ns / NS_PER_MS);
    result->events = push_events(c->posix->push, &c->session->push);
    return 0;
}

/* ================================================================ the others */

static int session_heartbeat(struct compound *c, struct posix_result *result)
{
    int rc = posix_session_get(c->posix, c->head.session, c->head.generation, c->caller, false, &c->session);
    if (rc == 0)
        result->count = (uint32_t)(c->session->lease_ns / NS_PER_MS);
    return rc;
}

static int session_close(struct compound *c, struct posix_result *result)
{
    (void)result;
    int rc = posix_session_get(c->posix, c->head.session, c->head.generation, c->caller, true, &c->session);
    if (rc == CAIRN_ESESSION)
        return 0; /* closed before, or expired */
    if (rc < 0)
        return rc;
    http_seat_leave();
    posix_session_end(c->posix, c->session);
    http_seat_take();
    return 0;
}

/* Holds one file again. Where it is gone, its handle goes to the lost. */
static int reclaim_one(struct compound *c, uint64_t handle, uint64_t ino)
{
    int rc = posix_session_begin(c->session, POSIX_SLOT_NONE, 0, 1);
    if (rc < 0)
        return rc;
    rc = ns_hold(c->txn, ino);
    if (rc == 0 && !posix_session_keep(c->session, POSIX_SLOT_NONE, 0, handle, ino))
        c->surplus[c->surplus_count++] = ino;
    posix_session_settle(c->session, 1);
    return rc == -ESTALE || rc == -ENOENT ? posix_lost_add(&c->scratch, handle) : rc;
}

static int reclaim_all(struct compound *c)
{
    struct span rest = c->ops[0].data;
    uint64_t handle, ino;
    int rc;
    while ((rc = posix_handle_next(&rest, &handle, &ino)) == 1) {
        rc = handle ? reclaim_one(c, handle, ino) : -EINVAL;
        if (rc < 0)
            return rc;
    }
    return rc == CAIRN_ESYNTAX ? -EPROTO : rc;
}

static int session_reclaim(struct compound *c, struct posix_result *result)
{
    size_t count = c->ops[0].data.len / sizeof(struct handle_record);
    if (count > POSIX_RECLAIM_MAX || c->ops[0].flags & ~POSIX_RECLAIM_DONE)
        return -EPROTO;
    c->surplus = reallocarray(NULL, count + 1, sizeof(*c->surplus));
    if (!c->surplus)
        return -ENOMEM;
    int rc = posix_session_get(c->posix, c->head.session, c->head.generation, c->caller, true, &c->session);
    if (rc < 0)
        return rc;
    uint64_t mark = index_mark(c->posix->index);
    http_seat_leave();
    rc = ns_view_begin(c->posix->ns, &c->txn);
    http_seat_take();
    if (rc < 0)
        return rc;
    rc = posix_reply_survived(c->posix, c->txn, c->session, &result->value);
    if (rc == 0)
        rc = reclaim_all(c);
    ns_view_end(&c->txn);
    for (size_t i = 0; i < c->surplus_count; i++)
        ns_unhold(c->posix->ns, c->surplus[i]);
    if (rc == 0 && c->ops[0].flags & POSIX_RECLAIM_DONE)
        posix_session_reclaimed(c->posix, c->session, mark);
    result->data = buf_span(&c->scratch);
    return rc;
}

/* ================================================================ the table */

static posix_run *const runs[] = {
    [POSIX_SESSION_OPEN] = session_open,
    [POSIX_SESSION_HEARTBEAT] = session_heartbeat,
    [POSIX_SESSION_CLOSE] = session_close,
    [POSIX_SESSION_RECLAIM] = session_reclaim,
};

void compound_session(struct compound *c)
{
    struct posix_result result = {.code = c->ops[0].code};
    int rc = runs[c->ops[0].code](c, &result);
    if (rc < 0) {
        posix_refuse(c->posix, c->head.sequence, rc, c->reply);
        return;
    }
    posix_reply_begin(c->reply,
                      &(struct posix_reply){.instance = posix_instance(c->posix), .sequence = c->head.sequence});
    posix_result_add(c->reply, &result);
    posix_reply_end(c->reply);
}
