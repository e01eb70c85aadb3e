/*
 * Data: blobs, which are immutable runs of bytes, erasure-coded over the drives of a set.
 *
 * A blob is written once through a writer, which reserves its place in a segment up front; it becomes part of the store in
 * the index mutation that calls blob_commit, and of nothing before. It has a reference count; at zero it is reclaimed
 * once no reader holds it. The index records of this layer start with the tags 'B' (blob id → place, length, references),
 * 'L' (segment, offset → blob id), 'S' (segment), 'F' (freed blob: the intent to reclaim), 'H' (blob that lacks shards: to heal).
 *
 * Order of a write: shards written → fdatasync on each drive, shared by concurrent writers → the caller's index commit.
 */
#ifndef CAIRN_DATA_H
#define CAIRN_DATA_H

#include "objstore/base/span.h"
#include "objstore/index/index.h"

#define DATA_STRIPE (1u << 20) /* bytes of data in a full stripe */

struct data;
struct drive_set;   /* objstore/drive: the drives of one erasure set, in order */

/* ---- writing ---- */

struct blob_writer;
/* Begins a blob of exactly length bytes (1 … 5 GiB): takes its id and reserves its place on every drive.
 * 0; -ENOSPC; CAIRN_EQUORUM; -ENOMEM. */
int blob_writer_new(struct data *data, uint64_t length, struct blob_writer **ret_writer);
/* Appends; blocks on the drives; memory stays bounded by a few stripes. CAIRN_ETOOBIG past the length. */
int blob_write(struct blob_writer *writer, const void *bytes, size_t len);
/* All bytes were given: encodes the tail, waits until the shards are on stable storage on a write quorum of drives.
 * 0; CAIRN_EQUORUM; -ENOSPC; -EINVAL when bytes are missing. */
int blob_writer_finish(struct blob_writer *writer);
uint64_t blob_writer_id(const struct blob_writer *writer);
/* Frees the writer. A blob that was not committed gives its place back: the reserved range is reclaimed. Accepts NULL. */
void blob_writer_free(struct blob_writer **writer);

/* ---- inside an index mutation ---- */

/* Makes a finished blob part of the store, with refs references (1 …). After success the writer only wants freeing. Safe to run again
 * when the mutation is. */
int blob_commit(struct index_txn *txn, struct blob_writer *writer, uint32_t refs);
/* Adds by (which may be negative) to the references. At zero the blob is marked freed: the reclaimer takes it after
 * the commit, and nothing brings it back, so a mutation that moves a reference adds before it takes away.
 * CAIRN_ECORRUPT when there is no such blob, or it was freed. */
int blob_ref(struct index_txn *txn, struct data *data, uint64_t blob_id, int32_t by);

/* The first blob whose id is at least from, and its references; 0 references: it waits to be reclaimed. For verification. -ENOENT at the end. */
int blob_next(struct index_txn *txn, uint64_t from, uint64_t *ret_id, uint32_t *ret_refs);

/* ---- reading ---- */

struct blob_pin;
/* Pins a blob that txn's snapshot refers to, so that it can be read after the transaction has ended. Pins are counted. 0;
 * CAIRN_ECORRUPT; -ENOMEM. */
int  blob_pin(struct index_txn *txn, struct data *data, uint64_t blob_id, struct blob_pin **ret_pin);
void blob_unpin(struct blob_pin **pin);
uint64_t blob_pin_length(const struct blob_pin *pin);
/* Reads exactly len bytes at off, verified; reconstructs from parity what is missing or wrong, and queues the blob to be healed.
 * Blocks on the drives. Any number of threads at once. 0; CAIRN_EBITROT, or -EIO, when fewer than k shards are good; -EINVAL past the end. */
int blob_read(struct blob_pin *pin, uint64_t off, void *ret_bytes, size_t len);

/* ---- redundancy: the work that brings it back, a piece at a time; objstore/repair decides when ---- */

/* How work that can wait is held back: called between its pieces, with the bytes of the last; blocks as it sees fit. True: the work
 * ends with -ECANCELED, and what it began is taken back. */
struct data_pace {
    bool (*pause)(void *arg, uint64_t bytes);
    void *arg;
};

/* fn(arg) is called when something was queued or found to lack a file; it must not block nor call back. NULL ends that: no call is under
 * way when this returns. */
