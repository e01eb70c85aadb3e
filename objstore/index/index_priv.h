/*
 * Internals of the index.
 *
 * Threads: callers; one writer (writer.c), which alone runs mutations and commits the primary; one applier for each
 * other replica (applier.c), which applies the redo of the batches it is sent. Locks: index->lock is the only mutex,
 * held for moments, never during I/O. Readers take none: a slot's busy flag keeps its transaction theirs, and the gate
 * (reader.c) lets the writer wait until no slot is busy, before a database is closed or its map grows.
 */
#ifndef CAIRN_INDEX_PRIV_H
#define CAIRN_INDEX_PRIV_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "objstore/base/clock.h"
#include "objstore/index/format.h"
#include "objstore/index/index.h"
#include "objstore/index/park.h"
#include "objstore/index/redo.h"
#include "objstore/index/trail.h"

#define READERS_MAX 2048               /* read transactions open at once */
#define READERS_LMDB (2 * READERS_MAX) /* slots in LMDB's own table: spare ones are for copies */
#define CURSORS_KEPT 4                 /* per reader slot */
#define MAP_FIRST ((size_t)1 << 40)    /* address space, not memory: 1 TiB of 128 */
#define MAP_LEAST ((size_t)1 << 30)    /* where address space is short */
#define MAP_MAX ((size_t)1 << 44)
#define BATCH_MUTATIONS 1024 /* bounds of one commit: count, redo bytes, time it stays open */
#define BATCH_BYTES ((size_t)4 << 20)
#define BATCH_OPEN_NS (2 * 1000000LL)
#define LINGER_NS                                                                                                      \
    (10 * 1000000LL) /* … when nobody waits for it: far below what a crash may take, and a push may need */
#define BATCH_KEEP_BYTES ((size_t)1 << 20) /* a batch's buffer above this is freed after use */
#define LAG_BATCHES 64                     /* that a replica may be behind, and their redo bytes */
#define LAG_BYTES ((size_t)32 << 20)
#define STALL_NS (10 * 1000000000LL) /* a replica that does not answer for so long is given up; readers likewise */

#define CLOSE_NS (20 * NS_PER_SEC) /* closing waits so long for a thread that does not come back from a drive */
#define CLOSE_LOOK_NS (100 * NS_PER_MS)

enum { CACHE_LINE = 64 };

/* ---- a batch: the mutations of one commit ---- */

struct callback {
    void (*fn)(void *arg);
    void (*dropped)(void *arg);
    void *arg;
};

struct request {
    index_mutation *fn;
    void *arg;
    enum index_wait wait;
    int result;
    struct event answered;
    struct request *next;
};

struct batch {
    struct batch *next; /* in index->spare */
    unsigned refs;      /* the writer's and one per replica that has it; index->lock, as sent, answers and acks */
    unsigned sent;      /* replicas it was sent to, */
    unsigned answers;   /* … that committed it or failed, */
    unsigned acks;      /* … that committed it */
    int64_t sent_ns;    /* when, */
    int64_t quorum_ns;  /* … and how long it took until acks was W */
    uint64_t sequence;
    size_t pages;     /* that its commit may write, at most */
    struct redo redo; /* complete, and read-only, once it is sent */
    struct callback *callbacks;
    size_t callback_count, callback_cap;
    struct request *waiters; /* for durable, in order */
    struct request **waiters_end;
    bool answered; /* somebody was answered at applied */
    int error;     /* it can't be committed any more */
};

/* ---- a transaction: a reader's slot, or the writer's own ---- */

enum room { ROOM_ENOUGH, ROOM_LITTLE, ROOM_LEAST }; /* room.c */

struct index_txn {
    atomic_uint busy;
    struct index *index;
    MDB_txn *mdb;
    MDB_dbi dbi;
    struct replica *replica;        /* that mdb belongs to, */
    uint64_t generation;            /* … as the primary of that generation */
    MDB_cursor *kept[CURSORS_KEPT]; /* closed cursors of a reader, to be renewed */
    unsigned kept_count;
    _Atomic uint64_t floor; /* a reader's snapshot is of this commit or a later one */
    uint64_t sequence;      /* of a reader's snapshot, once asked for; 0 before */
    struct batch *batch;    /* NULL for a reader */
    int64_t growth;         /* bytes that the mutation that runs adds, counted while room is short */
    bool wrote;             /* the mutation that runs has put or deleted */
    int failure;            /* LMDB's code of a put that broke the transaction */
} __attribute__((aligned(CACHE_LINE)));

