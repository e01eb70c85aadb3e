#include "objstore/base/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t shift;

static int64_t read_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return now.tv_sec * NS_PER_SEC + now.tv_nsec + atomic_load_explicit(&shift, memory_order_relaxed);
}

int64_t clock_real_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

void clock_shift_ns(int64_t by)
{
    atomic_fetch_add(&shift, by);
}
