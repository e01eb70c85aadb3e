/*
 * Index: an ordered, transactional, replicated map of bytes to bytes.
 *
 * Every durable fact that is not object data is a record here. LMDB stands behind it; nothing above may know.
 * There is one writer: a mutation is a function that runs inside the single write transaction, so what it reads is
 * what it changes and a condition is a plain read. Mutations of many callers share one commit (group commit).
 * Keys are 1 … INDEX_KEY_MAX bytes and sort as memcmp does, the shorter first. Their first byte is not 0, which is the
 * index's own tag. Values are 0 … INDEX_VALUE_MAX bytes; each is stored with a checksum of 4 bytes. -EINVAL answers any
 * other.
 *
 * The life of a mutation:
 *   queued    index_apply() put it in the queue.
 *   applied   its function returned; the transaction that holds it is open or committing.
 *   durable   that transaction is committed and fsynced on a write quorum of replicas, and visible to new read
 *             transactions. Its on-commit callbacks have run.
 * A read transaction sees every mutation that was applied before it began: it waits for the commit when one is due.
 */
#ifndef CAIRN_INDEX_H
#define CAIRN_INDEX_H

#include "objstore/base/span.h"

#define INDEX_KEY_MAX 511          /* LMDB's limit as Debian builds it */
#define INDEX_VALUE_MAX (1u << 20) /* ours, against runaway records */

struct index;
struct index_txn;

enum index_wait { INDEX_APPLIED, INDEX_DURABLE };

/* ---- transactions ---- */

/* Begins a read transaction: a snapshot that holds every mutation applied before this call. May block for one commit.
 * Transactions are short (they hold back reuse of pages) and may be used by one thread at a time. A thread that holds
 * one calls neither index_apply nor index_flush: now and then the writer waits for all readers (a larger map, another
 * primary). 0, -ENOMEM (no memory, or 2048 are open), -EIO. */
int index_read_begin(struct index *index, struct index_txn **ret_txn);
/* Whether index_read_begin would have to wait for a commit now. A small read may then be cheaper as a mutation that
 * changes nothing: it sees what is applied. Any thread; does not block. */
bool index_read_waits(struct index *index);
/* Ends it; every span it gave is invalid. Accepts NULL. */
void index_read_end(struct index_txn **txn);
/* The number of the last commit that this snapshot holds; in a mutation, of the commit that it will be part of. */
uint64_t index_txn_sequence(struct index_txn *txn);
/* A commit number that every snapshot holds that is open now or will be: the lowest of the read transactions alive, or
 * the last visible commit when there is none. What a commit up to this number took out of the index, no reader can find
 * any more; objstore/data reclaims by it. A transaction counts from before it takes its snapshot. Any thread; does not
 * block. */
uint64_t index_oldest_reader(struct index *index);

/* Runs fn(txn, arg) inside the write transaction and waits until it is applied or durable.
 * fn returns 0 or more for success, and that is what index_apply returns; or a negative error. It checks first, and
 * writes after; what it wrote before an error that it could not foresee (a damaged record, no memory) is undone, at the
 * price of the whole batch so far. fn may run more than once (the map grew, a commit failed), so it must not consume
 * its arguments; it runs on another thread and must not block, take long, or call index_apply. Errors beside fn's own:
 * -ENOSPC (the drives are full; nothing was written), CAIRN_EQUORUM, -EIO, -ENOMEM. */
typedef int index_mutation(struct index_txn *txn, void *arg);
int index_apply(struct index *index, index_mutation *fn, void *arg, enum index_wait wait);
/* Waits until everything applied before this call is durable. A caller that waited for INDEX_APPLIED was answered
 * before its commit; if that failed, a flush says so: index_flush to the first call after the failure;
 * index_flush_since to everyone who holds a mark from before it, once (as fsync does for each open file). *mark is set
 * by index_mark, and moved on by a flush. 0, -ENOSPC, CAIRN_EQUORUM, -EIO, -ENOMEM. */
int index_flush(struct index *index);
int index_flush_since(struct index *index, uint64_t *mark);
uint64_t index_mark(struct index *index);
/* Inside a mutation: fn(arg) is called on the writer's thread once this mutation is durable and visible. If it never
 * will be (the mutation answers an error, is run again, or its commit fails), dropped(arg) is called instead, unless
 * NULL. Neither may block or call index_apply. -ENOMEM: neither will be called. */
int index_on_commit(struct index_txn *txn, void (*fn)(void *arg), void (*dropped)(void *arg), void *arg);

