/*
 * Outside: what we ask of our own mount, as any program might. A child asks, which has no part in the connection to the
 * kernel: a thread of ours that waits for our own answer when the process is killed would keep the connection open for
 * ever, and with it all who use the mount.
 */
#ifndef CAIRN_FS_OUTSIDE_H
#define CAIRN_FS_OUTSIDE_H

#include "fs/options.h"

/* Waits for the mount to answer, then raises what the kernel reads ahead, which is 128 KiB at first; only root may. 0;
 * -EIO and the like; -EINTR when it was unmounted meanwhile. */
int outside_look(const struct mount_options *options);
/* Has the kernel bring to us what is dirty in its pages. Requests must still be served. */
void outside_sync(const struct mount_options *options);

#endif
