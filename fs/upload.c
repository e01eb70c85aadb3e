#include "fs/upload.h"

static void add_tail(struct remote_call *call, const struct upload_tail *tail)
{
    if (tail->op)
        remote_add(call, tail->op);
    if (tail->durable)
        remote_add(call, &(struct posix_op){.code = POSIX_FSYNC});
}

/* The results of what add_tail has added. */
static int read_tail(struct remote_call *call, struct upload_tail *tail)
{
    struct posix_result result;

    tail->stamp = call->stamp;
    if (tail->op) {
        tail->error = remote_next(call, &result);
        result.data = SPAN_EMPTY;
        *tail->result = result;
        if (tail->error < 0)
            return 0; /* nothing ran behind it */
    }
    return tail->durable ? remote_next(call, &result) : 0;
}

static int read_writes(struct remote_call *call, struct upload *u)
{
    struct posix_result result;
    int r = 0;

    for (size_t i = 0; i < u->batch.count && r == 0; i++) {
        if ((r = remote_next(call, &result)) < 0)
            break;
        u->stored++;
        u->attr = result.attr;
    }
    if (r == 0 && u->set.valid && (r = remote_next(call, &result)) == 0)
        u->attr = result.attr;
    return r;
}

/* Several extents, and what goes along, in one compound. */
static int send_compound(struct fs *fs, uint64_t ino, struct upload *u, struct upload_tail *tail)
{
    struct remote_call *call = call_get(fs);

    if (!call)
        return -ENOMEM;
    for (size_t i = 0; i < u->batch.count; i++) {
        const struct extent *e = u->batch.extents[i];
        struct posix_op op = {
            .code = POSIX_WRITE, .ino = ino, .off = e->off, .data = span_make(e->slot + e->start, e->len)};
        remote_add(call, &op);
    }
    if (u->set.valid)
        remote_add(call, &u->set);
    if (tail)
        add_tail(call, tail);
    int r = remote_send(call);
    u->stamp = call->stamp;
    if (r == 0)
        r = read_writes(call, u);
    if (r == 0 && tail) {
        r = read_tail(call, tail);
        u->folded = true;
    }
    call_put(fs, call);
    return r;
}

/* One large extent as a stream. What is to follow is a request of its own. */
static int send_stream(struct fs *fs, uint64_t ino, struct upload *u)
{
    const struct extent *e = u->batch.extents[0];
    struct remote_written written = {0};
    int r = remote_write(fs->remote, ino, e->off, e->slot + e->start, e->len, false, &written);

    u->attr = written.attr;
    u->stamp = written.stamp;
    u->stored = r == 0;
    return r;
}

bool upload_is_stream(const struct upload *u)
{
    return u->batch.count == 1 && u->batch.extents[0]->len > DIRTY_ALONE;
}

int upload_send(struct fs *fs, uint64_t ino, struct upload *u)
{
    u->stored = 0;
    u->folded = false;
    if (upload_is_stream(u))
        return send_stream(fs, ino, u);
    return send_compound(fs, ino, u, u->last ? u->tail : NULL);
}

int upload_tail_alone(struct fs *fs, struct upload_tail *tail)
{
    struct remote_call *call = call_get(fs);

    if (!call)
        return -ENOMEM;
    add_tail(call, tail);
    int r = remote_send(call);
    if (r == 0)
        r = read_tail(call, tail);
    call_put(fs, call);
    return r;
}
