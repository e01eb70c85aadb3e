/*
 * The life of a mount's session.
 *
 * state       how it is noticed                 what is done
 * open        -                                 heartbeats each third of the lease
 * restarted   a reply of EREMCHG                every open handle is claimed again, then the request is repeated as it
 *             (or a commit has failed)          was; what the server has not kept of our changes is noted; caches are
 *                                               told ALL
 * expired     a reply of ESTALE to a compound   a new session is opened, the handles are claimed in it, caches are told
 *                                               ALL
 * closed      -                                 the server forgets all of it at once
 */
#include <stdlib.h>
#include <time.h>

#include "fs/remote_priv.h"
#include "objstore/base/clock.h"
#include "objstore/base/cond.h"
#include "objstore/base/hash.h"

#define RECLAIM_PAGE (POSIX_RECLAIM_MAX / 2)

struct session session_current(struct remote *remote)
{
    pthread_mutex_lock(&remote->lock);
    struct session s = remote->session;
    pthread_mutex_unlock(&remote->lock);
    return s;
}

/* One operation of class SESSION, alone in its compound. 0, an errno of transport, or the reply's or the operation's.
 * ret_instance may be NULL. */
static int session_call(struct remote *remote, const struct session *session, const struct posix_op *op,
                        struct s3_response *response, struct posix_result *ret_result, uint64_t *ret_instance)
{
    struct posix_request header = {.generation = session->generation, .slot = POSIX_SLOT_NONE};
    memcpy(header.session, session->id, sizeof header.session);
    struct buf out = BUF_INIT;
    posix_request_begin(&out, &header);
    posix_op_add(&out, op);
    posix_request_end(&out);
    int r = out.failed ? out.failed : remote_post(remote, buf_span(&out), response);
    buf_release(&out);
    if (r < 0)
        return r;
    struct posix_reply reply;
    struct span results;
    if (posix_reply_decode(buf_span(&response->body), &reply, &results) < 0)
        return -EPROTO;
    if (reply.status != 0)
        return posix_status_code(reply.status);
    if (posix_result_next(&results, ret_result) != 1 || ret_result->code != op->code)
        return -EPROTO;
    if (ret_instance)
        *ret_instance = reply.instance;
    return posix_status_code(ret_result->status);
}

/* What no server should give would have us beat without a pause, or never. */
static uint32_t lease_of(uint32_t ms)
{
    if (ms < POSIX_LEASE_MIN_MS)
        return POSIX_LEASE_MIN_MS;
    return ms > POSIX_LEASE_MAX_MS ? POSIX_LEASE_MAX_MS : ms;
}

static int session_begin(struct remote *remote)
{
    struct session fresh = {.epoch = session_current(remote).epoch + 1};
    random_bytes(fresh.id, sizeof fresh.id);
    struct posix_op op = {.code = POSIX_SESSION_OPEN, .name = span_cstr(remote->name), .count = remote->lease_ms};
    struct s3_response response = S3_RESPONSE_INIT;
    struct posix_result result;
    uint64_t instance;
    int r = session_call(remote, &fresh, &op, &response, &result, &instance);
    if (r == 0) {
        fresh.generation = result.value;
        pthread_mutex_lock(&remote->lock);
        remote->session = fresh;
        remote->lease_ms = lease_of(result.count);
        remote->events_seen = result.events;
        remote->instance = instance;
        memset(remote->slot_sequence, 0, sizeof remote->slot_sequence);
        pthread_mutex_unlock(&remote->lock);
    }
    s3_response_release(&response);
    return r;
}

int session_open(struct remote *remote, uint64_t stale_epoch)
{
    int r = 0;
    pthread_mutex_lock(&remote->renewing);
    if (session_current(remote).epoch == stale_epoch) {
        r = session_begin(remote);
        if (r == 0 && stale_epoch != 0)
            r = session_reclaim(remote);
    }
    pthread_mutex_unlock(&remote->renewing);
    return r;
}

/* ---- lives of the server ---- */

/* The session goes on in another life of the server: what it had changed by the commit survived has outlived the last
 * one. */
static void life_begin(struct remote *remote, uint64_t instance, uint64_t survived)
{
    pthread_mutex_lock(&remote->lock);
    bool other = remote->instance != instance;
    if (other)
        remote->lives[remote->lives_ended++ % LIVES] = (struct life){remote->instance, survived};
    remote->instance = instance;
    pthread_mutex_unlock(&remote->lock);
    if (other && remote->on_event)
        remote->on_event(&(struct remote_event){.kind = POSIX_FRAME_ALL}, remote->on_event_arg);
}