/* ---- a replica ---- */

struct meta {
    uint8_t uuid[16];
    uint64_t promised;
    uint64_t epoch;
    uint64_t sequence;
};

struct replica {
    struct index *index;
    char *path;   /* "" for a missing drive */
    int folder;   /* descriptor, locked against other processes; -1 */
    MDB_env *env; /* NULL while there is no good database */
    MDB_dbi dbi;
    size_t map_size;
    uint64_t reserved; /* length of data.mdb with disk space behind it; the writer's, or the applier's on its behalf */
    unsigned page_size;
    ino_t inode;                    /* of data.mdb */
    struct trail trail;             /* only when there are other replicas */
    _Atomic uint64_t generation;    /* in which it is or was the primary; 0: it never was */
    _Atomic uint64_t visible_txnid; /* as the primary: LMDB's number of its last finished commit */
    atomic_bool detained;           /* a writer that was left behind is in it; set with index->lock */
    pthread_mutex_t copying;        /* held while it is copied from: the map can't change then */

    /* index->lock from here on */
    struct meta meta; /* of the last commit */
    bool healthy;
    int error;       /* why not */
    bool spoiled;    /* some of its records are damaged, its pages are not */
    int found;       /* what start-up saw wrong with it; 0: nothing */
    bool copied;     /* … and what it did */
    bool collecting; /* gets batches that nobody waits for it to commit, until it is healthy (rejoin.c) */
    struct batch *queue[LAG_BATCHES];
    unsigned queue_first, queue_count;
    size_t queue_bytes, queue_pages;
    struct {
        bool wanted; /* until it is done; then */
        int result;
        size_t ahead, pages;
    } reserve; /* what the writer asked its thread for */
    bool stop;
    bool started;     /* has its thread, */
    bool running;     /* … which has not ended */
    int64_t round_ns; /* when it began what it is about; 0: it waits */
    pthread_t thread;
    pthread_cond_t work;
};

/* The thread that brings failed replicas back; index->lock. */
struct rejoin {
    pthread_t thread;
    bool started, running, stop;
    int64_t first_ns;      /* how long after a failure it tries */
    pthread_cond_t change; /* a replica failed or has dropped what it had, or the index closes */
};

/* A thread that writes, on its stack. */
struct writer {
    bool left; /* behind: another writes */
};

/* Who writes, and what a stand-in looks at (succession.c); index->lock. */
struct office {
    struct writer *holder; /* who writes; NULL: nobody any more */
    unsigned threads;      /* the holder, and who stands by */
    struct batch *batch;   /* the primary commits it, or NULL, */
    int64_t since;         /* … since then */
    uint64_t entered;      /* how often it has begun to; */
    uint64_t seen;         /* … when the stand-in looked last */
    unsigned looks;        /* at which it had been the same commit already */
    bool dozing;           /* the stand-in looks when something is entered */
    int64_t late_ns;
    pthread_cond_t change; /* something was entered while it dozed, or a thread has ended */
};

struct writer_job {
    void (*run)(struct index *index, void *arg);
    void *arg;
    struct event done;
};

struct index {
    /* What a reader looks at. */
    _Atomic uint64_t applied;          /* sequence of the last batch in which something was put */
    _Atomic uint64_t finished;         /* sequence of the last batch that is committed, or has failed */
    _Atomic(struct replica *) primary; /* set with index->lock; a reader may still be in the one before */
    struct tide finishes;              /* rises with finished, the primary's visible_txnid, and another primary */
    atomic_uint gate;                  /* 1: readers wait */
    _Atomic uint64_t suspect;          /* the generation in which a damaged record was met; 0: none */
    struct index_txn *readers;         /* READERS_MAX slots, */
    atomic_uint readers_top;           /* … the first so many of which were ever used */

    /* The queue. */
    _Atomic(struct request *) queued __attribute__((aligned(CACHE_LINE))); /* newest first */
    atomic_uint asleep;                                                    /* the writer waits for a request */
    atomic_bool stop;
    _Atomic(struct writer_job *) job; /* to be run between two batches */

