#include <stdlib.h>

#include "objstore/namespace/ns_priv.h"

/* What one mutation changed. Owned by the mutation, then by the index until it is told or dropped. */
struct changes {
    struct ns *ns;
    uint64_t mark;     /* the index's, when the mutation had run */
    struct buf events; /* struct ns_event, each followed by its name */
    struct buf reaped; /* uint64_t ino */
};

int subscriber_init(struct subscriber *subscriber)
{
    pthread_cond_init(&subscriber->none, NULL);
    return -pthread_mutex_init(&subscriber->lock, NULL);
}

void subscriber_release(struct subscriber *subscriber)
{
    pthread_mutex_lock(&subscriber->lock);
    while (subscriber->attached)
        pthread_cond_wait(&subscriber->none, &subscriber->lock);
    pthread_mutex_unlock(&subscriber->lock);
    pthread_cond_destroy(&subscriber->none);
    pthread_mutex_destroy(&subscriber->lock);
}

void ns_subscribe(struct ns *ns, void (*fn)(const struct ns_event *event, void *arg), void *arg)
{
    pthread_mutex_lock(&ns->subscriber.lock);
    ns->subscriber.arg = arg;
    __atomic_store_n(&ns->subscriber.fn, fn, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&ns->subscriber.lock);
}

bool events_wanted(struct ns_txn *txn)
{
    return __atomic_load_n(&txn->ns->subscriber.fn, __ATOMIC_ACQUIRE) != NULL;
}

void ns_txn_set_origin(struct ns_txn *txn, uint64_t origin)
{
    txn->origin = origin;
}

/* ---- collecting ---- */

static struct changes *changes_get(struct ns_txn *txn)
{
    if (!txn->changes) {
        txn->changes = calloc(1, sizeof(*txn->changes));
        if (txn->changes)
            txn->changes->ns = txn->ns;
        else
            txn->failed = -ENOMEM;
    }
    return txn->changes;
}

static void event_add(struct ns_txn *txn, struct ns_event event)
{
    event.origin = txn->origin;
    struct changes *changes = changes_get(txn);
    if (!changes)
        return;
    int r = buf_reserve(&changes->events, sizeof(event) + event.name.len);
    if (r < 0) {
        txn->failed = r;
        return;
    }
    buf_add(&changes->events, &event, sizeof(event));
    buf_add_span(&changes->events, event.name);
}

void event_entry(struct ns_txn *txn, uint64_t dir, struct span shown, uint64_t ino)
{
    event_add(txn, (struct ns_event){.kind = NS_EVENT_ENTRY, .ino = ino, .dir = dir, .name = shown});
}

void event_inode(struct ns_txn *txn, enum ns_event_kind kind, uint64_t ino)
{
    if (events_wanted(txn))
        event_add(txn, (struct ns_event){.kind = kind, .ino = ino});
}

void event_reaped(struct ns_txn *txn, uint64_t ino)
{
    struct changes *changes = changes_get(txn);
    if (changes && buf_add(&changes->reaped, &ino, sizeof(ino)) < 0)
        txn->failed = -ENOMEM;
    if (txn->failed) /* not noted, so nobody would take it back when the mutation is dropped */
        holds_unreap(&txn->ns->holds, ino);
}

/* ---- telling ---- */

static void attached_add(struct subscriber *subscriber, int by)
{
    pthread_mutex_lock(&subscriber->lock);
    subscriber->attached += (size_t)by;
    if (subscriber->attached == 0)
        pthread_cond_broadcast(&subscriber->none);
    pthread_mutex_unlock(&subscriber->lock);
}

static void changes_free(struct changes *changes)
{
    buf_release(&changes->events);
    buf_release(&changes->reaped);
    free(changes);
}

static void changes_tell(void *arg)
{
    struct changes *changes = arg;
    struct subscriber *subscriber = &changes->ns->subscriber;
    struct span rest = buf_span(&changes->events);
    pthread_mutex_lock(&subscriber->lock);
    while (rest.len > 0 && subscriber->fn) {
        struct ns_event event;
        memcpy(&event, rest.ptr, sizeof(event));
        rest = span_from(rest, sizeof(event));
        event.name.ptr = rest.ptr;
        rest = span_from(rest, event.name.len);
        subscriber->fn(&event, subscriber->arg);
    }
    pthread_mutex_unlock(&subscriber->lock);
    changes_free(changes);
    attached_add(subscriber, -1);
}

static void changes_forget(struct changes *changes)
{
    for (size_t i = 0; i + sizeof(uint64_t) <= changes->reaped.len; i += sizeof(uint64_t)) {
        uint64_t ino;
        memcpy(&ino, changes->reaped.ptr + i, sizeof(ino));
        holds_unreap(&changes->ns->holds, ino);
    }
    changes_free(changes);
}

static void tell_lost(struct subscriber *subscriber)
{
    static const struct ns_event lost = {.kind = NS_EVENT_LOST};
    pthread_mutex_lock(&subscriber->lock);
    if (subscriber->fn)
        subscriber->fn(&lost, subscriber->arg);
    pthread_mutex_unlock(&subscriber->lock);
}

/* By a failed commit; or before anybody was answered: the mutation failed, or runs again. */
static void changes_dropped(void *arg)
{
    struct changes *changes = arg;
    struct subscriber *subscriber = &changes->ns->subscriber;
    if (index_mark(changes->ns->index) != changes->mark)
        tell_lost(subscriber);
    changes_forget(changes);
    attached_add(subscriber, -1);
}

void changes_discard(struct ns_txn *txn)
{
    if (txn->changes)
        changes_forget(txn->changes);
    txn->changes = NULL;
}

int changes_attach(struct ns_txn *txn)
{
    if (!txn->changes)
        return 0;
    txn->changes->mark = index_mark(txn->ns->index);
    attached_add(&txn->ns->subscriber, 1);
    int r = index_on_commit(txn->index, changes_tell, changes_dropped, txn->changes);
    if (r < 0)
        attached_add(&txn->ns->subscriber, -1);
    else
        txn->changes = NULL;
    return r;
}
