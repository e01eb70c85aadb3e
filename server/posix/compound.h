/*
 * One compound in hand, as the operations see it.
 */
#ifndef CAIRN_POSIX_COMPOUND_H
#define CAIRN_POSIX_COMPOUND_H

#include "server/posix/format.h"
#include "server/posix/posix_priv.h"

/* Bytes of a READ that come from the drives, after the snapshot is closed. */
struct late_read {
    struct body_reader *reader;
    size_t at; /* in the reply */
};

struct compound {
    struct posix *posix;
    const struct posix_caller *caller;
    struct session *session;
    struct posix_request head;
    struct arena arena;

    /* decoded once, before the transaction */
    struct posix_op *ops;
    size_t count;
    int class;           /* the highest of the operations' */
    size_t handle_count; /* operations that may take a handle */
    size_t reply_max;    /* bytes, of a compound that changes */
    bool wants_statfs;
    struct body_writer **bodies; /* of each WRITE, finished; NULL where there is none */
    struct ns_statfs statfs;

    /* made anew by each run */
    struct ns_txn *txn;
    uint64_t current; /* POSIX_INO_CURRENT's, 0: none yet */
    size_t ran;       /* operations, the failed one included */
    bool flush;       /* an FSYNC was reached */
    struct buf *reply;
    struct handle_record *holds; /* taken by ns_hold in this run; handle_count places */
    size_t hold_count;

    uint64_t *surplus; /* inodes held by runs that did not count, to be given back after the transaction */
    size_t surplus_count, surplus_cap;

    /* of one operation */
    const struct posix_op *op;
    size_t at;                         /* its number */
    struct buf scratch;                /* its result's data, or the record of the reply */
    struct body_reader *reader;        /* READ: where its data will come from */
    struct body_reader *inline_reader; /* READ: owns its data */

    struct late_read *late;
    size_t late_count;
};

/* An operation: works on compound->op, fills ret_result's fields but code and status. 0 or an error; one that changes
 * checks before it writes. */
typedef int posix_run(struct compound *c, struct posix_result *ret_result);

/* The operations by code; NULL where there is none, or it is about the session. */
extern posix_run *const posix_runs[];
size_t posix_runs_count(void);

/* ---- operand.c: what the operations share ---- */

/* An argument's inode number, the current one for 0. -EINVAL; -EACCES for what a session of one bucket may not name. */
int compound_ino(struct compound *c, uint64_t argument, uint64_t *ret_ino);
int compound_inode(struct compound *c, uint64_t argument, struct inode *ret_inode);
/* A name in a directory: 0, -EINVAL, -ENAMETOOLONG. */
int compound_name(struct span name);
/* Fills in the attributes, which become the current inode. */
void compound_attr(struct posix_result *result, const struct inode *inode);
/* Bytes of data that this operation's result may still have. */
size_t compound_room(const struct compound *c);
/* Holds the inode for a handle. */
int compound_hold(struct compound *c, uint64_t handle, uint64_t ino);

/* ---- prepare.c ---- */

/* Fills in the header, the operations and what they ask of the frame. -EPROTO, -ENOMEM. */
int compound_decode(struct compound *c, struct span bytes);
/* Room for the reply and its record; the bodies of WRITEs on stable storage. Blocks on the drives. */
int compound_prepare(struct compound *c);

/* ---- the frame around them ---- */

/* Runs a prepared compound (ops, bodies, class, session are set) and leaves its reply in c->reply. */
void compound_run(struct compound *c);
/* Frees all that the compound owns but its reply. */
void compound_release(struct compound *c);

/* ---- session_ops.c ---- */
/* The whole reply to the one operation of a compound about the session. */
void compound_session(struct compound *c);

posix_run run_getroot, run_lookup, run_getattr, run_readlink, run_readdir, run_getxattr, run_listxattr, run_statfs,
    run_read, run_seek, run_fsync, run_open, run_release;
posix_run run_setattr, run_create, run_mkdir, run_symlink, run_mknod, run_link, run_unlink, run_rmdir, run_rename,
    run_write, run_punch, run_copy, run_setxattr, run_removexattr, run_mkroot;

#endif
