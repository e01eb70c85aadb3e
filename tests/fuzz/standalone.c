/*
 * A main for fuzz drivers without libFuzzer: replays files, and the files of folders, through the driver.
 * usage: fuzz_NAME PATH...
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "objstore/base/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int complain(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return -1;
}

static int replay_file(const char *path)
{
    struct buf input = BUF_INIT;
    char piece[4096];
    size_t got;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return complain(path);
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_add(&input, piece, got);
    int failed = ferror(file) ? complain(path) : input.failed;
    fclose(file);
    if (failed == 0) {
        /* a copy of just this size, so that a sanitizer sees a read past its end */
        uint8_t *exact = malloc(input.len > 0 ? input.len : 1);
        if (exact != NULL) {
            if (input.len > 0)
                memcpy(exact, input.ptr, input.len);
            LLVMFuzzerTestOneInput(exact, input.len);
        }
        failed = exact == NULL ? complain(path) : 0;
        free(exact);
    }
    buf_release(&input);
    return failed;
}

static int replay_folder(const char *path)
{
    int count = 0;
    DIR *folder = opendir(path);
    if (folder == NULL)
        return complain(path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (replay_file(name) < 0) {
            count = -1;
            break;
        }
        count++;
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) < 0)
            return complain(argv[i]) < 0;
        int count = S_ISDIR(st.st_mode) ? replay_folder(argv[i]) : replay_file(argv[i]) + 1;
        if (count < 0)
            return 1;
        total += count;
    }
    printf("%d inputs replayed\n", total);
    return 0;
}
