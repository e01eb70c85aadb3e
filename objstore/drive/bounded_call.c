/* What blocks, on a thread of the drive that can be left behind. */
#include <errno.h>
#include <stdlib.h>

#include "objstore/base/cond.h"
#include "objstore/drive/bounded_priv.h"

/* ---- life ---- */

void bounded_unref(struct bounded *b)
{
    if (atomic_fetch_sub(&b->refs, 1) != 1)
        return;
    drive_free(&b->inner);
    pulse_group_unref(&b->group);
    free(b);
}

void bounded_file_unref(struct bounded_file *file)
{
    struct bounded *on = bounded_of(file->file.drive);

    if (atomic_fetch_sub(&file->refs, 1) != 1)
        return;
    drive_file_close(&file->inner);
    free(file);
    bounded_unref(on);
}

bool bounded_is_slow(struct bounded *b)
{
    if (!(atomic_load_explicit(&b->group->slow, memory_order_relaxed) >> b->place & 1))
        return false;
    return pulse_slow(b->group, clock_mono_ns()) >> b->place & 1;
}

/* ---- calls ---- */

static void call_run(struct lane_task *task);

struct call *call_new(struct bounded *on, struct bounded_file *file, enum pulse_kind kind, int (*fn)(struct call *call))
{
    struct call *call = calloc(1, sizeof(*call));

    if (!call)
        return NULL;
    call->task.run = call_run;
    call->fn = fn;
    call->kind = kind;
    call->on = on;
    atomic_fetch_add(&on->refs, 1);
    call->file = file;
    if (file)
        atomic_fetch_add(&file->refs, 1);
    call->names = (struct buf)BUF_INIT;
    pthread_mutex_init(&call->lock, NULL);
    cond_init(&call->over);
    return call;
}

void call_free(struct call *call)
{
    if (!call)
        return;
    if (call->file)
        bounded_file_unref(call->file);
    bounded_unref(call->on);
    pthread_cond_destroy(&call->over);
    pthread_mutex_destroy(&call->lock);
    buf_release(&call->names);
    free(call->bytes);
    free(call);
}

/* What was opened for nobody. */
static void call_undo(struct call *call)
{
    if (!call->opened)
        return;
    drive_file_close(&call->opened);
    if (call->how == DRIVE_CREATE)
        (void)drive_unlink(call->on->inner, call->name);
}

/* On the drive's thread. The operation is in flight until it is undone, too. */
static void call_run(struct lane_task *task)
{
    struct call *call = (struct call *)task;
    struct pulse_group *group = call->on->group;
    unsigned place = call->on->place;
    int slot = pulse_begin(group, place, call->kind, clock_mono_ns());

    call->result = call->fn(call);
    pthread_mutex_lock(&call->lock);
    bool left = call->state == CALL_LEFT;
    if (!left) {
        pulse_end(group, place, call->kind, slot, clock_mono_ns());
        call->state = CALL_OVER;
        pthread_cond_signal(&call->over);
    }
    pthread_mutex_unlock(&call->lock);
    if (!left)
        return;
    call_undo(call);
    pulse_end(group, place, call->kind, slot, clock_mono_ns());
    pulse_left(group, place, -1);
    call_free(call);
}

/* The drive is slow: the caller goes, unless it is over just now. True when it goes, and then the call is not its own
 * any more. */
static bool call_leave(struct call *call)
{
    bool dropped = lane_drop(call->on->lane, &call->task), over;

    pthread_mutex_lock(&call->lock);
    over = call->state == CALL_OVER;
    if (!over)
        call->state = CALL_LEFT;
    if (!over && !dropped)
        pulse_left(call->on->group, call->on->place, 1);
    pthread_mutex_unlock(&call->lock);
    if (dropped)
        call_free(call);
    return !over;
}

static bool call_wait(struct call *call)
{
    struct timespec deadline;
    int r = 0;

    cond_deadline(PULSE_LOOK, &deadline);
    pthread_mutex_lock(&call->lock);
    while (call->state == CALL_WAITED && r == 0)
        r = pthread_cond_timedwait(&call->over, &call->lock, &deadline);
    bool over = call->state == CALL_OVER;
    pthread_mutex_unlock(&call->lock);
    return over;
}

int call_make(struct call **call)
{
    struct call *c = *call;
    struct bounded *on = c->on;

    if (bounded_is_slow(on)) {
        call_free(c);
        *call = NULL;
        return -ETIMEDOUT;
    }
    lane_add(on->lane, &c->task);
    while (!call_wait(c)) {
        if (pulse_look(on->group, clock_mono_ns()) >> on->place & 1 && call_leave(c)) {
            *call = NULL;
            return -ETIMEDOUT;
        }
    }
    return c->result;
}

int call_answer(struct call *call)
{
    if (!call)
        return -ENOMEM;
    int r = call_make(&call);
    call_free(call);
    return r;
}
