/*
 * Mount: the connection to the kernel, from mount(2) to the last request.
 */
#ifndef CAIRN_FS_MOUNT_H
#define CAIRN_FS_MOUNT_H

#include "fs/fs.h"

/* Sets up the process, before there are threads: signals, and what memory pressure may do to it. */
void mount_prepare(void);
/* Makes the FUSE session of fs, and mounts it. 0; -EINVAL, or another error, said on standard error by libfuse. */
int mount_open(struct fs *fs);
/* Serves requests until the mount goes, or SIGTERM or SIGINT comes. ready is called once, from a thread of its own,
 * when the mount answers; error is not 0 when it does not. */
int mount_serve(struct fs *fs, void (*ready)(int error, void *arg), void *arg);
/* Unmounts if that has not happened. Accepts a half-made mount. */
void mount_close(struct fs *fs);

#endif
