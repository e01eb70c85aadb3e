/*
 * What the files of this folder share.
 *
 * Locks, in this order: posix.lock, push.lock, session.lock. posix.opening is taken before all, and held over a commit.
 */
#ifndef CAIRN_POSIX_PRIV_H
#define CAIRN_POSIX_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/base/pool.h"
#include "objstore/namespace/namespace.h"
#include "server/posix/handles.h"
#include "server/posix/posix.h"
#include "server/posix/push.h"
#include "server/wire/posix.h"

#define SESSIONS_MAX_DEFAULT 1024
#define SESSION_SLOTS 256  /* of the hash table */
#define BUCKET_MAX 63      /* bytes of a bucket's name */
#define ACCESS_KEY_MAX 128 /* bytes */
#define STREAM_BUFFER (256u << 10)
#define BODY_MAX (5ull << 30) /* of one data PUT, as body_writer_new has it */

/* README.md has the table of states. */
enum session_state { SESSION_LIVE, SESSION_ADOPTED, SESSION_ENDED };

struct session {
    /* set once */
    uint8_t id[POSIX_SESSION_ID];
    uint64_t generation; /* random; also the origin of its events */
    int64_t lease_ns;
    char bucket[BUCKET_MAX + 1]; /* "" for the endpoint */
    char access_key[ACCESS_KEY_MAX + 1];
    char name[POSIX_NAME_MAX + 1];

    _Atomic int state;     /* enum session_state; changes under posix.lock */
    _Atomic uint64_t mark; /* the index's: a commit that failed since took back what the client was told */

    /* posix.lock */
    struct session *next;
    unsigned refs;
    int64_t deadline; /* monotonic ns */

    pthread_mutex_t lock; /* of what follows */
    struct handles handles;
    size_t promised;                 /* room set aside in handles for compounds under way */
    uint64_t sequences[POSIX_SLOTS]; /* the highest seen since this process began */

    struct push_member push; /* push.c's */
};

struct posix {
    struct ns *ns;
    struct index *index;
    struct posix_options options;
    uint64_t instance; /* random; a reply adds the index's mark to it */
    struct pool *buffers;
    struct push *push;

    pthread_mutex_t opening; /* one SESSION_OPEN at a time, so that a repeated one finds the first's session durable */

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    struct session *table[SESSION_SLOTS];
    uint32_t count;
    atomic_bool reaped; /* orphans of a former life have been let go */
    uint64_t
        reaped_mark; /* the index's before that: those whose letting go a failed commit took back are let go again */
    bool stop;
    pthread_t keeper;
    bool running;
};

/* Who sends a request. */
struct posix_caller {
    struct span bucket; /* of the path; empty for the endpoint */
    struct span access_key;
};

/* ---- session.c: the table ---- */

/* The session, with a reference; its lease begins anew. reclaiming: also one that has to reclaim first, because the
 * server is new or a commit has failed. CAIRN_ESESSION, -EACCES, -EREMCHG. */
int posix_session_get(struct posix *posix, const uint8_t id[POSIX_SESSION_ID], uint64_t generation,
                      const struct posix_caller *caller, bool reclaiming, struct session **ret_session);
/* Likewise for SESSION_OPEN, which does not know the generation. */
int posix_session_reopen(struct posix *posix, const uint8_t id[POSIX_SESSION_ID], const struct posix_caller *caller,
                         struct session **ret_session);
void posix_session_put(struct posix *posix, struct session **session);
/* A session object of the given state, in the table, with a reference for the caller. -ENOMEM, -EUSERS. */
struct session_record_parts;
int posix_session_add(struct posix *posix, const struct session_record_parts *parts, enum session_state state,
                      struct session **ret_session);
/* Takes the session out of the table: no request finds it, no change of it runs any more; then forgets its records and
 * handles. */
void posix_session_end(struct posix *posix, struct session *session);
/* The session is as new again after SESSION_RECLAIM. mark: the index's from before its snapshot. */
void posix_session_reclaimed(struct posix *posix, struct session *session, uint64_t mark);
/* Whether it has to reclaim first. */
bool posix_session_is_behind(const struct posix *posix, const struct session *session);
/* Ends every session whose lease is over, and lets go of orphans once none has to reclaim any more. What the keeper's
 * thread does each half second. */
