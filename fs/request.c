#include <stdlib.h>

#include "fs/again.h"
#include "objstore/base/clock.h"

/* A signal that comes while the server works as usual must not break a call that POSIX says is not interrupted: tools
 * with timers (git) would see EINTR from stat(). Only a request that has waited for so long gives in. */
#define PATIENCE_NS NS_PER_SEC

static _Thread_local fuse_req_t current;
static _Thread_local int64_t current_since;
static struct fs *the_fs; /* set before there are threads: remote's question has no argument */

void request_set_fs(struct fs *fs)
{
    the_fs = fs;
}

void request_note(fuse_req_t req)
{
    current = req;
    current_since = clock_mono_ns();
}

void request_unnote(void)
{
    current = NULL;
}

bool request_interrupted(void)
{
    int64_t give_up = the_fs ? atomic_load(&the_fs->give_up) : 0;

    if (give_up && clock_mono_ns() > give_up)
        return true;
    return current && clock_mono_ns() - current_since > PATIENCE_NS &&
           (fuse_req_interrupted(current) || atomic_load(&the_fs->ending));
}

bool request_begin(struct request *r, fuse_req_t req)
{
    *r = (struct request){.fs = fuse_req_userdata(req), .req = req};
    r->call = call_get(r->fs);
    if (!r->call) {
        fuse_reply_err(req, ENOMEM);
        return false;
    }
    r->since = changes_now(&r->fs->changes);
    request_note(req);
    return true;
}

void request_end(struct request *r)
{
    request_unnote();
    call_put(r->fs, r->call);
}

void reply_error(fuse_req_t req, int error)
{
    if (error == -ESTALE)
        again_begin(fuse_req_userdata(req), req);
    fuse_reply_err(req, error < 0 ? cairn_errno(error) : 0);
}

/* ---- the pool of calls ---- */

#define CALLS_KEPT 64
#define CALL_BYTES_KEPT (256u << 10) /* of a call's buffers; larger ones are given back */

struct pooled {
    struct remote_call call; /* first, so that a call is its pooled */
    struct pooled *next;
};

struct calls {
    pthread_mutex_t lock;
    struct pooled *idle; /* lock */
    size_t count;        /* lock */
};

int calls_new(struct fs *fs, struct calls **ret_calls)
{
    (void)fs;
    struct calls *c = calloc(1, sizeof *c);

    if (!c)
        return -ENOMEM;
    pthread_mutex_init(&c->lock, NULL);
    *ret_calls = c;
    return 0;
}

static void pooled_free(struct pooled *p)
{
    remote_call_release(&p->call);
    free(p);
}

void calls_free(struct calls **calls)
{
    struct calls *c = *calls;

    if (!c)
        return;
    while (c->idle) {
        struct pooled *p = c->idle;
        c->idle = p->next;
        pooled_free(p);
    }
    pthread_mutex_destroy(&c->lock);
    free(c);
    *calls = NULL;
}

struct remote_call *call_get(struct fs *fs)
{
    struct calls *c = fs->calls;

    pthread_mutex_lock(&c->lock);
    struct pooled *p = c->idle;
    if (p) {
        c->idle = p->next;
        c->count--;
    }
    pthread_mutex_unlock(&c->lock);
    if (!p && !(p = calloc(1, sizeof *p)))
        return NULL;
    remote_call_begin(fs->remote, &p->call);
    return &p->call;
}

void call_put(struct fs *fs, struct remote_call *call)
{
    struct calls *c = fs->calls;
    struct pooled *p = (struct pooled *)call;

    if (!p)
        return;
    bool keep = call->out.cap + call->response.body.cap <= CALL_BYTES_KEPT;
    pthread_mutex_lock(&c->lock);
    keep = keep && c->count < CALLS_KEPT;
    if (keep) {
        p->next = c->idle;
        c->idle = p;
        c->count++;
    }
    pthread_mutex_unlock(&c->lock);
    if (!keep)
        pooled_free(p);
}

int call_one(struct fs *fs, const struct posix_op *op, struct posix_result *ret_result)
{
    struct remote_call *call = call_get(fs);

    if (!call)
        return -ENOMEM;
    int r = remote_one(fs->remote, call, op, ret_result);
    ret_result->data = SPAN_EMPTY;
    call_put(fs, call);
    return r;
}
