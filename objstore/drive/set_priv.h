/* Drive sets, as set.c (use), recognise.c and replace.c share them. */
#ifndef CAIRN_DRIVE_SET_PRIV_H
#define CAIRN_DRIVE_SET_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "objstore/drive/format.h"
#include "objstore/drive/pulse.h"
#include "objstore/drive/set.h"

struct place {
    char         *path;  /* NULL: not known */
    char         *index_path;
    struct drive *drive; /* NULL when it was missing at open */
    struct drive *candidate; /* an empty folder that may take the place (replace.c), or NULL */
    uint8_t       id[UUID_SIZE];
    unsigned      sharers; /* drives on its file system, itself too */
    _Atomic int   error;          /* 0: online; else why not */
    atomic_uint   errors_in_a_row;
    _Atomic uint64_t counts[DRIVE_EVENTS];
};

struct drive_set {
    unsigned         size, parity;
    uint8_t          id[UUID_SIZE];
    struct superblock super; /* the newest of its drives' superblocks; at open and in replace.c */
    pthread_mutex_t  lock;   /* held while a drive becomes faulty */
    _Atomic uint32_t online; /* places with a drive and no error; some of them may be slow */
    struct pulse_group *pulses;
    struct place     places[DRIVE_SET_MAX];
};

struct drives {
    uint8_t            id[UUID_SIZE];
    bool               formatted;
    size_t             set_count;
    struct drive_set **sets;
};

/* Sets without drives. -ENOMEM. */
int drives_new(size_t set_count, unsigned set_size, unsigned parity, struct drives **ret_drives);
/* Puts a drive in its place, online; the set owns it from now on. path is copied. -ENOMEM, and then nothing changed hands. */
int drive_set_put(struct drive_set *set, unsigned place, const char *path, struct drive *drive);
/* Finds which drives share a file system, once all are in their places. */
int drives_find_sharers(struct drives *drives);
/* Says why a place is empty; path may be NULL. */
int drive_set_miss(struct drive_set *set, unsigned place, const char *path, int error);
/* Writes the set's superblock to drives that have an older one, or would. */
void set_write_supers(struct drive_set *set, uint32_t places);
void uuid_text(const uint8_t uuid[UUID_SIZE], char ret_text[DRIVE_UUID_TEXT]);

#endif
