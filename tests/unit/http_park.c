/* Streams that outlive their handler. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "tests/support/http_bed.h"

static struct http_bed bed;
static struct http_bed_reply reply;

/* What the owner of a stream keeps: its handle, behind a lock that on_close takes too. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct http_parked *parked;
static int closed;
static sem_t parked_now, closed_now;

static void on_close(void *arg)
{
    pthread_mutex_lock(&lock);
    cr_assert_eq(arg, &parked);
    parked = NULL;
    closed++;
    pthread_mutex_unlock(&lock);
    sem_post(&closed_now);
}

static int park_it(struct http_request *request, void *arg)
{
    (void)arg;
    int rc = http_reply_begin(request, 200, HTTP_LENGTH_UNKNOWN);
    pthread_mutex_lock(&lock);
    if (rc == 0)
        rc = http_park(request, on_close, &parked, &parked);
    if (rc == 0)
        rc = http_parked_send(parked, "hello ", 6); /* before it is begun */
    pthread_mutex_unlock(&lock);
    sem_post(&parked_now);
    return rc;
}

static int send_parked(const char *text)
{
    pthread_mutex_lock(&lock);
    int rc = parked ? http_parked_send(parked, text, strlen(text)) : CAIRN_ECLOSED;
    pthread_mutex_unlock(&lock);
    return rc;
}

static void start(void)
{
    sem_init(&parked_now, 0, 0);
    sem_init(&closed_now, 0, 0);
    bed.options.handle = park_it;
    http_bed_start(&bed);
}

static void stop(void)
{
    if (bed.server)
        http_bed_stop(&bed);
}

TestSuite(http_park, .init = start, .fini = stop, .timeout = 60);

static int open_stream(void)
{
    int fd = http_bed_connect(&bed);
    http_bed_send(fd, "GET /push HTTP/1.1\r\nHost: x\r\n\r\n");
    sem_wait(&parked_now);
    return fd;
}

Test(http_park, what_is_sent_from_elsewhere_arrives_in_order_and_close_ends_it)
{
    int fd = open_stream();
    cr_assert_eq(send_parked("a "), 0);
    cr_assert_eq(send_parked("stream"), 0);
    pthread_mutex_lock(&lock);
    http_parked_close(parked);
    pthread_mutex_unlock(&lock);
    http_bed_read(fd, &reply, false);
    cr_assert(span_is(reply.body, "hello a stream"));
    sem_wait(&closed_now);
    cr_assert(http_bed_ended(fd));
    close(fd);
}

Test(http_park, a_stream_holds_no_worker)
{
    int fd = open_stream();
    struct http_server_status status;
    do
        http_server_status(bed.server, &status);
    while (status.parked != 1 || status.running != 0);
    cr_assert_eq(status.connections, 1);
    close(fd);
    sem_wait(&closed_now);
}

Test(http_park, on_close_is_called_once_when_the_peer_goes)
{
    int fd = open_stream();
    close(fd);
    sem_wait(&closed_now);
    cr_assert_eq(send_parked("into the void"), CAIRN_ECLOSED);
    cr_assert_eq(closed, 1);
}

Test(http_park, a_peer_that_does_not_read_is_told_off_at_the_limit)
{
    static char part[64 * 1024];
    int fd = open_stream();
    memset(part, 'x', sizeof(part) - 1);
    int rc = 0, sent = 0;
    while ((rc = send_parked(part)) == 0 && sent < 100000)
        sent++;
    cr_assert_eq(rc, -EAGAIN);
    close(fd);
    sem_wait(&closed_now);
}

Test(http_park, the_stop_closes_streams)
{
    int fd = open_stream();
    http_bed_stop(&bed);
    cr_assert_eq(closed, 1);
    cr_assert(http_bed_ended(fd));
    close(fd);
}

Test(http_park, a_stream_whose_peer_is_gone_at_once_is_closed_too)
{
    for (int i = 0; i < 200; i++) {
        int fd = http_bed_connect(&bed);
        http_bed_send(fd, "GET /push HTTP/1.1\r\nHost: x\r\n\r\n");
        close(fd);
        sem_wait(&parked_now);
        sem_wait(&closed_now);
    }
    cr_assert_eq(closed, 200);
}