/* ---- records ---- */

/* 0 and the value, which lives until the transaction ends or, in a mutation, until its next put or delete; -ENOENT;
 * -EIO; CAIRN_ECORRUPT when the record does not match its checksum. */
int index_get(struct index_txn *txn, struct span key, struct span *ret_value);
/* Within a mutation only; key and value may be spans that this transaction gave. index_put replaces; index_delete
 * answers -ENOENT when there is none. Any other error is to be returned by the mutation, and undoes all of it. */
int index_put(struct index_txn *txn, struct span key, struct span value);
int index_delete(struct index_txn *txn, struct span key);

/* ---- cursors: embedded, short-lived, closed before their transaction ends ---- */
struct index_cursor {
    struct index_txn *txn;
    void *impl;
};

int index_cursor_open(struct index_txn *txn, struct index_cursor *ret_cursor);
void index_cursor_close(struct index_cursor *cursor);
/* Moves to the first record at or after key / to the next / to the last record before key, and gives it.
 * -ENOENT at the end; -EIO, CAIRN_ECORRUPT as index_get. Spans live as index_get's. A put or delete in the same
 * mutation leaves a cursor usable only after another seek. An empty key seeks the first record. */
int index_cursor_seek(struct index_cursor *cursor, struct span key, struct span *ret_key, struct span *ret_value);
int index_cursor_next(struct index_cursor *cursor, struct span *ret_key, struct span *ret_value);
int index_cursor_before(struct index_cursor *cursor, struct span key, struct span *ret_key, struct span *ret_value);

/* ---- life ---- */

struct index_replica_status {
    const char *path; /* as given, "" for NULL; lives as the index */
    uint64_t epoch;
    uint64_t sequence; /* the last commit it holds */
    bool primary;      /* serves the reads */
    bool healthy;      /* part of the quorum. An unhealthy one whose drive is there is copied anew after a while */
    int error;         /* why it is not healthy; 0 otherwise */
};

struct index_stats {    /* since index_open */
    uint64_t sequence;  /* the last commit */
    uint64_t mutations; /* that ran, whatever they answered */
    uint64_t commits;
    uint64_t failures; /* commits that failed */
    bool writable;     /* else the next start may find another state than this one, or more than it shows */
};

struct index_options {
    const char *const *paths; /* one folder per replica, each on a drive of its own, created when its parent is there;
                                 NULL for a drive that is missing; borrowed until open returns */
    size_t count;             /* R, 1 … INDEX_REPLICAS_MAX */
    size_t write_quorum;      /* W = R / 2 + 1 */
    bool must_exist;          /* never create: the deployment is known to be older */
    struct buf *message; /* NULL, or gets a text on each replica that is not good or was copied anew, for a human */
    size_t map_size;     /* the map to begin with; 0: the default, so large that it hardly ever grows */
    int64_t rejoin_ns;   /* how long after its failure a replica is first copied anew; 0: the default */
    int64_t late_ns;     /* how long the primary's drive may take for a commit that the others have; 0: the default */
};

#define INDEX_REPLICAS_MAX 16

/* Opens or creates the replicas, after reading every page of each. At least R-W+1 of the folders must hold a good one;
 * that with the highest (epoch, sequence) brings those level that lag, and is copied over those far behind, damaged or
 * empty; then a new epoch begins, committed on W. With fewer than W the index opens for reading, and mutations answer
 * CAIRN_EQUORUM. When no folder is missing and none holds a replica, all are created. Blocks as long as reading or
 * copying the index takes. 0; -EINVAL; -EBUSY (another process has it open); CAIRN_EQUORUM; CAIRN_ECORRUPT;
 * CAIRN_EFORMAT; CAIRN_EFOREIGN (replicas of two deployments); -ENOSPC, -EACCES … of a folder; -EIO; -ENOMEM. */
int index_open(const struct index_options *options, struct index **ret_index);
/* Commits what is queued and closes; every transaction has ended. A drive that hangs is waited for some seconds and
 * then left: its replica stays claimed until it answers. (All do when it is the one without which no commit can end, or
 * from which another is being copied.) Accepts NULL. */
void index_close(struct index **index);
/* Fills up to cap rows; returns the number of replicas. Any thread. */
size_t index_status(struct index *index, struct index_replica_status *ret_rows, size_t cap);
void index_stats(struct index *index, struct index_stats *ret_stats);
/* Gives the map's pages back: they count as resident memory, though the kernel keeps them cached. For idle moments. */
void index_trim(struct index *index);

#endif