void data_on_damage(struct data *data, void (*fn)(void *arg), void *arg);

struct data_queued {
    uint64_t blob;
    uint64_t length;
    unsigned set;
    bool     damaged; /* healing found fewer than k good shards */
};
/* The first queued blob whose id is at least from. -ENOENT at the end. */
int data_queued_next(struct data *data, uint64_t from, struct data_queued *ret_queued);
/* Heals a queued blob (heal.c has the cases). 0: it is whole, or needs healing no more; -EAGAIN: no drive that answers could take
 * more of it now, or its segment is to be refilled; -ENOSPC; CAIRN_EQUORUM; CAIRN_EBITROT or -EIO: damaged, and marked so;
 * -ECANCELED; -ENOMEM; errors of the index. */
int data_heal(struct data *data, uint64_t blob, const struct data_pace *pace);

/* Where a walk over the segments that lack files stands; zeros at first. */
struct data_refill_at {
    size_t   set;
    uint64_t segment;
};
struct data_scrubbed {
    uint64_t bytes; /* of its shards that were read */
    unsigned wrong; /* shards that were missing or wrong: it is queued now */
};
/* Verifies every shard of the first blob whose id is at least *from, and moves *from behind it. 1; 0 at the end; -ECANCELED, -ENOMEM, errors of
 * the index, and then *from stays. */
int data_scrub(struct data *data, uint64_t *from, const struct data_pace *pace, struct data_scrubbed *ret_scrubbed);
/* Bytes of all blobs' shards, about: reads the record of each segment. */
int data_stored(struct data *data, uint64_t *ret_bytes);

struct data_refill_status {
    uint64_t segments; /* that lack files on some drives, */
    uint64_t bytes;    /* … and what is to be written for that */
    uint64_t done_blobs, done_bytes; /* since start */
};
/* Any thread; does not block. */
void data_refill_status(struct data *data, struct data_refill_status *ret_status);
/* Bitmap of the places of a set whose drives answer; 0 for a set that is not there. */
uint32_t data_online(const struct data *data, size_t set);
/* Gives the next segment that lacks files on drives that answer those files back (refill.c). 1; 0 at the end, and *at begins anew;
 * -ENOSPC: its drives are full; -EIO …; then the next call goes on behind it. */
int data_refill(struct data *data, struct data_refill_at *at, const struct data_pace *pace);

/* ---- life ---- */

struct data_options {
    struct drive_set *const *sets; /* the erasure sets; the array is borrowed until data_open returns, the sets until data_close */
    size_t            set_count; /* 1 … 256; a blob lies whole in one set, chosen by free space */
    struct index     *index;    /* borrowed until data_close */
    uint64_t          segment_size; /* bytes of a shared segment on one drive; 0: the default */
    uint64_t          reserve;  /* bytes kept free on each drive, so that the index can always commit a delete; 0: the default */
};

/* The bytes that a drive of total bytes (as drive_set_space has them) keeps free: option, or the default, one in fifty up to 1 GiB, when that is 0. */
uint64_t data_reserve(uint64_t option, uint64_t total);
/* Opens: recovers segments that were open when the last process ended (their unreferenced ranges are reclaimed), and starts the
 * reclaimer's thread. */
int  data_open(const struct data_options *options, struct data **ret_data);
/* Accepts NULL. A write that a drive does not give back is waited for a few seconds; after that, what it needs stays until the process ends. */
void data_close(struct data **data);

struct data_status {
    uint64_t blobs_freed_pending; /* 'F' records not reclaimed yet */
    uint64_t heal_pending;        /* 'H' records, */
    uint64_t heal_damaged;        /* … of which can't be healed: fewer than k shards are good */
    uint64_t healed_blobs;        /* moved to be whole again, since start */
    struct data_refill_status refill;
    uint64_t degraded_reads;      /* since start */
    uint64_t bitrot_found;        /* since start */
    uint64_t total, free;         /* bytes of user data that the sets hold in all and have left: parity and reserve taken off */
};
int  data_status(struct data *data, struct data_status *ret_status);
/* Waits until all blobs freed before this call that no reader pins are reclaimed; for tests and for shutdown. */
int  data_reclaim_wait(struct data *data);

#endif
