#include "objstore/base/cond.h"

#include <time.h>

#include "objstore/base/clock.h"

void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void cond_deadline(int64_t ns, struct timespec *ret_deadline)
{
    clock_gettime(CLOCK_MONOTONIC, ret_deadline);
    ret_deadline->tv_sec += ns / NS_PER_SEC;
    ret_deadline->tv_nsec += ns % NS_PER_SEC;
    if (ret_deadline->tv_nsec >= NS_PER_SEC) {
        ret_deadline->tv_sec++;
        ret_deadline->tv_nsec -= NS_PER_SEC;
    }
}
