#include "tests/support/descriptors.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINK_LEN = 512 };

int descriptors_of(const char *path, int *ret_fds, int cap)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    char link[LINK_LEN], target[LINK_LEN];
    int count = 0;

    cr_assert_not_null(dir);
    while ((entry = readdir(dir)) && count < cap) {
        snprintf(link, sizeof(link), "/proc/self/fd/%s", entry->d_name);
        ssize_t len = readlink(link, target, sizeof(target) - 1);
        target[len < 0 ? 0 : len] = 0;
        if (strcmp(target, path) == 0)
            ret_fds[count++] = atoi(entry->d_name);
    }
    closedir(dir);
    return count;
}

void descriptor_replace(int fd, const char *path)
{
    int other = open(path, O_RDWR | O_CLOEXEC);

    if (other < 0)
        other = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(other, 0);
    cr_assert_eq(dup2(other, fd), fd);
    close(other);
}
