#include "server/posix/push.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "objstore/base/clock.h"
#include "objstore/base/cond.h"
#include "objstore/namespace/namespace.h"
#include "server/wire/posix.h"

#define QUEUE_BYTES (1u << 20)    /* of events not handed out yet */
#define BATCH_BYTES (256u << 10)  /* of frames given to a stream in one go: below what it takes when empty */
#define TICK_NS (NS_PER_SEC / 2)  /* how often keepalives are looked after */
#define RETRY_NS (20 * NS_PER_MS) /* … and streams that were too far behind */
enum { SEEN = 1024 };             /* inodes remembered within a batch */

/* One event as it waits: this head, then the name. */
struct queued {
    uint64_t origin, ino, dir;
    uint32_t kind; /* enum posix_frame_kind */
    uint32_t name_len;
};

struct seen {
    uint64_t origin, ino;
    uint32_t kind;
    uint32_t batch;
};

struct push {
    struct ns *ns;
    int64_t keepalive_ns;

    pthread_mutex_t queue_lock; /* taken alone, for moments: the index's writer takes it */
    pthread_cond_t wake;
    struct buf queue;      /* queue_lock */
    bool overflowed;       /* queue_lock: events are missing from the queue */
    bool stop;             /* queue_lock */
    atomic_uint count;     /* of members */
    _Atomic uint64_t only; /* the origin of the only member: its events need not be queued */

    pthread_mutex_t lock; /* of members and streams */
    struct push_member *members;
    uint32_t streams;
    bool behind; /* some stream is to be tried again soon */

    pthread_t thread;
    struct buf taken, frames; /* the thread's */
    struct seen seen[SEEN];   /* the thread's */
    uint32_t batch;           /* the thread's */
};

/* ================================================================ from the index's writer */

static const uint32_t frame_kinds[] = {
    [NS_EVENT_ENTRY] = POSIX_FRAME_ENTRY, [NS_EVENT_DATA] = POSIX_FRAME_DATA, [NS_EVENT_ATTR] = POSIX_FRAME_ATTR};

static bool nobody_cares(struct push *push, uint64_t origin)
{
    unsigned count = atomic_load(&push->count);
    return count == 0 || (count == 1 && atomic_load(&push->only) == origin);
}

/* "Everything", also to who has made the changes: it was told of them when they were applied. */
static void on_lost(struct push *push)
{
    pthread_mutex_lock(&push->queue_lock);
    push->overflowed = true;
    pthread_cond_signal(&push->wake);
    pthread_mutex_unlock(&push->queue_lock);
}

static void on_event(const struct ns_event *event, void *arg)
{
    struct push *push = arg;
    if (event->kind == NS_EVENT_LOST)
        on_lost(push);
    if (event->kind == NS_EVENT_LOST || nobody_cares(push, event->origin))
        return;
    struct queued head = {event->origin, event->ino, event->dir, frame_kinds[event->kind], (uint32_t)event->name.len};
    pthread_mutex_lock(&push->queue_lock);
    bool idle = push->queue.len == 0;
    if (buf_reserve(&push->queue, sizeof(head) + event->name.len) < 0) {
        push->overflowed = true;
        push->queue.failed = 0;
    } else {
        buf_add(&push->queue, &head, sizeof(head));
        buf_add_span(&push->queue, event->name);
    }
    if (idle)
        pthread_cond_signal(&push->wake);
    pthread_mutex_unlock(&push->queue_lock);
}

/* ================================================================ streams; push.lock is held */

static void stream_close(struct push *push, struct push_member *member)
{
    if (!member->attached)
        return;
    member->attached = false;
    push->streams--;
    member->sink.close(member->sink.arg);
}

/* A stream that can't take the bytes now gets "everything" later; one that is gone is forgotten when its close comes.
 */
static void stream_send(struct push *push, struct push_member *member, struct span bytes)
{
    if (!member->attached || bytes.len == 0)
        return;
    int rc = member->sink.send(member->sink.arg, bytes.ptr, bytes.len);
    if (rc == 0) {
        member->last_sent = clock_mono_ns();
        return;
    }
    member->lost = true;
    push->behind = true;
}

