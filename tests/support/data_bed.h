/*
 * Test bed: a data layer on drives in a temporary folder, each behind fault injection, with a real index beside it.
 * Everything asserts: a failure ends the test.
 */
#ifndef CAIRN_TESTS_DATA_BED_H
#define CAIRN_TESTS_DATA_BED_H

#include "objstore/data/data.h"
#include "objstore/drive/drive.h"
#include "objstore/drive/set.h"

#define BED_DRIVES_MAX 20

struct bed {
    char          root[64];
    char          paths[BED_DRIVES_MAX][96];
    unsigned      count;
    uint64_t      segment_size; /* 0: the default */
    uint64_t      reserve;      /* 1 by default, so that tests fit on a small disk */
    bool          track;        /* drives remember unsynced writes */
    struct drives *drives;
    struct drive_set *set;      /* the first */
    struct drive *opened[BED_DRIVES_MAX]; /* fault injection, by path */
    struct drive *faults[BED_DRIVES_MAX]; /* … by place in the first set; NULL where there is no drive */
    struct index *index;
    struct data  *data;
};

/* Makes the folder and opens on count fresh drives. */
void bed_init(struct bed *bed, unsigned count);
/* Closes what is open and removes the folder. */
void bed_release(struct bed *bed);
void bed_open(struct bed *bed);
int  bed_try_open(struct bed *bed); /* the answer of data_open */
void bed_close(struct bed *bed);
/* Closes as a crash would: unsynced writes are taken back (seed as fault_power_cut), nothing more reaches a drive. */
void bed_crash(struct bed *bed, uint64_t seed);

/* Bytes that depend on seed and position. */
void bed_fill(uint64_t seed, uint64_t off, void *ret_bytes, size_t len);
/* A finished writer of length such bytes; error of the first call that failed. */
int  bed_write(struct bed *bed, uint64_t seed, uint64_t length, struct blob_writer **ret_writer);
/* Writes and commits; frees the writer. The blob's id, or a negative error. */
int64_t bed_put(struct bed *bed, uint64_t seed, uint64_t length);
int  bed_commit(struct bed *bed, struct blob_writer *writer);
int  bed_ref(struct bed *bed, uint64_t id, int by);
int  bed_pin(struct bed *bed, uint64_t id, struct blob_pin **ret_pin);
/* Reads [off, off + len) and compares; the answer of blob_pin or blob_read, after having asserted that bytes, when given, are right. */
int  bed_check(struct bed *bed, uint64_t id, uint64_t seed, uint64_t off, size_t len);
int  bed_check_all(struct bed *bed, uint64_t id, uint64_t seed, uint64_t length);

struct data_status bed_status(struct bed *bed);
/* Bytes of disk below data/ of a drive, and the number of segment files there. */
uint64_t bed_disk_used(struct bed *bed, unsigned place);
unsigned bed_segments(struct bed *bed, unsigned place);
/* Number of index records with this tag. */
uint64_t bed_records(struct bed *bed, char tag);
/* The path of a drive's only segment file, static. */
const char *bed_segment_path(struct bed *bed, unsigned place);
/* Flips a bit at an offset of a file. */
void bed_flip(const char *path, uint64_t off, int bit);

#endif
