/* Reading a stripe, as read.c (what is wanted, rebuilding) and shard_read.c (granules off the drives) share it. */
#ifndef CAIRN_DATA_READ_PRIV_H
#define CAIRN_DATA_READ_PRIV_H

#include "objstore/data/data_priv.h"
#include "objstore/data/layout.h"
#include "objstore/drive/iov.h"

/* Neighbouring columns of one shard, on their way from its drive. */
struct shard_run {
    struct drive_file *file;
    unsigned           shard, lo, hi; /* columns [lo, hi) */
    uint64_t           off;           /* in the file */
    size_t             len, done;     /* bytes, checksums included */
    int                count;
    struct iovec       iov[2 * COLUMNS_MAX]; /* granule, checksum, granule … */
    uint8_t            sums[COLUMNS_MAX * GRANULE_SUM];
};

struct stripe_read {
    struct data           *data;
    struct erasure_set    *set;
    const struct blob_pin *pin;
    struct segment        *segment;
    uint64_t               number;
    uint64_t               disk;  /* where the stripe begins in the segment's files */
    uint32_t               shard; /* bytes of a shard */
    unsigned               columns;
    uint32_t               begin, end; /* the bytes of the stripe that are asked for */
    uint8_t               *out;        /* where they go */
    uint8_t               *bounce;     /* NULL until needed; from scraps */
    unsigned               bounced;
    uint8_t               *spare;                /* NULL until needed; from stripes: granules that only serve to rebuild */
    uint32_t               want[DRIVE_SET_MAX];  /* by shard: bitmap of columns that the caller gets; at[] says where */
    uint32_t               tried[DRIVE_SET_MAX]; /* columns that were asked for, with whatever result */
    uint32_t               good[DRIVE_SET_MAX];  /* columns that are at at[] and verified */
    enum drive_wait        wait;                 /* DRIVE_PATIENT, and DRIVE_WAIT when nothing else is left */
    uint32_t               slow;                 /* shards whose drive did not answer in time */
    uint32_t               lost;                 /* places whose drive answers, but without the right bytes */
    bool                   rotten;               /* one of them with wrong bytes */
    bool                   degraded;

    /* Without a value from here on. */
    uint8_t         *at[DRIVE_SET_MAX][COLUMNS_MAX]; /* of the columns in want and tried */
    unsigned         run_count;
    struct shard_run runs[DRIVE_SET_MAX];
};

/* Reads columns of a shard, the first of each run of neighbours at the latest when runs_read is called: those that the caller wants to
 * their place, the others to the spare buffer. */
void shard_ask(struct stripe_read *read, unsigned shard, uint32_t columns);
/* Waits for all that was asked, and checks it: good, slow, lost and rotten tell. */
void runs_read(struct stripe_read *read);

#endif