static int send_one(struct push_member *member, enum posix_frame_kind kind)
{
    char bytes[POSIX_FRAME_MAX];
    struct buf out = {.ptr = bytes, .cap = sizeof(bytes), .limit = sizeof(bytes) - 1};
    int rc = posix_frame_add(&out, &(struct posix_frame){.kind = kind, .sequence = member->events});
    if (rc == 0)
        rc = member->sink.send(member->sink.arg, out.ptr, out.len);
    if (rc == 0) {
        member->last_sent = clock_mono_ns();
        member->lost = false;
    }
    return rc;
}

/* What is due whatever happens: "everything" after a loss, a sign of life after silence. */
static void stream_tend(struct push *push, struct push_member *member)
{
    if (!member->attached)
        return;
    if (member->lost)
        push->behind |= send_one(member, POSIX_FRAME_ALL) < 0;
    else if (clock_mono_ns() - member->last_sent >= push->keepalive_ns)
        send_one(member, POSIX_FRAME_ALIVE);
}

/* ================================================================ handing out; push.lock is held, on push's thread */

/* Whether the same was told before in this batch: then it was told after this change was visible too. */
static bool repeats(struct push *push, const struct queued *event)
{
    if (event->kind == POSIX_FRAME_ENTRY)
        return false;
    struct seen *seen = &push->seen[(event->ino * 0x9e3779b97f4a7c15ull >> 32) % SEEN];
    struct seen now = {event->origin, event->ino, event->kind, push->batch};
    if (memcmp(seen, &now, sizeof(now)) == 0)
        return true;
    *seen = now;
    return false;
}

/* The next event of the batch that does not repeat. */
static bool next_event(struct push *push, struct span *rest, struct queued *ret_event, struct span *ret_name)
{
    while (rest->len) {
        memcpy(ret_event, rest->ptr, sizeof(*ret_event));
        *ret_name = span_head(span_from(*rest, sizeof(*ret_event)), ret_event->name_len);
        *rest = span_from(*rest, sizeof(*ret_event) + ret_event->name_len);
        if (!repeats(push, ret_event))
            return true;
    }
    return false;
}

static void add_frame(struct push *push, struct push_member *member, const struct queued *event, struct span name)
{
    struct posix_frame frame = {.kind = (enum posix_frame_kind)event->kind,
                                .sequence = ++member->events,
                                .ino = event->ino,
                                .dir = event->dir,
                                .name = name};
    if (!member->attached || member->lost)
        return;
    if (posix_frame_add(&push->frames, &frame) < 0) {
        push->frames.failed = 0;
        member->lost = push->behind = true;
    }
    if (push->frames.len >= BATCH_BYTES) {
        stream_send(push, member, buf_span(&push->frames));
        buf_clear(&push->frames);
    }
}

static void hand_to(struct push *push, struct push_member *member, bool overflowed)
{
    struct span rest = buf_span(&push->taken), name;
    struct queued event;

    push->batch++;
    buf_clear(&push->frames);
    while (next_event(push, &rest, &event, &name))
        if (event.origin != member->origin)
            add_frame(push, member, &event, name);
    if (overflowed) {
        member->events++;
        member->lost = true;
    }
    if (!member->lost)
        stream_send(push, member, buf_span(&push->frames));
    stream_tend(push, member);
}

static void hand_out(struct push *push, bool overflowed)
{
    pthread_mutex_lock(&push->lock);
    push->behind = false;
    for (struct push_member *member = push->members; member; member = member->next)
        hand_to(push, member, overflowed);
    pthread_mutex_unlock(&push->lock);
}

/* Waits for events, or for the time to look after the streams; takes what there is. False at the end. */
static bool take_batch(struct push *push, bool *ret_overflowed)
{
    pthread_mutex_lock(&push->lock);
    int64_t pause = push->behind ? RETRY_NS : TICK_NS;
    pthread_mutex_unlock(&push->lock);

    struct timespec until;
    cond_deadline(pause, &until);
    pthread_mutex_lock(&push->queue_lock);
    while (!push->stop && push->queue.len == 0 && !push->overflowed)
        if (pthread_cond_timedwait(&push->wake, &push->queue_lock, &until))
            break;
    struct buf swap = push->queue;
    push->queue = push->taken;
    push->taken = swap;
    buf_clear(&push->queue);
    *ret_overflowed = push->overflowed;
    push->overflowed = false;
    bool go_on = !push->stop;
    pthread_mutex_unlock(&push->queue_lock);
    return go_on;
}

