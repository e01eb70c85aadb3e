/* Waiting for a condition with pthread_cond_timedwait, by the clock that never goes back. Any thread. */
#ifndef CAIRN_BASE_COND_H
#define CAIRN_BASE_COND_H

#include <pthread.h>
#include <stdint.h>

/* A condition whose deadlines are of that clock; pthread_cond_destroy ends it. */
void cond_init(pthread_cond_t *cond);
/* The instant in ns from now. */
void cond_deadline(int64_t ns, struct timespec *ret_deadline);

#endif
