/*
 * Releaser: gives handles back to the server in batches, a moment after the kernel has: closing a file costs no
 * round trip of its own. The last close of a file without a name is not put off, since its space is to be had again.
 */
#ifndef CAIRN_FS_RELEASE_H
#define CAIRN_FS_RELEASE_H

#include "fs/fs.h"
#include "objstore/base/clock.h"

#define RELEASE_LATER_NS (2 * NS_PER_SEC)

struct releaser;

int releaser_new(struct fs *fs, struct releaser **ret_releaser);
/* What is left goes with the session. Accepts NULL. */
void releaser_free(struct releaser **releaser);
/* soon: without waiting for company. Does not block. */
void releaser_add(struct releaser *releaser, uint64_t handle, bool soon);
/* After RELEASE_LATER_NS, or sooner when very many wait for that. Does not block. */
void releaser_add_later(struct releaser *releaser, uint64_t handle);

#endif
