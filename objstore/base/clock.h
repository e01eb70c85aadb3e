/*
 * Clocks. Library code takes a time as a parameter where it can; where it must ask, it asks here, so that a test can
 * set the hands. Any thread.
 */
#ifndef CAIRN_BASE_CLOCK_H
#define CAIRN_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_SEC 1000000000LL
#define NS_PER_MS  1000000LL

/* Nanoseconds since 1970, UTC. */
int64_t clock_real_ns(void);
/* Nanoseconds of a clock that never goes back; for deadlines. */
int64_t clock_mono_ns(void);
/* For tests: adds this to both clocks from now on. */
void clock_shift_ns(int64_t by);

#endif
