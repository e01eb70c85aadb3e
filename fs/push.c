/*
 * Follows the stream of what others change. While it is cut, caches may be stale, so its end is told at once
 * (remote_push_connected) and what was missed is told as ALL by the server, or by us after a change of session.
 */
#include <time.h>

#include "fs/remote_priv.h"
#include "objstore/base/clock.h"

#define PUSH_PAUSE_NS (100 * NS_PER_MS)

struct follower {
    struct remote *remote;
    struct buf bytes;
};

static bool push_stopped(void *arg)
{
    struct remote *remote = arg;
    return atomic_load(&remote->stopping) || atomic_load(&remote->push_epoch) != session_current(remote).epoch;
}

static void push_tell(struct remote *remote, const struct posix_frame *frame)
{
    struct remote_event event = {
        .kind = frame->kind, .ino = frame->ino, .dir = frame->dir, .version = frame->version, .name = frame->name};
    if (frame->kind != POSIX_FRAME_ALIVE)
        remote->on_event(&event, remote->on_event_arg);
    pthread_mutex_lock(&remote->lock);
    remote->events_seen = frame->sequence;
    pthread_mutex_unlock(&remote->lock);
}

static size_t push_take(const struct s3_response *response, const void *bytes, size_t len, void *arg)
{
    struct follower *f = arg;
    (void)response;
    if (buf_add(&f->bytes, bytes, len) < 0)
        return 0;
    struct span rest = buf_span(&f->bytes);
    struct posix_frame frame;
    int r;
    while ((r = posix_frame_next(&rest, &frame)) == 1) {
        push_tell(f->remote, &frame);
        atomic_store(&f->remote->push_connected, true);
    }
    buf_drop(&f->bytes, f->bytes.len - rest.len);
    return r < 0 ? 0 : len;
}

static void push_once(struct remote *remote)
{
    struct session session = session_current(remote);
    struct follower follower = {.remote = remote};
    struct posix_stream stream = {.given = POSIX_GIVEN_PUSH, .generation = session.generation};
    memcpy(stream.session, session.id, sizeof stream.session);
    if (atomic_exchange(&remote->push_epoch, session.epoch) != session.epoch && session.epoch > 1)
        push_tell(remote, &(struct posix_frame){.kind = POSIX_FRAME_ALL, .sequence = remote->events_seen});
    pthread_mutex_lock(&remote->lock);
    stream.after = remote->events_seen;
    pthread_mutex_unlock(&remote->lock);

    struct buf text = BUF_INIT;
    struct arena a = ARENA_INIT;
    struct uri_query query;
    struct s3_response response = S3_RESPONSE_INIT;
    if (posix_query_add(&text, "push", &stream) == 0 && uri_query_parse(buf_span(&text), &a, &query) == 0) {
        struct s3_request request = {.method = "GET",
                                     .path = remote->path,
                                     .query = query.pairs,
                                     .query_count = query.count,
                                     .interrupted = push_stopped,
                                     .interrupted_arg = remote,
                                     .sink = push_take,
                                     .sink_arg = &follower};
        s3_send(remote->client, &request, &response);
    }
    atomic_store(&remote->push_connected, false);
    s3_response_release(&response);
    buf_release(&follower.bytes);
    buf_release(&text);
    arena_release(&a);
}

void *push_follow(void *arg)
{
    struct remote *remote = arg;
    while (!atomic_load(&remote->stopping)) {
        push_once(remote);
        struct timespec pause = {0, PUSH_PAUSE_NS};
        if (!atomic_load(&remote->stopping))
            nanosleep(&pause, NULL);
    }
    return NULL;
}
