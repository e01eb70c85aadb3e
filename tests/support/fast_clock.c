#include "tests/support/fast_clock.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "objstore/base/clock.h"

#define TURN_NS (5 * NS_PER_MS)
#define STEP_NS (100 * NS_PER_MS)

static pthread_t thread;
static atomic_bool stop;

static void *run(void *arg)
{
    while (!atomic_load(&stop)) {
        struct timespec turn = {.tv_nsec = TURN_NS};

        nanosleep(&turn, NULL);
        clock_shift_ns(STEP_NS);
    }
    return arg;
}

void fast_clock_start(void)
{
    stop = false;
    int r = pthread_create(&thread, NULL, run, NULL);
    assert(r == 0);
    (void)r;
}

void fast_clock_stop(void)
{
    stop = true;
    pthread_join(thread, NULL);
}
