/* What the name of a drive's folder tells: where it lies, and how its name is kept. All block on the disk. */
#ifndef CAIRN_DRIVE_PATH_H
#define CAIRN_DRIVE_PATH_H

#include <stdbool.h>

/* Syncs the folder that the path lies in, so that its name can't get lost. One that we may not read is its owner's to
 * sync. 0, -ENOMEM, errno of opening or syncing. */
int path_sync_parent(const char *path);
/* Whether another file system begins here. */
bool path_is_mount_point(const char *path);
/* … or has begun on the way to it. */
bool path_is_off_root(const char *path);

#endif
