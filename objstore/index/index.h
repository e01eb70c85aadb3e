/*
 * Index: an ordered, transactional, replicated map of bytes to bytes.
 *
 * Every durable fact that is not object data is a record here. LMDB stands behind it; nothing above may know.
 * There is one writer: a mutation is a function that runs inside the single write transaction, so what it reads is
 * what it changes and a condition is a plain read. Mutations of many callers share one commit (group commit).
 * Keys are 1 … INDEX_KEY_MAX bytes and sort as memcmp does, the shorter first. Values are 0 … INDEX_VALUE_MAX bytes.
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

#define INDEX_KEY_MAX   511            /* LMDB's limit as Debian builds it */
#define INDEX_VALUE_MAX (1u << 20)     /* ours, against runaway records */

struct index;
struct index_txn;

enum index_wait { INDEX_APPLIED, INDEX_DURABLE };

/* ---- transactions ---- */

/* Begins a read transaction: a snapshot that holds every mutation applied before this call. May block for one commit.
 * Transactions are short (they hold back reuse of pages) and may be used by one thread at a time. 0, -ENOMEM, -EIO. */
int  index_read_begin(struct index *index, struct index_txn **ret_txn);
/* Ends it; every span it gave is invalid. Accepts NULL. */
void index_read_end(struct index_txn **txn);
/* The number of the last commit that this snapshot holds. */
uint64_t index_txn_sequence(const struct index_txn *txn);

/* Runs fn(txn, arg) inside the write transaction and waits until it is applied or durable.
 * fn returns 0 or more for success, and that is what index_apply returns; or a negative error, and then it must not have
 * written anything yet: it checks first, and writes after. fn may run more than once (the map grew, a commit
 * failed), so it must not consume its arguments; it runs on another thread and must not block, take long, or call index_apply.
 * Errors beside fn's own: -ENOSPC (the drives are full; nothing was written), CAIRN_EQUORUM, -EIO, -ENOMEM. */
typedef int index_mutation(struct index_txn *txn, void *arg);
int index_apply(struct index *index, index_mutation *fn, void *arg, enum index_wait wait);
/* Waits until everything applied before this call is durable. 0, -ENOSPC, CAIRN_EQUORUM, -EIO. */
int index_flush(struct index *index);
/* Inside a mutation: fn(arg) is called on the writer's thread once this mutation is durable and visible (never if
 * the commit fails: then dropped(arg) is, if not NULL). -ENOMEM. */
int index_on_commit(struct index_txn *txn, void (*fn)(void *arg), void (*dropped)(void *arg), void *arg);

/* ---- records ---- */

/* 0 and the value, which lives until the transaction ends or, in a mutation, until its next put or delete; -ENOENT; -EIO. */
int index_get(struct index_txn *txn, struct span key, struct span *ret_value);
/* Within a mutation only. index_put replaces; index_delete answers -ENOENT when there is none. */
int index_put(struct index_txn *txn, struct span key, struct span value);
int index_delete(struct index_txn *txn, struct span key);

/* ---- cursors: embedded, short-lived, closed before their transaction ends ---- */
struct index_cursor {
    struct index_txn *txn;
    void             *impl;
};

int  index_cursor_open(struct index_txn *txn, struct index_cursor *ret_cursor);
void index_cursor_close(struct index_cursor *cursor);
/* Moves to the first record at or after key / to the next / to the last record before key, and gives it.
 * -ENOENT at the end. Spans live as index_get's. A put or delete in the same mutation leaves a cursor
 * usable only after another seek. */
int index_cursor_seek(struct index_cursor *cursor, struct span key, struct span *ret_key, struct span *ret_value);
int index_cursor_next(struct index_cursor *cursor, struct span *ret_key, struct span *ret_value);
int index_cursor_before(struct index_cursor *cursor, struct span key, struct span *ret_key, struct span *ret_value);

/* ---- life ---- */

struct index_replica_status {
    const char *path;
    uint64_t    epoch;
    uint64_t    sequence;
    bool        healthy;
};

struct index_options {
    const char *const *paths;   /* one folder per replica, each on a drive of its own; borrowed until open returns */
    size_t             count;   /* R, 1 … 16 */
    size_t             write_quorum; /* W = R / 2 + 1 */
};

/* Opens or creates the replicas. At least R-W+1 of the folders must open; the one with the highest (epoch, sequence) is
 * copied over those that lag, and a new epoch begins, committed on W. On a fresh deployment all are created.
 * 0; CAIRN_EQUORUM; CAIRN_ECORRUPT; CAIRN_EFORMAT; -EIO. */
int  index_open(const struct index_options *options, struct index **ret_index);
/* Commits what is queued and closes. Accepts NULL. */
void index_close(struct index **index);
/* Fills up to cap rows; returns the number of replicas. */
size_t index_status(struct index *index, struct index_replica_status *ret_rows, size_t cap);

#endif
