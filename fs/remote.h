/*
 * Remote: a mount's session with the server. It turns one call of the file system into one signed request, and hides
 * what the transport does to it: lost connections, repeated requests, a server that restarts, a session that expired.
 *
 * Slots: a compound that changes something takes a free slot (POSIX_SLOTS of them; a caller waits for one) and keeps
 * it, with its sequence number, until its reply is known; so a repetition is answered from the server's record and is
 * never run twice.
 *
 * A server that does not answer: a "hard" mount repeats for ever, until the caller is interrupted (-EINTR); a "soft"
 * one until its deadline, then -EIO. Pauses between tries grow from 10 ms to 1 s.
 *
 * Handles: the numbers of open files are the caller's; remote keeps the list of (handle, inode) that are open, to claim
 * them again after a restart of the server. A session that expired (a mount cut off for longer than its lease) is
 * replaced by a new one, open files whose inode still exists are opened in it, others answer -ESTALE; push tells
 * REMOTE_EVENT_ALL.
 *
 * Any number of threads; but threads don't survive fork, so a program forks before remote_open. Nothing here knows
 * FUSE.
 */
#ifndef CAIRN_FS_REMOTE_H
#define CAIRN_FS_REMOTE_H

#include "fs/s3/client.h"
#include "server/wire/posix.h"

struct remote;

/* What push tells; name lives during the call. */
struct remote_event {
    enum posix_frame_kind kind; /* ENTRY, DATA, ATTR or ALL */
    uint64_t ino, dir, version;
    struct span name;
};
/* Called from push's own thread, or (ALL, after a restart of the server) from one that waits for an answer: it must
 * neither call remote_call nor into the kernel. */
typedef void remote_on_event(const struct remote_event *event, void *arg);

struct remote_options {
    struct s3_client_options client; /* borrowed until remote_open returns */
    const char *bucket;              /* NULL: the whole endpoint */
    const char *prefix;              /* folder of the bucket, NULL or "" for the bucket itself; no '/' at the ends */
    const char *name;                /* of this mount, for the server's logs: "host:/mnt" */
    uint32_t lease_ms;               /* 0: 60 s */
    int64_t soft_deadline_ns;        /* 0: hard */
    remote_on_event *on_event;       /* may be NULL: no push stream */
    void *on_event_arg;
    bool (*interrupted)(void); /* whether the calling thread's request was interrupted; may be NULL */
};

/* Opens the session and finds the root; starts the threads for heartbeats and push. 0; -ENOENT (no such bucket or
 * prefix); -EACCES (the credential is refused); -ECONNREFUSED and the other errors of s3_send: it does not wait for a
 * server that is not there. */
int remote_open(const struct remote_options *options, struct remote **ret_remote, struct posix_attr *ret_root);
/* Ends the session, so that nothing waits for its lease. No call may be under way. Accepts NULL. */
void remote_close(struct remote **remote);
/* Whether push is connected, so that what is cached is known to be current. Any thread, does not block. */
bool remote_push_connected(struct remote *remote);

/* ---- changes that were answered before they were durable ---- */

/* When a change ran. Of one instance those of a later commit ran later. */
struct remote_stamp {
    uint64_t instance; /* which life of the server: another after a restart, or a commit it had to give up; 0: none */
    uint64_t commit;
};
enum remote_fate {
    REMOTE_PENDING, /* that life goes on, as far as is known: it is durable, or will be */
    REMOTE_DURABLE, /* it has outlived its server */
    REMOTE_LOST,
    REMOTE_UNKNOWN /* a life too long ago, or of a session that has expired */
};
/* Any thread, does not block. */
enum remote_fate remote_fate(struct remote *remote, struct remote_stamp stamp);

/* ---- compounds ---- */

/* One compound being built, sent and read. Embedded; one thread; used again and again. */
struct remote_call {
    struct remote *remote;
    struct buf out;
    struct s3_response response;
    struct span results; /* not read yet */
    int highest;         /* class of the operations in it */
    int failed;          /* first error of remote_add */
    struct remote_stamp stamp;
};

void remote_call_begin(struct remote *remote, struct remote_call *call);
/* Appends an operation; errors are kept for remote_send. */
void remote_add(struct remote_call *call, const struct posix_op *op);
/* Sends, and waits for the reply. 0: results are there, in order; -EINTR, -EIO (soft deadline), -ESTALE, -EACCES,
 * -E2BIG (does not fit one request), -EPROTO. After -EINTR it is not known whether a change was made. */
int remote_send(struct remote_call *call);
/* The next result; its spans live until the next remote_call_begin. 0 or the operation's error (-ENOENT …); -EIO when
 * there is none. */
int remote_next(struct remote_call *call, struct posix_result *ret_result);
void remote_call_release(struct remote_call *call);

/* begin + add + send + next of a single operation. The result's spans live in call. */
int remote_one(struct remote *remote, struct remote_call *call, const struct posix_op *op,
               struct posix_result *ret_result);

/* ---- open files ---- */

/* A handle number, unique in this mount; for OPEN and CREATE. It is noted as open when the compound that holds the
 * operation succeeds (remote_send sees to it), and taken off by RELEASE. */
uint64_t remote_handle(struct remote *remote);

/* ---- bulk bytes ---- */

/* Reads up to len bytes at off into ret_bytes, from one snapshot: the bytes read (short only at the end of the file),
 * and the version and size of the file in that snapshot. -ESTALE, -EIO, -EINTR. */
ptrdiff_t remote_read(struct remote *remote, uint64_t ino, uint64_t off, void *ret_bytes, size_t len,
                      uint64_t *ret_version, uint64_t *ret_size);
struct remote_written {
    uint64_t off; /* where the bytes are */
    struct remote_stamp stamp;
    struct posix_attr attr; /* of the file then */
};
/* Writes all len bytes at off (POSIX_OFF_END: at the end); exactly once. durable: on stable storage before it returns.
 */
int remote_write(struct remote *remote, uint64_t ino, uint64_t off, const void *bytes, size_t len, bool durable,
                 struct remote_written *ret_written);

#endif
