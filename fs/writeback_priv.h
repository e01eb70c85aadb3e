/*
 * Write-back's parts, each above the next: writeback.c the threads that send, flush.c what fsync and close wait for,
 * written.c what is written and shown; send.c one batch; unsynced.c what an fsync vouches for; queue.c the files that
 * have something to be sent; wfile.c what one of them keeps until then.
 */
#ifndef CAIRN_FS_WRITEBACK_PRIV_H
#define CAIRN_FS_WRITEBACK_PRIV_H

#include "fs/timed.h"
#include "fs/upload.h"
#include "fs/writeback.h"
#include "objstore/base/clock.h"

#define SENDERS 6
#define AGE_NS (500 * NS_PER_MS)  /* durable within a second: half of it to wait, half to be sent and committed */
#define POLL_NS (100 * NS_PER_MS) /* how soon a wait notices an interruption */

/* A file that has something to be sent, or had. */
struct wfile {
    struct inode *inode;
    struct dirty dirty;        /* inode's lock, as all to the next mark */
    pthread_cond_t changed;    /* something was sent */
    int64_t mtime;             /* real ns of the last write */
    struct posix_op later;     /* a SETATTR that is to follow the bytes; valid 0: none */
    struct posix_op sent;      /* one that is under way; valid 0: none */
    int64_t later_since;       /* monotonic ns when later came to be */
    unsigned flushing;         /* threads that wait for all of it */
    int error;                 /* the last one of sending */
    uint64_t errors;           /* their number */
    bool error_told;           /* to anybody */
    struct wfile *prev, *next; /* write-back's lock, as all that follows */
    bool queued;               /* holds a reference to inode */
    int64_t due;               /* when something is to be sent */
};

struct writeback {
    struct fs *fs;
    struct slab *slab;
    pthread_mutex_t lock;
    pthread_cond_t work;  /* something is due */
    pthread_cond_t room;  /* slots came back */
    struct wfile *first;  /* lock, as all that follows: files with something to be sent */
    unsigned wanting;     /* writers that wait for room */
    uint64_t returned;    /* counts batches whose slots came back */
    int64_t next_wake;    /* when an idle sender looks again */
    bool stopping, hasty; /* hasty: the end; nothing waits for its age */
    unsigned threads;
    pthread_t senders[SENDERS];
};

/* ---- wfile.c; the inode's lock is held in every call ---- */

/* The inode's, made if need be: NULL when memory is short. */
struct wfile *wfile_of(struct writeback *wb, struct inode *inode);
/* Nothing is to be sent, and nothing is under way. */
bool wfile_idle(const struct wfile *f);
/* When a sender has something to do: INT64_MAX for never. */
int64_t wfile_due(const struct wfile *f);
void wfile_error(struct wfile *f, int error);
/* More attributes to follow the bytes; op has no "now". */
void later_add(struct wfile *f, const struct posix_op *op);
/* Takes what is to follow the bytes, as under way; then it is there, or comes back. */
void later_take(struct wfile *f);
void later_sent(struct wfile *f);
void later_unsent(struct wfile *f);

/* ---- queue.c; likewise ---- */

/* Brings the queue up to date. True: the queue's reference to the inode is the caller's to give back, after unlocking.
 */
bool queue_update(struct writeback *wb, struct wfile *f);
void queue_put(struct writeback *wb, struct inode *inode, bool left);
/* Off the queue; nobody else uses it any more. */
void queue_drop(struct writeback *wb, struct wfile *f);

/* ---- send.c; likewise ---- */

/* Sends one batch of what is older than before (INT64_MAX: all), if there is one; the lock is let go meanwhile. 1, 0
 * when there is none, or the error. u->tail is set, or NULL. */
int send_some(struct writeback *wb, struct wfile *f, int64_t before, struct upload *u);

/* ---- unsynced.c; the inode's lock is not held ---- */

/* What the next fsync is to vouch for; the inode has nothing of it any more. */
struct unsynced unsynced_take(struct inode *inode);
/* After an fsync, answered with error in that life of the server: what is lost every handle is to know. A failed fsync
 * has vouched for nothing. 0, -EIO, or error. */
int unsynced_vouch(struct fs *fs, struct inode *inode, const struct unsynced *taken, uint64_t instance, int error);

#endif