    /* The writer's. */
    struct request *todo; /* taken from the queue */
    struct index_txn write;
    enum room room;      /* as the open batch found it, */
    bool disk_full;      /* … that a file could not be extended, */
    unsigned depth;      /* … and the tree's depth, */
    size_t tree_pages;   /* … and its pages, */
    size_t pages_left;   /* … and what may be written on each replica without another look */
    uint64_t generation; /* of the primary */
    struct meta meta;    /* of the last attempt to commit: a failed one uses up its sequence */
    atomic_bool gone;    /* a commit is on fewer than W replicas, or no epoch has begun: nothing is written until the
                            next start, and no replica rejoins to make a quorum */

    _Atomic uint64_t failures;   /* failed commits in which somebody was answered at applied */
    atomic_int failure;          /* the last one's code */
    _Atomic uint64_t flush_mark; /* index_flush's */
    _Atomic uint64_t mutations, commits, failed, sequence;

    pthread_mutex_t lock;
    pthread_cond_t progress; /* an answer came, a queue has room */
    struct rejoin rejoin;
    struct office office;
    bool closed;   /* by its owner; threads that did not come back from a drive are left, */
    unsigned left; /* … so many */
    struct batch *spare;
    size_t count; /* R */
    size_t write_quorum;
    struct replica replicas[INDEX_REPLICAS_MAX];
};

#define DATABASE "data.mdb"

/* ---- ending.c ---- */

/* Locks, conditions, and what marks a replica as not open. -ENOMEM. */
int locks_init(struct index *index);
/* index->lock held: waits for cond, for at most ns. */
void lock_wait(struct index *index, pthread_cond_t *cond, int64_t ns);
/* index->lock held: a thread of the index touches it no more. True when it is the last one of an index that was closed
 * without it: it lets the lock go and calls index_release. */
bool thread_leaves(struct index *index);
void index_release(struct index *index);

/* ---- lmdb.c. LMDB's own codes: 0, errno, MDB_… ---- */

/* The negative code that stands for an LMDB one. */
int lmdb_error(int rc);
/* Applies redo in txn. A delete of nothing is MDB_CORRUPTED: the replica is not what it should be. */
int replica_redo(struct replica *replica, MDB_txn *txn, const struct redo *redo);

/* ---- replica.c: one LMDB environment ---- */

/* Makes the folder when only that is missing, and locks it. Negative errno; -EBUSY. */
int replica_claim(struct replica *replica, const char *path);
bool replica_has_database(const struct replica *replica);
/* The database is gone, but it was there: LMDB's lock file is. */
bool replica_had_database(const struct replica *replica);
/* A new database that holds nothing but meta. Negative code. */
int replica_create(struct replica *replica, const struct meta *meta);
/* Opens the database and reads its meta record. map_size as of index_options. Negative code: CAIRN_ECORRUPT,
 * CAIRN_EFORMAT … */
int replica_open(struct replica *replica, size_t map_size);
/* verify.c: whether every page is what it should be, and sets spoiled. CAIRN_ECORRUPT, -EIO …, -ENOMEM. */
int replica_verify(struct replica *replica);
/* Closes the database; the folder stays claimed. */
void replica_shut(struct replica *replica);
/* Replaces the database of to by a compact copy of from's. Negative code. */
int replica_copy(struct replica *from, struct replica *to);
/* Commits a meta record alone. Negative code. */
int replica_store_meta(struct replica *replica, const struct meta *meta);
/* Doubles the map; no transaction may be live in it. MDB_MAP_FULL at the limit. */
int replica_grow(struct replica *replica);
/* Makes sure of disk space for a commit that writes at most pages, on top of ahead pages of commits to come before it.
 * -ENOSPC; other failures are the commit's to find. */
int replica_reserve(struct replica *replica, size_t ahead, size_t pages);
/* Whether there is enough already. */
bool replica_has_room(const struct replica *replica, size_t ahead, size_t pages);
void replica_release(struct replica *replica);

/* ---- meta.c ---- */

/* Puts the meta record. */
int meta_put(MDB_txn *txn, MDB_dbi dbi, const struct meta *meta);
/* Reads it. -EIO, CAIRN_ECORRUPT, CAIRN_EFORMAT. */
int meta_get(MDB_txn *txn, MDB_dbi dbi, struct meta *ret_meta);
int meta_redo(struct redo *redo, const struct meta *meta, struct redo_op *ret_op);

/* ---- applier.c ---- */

int applier_start(struct replica *replica);
/* Lets it finish its queue and end; not when it does not come back from the drive in STALL_NS. */
void applier_stop(struct replica *replica);
/* Gives the batch to every healthy replica but the primary. May wait, at most STALL_NS for each, when one is too far
 * behind. */
