/*
 * Timed: condition variables that wait by the monotonic clock.
 */
#ifndef CAIRN_FS_TIMED_H
#define CAIRN_FS_TIMED_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

void cond_init(pthread_cond_t *cond);
/* Waits for ns at most, of a condition that cond_init has made. False: the time is over. */
bool timed_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ns);

#endif
