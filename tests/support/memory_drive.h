/*
 * A drive whose files lie in memory, for tests that open and damage thousands of stores. What it holds is a struct
 * memory_disk, which outlives the drives that are opened over it, and can be copied back to an earlier state.
 */
#ifndef CAIRN_TESTS_MEMORY_DRIVE_H
#define CAIRN_TESTS_MEMORY_DRIVE_H

#include <pthread.h>

#include "objstore/base/span.h"
#include "objstore/drive/drive.h"

#define MEMORY_FILES_MAX 64

struct memory_file {
    char name[DRIVE_NAME_MAX + 1]; /* "": a free place */
    struct buf bytes;
    bool removed; /* but still open somewhere; its place is freed with the last */
    unsigned opens;
    uint64_t change; /* the disk's number of the last one */
};

struct memory_disk {
    pthread_mutex_t lock; /* guards all that follows */
    uint64_t device;
    uint64_t changes;
    char folders[2][DRIVE_NAME_MAX + 1];
    struct memory_file files[MEMORY_FILES_MAX];
};

void memory_disk_init(struct memory_disk *disk);
void memory_disk_release(struct memory_disk *disk);
/* Makes disk what from is; both without drives over them, or open files. */
void memory_disk_copy(struct memory_disk *disk, const struct memory_disk *from);
/* The bytes of a file, to be damaged: NULL without it. */
struct buf *memory_disk_file(struct memory_disk *disk, const char *name);
/* A drive over the disk, which it does not own. -ENOMEM. */
int memory_drive_open(struct memory_disk *disk, struct drive **ret_drive);

#endif
