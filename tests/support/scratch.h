/*
 * A folder for this process, in memory where the system has a place for that. It goes with the process; what one that
 * crashed has left goes with the next.
 */
#ifndef CAIRN_TESTS_SCRATCH_H
#define CAIRN_TESTS_SCRATCH_H

/* Makes it at the first call. */
const char *scratch_folder(void);
/* Removes what lies at path and below. */
void scratch_remove(const char *path);

#endif
