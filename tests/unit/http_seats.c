/* The rule of seats.h: while fewer threads run than there are seats, one waits; and no more of them than that. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>

#include "objstore/base/clock.h"
#include "server/http/seats.h"

static struct seats *seats;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned events;  /* to be taken by whoever waits */
static unsigned blocked; /* threads in their block */
static unsigned served;
static bool gate_open, over;

/* An event is a request that blocks until the gate opens. */
static bool take_event(void)
{
    pthread_mutex_lock(&lock);
    while (events == 0 && !over)
        pthread_cond_wait(&changed, &lock);
    bool got = events > 0;
    if (got)
        events--;
    pthread_mutex_unlock(&lock);
    return got;
}

static void block_until_open(void)
{
    seat_leave(seats);
    seat_leave(seats); /* they nest */
    seat_return(seats);
    pthread_mutex_lock(&lock);
    blocked++;
    pthread_cond_broadcast(&changed);
    while (!gate_open)
        pthread_cond_wait(&changed, &lock);
    blocked--;
    served++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    seat_return(seats);
}

static void life(void *arg)
{
    (void)arg;
    while (seat_wait(seats)) {
        bool got = take_event();
        seat_run(seats);
        if (got)
            block_until_open();
    }
}

static void start(unsigned count, unsigned limit)
{
    struct seats_options options = {.seats = count, .limit = limit, .run = life};
    cr_assert_eq(seats_new(&options, &seats), 0);
    cr_assert_eq(seats_start(seats), 0);
}

static void add_events(unsigned count)
{
    pthread_mutex_lock(&lock);
    events += count;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_for(const unsigned *value, unsigned wanted)
{
    pthread_mutex_lock(&lock);
    while (*value != wanted)
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

/* Waits until the pool has come to rest: none runs, so many wait, so many are blocked, the rest is spare. */
static struct seats_status settle(unsigned waiting, unsigned out)
{
    struct seats_status status;
    do
        seats_status(seats, &status);
    while (status.waiting != waiting || status.running > 0 || status.total - status.spare != waiting + out);
    return status;
}

static void finish(void)
{
    open_gate();
    seats_stop(seats);
    pthread_mutex_lock(&lock);
    over = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    cr_assert_eq(seats_join(seats, clock_mono_ns() + 10 * NS_PER_SEC), 0);
    seats_free(&seats);
}

TestSuite(http_seats, .timeout = 60);

Test(http_seats, as_many_threads_wait_as_there_are_seats)
{
    start(2, 8);
    struct seats_status status = settle(2, 0);
    cr_assert_eq(status.total, 2);
    finish();
}

Test(http_seats, blocked_threads_are_replaced_so_that_one_always_waits)
{
    start(2, 64);
    add_events(40);
    wait_for(&blocked, 40);
    struct seats_status status;
    do
        seats_status(seats, &status);
    while (status.waiting == 0 || status.running > 0);
    cr_assert_leq(status.waiting, 2);
    cr_assert_leq(status.total, 42);
    finish();
}

Test(http_seats, the_pool_does_not_grow_past_its_limit_and_serves_all_the_same)
{
    start(2, 5);
    add_events(20);
    wait_for(&blocked, 5);
    struct seats_status status = settle(0, 5);
    cr_assert_eq(status.total, 5);
    open_gate();
    wait_for(&served, 20);
    finish();
}

Test(http_seats, threads_that_come_back_to_a_full_house_become_spare)
{
    start(2, 64);
    add_events(10);
    wait_for(&blocked, 10);
    open_gate();
    wait_for(&served, 10);
    struct seats_status status = settle(2, 0);
    cr_assert_geq(status.spare, 8);
    finish();
}

Test(http_seats, a_spare_is_used_again_before_a_thread_is_made)
{
    start(2, 64);
    for (unsigned round = 1; round <= 50; round++) {
        pthread_mutex_lock(&lock);
        gate_open = false;
        pthread_mutex_unlock(&lock);
        add_events(6);
        wait_for(&blocked, 6);
        open_gate();
        wait_for(&served, 6 * round);
        struct seats_status status = settle(2, 0);
        cr_assert_leq(status.total, 8 + 2);
    }
    finish();
}
