#include "tests/support/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "cairn-scratch-"

static char folder[128];
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void scratch_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_own(void)
{
    if (getpid() == owner)
        scratch_remove(folder);
}

static void remove_orphans(const char *base)
{
    DIR *dir = opendir(base);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[512];
        int pid;
        if (sscanf(entry->d_name, PREFIX "%d", &pid) != 1 || kill(pid, 0) == 0 || errno != ESRCH)
            continue;
        snprintf(path, sizeof(path), "%s/%s", base, entry->d_name);
        scratch_remove(path);
    }
    if (dir)
        closedir(dir);
}

const char *scratch_folder(void)
{
    const char *base = getenv("TMPDIR");
    if (folder[0])
        return folder;
    if (!base || strlen(base) > 64)
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    remove_orphans(base);
    owner = getpid();
    snprintf(folder, sizeof(folder), "%s/" PREFIX "%d-XXXXXX", base, (int)owner);
    if (!mkdtemp(folder)) {
        perror(folder);
        abort();
    }
    atexit(remove_own);
    return folder;
}
