#include <stdlib.h>

#include "fs/fs.h"

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
