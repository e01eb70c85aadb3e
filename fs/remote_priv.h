/*
 * Remote's parts: session.c opens, renews and reclaims the session; slots.c gives slots and knows the open handles;
 * attempt.c sends a request until it is answered: remote.c's compounds, bulk.c's bytes; transfer.c is one request over
 * HTTP; push.c follows the stream.
 *
 * Locks, in this order: renewing (one thread mends the session, others wait for it), then lock (everything else; never
 * held across a request).
 */
#ifndef CAIRN_FS_REMOTE_PRIV_H
#define CAIRN_FS_REMOTE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "fs/remote.h"

#define HANDLE_BUCKETS 4096 /* of the table of open handles; chains grow past that */

struct open_handle {
    struct open_handle *next;
    uint64_t handle, ino;
};

struct session {
    uint8_t id[POSIX_SESSION_ID];
    uint64_t generation;
    uint64_t epoch; /* counts sessions of this mount: tells whether another thread has renewed it */
};

/* Lives of the server whose end is known: what this session had changed by the commit survived has survived, the rest
 * is lost. A change from before the oldest of them that has not been synced since is taken for lost if in doubt. */
enum { LIVES = 64 };
struct life {
    uint64_t instance, survived;
};

struct remote {
    struct s3_client *client;
    struct span path; /* of requests: "/bucket" or "/" */
    char *bucket, *prefix, *name;
    uint32_t lease_ms;
    int64_t soft_deadline_ns;
    remote_on_event *on_event;
    void *on_event_arg;
    bool (*interrupted)(void);
    atomic_bool stopping;

    pthread_mutex_t renewing;

    pthread_mutex_t lock;
    pthread_cond_t slot_freed;
    pthread_cond_t stop_wanted;
    struct session session;                      /* lock */
    uint64_t slot_sequence[POSIX_SLOTS];         /* lock: the last used of each */
    uint64_t slots_free;                         /* lock: a bit for each */
    struct open_handle *handles[HANDLE_BUCKETS]; /* lock */
    uint64_t events_seen;                        /* lock: push's sequence */
    uint64_t instance;                           /* lock: the life of the server that the session is in */
    struct life lives[LIVES];                    /* lock: those before it, a ring */
    size_t lives_ended;                          /* lock: how many so far */
    atomic_uint_fast64_t next_handle;

    pthread_t heartbeat, push;
    bool heartbeat_runs, push_runs;
    atomic_bool push_connected;
    atomic_uint_fast64_t push_epoch; /* the session that the stream belongs to */
};

/* ---- slots.c ---- */
struct slot {
    uint16_t number;
    uint64_t sequence;
};
/* Waits for a free slot. -EINTR. */
int slot_take(struct remote *remote, struct slot *ret_slot);
void slot_give(struct remote *remote, const struct slot *slot);
/* The next sequence of the slot, for a compound that never ran under the old one. */
void slot_renumber(struct remote *remote, struct slot *slot);
int handle_note(struct remote *remote, uint64_t handle, uint64_t ino);
void handle_forget(struct remote *remote, uint64_t handle);
/* Copies up to cap handles that come after *at (0 at first) in the table; the number copied, 0 at the end. */
size_t handle_list(struct remote *remote, size_t *at, struct open_handle *ret_handles, size_t cap);
void handles_release(struct remote *remote);

/* ---- session.c ---- */
struct session session_current(struct remote *remote);
/* Opens the mount's first session, or replaces the one of the given epoch unless another thread did. */
int session_open(struct remote *remote, uint64_t stale_epoch);
/* Tells a restarted server what is open. */
int session_reclaim(struct remote *remote);
void session_close(struct remote *remote);
/* Answers a status that concerns the session: mends it, and tells whether to send again (0), or an error. */
int session_mend(struct remote *remote, uint16_t status, uint64_t epoch);
void *session_heartbeat(void *remote);

/* ---- attempt.c: a request until it is answered ---- */

/* One try under that session and slot: sends, and reads the reply. 0 with *ret_status, what the reply says of the
 * session (0: all is well, this is the answer); or an error of remote_transfer's. */
typedef int attempt_once(void *arg, const struct session *session, const struct slot *slot, uint16_t *ret_status);
/* Tries until there is an answer: mends the session, renumbers the slot (number POSIX_SLOT_NONE: there is none) in a
 * new one, pauses after an error that may pass. fragile: running twice does harm, so it is not tried in a new session
 * when it may have run in the one that is gone (-EIO). 0; -EINTR, -EIO (the soft deadline), -ESTALE, or the error that
 * trying again is of no use for. */
int attempt_until_answered(struct remote *remote, attempt_once *once, void *arg, struct slot *slot, bool fragile);

/* ---- transfer.c: one request over HTTP ---- */

/* An HTTP status other than 2xx as an error: -EACCES, -ENXIO (404), -EAGAIN for one that may pass,
 * -EPROTO. */
int response_error(const struct s3_response *response);
bool response_is_dialect(const struct s3_response *response);
/* s3_send with the mount's interruption. */
int remote_transfer(struct remote *remote, struct s3_request *request, struct s3_response *response);
/* Sends an encoded compound once: transport's errors, response_error's. */
int remote_post(struct remote *remote, struct span body, struct s3_response *response);

/* ---- push.c ---- */
void *push_follow(void *remote);

#endif