void applier_send_all(struct index *index, struct batch *batch);
/* replica_reserve for the writer, of a healthy replica: on the replica's own thread when its drive has to work.
 * -ETIMEDOUT when it failed meanwhile, or has not answered in STALL_NS and is given up. */
int applier_reserve(struct replica *replica, size_t ahead, size_t pages);
/* Waits until want replicas have committed the batch, or all have answered; those that do not in STALL_NS are given up.
 * Returns how many have. */
unsigned applier_await(struct index *index, struct batch *batch, unsigned want);
/* index->lock held: the replica is no longer part of the quorum; the batches it has count as answered. */
void replica_fail(struct replica *replica, int error);
/* index->lock held: a replica that is healthy from now on answers for what it has collected, too. */
void collecting_count(struct replica *replica);
/* index->lock held: what a replica that is not healthy has collected goes. */
void collecting_end(struct replica *replica);

/* ---- batches.c ---- */

/* A batch of its own for the writer, empty; NULL when memory is short. */
struct batch *batch_new(struct index *index);
void batch_unref(struct index *index, struct batch *batch);
/* The same with index->lock held. */
void batch_drop(struct index *index, struct batch *batch);
void batch_free(struct batch *batch);

/* ---- reader.c ---- */

/* The value of a record that LMDB found, as rc says; raises suspicion when it is damaged. */
int record_give(struct index_txn *txn, int rc, struct span key, const MDB_val *stored, struct span *ret_value);
int readers_init(struct index *index);
/* The gate is closed, or there are no readers any more: no slot keeps a transaction of that replica. */
void readers_leave(struct index *index, const struct replica *replica);
void readers_release(struct index *index);
/* Keeps readers out and waits until none is in; false, with the gate open, when that takes longer than STALL_NS. */
bool gate_close(struct index *index);
void gate_open(struct index *index);
/* Waits until the commit of the sequence has finished. */
void await_finish(struct index *index, uint64_t sequence);

/* ---- writer.c ---- */

/* Runs batches until the index closes. */
void writer_loop(struct index *index);
/* The batch is durable (0) or void: readers may go on; callbacks run, callers are answered. */
void writer_finish(struct index *index, struct batch *batch, int rc);

/* ---- queue.c ---- */

/* All that is queued, oldest first. */
struct request *queue_take(struct index *index);
/* Sleeps until there is something for the writer, or the index closes. */
void queue_wait(struct index *index);
/* Wakes the writer: something is queued, or somebody waits for the batch that it keeps open. */
void queue_wake(struct index *index);
/* Runs fn on the writer's thread between two batches, and waits for it. */
void writer_run(struct index *index, void (*fn)(struct index *index, void *arg), void *arg);
/* The writer's side of that. */
void heed_job(struct index *index);
/* A read met a damaged record in the primary of that generation. */
void writer_suspect(struct index *index, uint64_t generation);

/* ---- promotion.c ---- */

/* Readers go to this replica from now on. It holds every commit that has finished, and its database has no other user.
 * LMDB's codes. */
int primary_set(struct index *index, struct replica *replica);
/* The primary is unhealthy: another takes its place. Without one nothing is written any more. */
void replace_primary(struct index *index);
bool may_write(struct index *index);
bool primary_is_well(struct index *index);
/* The writer's side of writer_suspect. */
void heed_suspicion(struct index *index);

/* ---- office.c ---- */

/* Around what the writer does on the primary's drive to commit the batch. office_leave does not return when another
 * writes by then: it ends the thread. */
struct writer *office_enter(struct index *index, struct batch *batch);
void office_leave(struct index *index, struct writer *me, struct replica *primary, struct batch *batch);

/* ---- succession.c ---- */

/* Starts the thread that writes and, where there are other replicas, one that stands by. late_ns as of index_options.
 */
int office_start(struct index *index, int64_t late_ns);
/* What is queued is committed, and they end; false when the primary's drive does not let them in CLOSE_NS. */
bool office_end(struct index *index);

/* ---- rejoin.c ---- */

int rejoin_start(struct index *index, int64_t first_ns);
/* False when it does not come back from the drives in CLOSE_NS. */
bool rejoin_stop(struct index *index);

/* ---- recover.c ---- */

/* Chooses, copies, begins the epoch: replicas, primary and meta are set. Negative code. */
int recover(struct index *index, const struct index_options *options);

#endif
