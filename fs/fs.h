/*
 * The mount: what its parts share, and what a handler does at its begin and end. fs/README.md tells how the parts work
 * together.
 */
#ifndef CAIRN_FS_FS_H
#define CAIRN_FS_FS_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <stdatomic.h>

#include "fs/changes.h"
#include "fs/inode.h"
#include "fs/names.h"
#include "fs/options.h"
#include "fs/remote.h"
#include "objstore/base/pool.h"

struct fs;

/* What the kernel has open: embedded in handles and listings, so that what is still open at the end is freed. */
struct opened {
    struct opened *prev, *next;
    void (*close)(struct fs *fs, struct opened *opened);
};

#define FS_BUFFER (1u << 20) /* the largest request of the kernel's */

struct fs {
    pthread_mutex_t lock;
    struct opened *opened; /* lock */
    const struct mount_options *options;
    struct remote *remote;
    struct fuse_session *_Atomic session; /* NULL until mount_open() */
    uint64_t root;                        /* inode of the mount's root */
    bool keeps_bypassed;                  /* the kernel keeps pages that a write has bypassed */
    struct changes changes;
    struct inodes *inodes;
    struct names *names;
    struct calls *calls;
    struct pool *buffers; /* of FS_BUFFER bytes, for what is read */
    struct notify *notify;
    struct writeback *writeback;
    struct readahead *readahead;
    struct releaser *releaser;
    struct again *again;
    atomic_uint wholes;          /* handles that hold the bytes of a small file */
    atomic_bool ending;          /* no request of the kernel's comes any more */
    atomic_int_fast64_t give_up; /* monotonic ns after which nothing waits for the server; 0: no end */
};

/* Everything but the connection to the kernel, in the order in which the parts need each other. Starts threads. */
int fs_open(const struct mount_options *options, struct fs **ret_fs);
/* What is not stored yet is stored first, for as long as give_up allows. The FUSE session must have ended. */
void fs_close(struct fs **fs);

void opened_add(struct fs *fs, struct opened *opened);
void opened_remove(struct fs *fs, struct opened *opened);

/* ---- numbers ---- */
static inline fuse_ino_t fs_node(const struct fs *fs, uint64_t ino)
{
    return ino == fs->root ? FUSE_ROOT_ID : ino;
}
static inline uint64_t fs_ino(const struct fs *fs, fuse_ino_t node)
{
    return node == FUSE_ROOT_ID ? fs->root : node;
}

/* ---- known.c: attributes ---- */

/* What stat shows of attr. */
struct stat fs_stat(const struct fs *fs, const struct posix_attr *attr);
/* For how long what is known about an inode, and a name, may be kept by the kernel, seconds; since: when the request
 * was sent. */
double fs_valid_inode(struct fs *fs, uint64_t ino, uint64_t since);
double fs_valid_name(struct fs *fs, uint64_t dir, struct span name, uint64_t since);
/* A change of ours has been answered: contents changes of the file's bytes, attr what it has now (NULL: not told);
 * since: when it was sent. The inode's lock is held. */
void fs_own_change(struct fs *fs, struct inode *inode, const struct posix_attr *attr, unsigned contents,
                   uint64_t since);
/* Whether the inode's attr is what the server has now, so that nobody need be asked. The inode's lock is held. */
bool fs_knows(struct fs *fs, const struct inode *inode);
/* A look at the server has been answered. The inode's lock is held. */
void fs_learn(struct fs *fs, struct inode *inode, const struct posix_attr *attr, uint64_t since);

/* ---- calls.c: compounds in a pool, so that their buffers are used again ---- */
int calls_new(struct fs *fs, struct calls **ret_calls);
void calls_free(struct calls **calls);
/* A call, begun; NULL when memory is short. */
struct remote_call *call_get(struct fs *fs);
/* Accepts NULL. */
void call_put(struct fs *fs, struct remote_call *call);
/* A compound of one operation, its data not wanted. */
int call_one(struct fs *fs, const struct posix_op *op, struct posix_result *ret_result);

/* ---- request.c: one request of the kernel, on the thread that serves it ---- */
struct request {
    struct fs *fs;
    fuse_req_t req;
    struct remote_call *call; /* begun */
    uint64_t since;           /* changes_now() at the start */
};

/* False: it has been answered with ENOMEM. request_end() is due after true. */
bool request_begin(struct request *r, fuse_req_t req);
/* After the reply. */
void request_end(struct request *r);
/* As request_begin, without a call. */
void request_note(fuse_req_t req);
void request_unnote(void);
/* For what waits on this thread: whether the request was interrupted and has waited for long enough to heed that, or
 * the mount gives up. */
bool request_interrupted(void);
void request_set_fs(struct fs *fs);

/* Answers with an error of remote or of our own (0: success). */
void reply_error(fuse_req_t req, int error);

#endif
