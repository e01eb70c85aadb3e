#include "fs/timed.h"

#include <time.h>

#include "objstore/base/clock.h"

bool timed_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ns)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    if (ns > 0)
        ns += t.tv_sec * NS_PER_SEC + t.tv_nsec;
    t = (struct timespec){.tv_sec = ns / NS_PER_SEC, .tv_nsec = ns % NS_PER_SEC};
    return pthread_cond_timedwait(cond, lock, &t) == 0;
}
