#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>

#include "server/posix/posix_priv.h"
#include "tests/support/posix_bed.h"

/* A stream that keeps what it is sent. */
struct listener {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct buf bytes;
    int answer; /* of send, when it is not 0 */
    bool closed;
};

static struct posix_bed bed;
static struct posix_client client, other;
static struct session *session;
static struct listener listener;

static int take(void *arg, const void *bytes, size_t len)
{
    struct listener *l = arg;
    pthread_mutex_lock(&l->lock);
    int rc = l->answer;
    if (rc == 0)
        buf_add(&l->bytes, bytes, len);
    pthread_cond_broadcast(&l->more);
    pthread_mutex_unlock(&l->lock);
    return rc;
}

static void hear_end(void *arg)
{
    struct listener *l = arg;
    l->closed = true;
}

static struct push_sink sink_of(struct listener *l)
{
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->more, NULL);
    return (struct push_sink){.send = take, .close = hear_end, .arg = l};
}

/* Waits for the next frame. */
static struct posix_frame heard(struct listener *l, char name[POSIX_NAME_MAX + 1])
{
    struct posix_frame frame;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        struct span rest = buf_span(&l->bytes);
        int rc = posix_frame_next(&rest, &frame);
        cr_assert_geq(rc, 0);
        if (rc == 1) {
            snprintf(name, POSIX_NAME_MAX + 1, SPAN_FMT, SPAN_ARG(frame.name));
            buf_drop(&l->bytes, l->bytes.len - rest.len);
            break;
        }
        pthread_cond_wait(&l->more, &l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    return frame;
}

static void setup(void)
{
    struct posix_caller caller = {SPAN_LIT("box"), SPAN_LIT("key")};
    posix_bed_init(&bed);
    client_init(&client, &bed, 1);
    client_init(&other, &bed, 2);
    cr_assert_eq(posix_session_get(bed.posix, client.head.session, client.head.generation, &caller, false, &session),
                 0);
    push_attach(bed.posix->push, &session->push, sink_of(&listener), client.events);
}

static void teardown(void)
{
    posix_session_put(bed.posix, &session);
    client_release(&client);
    client_release(&other);
    posix_bed_release(&bed);
    buf_release(&listener.bytes);
}

TestSuite(posix_push, .init = setup, .fini = teardown, .timeout = 60);

static uint64_t make(struct posix_client *by, const char *name)
{
    struct posix_result r;
    struct posix_op op = {.code = POSIX_CREATE, .ino = bed.bucket, .name = span_cstr(name), .mode = 0600};
    cr_assert_eq(client_do(by, op, &r), 0);
    return r.attr.ino;
}

static void change(struct posix_client *by, uint64_t ino)
{
    struct posix_result r;
    struct posix_op op = {.code = POSIX_WRITE, .ino = ino, .flags = POSIX_WRITE_END, .data = SPAN_LIT("x")};
    cr_assert_eq(client_do(by, op, &r), 0);
}

/* The next frame that is about this inode's contents, or of another kind than attributes. */
static struct posix_frame heard_of(struct listener *l, enum posix_frame_kind kind)
{
    char name[POSIX_NAME_MAX + 1];
    struct posix_frame frame;
    do
        frame = heard(l, name);
    while (frame.kind != kind);
    return frame;
}

Test(posix_push, the_first_frame_comes_at_once)
{
    char name[POSIX_NAME_MAX + 1];
    struct posix_frame frame = heard(&listener, name);
    cr_expect_eq(frame.kind, POSIX_FRAME_ALIVE);
    cr_expect_eq(frame.sequence, client.events);
}

Test(posix_push, what_another_session_does_is_told)
{
    char name[POSIX_NAME_MAX + 1];
    uint64_t ino = make(&other, "f");
    struct posix_frame frame;
    do
        frame = heard(&listener, name);
    while (frame.kind != POSIX_FRAME_ENTRY);
    cr_expect(frame.dir == bed.bucket && frame.ino == ino && strcmp(name, "f") == 0);
    cr_expect_gt(frame.sequence, client.events);
    change(&other, ino);
    cr_expect_eq(heard_of(&listener, POSIX_FRAME_DATA).ino, ino);
}

static int put_object(struct ns_txn *txn, void *arg)
{
    struct inode inode;
    struct ns_put put = {.owner = NULL};
    (void)arg;
    return ns_key_put(txn, bed.bucket, SPAN_LIT("dir/object"), &put, &inode);
}

Test(posix_push, what_s3_does_is_told)
{
    char name[POSIX_NAME_MAX + 1];
    cr_assert_eq(ns_apply(store_ns(bed.store), put_object, NULL, INDEX_DURABLE), 0);
    struct posix_frame frame;
    do
        frame = heard(&listener, name);
    while (frame.kind != POSIX_FRAME_ENTRY || strcmp(name, "dir") != 0);
    cr_expect_eq(frame.dir, bed.bucket);
}

Test(posix_push, own_changes_are_left_out)
{
    char name[POSIX_NAME_MAX + 1];
    make(&client, "mine");
    change(&client, make(&client, "mine too"));
    uint64_t ino = make(&other, "theirs");
    struct posix_frame frame;
    do {
        frame = heard(&listener, name);
        cr_expect(strcmp(name, "mine") != 0 && strcmp(name, "mine too") != 0);
    } while (frame.kind != POSIX_FRAME_ENTRY || frame.ino != ino);
}

static int change_nothing(struct ns_txn *txn, void *arg)
{
    (void)txn, (void)arg;
    return 0;
}

Test(posix_push, changes_of_one_inode_while_the_stream_is_busy_are_one_frame)
{
    uint64_t ino = make(&other, "f");
    heard_of(&listener, POSIX_FRAME_ENTRY);
    push_lock(bed.posix->push); /* the thread hands nothing out meanwhile */
    for (int i = 0; i < 50; i++)
        change(&other, ino);
    cr_assert_eq(ns_apply(store_ns(bed.store), change_nothing, NULL, INDEX_DURABLE), 0); /* all is told to push */
    push_unlock(bed.posix->push);
    make(&other, "end");
    unsigned told = 0;
    char name[POSIX_NAME_MAX + 1];
    struct posix_frame frame;
    while ((frame = heard(&listener, name)).kind != POSIX_FRAME_ENTRY)
        told += frame.kind == POSIX_FRAME_DATA;
    cr_expect(told >= 1 && told <= 2, "%u", told); /* what it took before it waited for the lock, and what came after */
}

Test(posix_push, a_stream_that_is_behind_gets_everything_instead)
{
    heard_of(&listener, POSIX_FRAME_ALIVE);
    pthread_mutex_lock(&listener.lock);
    listener.answer = -EAGAIN;
    uint64_t ino;
    pthread_mutex_unlock(&listener.lock);
    ino = make(&other, "f");
    change(&other, ino);
    uint64_t events;
    do
        events = push_events(bed.posix->push, &session->push);
    while (events == client.events);
    pthread_mutex_lock(&listener.lock);
    listener.answer = 0;
    pthread_mutex_unlock(&listener.lock);
    char name[POSIX_NAME_MAX + 1];
    struct posix_frame frame = heard(&listener, name);
    cr_expect_eq(frame.kind, POSIX_FRAME_ALL);
    cr_expect_geq(frame.sequence, events);
}

Test(posix_push, who_comes_back_is_told_whether_it_missed_something)
{
    struct listener second = {0}, third = {0};
    char name[POSIX_NAME_MAX + 1];
    push_attach(bed.posix->push, &session->push, sink_of(&second), client.events);
    cr_expect(listener.closed);
    cr_expect_eq(heard(&second, name).kind, POSIX_FRAME_ALIVE);
    push_detach(bed.posix->push, &second);
    make(&other, "f");
    while (push_events(bed.posix->push, &session->push) == client.events)
        sched_yield();
    push_attach(bed.posix->push, &session->push, sink_of(&third), client.events);
    cr_expect_eq(heard(&third, name).kind, POSIX_FRAME_ALL);
    push_detach(bed.posix->push, &third);
    buf_release(&second.bytes);
    buf_release(&third.bytes);
}

Test(posix_push, a_restart_counts_as_a_loss)
{
    struct posix_result r;
    struct posix_caller caller = {SPAN_LIT("box"), SPAN_LIT("key")};
    struct listener second = {0};
    char name[POSIX_NAME_MAX + 1];
    posix_session_put(bed.posix, &session);
    posix_bed_restart(&bed);
    struct posix_op op = {.code = POSIX_SESSION_RECLAIM, .flags = POSIX_RECLAIM_DONE};
    cr_assert_eq(client_do(&client, op, &r), 0);
    cr_assert_eq(posix_session_get(bed.posix, client.head.session, client.head.generation, &caller, false, &session),
                 0);
    push_attach(bed.posix->push, &session->push, sink_of(&second), client.events);
    cr_expect_eq(heard(&second, name).kind, POSIX_FRAME_ALL);
    push_detach(bed.posix->push, &second);
    buf_release(&second.bytes);
}

Test(posix_push, silence_is_broken_by_a_sign_of_life)
{
    char name[POSIX_NAME_MAX + 1];
    heard(&listener, name);
    clock_shift_ns(11 * NS_PER_SEC);
    cr_expect_eq(heard(&listener, name).kind, POSIX_FRAME_ALIVE);
}

Test(posix_push, the_end_of_a_session_is_the_end_of_its_stream)
{
    struct posix_result r;
    cr_assert_eq(client_do(&client, (struct posix_op){.code = POSIX_SESSION_CLOSE}, &r), 0);
    cr_expect(listener.closed);
    struct listener late = {0};
    push_attach(bed.posix->push, &session->push, sink_of(&late), 0);
    cr_expect(late.closed);
    buf_release(&late.bytes);
}

Test(posix_push, a_failed_commit_is_told_to_all_also_to_who_made_the_change)
{
    char name[POSIX_NAME_MAX + 1];
    while (heard(&listener, name).kind != POSIX_FRAME_ALIVE)
        ;
    uint64_t mark = ns_mark(store_ns(bed.store));
    posix_bed_fail(&bed, true);
    make(&client, "f");
    cr_assert_lt(ns_flush_since(store_ns(bed.store), &mark), 0);
    posix_bed_fail(&bed, false);
    cr_expect_eq(heard(&listener, name).kind, POSIX_FRAME_ALL);
}
