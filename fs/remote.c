#include "fs/remote_priv.h"

#include <stdlib.h>

#define LEASE_MS 60000u

/* ---- compounds ---- */

void remote_call_begin(struct remote *remote, struct remote_call *call)
{
    call->remote = remote;
    call->results = SPAN_EMPTY;
    call->highest = POSIX_READS;
    buf_clear(&call->out);
    call->out.failed = 0;
    call->failed = posix_request_begin(&call->out, &(struct posix_request){.slot = POSIX_SLOT_NONE});
}

void remote_add(struct remote_call *call, const struct posix_op *op)
{
    int class = posix_class_of(op->code);
    if (class > call->highest)
        call->highest = class;
    int r = posix_op_add(&call->out, op);
    if (r < 0 && call->failed == 0)
        call->failed = r == CAIRN_ETOOBIG ? -E2BIG : r;
}

/* Notes what the operations that succeeded have opened and released. */
static int note_handles(struct remote_call *call)
{
    struct posix_request request;
    struct posix_op op;
    struct posix_result result;
    struct span ops, results = call->results;
    int r = posix_request_decode(buf_span(&call->out), &request, &ops);
    while (r >= 0 && posix_op_next(&ops, &op) == 1 && posix_result_next(&results, &result) == 1) {
        if (result.status != 0 || op.handle == 0)
            continue;
        if (op.code == POSIX_RELEASE)
            handle_forget(call->remote, op.handle);
        else
            r = handle_note(call->remote, op.handle, result.attr.ino);
    }
    return r < 0 ? r : 0;
}

/* Whether the results are those of the operations, one for each that ran. */
static bool is_answered(const struct remote_call *call)
{
    struct posix_request request;
    struct posix_op op;
    struct posix_result result;
    struct span ops, results = call->results;
    if (posix_request_decode(buf_span(&call->out), &request, &ops) < 0)
        return false;
    while (results.len)
        if (posix_op_next(&ops, &op) != 1 || posix_result_next(&results, &result) != 1 || result.code != op.code)
            return false;
    return true;
}

static int send_once(void *arg, const struct session *session, const struct slot *slot, uint16_t *ret_status)
{
    struct remote_call *call = arg;
    struct posix_request header = {.generation = session->generation, .slot = slot->number, .sequence = slot->sequence};
    memcpy(header.session, session->id, sizeof header.session);
    posix_request_readdress(&call->out, &header);
    int r = remote_post(call->remote, buf_span(&call->out), &call->response);
    if (r < 0)
        return r;
    struct posix_reply reply;
    if (posix_reply_decode(buf_span(&call->response.body), &reply, &call->results) < 0 || !is_answered(call))
        return -EPROTO;
    call->stamp = (struct remote_stamp){reply.instance, reply.commit};
    *ret_status = reply.status;
    return 0;
}

int remote_send(struct remote_call *call)
{
    struct slot slot = {POSIX_SLOT_NONE, 0};
    int r = call->failed ? call->failed : posix_request_end(&call->out);
    if (r < 0)
        return r;
    bool slotted = call->highest >= POSIX_HOLDS;
    if (slotted && (r = slot_take(call->remote, &slot)) < 0)
        return r;
    r = attempt_until_answered(call->remote, send_once, call, &slot, call->highest == POSIX_CHANGES);
    if (slotted) {
        if (r == 0)
            r = note_handles(call);
        slot_give(call->remote, &slot);
    }
    return r;
}

int remote_next(struct remote_call *call, struct posix_result *ret_result)
{
    if (posix_result_next(&call->results, ret_result) != 1)
        return -EIO;
    return posix_status_code(ret_result->status);
}

void remote_call_release(struct remote_call *call)
{
    buf_release(&call->out);
    s3_response_release(&call->response);
}

int remote_one(struct remote *remote, struct remote_call *call, const struct posix_op *op,
               struct posix_result *ret_result)
{
    remote_call_begin(remote, call);
    remote_add(call, op);
    int r = remote_send(call);
    return r < 0 ? r : remote_next(call, ret_result);
}