void posix_sessions_tend(struct posix *posix);
/* The process did not run for so long: heartbeats of that time could not be heard, so every lease lasts longer by it.
 */
void posix_sessions_excuse(struct posix *posix, int64_t ns);
int posix_keeper_start(struct posix *posix);
void posix_keeper_stop(struct posix *posix);
void posix_sessions_release(struct posix *posix);

/* ---- what a session holds ---- */

/* Whether a compound of this slot and sequence may run, as far as is known without the index: 0; -EBADSLT; -EALREADY;
 * -EMFILE; -ENOMEM. Room for count more handles is set aside until posix_session_settle. */
int posix_session_begin(struct session *session, uint64_t slot, uint64_t sequence, size_t count);
void posix_session_settle(struct session *session, size_t count);
/* Keeps an inode that ns_hold has just held under the handle; false when that hold is one too many: the compound was
 * overtaken, the session has ended, or the handle is known. */
bool posix_session_keep(struct session *session, uint64_t slot, uint64_t sequence, uint64_t handle, uint64_t ino);
/* Gives a handle back. */
void posix_session_drop(struct posix *posix, struct session *session, uint64_t handle);
/* At start: the sessions that a former life of the server has left in the index. */
int posix_sessions_adopt(struct posix *posix);

/* ---- records.c ---- */

struct session_record_parts {
    const uint8_t *id;
    uint64_t generation;
    uint32_t lease_ms;
    struct span bucket, access_key, name;
};
/* Durable when it returns. The errors of ns_apply. */
int posix_record_open(struct posix *posix, const struct session_record_parts *parts);
/* The session's record and those of its replies. */
int posix_record_forget(struct posix *posix, const uint8_t id[POSIX_SESSION_ID]);
/* Visits the sessions of all records, of one snapshot; an error of visit ends it and is answered. */
typedef int posix_record_visit(const struct session_record_parts *parts, void *arg);
int posix_record_each(struct posix *posix, posix_record_visit *visit, void *arg);

/* A slot's last reply; the spans live as index_get's. */
struct stored_reply {
    uint64_t sequence;
    struct span handles; /* handle_record after handle_record */
    struct span reply;
};
/* In a mutation: -ENOENT when the slot has none of this generation. */
int posix_reply_get(struct ns_txn *txn, const struct session *session, uint16_t slot, struct stored_reply *ret_stored);
/* In a mutation, after its other changes, so nothing here may fail but the index: scratch has room for
 * posix_reply_room(). */
int posix_reply_put(struct ns_txn *txn, const struct session *session, uint16_t slot, const struct stored_reply *stored,
                    struct buf *scratch);
size_t posix_reply_room(size_t handles, size_t reply);
/* In a snapshot: the last commit that holds a change of the session's (struct posix_reply); its changes of a later one
 * are lost. 0 when that can't be told: what the snapshot shows is not on a write quorum. CAIRN_ECORRUPT … */
int posix_reply_survived(struct posix *posix, struct ns_txn *txn, const struct session *session, uint64_t *ret_commit);

/* ---- compound.c, data.c, session_ops.c ---- */

/* Answers an encoded request: bytes in, bytes out. -ENOMEM only. */
int posix_compound(struct posix *posix, const struct posix_caller *caller, struct span request, struct buf *reply);
int posix_data_get(struct posix *posix, const struct posix_caller *caller, struct http_request *request);
int posix_data_put(struct posix *posix, const struct posix_caller *caller, struct http_request *request);
int posix_push_get(struct posix *posix, const struct posix_caller *caller, struct http_request *request);

/* ---- answer.c ---- */

/* The present verifier. */
uint64_t posix_instance(const struct posix *posix);
/* The whole reply of a compound that did not run. */
int posix_refuse(struct posix *posix, uint64_t sequence, int code, struct buf *reply);
/* Sends what is in reply, which is in the dialect. */
int posix_send(struct http_request *request, const struct buf *reply);

#endif
