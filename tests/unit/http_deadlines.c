/* Peers that are slow or silent, more of them than there is room for, and the stop. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "tests/support/http_bed.h"

static struct http_bed bed;
static struct http_bed_reply reply;

static void stop(void)
{
    if (bed.server)
        http_bed_stop(&bed);
}

TestSuite(http_deadlines, .fini = stop, .timeout = 60);

static struct http_server_status status_of_server(void)
{
    struct http_server_status status;
    http_server_status(bed.server, &status);
    return status;
}

static void wait_until_none_is_connected(void)
{
    while (status_of_server().connections > 0)
        ;
}

Test(http_deadlines, a_head_that_does_not_end_is_not_waited_for)
{
    bed.options.head_ns = 50 * NS_PER_MS;
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    http_bed_send(fd, "GET / HTTP/1.1\r\nHo");
    cr_assert(http_bed_ended(fd));
    close(fd);
}

Test(http_deadlines, a_slow_head_gets_no_more_time_by_sending_on)
{
    bed.options.head_ns = 50 * NS_PER_MS;
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    char byte;
    while (send(fd, "a", 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
        ;
    close(fd);
    wait_until_none_is_connected();
}

Test(http_deadlines, slow_heads_hold_no_worker)
{
    enum { SLOW = 200 };
    int slow[SLOW];
    bed.options.seats = 1;
    bed.options.workers_max = 1;
    http_bed_start(&bed);
    for (int i = 0; i < SLOW; i++) {
        slow[i] = http_bed_connect(&bed);
        http_bed_send(slow[i], "GET / HTTP/1.1\r\nHo");
    }
    http_bed_talk(&bed, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < SLOW; i++)
        close(slow[i]);
}

Test(http_deadlines, an_idle_connection_is_closed)
{
    bed.options.idle_ns = 50 * NS_PER_MS;
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    http_bed_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    http_bed_read(fd, &reply, false);
    cr_assert(http_bed_ended(fd));
    close(fd);
}

static atomic_int last_error;

static int note_error(struct http_request *request, void *arg)
{
    char bytes[100];
    ptrdiff_t got;
    (void)arg;
    while ((got = http_body_read(request, bytes, sizeof(bytes))) > 0)
        ;
    atomic_store(&last_error, (int)got);
    return (int)got;
}

Test(http_deadlines, a_body_that_stops_is_an_error_to_the_handler)
{
    bed.options.handle = note_error;
    bed.options.body_ns = 50 * NS_PER_MS;
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    http_bed_send(fd, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    http_bed_read(fd, &reply, false);
    cr_assert_eq(reply.head.status, 500);
    cr_assert_eq(atomic_load(&last_error), CAIRN_EDEADLINE);
    cr_assert(http_bed_ended(fd));
    close(fd);
}

Test(http_deadlines, a_body_that_trickles_is_cut_off_in_the_end)
{
    bed.options.handle = note_error;
    bed.options.body_ns = 200 * NS_PER_MS;
    bed.options.rate_min = 1000000;
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    http_bed_send(fd, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    while (atomic_load(&last_error) == 0) /* each byte comes well within body_ns, but all of them together do not */
        (void)send(fd, "a", 1, MSG_NOSIGNAL);
    cr_assert_eq(atomic_load(&last_error), CAIRN_EDEADLINE);
    close(fd);
}

static int send_much(struct http_request *request, void *arg)
{
    static const char part[65536];
    (void)arg;
    int rc = http_reply_begin(request, 200, HTTP_LENGTH_UNKNOWN);
    while (rc == 0)
        rc = http_reply_send(request, part, sizeof(part));
    atomic_store(&last_error, rc);
    return rc;
}

Test(http_deadlines, a_peer_that_does_not_read_is_cut_off)
{
    bed.options.handle = send_much;
    bed.options.body_ns = 50 * NS_PER_MS;
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    http_bed_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    while (atomic_load(&last_error) == 0)
        ;
    cr_assert_eq(atomic_load(&last_error), CAIRN_EDEADLINE);
    close(fd);
}

