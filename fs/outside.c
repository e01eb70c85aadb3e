#include "fs/outside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* ask runs in a child of a process with threads, of which one may have held a lock that is held for ever here
 * (malloc's, stdio's): system calls only, and what takes no memory. It answers 0 or an errno. */
static int ask_outside(int (*ask)(const struct mount_options *options), const struct mount_options *options)
{
    pid_t child = fork();
    int status;

    if (child < 0)
        return -errno;
    if (child == 0) {
        close_range(STDERR_FILENO + 1, UINT_MAX, 0);
        _exit(ask(options));
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static int look(const struct mount_options *options)
{
    char path[80], text[24];
    struct stat st;

    if (stat(options->mountpoint, &st) < 0)
        return errno;
    snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", major(st.st_dev), minor(st.st_dev));
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int len = snprintf(text, sizeof text, "%llu\n", (unsigned long long)options->read_ahead / 1024);
    ssize_t written = write(fd, text, (size_t)len); /* without it the mount reads in smaller pieces */
    (void)written;
    close(fd);
    return 0;
}

int outside_look(const struct mount_options *options)
{
    return ask_outside(look, options);
}

static int sync_pages(const struct mount_options *options)
{
    int fd = open(options->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || syncfs(fd) < 0 ? errno : 0;
}

void outside_sync(const struct mount_options *options)
{
    ask_outside(sync_pages, options);
}