static void *push_thread(void *arg)
{
    struct push *push = arg;
    bool overflowed;
    while (take_batch(push, &overflowed))
        hand_out(push, overflowed);
    return NULL;
}

/* ================================================================ members */

/* Under push.lock: who alone is here does not hear itself, so its events need not be queued. */
static void note_count(struct push *push)
{
    unsigned count = 0;
    for (struct push_member *member = push->members; member; member = member->next)
        count++;
    atomic_store(&push->only, count == 1 ? push->members->origin : 0);
    atomic_store(&push->count, count);
}

void push_join(struct push *push, struct push_member *member, uint64_t origin)
{
    pthread_mutex_lock(&push->lock);
    *member = (struct push_member){.next = push->members, .origin = origin, .joined = true};
    member->events = (uint64_t)clock_real_ns();
    if (push->members)
        push->members->prev = member;
    push->members = member;
    note_count(push);
    pthread_mutex_unlock(&push->lock);
}

void push_leave(struct push *push, struct push_member *member)
{
    pthread_mutex_lock(&push->lock);
    stream_close(push, member);
    member->joined = false;
    if (member->prev)
        member->prev->next = member->next;
    else
        push->members = member->next;
    if (member->next)
        member->next->prev = member->prev;
    note_count(push);
    pthread_mutex_unlock(&push->lock);
}

uint64_t push_events(struct push *push, struct push_member *member)
{
    pthread_mutex_lock(&push->lock);
    uint64_t events = member->events;
    pthread_mutex_unlock(&push->lock);
    return events;
}

void push_attach(struct push *push, struct push_member *member, struct push_sink sink, uint64_t after)
{
    pthread_mutex_lock(&push->lock);
    stream_close(push, member);
    member->sink = sink;
    bool missed = after != member->events;
    if (member->joined && send_one(member, missed ? POSIX_FRAME_ALL : POSIX_FRAME_ALIVE) == 0) {
        member->attached = true;
        push->streams++;
    } else {
        sink.close(sink.arg);
    }
    pthread_mutex_unlock(&push->lock);
}

void push_detach(struct push *push, void *sink_arg)
{
    pthread_mutex_lock(&push->lock);
    for (struct push_member *member = push->members; member; member = member->next)
        if (member->attached && member->sink.arg == sink_arg) {
            member->attached = false;
            push->streams--;
        }
    pthread_mutex_unlock(&push->lock);
}

void push_lock(struct push *push)
{
    pthread_mutex_lock(&push->lock);
}

void push_unlock(struct push *push)
{
    pthread_mutex_unlock(&push->lock);
}

uint32_t push_streams(struct push *push)
{
    pthread_mutex_lock(&push->lock);
    uint32_t streams = push->streams;
    pthread_mutex_unlock(&push->lock);
    return streams;
}

/* ================================================================ life */

static int push_init(struct push *push)
{
    pthread_mutexattr_t recursive; /* a sink's close may come back as push_detach */

    cond_init(&push->wake);
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&push->lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    pthread_mutex_init(&push->queue_lock, NULL);
    return -pthread_create(&push->thread, NULL, push_thread, push);
}

static void push_release(struct push *push)
{
    buf_release(&push->queue);
    buf_release(&push->taken);
    buf_release(&push->frames);
    pthread_cond_destroy(&push->wake);
    pthread_mutex_destroy(&push->lock);
    pthread_mutex_destroy(&push->queue_lock);
    free(push);
}

int push_new(struct ns *ns, int64_t keepalive_ns, struct push **ret_push)
{
    struct push *push = calloc(1, sizeof(*push));
    if (!push)
        return -ENOMEM;
    push->ns = ns;
    push->keepalive_ns = keepalive_ns;
    push->queue.limit = push->taken.limit = QUEUE_BYTES;
    int rc = push_init(push);
    if (rc < 0) {
        push_release(push);
        return rc;
    }
    ns_subscribe(ns, on_event, push);
    *ret_push = push;
    return 0;
}

void push_free(struct push **push_at)
{
    struct push *push = *push_at;
    if (!push)
        return;
    *push_at = NULL;
    ns_subscribe(push->ns, NULL, NULL);
    pthread_mutex_lock(&push->queue_lock);
    push->stop = true;
    pthread_cond_signal(&push->wake);
    pthread_mutex_unlock(&push->queue_lock);
    pthread_join(push->thread, NULL);
    assert(!push->members);
    push_release(push);
}
