/*
 * What is done with a compound before its transaction: whatever is malformed, may block, or may fail for want of
 * memory.
 */
#include "server/posix/compound.h"

/* ================================================================ decoding */

/* Adds up what an operation asks of the frame. */
static void count_op(struct compound *c, const struct posix_op *op)
{
    int class = posix_class_of(op->code);
    size_t max = posix_result_max(op->code);

    if (class > c->class)
        c->class = class;
    c->reply_max = max && c->reply_max ? c->reply_max + max : 0; /* 0: not to be bounded in advance */
    c->handle_count += op->handle && op->code != POSIX_RELEASE;
    c->wants_statfs |= op->code == POSIX_STATFS;
}

/* -EPROTO when operations stand together that may not. */
static int check_together(const struct compound *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (posix_class_of(c->ops[i].code) == POSIX_SESSION && c->count != 1)
            return -EPROTO;
    if (c->class == POSIX_CHANGES && (c->reply_max == 0 || c->reply_max > POSIX_STORED_MAX))
        return -EPROTO;
    return 0;
}

int compound_decode(struct compound *c, struct span bytes)
{
    struct span rest;
    if (posix_request_decode(bytes, &c->head, &rest) < 0)
        return -EPROTO;
    c->count = c->head.count;
    c->ops = arena_zalloc(&c->arena, c->count + 1, sizeof(*c->ops));
    if (!c->ops)
        return -ENOMEM;
    c->class = POSIX_READS;
    c->reply_max = POSIX_REPLY_HEAD;
    for (size_t i = 0; i < c->count; i++) {
        if (posix_op_next(&rest, &c->ops[i]) == CAIRN_ESYNTAX)
            return -EPROTO;
        count_op(c, &c->ops[i]);
    }
    return c->count ? check_together(c) : -EPROTO;
}

/* ================================================================ before the transaction */

static int write_body(struct compound *c, size_t i)
{
    struct span data = c->ops[i].data;
    http_seat_leave();
    int rc = body_writer_new_for(c->posix->ns, c->ops[i].ino, data.len, &c->bodies[i]);
    if (rc == 0)
        rc = body_write(c->bodies[i], data.ptr, data.len);
    if (rc == 0)
        rc = body_writer_finish(c->bodies[i]);
    http_seat_take();
    return rc;
}

static int write_bodies(struct compound *c)
{
    int rc = 0;
    for (size_t i = 0; i < c->count && rc == 0; i++)
        if (c->ops[i].code == POSIX_WRITE && c->ops[i].data.len && !c->bodies[i])
            rc = write_body(c, i);
    return rc;
}

/* All memory that a mutation needs, since it can't do without once it has begun to write. */
static int make_room(struct compound *c)
{
    c->holds = arena_zalloc(&c->arena, c->handle_count + 1, sizeof(*c->holds));
    c->late = arena_zalloc(&c->arena, c->count, sizeof(*c->late));
    if (!c->bodies)
        c->bodies = arena_zalloc(&c->arena, c->count, sizeof(*c->bodies));
    if (!c->holds || !c->late || !c->bodies)
        return -ENOMEM;
    if (c->class != POSIX_CHANGES)
        return 0;
    int rc = buf_reserve(c->reply, c->reply_max);
    return rc < 0 ? rc : buf_reserve(&c->scratch, posix_reply_room(c->handle_count, c->reply_max));
}

int compound_prepare(struct compound *c)
{
    int rc = make_room(c);
    if (rc == 0 && c->wants_statfs)
        rc = ns_statfs(c->posix->ns, &c->statfs);
    return rc == 0 && c->class == POSIX_CHANGES ? write_bodies(c) : rc;
}
