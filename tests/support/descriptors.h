/*
 * Faults below a library that opens files itself: its descriptors are made to act on another file. Mapped pages stay.
 */
#ifndef CAIRN_TESTS_DESCRIPTORS_H
#define CAIRN_TESTS_DESCRIPTORS_H

/* The descriptors that this process has open on the file at path, up to cap: how many. */
int descriptors_of(const char *path, int *ret_fds, int cap);
/* fd acts as the file or device at path from now on ("/dev/full"). */
void descriptor_replace(int fd, const char *path);

#endif
