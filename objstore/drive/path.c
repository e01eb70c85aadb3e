#include "objstore/drive/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int path_sync_parent(const char *path)
{
    char *parent = NULL;

    if (asprintf(&parent, "%s/..", path) < 0)
        return -ENOMEM;
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(parent);
    if (fd < 0)
        return errno == EACCES ? 0 : -errno;
    int r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

bool path_is_mount_point(const char *path)
{
    char above[4096 + 4];
    struct stat own, parent;
    int n = snprintf(above, sizeof(above), "%s/..", path);

    return n > 0 && (size_t)n < sizeof(above) && stat(path, &own) == 0 && stat(above, &parent) == 0 &&
           (own.st_dev != parent.st_dev || own.st_ino == parent.st_ino);
}

bool path_is_off_root(const char *path)
{
    struct stat own, root;

    return stat(path, &own) == 0 && stat("/", &root) == 0 && own.st_dev != root.st_dev;
}
