/*
 * Timed: condition variables that wait by the monotonic clock.
 */
#ifndef CAIRN_FS_TIMED_H
#define CAIRN_FS_TIMED_H

#include <stdbool.h>

#include "objstore/base/cond.h"

/* Waits for ns at most, of a condition that cond_init has made. False: the time is over. */
bool timed_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ns);

#endif
