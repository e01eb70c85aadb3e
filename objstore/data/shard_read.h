/*
 * Granules of a stripe off the drives, verified. What several drives are asked for is on its way at once, without a
 * thread for each: every one is first tried for what memory holds, which makes it begin to fetch the rest; then each is
 * waited for. A drive that is slow is not (objstore/drive/bounded.h): what it has is rebuilt from the others, and is
 * not lost. A reader's own thread does all of it, and nothing is locked.
 */
#ifndef CAIRN_DATA_SHARD_READ_H
#define CAIRN_DATA_SHARD_READ_H

#include "objstore/data/layout.h"
#include "objstore/data/pin.h"
#include "objstore/data/segment.h"
#include "objstore/drive/drive.h"
#include "objstore/drive/iov.h"

/* Neighbouring columns of one shard, on their way from its drive. */
struct shard_run {
    struct drive_file *file;
    unsigned shard, lo, hi; /* columns [lo, hi) */
    uint64_t off;           /* in the file */
    size_t len, done;       /* bytes, checksums included */
    int count;
    struct iovec iov[2 * COLUMNS_MAX]; /* granule, checksum, granule … */
    uint8_t sums[COLUMNS_MAX * GRANULE_SUM];
};

struct stripe_read {
    struct erasure_set *set;
    const struct blob_pin *pin;
    struct segment *segment;
    uint64_t number;
    uint64_t disk;  /* where the stripe begins in the segment's files */
    uint32_t shard; /* bytes of a shard */
    unsigned columns;
    uint8_t *spare;                /* for the columns of shards that at[] has no place for: a whole stripe's */
    uint32_t want[DRIVE_SET_MAX];  /* by shard: bitmap of columns that the caller gets; at[] says where */
    uint32_t tried[DRIVE_SET_MAX]; /* columns that were asked for, with whatever result */
    uint32_t good[DRIVE_SET_MAX];  /* columns that are at at[] and verified */
    enum drive_wait wait;          /* DRIVE_PATIENT, and DRIVE_WAIT when nothing else is left */
    uint32_t slow;                 /* shards whose drive did not answer in time */
    uint32_t lost;                 /* places whose drive answers, but without the right bytes */
    unsigned rotten;               /* granules with wrong bytes */

    /* Without a value from here on. */
    uint8_t *at[DRIVE_SET_MAX][COLUMNS_MAX]; /* of the columns in want and tried */
    unsigned run_count;
    struct shard_run runs[DRIVE_SET_MAX];
};

/* Nothing is asked for or wanted yet. */
void stripe_read_init(struct stripe_read *read, const struct blob_pin *pin, struct segment *segment, uint64_t number);
/* Asks for columns of a shard: those that are wanted go to their place, the others to the spare buffer. They are read
 * when runs_read is called, at the latest. */
void shard_ask(struct stripe_read *read, unsigned shard, uint32_t columns);
/* Waits for all that was asked, and checks it: good, slow, lost and rotten tell. */
void runs_read(struct stripe_read *read);

#endif