Test(http_deadlines, connections_over_the_limit_wait_their_turn)
{
    bed.options.connections_max = 2;
    http_bed_start(&bed);
    int a = http_bed_connect(&bed), b = http_bed_connect(&bed), c = http_bed_connect(&bed);
    http_bed_send(c, "GET /c HTTP/1.1\r\nHost: x\r\n\r\n");
    http_bed_send(a, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    http_bed_read(a, &reply, false);
    cr_assert(span_is(reply.body, "GET /a "));
    cr_assert_leq(status_of_server().connections, 2);
    close(a);
    memset(&reply, 0, sizeof(reply));
    http_bed_read(c, &reply, false);
    cr_assert(span_is(reply.body, "GET /c "));
    close(b);
    close(c);
}

Test(http_deadlines, silent_connections_make_room_when_there_is_none_left)
{
    enum { ROOM = 20 };
    int silent[ROOM];
    bed.options.connections_max = ROOM;
    bed.options.crowded_ns = NS_PER_MS;
    http_bed_start(&bed);
    for (int i = 0; i < ROOM; i++) {
        silent[i] = http_bed_connect(&bed);
        http_bed_send(silent[i], i % 2 ? "GET / HTTP/1.1\r\nHo" : "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    http_bed_talk(&bed, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < ROOM; i++) {
        cr_expect(http_bed_ended(silent[i]));
        close(silent[i]);
    }
}

/* ---- blocking handlers and the stop ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int inside;
static bool gate_open;

static int block(struct http_request *request, void *arg)
{
    http_seat_leave();
    pthread_mutex_lock(&lock);
    inside++;
    pthread_cond_broadcast(&changed);
    while (!gate_open && !span_is(request->head.path, "/free"))
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    http_seat_take();
    return http_bed_echo(request, arg);
}

static void wait_inside(int count)
{
    pthread_mutex_lock(&lock);
    while (inside < count)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void open_gate(void)
{
    pthread_mutex_lock(&lock);
    gate_open = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

Test(http_deadlines, requests_that_block_do_not_keep_others_waiting)
{
    enum { BLOCKED = 50 };
    int fds[BLOCKED];
    bed.options.handle = block;
    bed.options.seats = 1;
    http_bed_start(&bed);
    for (int i = 0; i < BLOCKED; i++) {
        fds[i] = http_bed_connect(&bed);
        http_bed_send(fds[i], "GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    wait_inside(BLOCKED);
    http_bed_talk(&bed, "GET /free HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    open_gate();
    for (int i = 0; i < BLOCKED; i++) {
        memset(&reply, 0, sizeof(reply));
        http_bed_read(fds[i], &reply, false);
        close(fds[i]);
    }
}

static void *stop_server(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)http_server_stop(bed.server, clock_mono_ns() + 10 * NS_PER_SEC);
}

Test(http_deadlines, a_stop_lets_running_requests_end_and_closes_idle_connections)
{
    bed.options.handle = block;
    http_bed_start(&bed);
    int idle = http_bed_connect(&bed), running = http_bed_connect(&bed);
    http_bed_send(running, "GET /run HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_inside(1);
    pthread_t stopper;
    void *result;
    pthread_create(&stopper, NULL, stop_server, NULL);
    cr_assert(http_bed_ended(idle));
    open_gate();
    http_bed_read(running, &reply, false);
    cr_assert(span_is(reply.body, "GET /run "));
    cr_assert(http_list_has(http_head_get(&reply.head, "connection"), "close"));
    pthread_join(stopper, &result);
    cr_assert_null(result);
    close(idle);
    close(running);
}

Test(http_deadlines, a_stop_cuts_what_does_not_end_by_its_deadline)
{
    bed.options.handle = note_error;
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    http_bed_send(fd, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    while (status_of_server().workers == 0 || status_of_server().running > 0)
        ;
    cr_assert_eq(http_server_stop(bed.server, clock_mono_ns() + 100 * NS_PER_MS), 0);
    close(fd);
}

/* ---- long requests ---- */

static atomic_bool enough;

/* As fast as the peer reads, until it is enough. */
static int send_much_or_little(struct http_request *request, void *arg)
{
    static const char part[65536];
    if (!span_is(request->head.path, "/much"))
        return http_bed_echo(request, arg);
    int rc = http_reply_begin(request, 200, HTTP_LENGTH_UNKNOWN);
    while (rc == 0 && !atomic_load(&enough))
        rc = http_reply_send(request, part, sizeof(part));
    return rc < 0 ? rc : http_reply_end(request);
}

static void *read_on(void *arg)
{
    int fd = *(int *)arg;
    static _Thread_local char bytes[65536];
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof(bytes), 0)) > 0 && !atomic_load(&enough))
        ;
    close(fd);
    return NULL;
}

Test(http_deadlines, large_transfers_do_not_keep_small_requests_waiting)
{
    enum { LARGE = 4 };
    int fds[LARGE];
    bed.options.seats = 1;
    bed.options.handle = send_much_or_little;
    http_bed_start(&bed);
    pthread_t readers[LARGE];
    for (int i = 0; i < LARGE; i++) {
        fds[i] = http_bed_connect(&bed);
        http_bed_send(fds[i], "GET /much HTTP/1.1\r\nHost: x\r\n\r\n");
        pthread_create(&readers[i], NULL, read_on, &fds[i]);
    }
    for (int i = 0; i < 100; i++)
        http_bed_talk(&bed, "GET /little HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    atomic_store(&enough, true);
    for (int i = 0; i < LARGE; i++)
        pthread_join(readers[i], NULL);
}