/* The lock is held. */
static enum remote_fate fate_by_record(const struct remote *remote, struct remote_stamp stamp)
{
    for (size_t i = 0; i < LIVES && i < remote->lives_ended; i++)
        if (remote->lives[i].instance == stamp.instance)
            return stamp.commit <= remote->lives[i].survived ? REMOTE_DURABLE : REMOTE_LOST;
    return REMOTE_UNKNOWN;
}

enum remote_fate remote_fate(struct remote *remote, struct remote_stamp stamp)
{
    pthread_mutex_lock(&remote->lock);
    enum remote_fate fate = stamp.instance == remote->instance ? REMOTE_PENDING : fate_by_record(remote, stamp);
    pthread_mutex_unlock(&remote->lock);
    return fate;
}

/* ---- claiming again ---- */

/* Lost handles stay in our table: what is done with them answers ESTALE, and RELEASE takes them off. */
static int reclaim_page(struct remote *remote, const struct session *session, const struct open_handle *handles,
                        size_t count, bool last)
{
    struct buf list = BUF_INIT;
    for (size_t i = 0; i < count; i++)
        posix_handle_add(&list, handles[i].handle, handles[i].ino);
    struct posix_op op = {
        .code = POSIX_SESSION_RECLAIM, .flags = last ? POSIX_RECLAIM_DONE : 0, .data = buf_span(&list)};
    struct s3_response response = S3_RESPONSE_INIT;
    struct posix_result result;
    uint64_t instance;
    int r = list.failed ? list.failed : session_call(remote, session, &op, &response, &result, &instance);
    if (r == 0)
        life_begin(remote, instance, result.value);
    s3_response_release(&response);
    buf_release(&list);
    return r;
}

/* The last list is a request of its own, and none of our changes runs before it: so what is lost is known by then. */
int session_reclaim(struct remote *remote)
{
    struct open_handle *page = malloc(RECLAIM_PAGE * sizeof *page);
    if (!page)
        return -ENOMEM;
    struct session session = session_current(remote);
    size_t at = 0, count;
    int r = 0;
    do {
        count = handle_list(remote, &at, page, RECLAIM_PAGE);
        r = reclaim_page(remote, &session, page, count, false);
    } while (r == 0 && count > 0);
    if (r == 0)
        r = reclaim_page(remote, &session, NULL, 0, true);
    free(page);
    return r;
}

int session_mend(struct remote *remote, uint16_t status, uint64_t epoch)
{
    switch (posix_status_code(status)) {
    case -EREMCHG: {
        pthread_mutex_lock(&remote->renewing);
        int r = session_reclaim(remote);
        pthread_mutex_unlock(&remote->renewing);
        return r == -ESTALE ? session_open(remote, epoch) : r;
    }
    case -ESTALE:
        return session_open(remote, epoch);
    default:
        return posix_status_code(status);
    }
}

void session_close(struct remote *remote)
{
    struct session session = session_current(remote);
    struct posix_op op = {.code = POSIX_SESSION_CLOSE};
    struct s3_response response = S3_RESPONSE_INIT;
    struct posix_result result;
    session_call(remote, &session, &op, &response, &result, NULL); /* a server that is gone lets the lease run out */
    s3_response_release(&response);
}

static void heartbeat_once(struct remote *remote)
{
    struct session session = session_current(remote);
    struct posix_op op = {.code = POSIX_SESSION_HEARTBEAT};
    struct s3_response response = S3_RESPONSE_INIT;
    struct posix_result result;
    int r = session_call(remote, &session, &op, &response, &result, NULL);
    if (r == -EREMCHG || r == -ESTALE)
        session_mend(remote, posix_status(r), session.epoch); /* else the next beat, or request, tries again */
    s3_response_release(&response);
}

void *session_heartbeat(void *arg)
{
    struct remote *remote = arg;
    pthread_mutex_lock(&remote->lock);
    while (!atomic_load(&remote->stopping)) {
        struct timespec until;
        cond_deadline(remote->lease_ms / 3 * NS_PER_MS, &until);
        if (pthread_cond_timedwait(&remote->stop_wanted, &remote->lock, &until) != ETIMEDOUT)
            continue;
        pthread_mutex_unlock(&remote->lock);
        heartbeat_once(remote);
        pthread_mutex_lock(&remote->lock);
    }
    pthread_mutex_unlock(&remote->lock);
    return NULL;
}