uint64_t remote_handle(struct remote *remote)
{
    return atomic_fetch_add(&remote->next_handle, 1) + 1;
}

bool remote_push_connected(struct remote *remote)
{
    return atomic_load(&remote->push_connected);
}

/* ---- life ---- */

static int copy_options(struct remote *remote, const struct remote_options *o)
{
    const char *bucket = o->bucket ? o->bucket : "";
    struct buf path = BUF_INIT;
    buf_add_char(&path, '/');
    uri_encode_buf(span_cstr(bucket), URI_PATH, &path);
    remote->path = buf_span(&path); /* freed with remote */
    remote->bucket = strdup(bucket);
    remote->prefix = strdup(o->prefix ? o->prefix : "");
    remote->name = strdup(o->name ? o->name : "");
    if (path.failed || !remote->bucket || !remote->prefix || !remote->name)
        return -ENOMEM;
    remote->lease_ms = o->lease_ms ? o->lease_ms : LEASE_MS;
    remote->soft_deadline_ns = o->soft_deadline_ns;
    remote->on_event = o->on_event;
    remote->on_event_arg = o->on_event_arg;
    remote->interrupted = o->interrupted;
    remote->slots_free = UINT64_MAX;
    return s3_client_new(&o->client, &remote->client);
}

_Static_assert(POSIX_SLOTS == 64, "slots_free has a bit for each");

static int init(struct remote *remote)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&remote->lock, NULL);
    pthread_mutex_init(&remote->renewing, NULL);
    pthread_cond_init(&remote->slot_freed, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    int r = pthread_cond_init(&remote->stop_wanted, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return -r;
}

static int find_root(struct remote *remote, struct posix_attr *ret_root)
{
    struct remote_call call = {0};
    struct posix_op op = {.code = POSIX_GETROOT, .name = span_cstr(remote->bucket), .name2 = span_cstr(remote->prefix)};
    struct posix_result result;
    int r = remote_one(remote, &call, &op, &result);
    if (r == 0)
        *ret_root = result.attr;
    remote_call_release(&call);
    return r;
}

static int start_threads(struct remote *remote)
{
    int r = pthread_create(&remote->heartbeat, NULL, session_heartbeat, remote);
    remote->heartbeat_runs = r == 0;
    if (r == 0 && remote->on_event) {
        r = pthread_create(&remote->push, NULL, push_follow, remote);
        remote->push_runs = r == 0;
    }
    return -r;
}

int remote_open(const struct remote_options *options, struct remote **ret_remote, struct posix_attr *ret_root)
{
    struct remote *remote = calloc(1, sizeof *remote);
    if (!remote)
        return -ENOMEM;
    int r = init(remote);
    if (r == 0)
        r = copy_options(remote, options);
    if (r == 0)
        r = session_open(remote, 0);
    if (r == 0)
        r = find_root(remote, ret_root);
    if (r == 0)
        r = start_threads(remote);
    if (r < 0)
        remote_close(&remote);
    else
        *ret_remote = remote;
    return r == -ENXIO ? -ENOENT : r;
}

static void stop_threads(struct remote *remote)
{
    pthread_mutex_lock(&remote->lock);
    atomic_store(&remote->stopping, true);
    pthread_cond_broadcast(&remote->stop_wanted);
    pthread_mutex_unlock(&remote->lock);
    if (remote->heartbeat_runs)
        pthread_join(remote->heartbeat, NULL);
    if (session_current(remote).epoch != 0)
        session_close(remote); /* also ends the push stream */
    if (remote->push_runs)
        pthread_join(remote->push, NULL);
}

void remote_close(struct remote **remote)
{
    struct remote *r = *remote;
    if (!r)
        return;
    if (r->client)
        stop_threads(r);
    s3_client_free(&r->client);
    handles_release(r);
    pthread_cond_destroy(&r->slot_freed);
    pthread_cond_destroy(&r->stop_wanted);
    pthread_mutex_destroy(&r->lock);
    pthread_mutex_destroy(&r->renewing);
    free((char *)r->path.ptr);
    free(r->bucket);
    free(r->prefix);
    free(r->name);
    free(r);
    *remote = NULL;
}
