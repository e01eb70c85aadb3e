/*
 * Push: tells each session what others changed.
 *
 * The namespace's callback runs on the index's writer, so it only appends the event to a queue; push's own thread takes
 * the whole queue, leaves out what repeats within it, and hands each session its frames. A busy server thus merges
 * events by itself, and an idle one sends at once. Both queue and streams are bounded: what does not fit becomes one
 * frame "everything".
 */
#ifndef CAIRN_POSIX_PUSH_H
#define CAIRN_POSIX_PUSH_H

#include "objstore/base/span.h"

struct ns;
struct push;

/* Where a session's frames go. send never blocks: 0, -EAGAIN when the peer is too far behind, another error when it is
 * gone. */
struct push_sink {
    int (*send)(void *arg, const void *bytes, size_t len);
    void (*close)(void *arg); /* once; after it nothing is sent */
    void *arg;
};

/* Embedded in a session; all under push's lock. */
struct push_member {
    struct push_member *next, *prev;
    uint64_t origin;   /* events of this origin are its own */
    uint64_t events;   /* so far; begins at the time of joining, so that it never goes back over a restart */
    int64_t last_sent; /* monotonic ns */
    struct push_sink sink;
    bool joined;
    bool attached;
    bool lost; /* the stream lacks events: "everything" is due */
};

/* Subscribes to ns and starts the thread; ns is borrowed until push_free. keepalive_ns: a stream says at least this
 * often that it lives. */
int push_new(struct ns *ns, int64_t keepalive_ns, struct push **ret_push);
/* Unsubscribes, closes all streams, joins. Accepts NULL. */
void push_free(struct push **push);

void push_join(struct push *push, struct push_member *member, uint64_t origin);
/* Closes its stream, if any. */
void push_leave(struct push *push, struct push_member *member);
/* Events so far: what SESSION_OPEN says. */
uint64_t push_events(struct push *push, struct push_member *member);
/* Gives the member a stream, in place of one it may have; after is the last event that the client has seen. Sends the
 * first frame. A stream that can't take it, or whose member has left, is closed. */
void push_attach(struct push *push, struct push_member *member, struct push_sink sink, uint64_t after);
/* The stream whose sink has this arg is gone by itself; its close is not called. */
void push_detach(struct push *push, void *sink_arg);
uint32_t push_streams(struct push *push);
/* Around the making of a sink whose end another thread may tell at once. Recursive: the calls above may be made inside.
 */
void push_lock(struct push *push);
void push_unlock(struct push *push);

#endif
