/*
 * Inodes: what this mount knows of each inode that the kernel, a handle or a background thread refers to.
 *
 * The kernel's node id is the inode's number, which the server never gives to another one; only the mount's root is
 * FUSE_ROOT_ID. An inode lives while the kernel has looked it up (lookups) or somebody holds a reference (refs).
 *
 * Locks, in this order: an inode's lock, then those of write-back, names and the table. None is held across a request
 * to the server or a call into the kernel.
 */
#ifndef CAIRN_FS_INODE_H
#define CAIRN_FS_INODE_H

#include <pthread.h>

#include "fs/nameset.h"
#include "fs/remote.h"
#include "server/wire/posix.h"

struct name;
struct wfile;

/* Changes of a file, or of the names in a directory, that the server has answered and not called durable. */
struct unsynced {
    struct remote_stamp stamp; /* of the last; instance 0: there are none */
    uint64_t version;          /* of the inode after it … */
    int64_t ctime;             /* … which tells of a change of attributes */
    bool lost;                 /* an earlier one did not outlive its server */
};

struct inode {
    struct inode *next; /* table lock */
    uint64_t ino;
    uint64_t lookups;   /* table lock */
    uint64_t refs;      /* table lock */
    struct name *names; /* names' lock: under which names the kernel may know it */

    pthread_mutex_t lock; /* guards all that follows */
    struct posix_attr attr;
    uint64_t attr_time; /* changes_now() that attr is known to be current at; 0: attr is not known */
    int64_t attr_until; /* monotonic ns: attr is not used past that */
    uint64_t pages;     /* version that the kernel's cached pages are of, our own writes counted in; 0: not known */
    struct unsynced unsynced; /* since the last fsync */
    bool young;               /* made here, and nothing of it was sent or changed since */
    bool no_capability;       /* has no security.capability, which the kernel asks for at every write */
    struct wfile *written;    /* write-back's part; NULL until the first write */
    struct nameset *children; /* names of a directory; NULL: not known */
    uint64_t children_id;     /* of this set: another one gets another number */
    bool children_complete;   /* no other names than those */
};

struct inodes;

int inodes_new(struct inodes **ret_inodes);
/* Accepts NULL. What is left of inodes goes with it. */
void inodes_free(struct inodes **inodes);

/* The inode with that number, made if need be, with a reference: NULL when memory is short. */
struct inode *inode_get(struct inodes *inodes, uint64_t ino);
/* The inode if it is known, with a reference; else NULL. */
struct inode *inode_find(struct inodes *inodes, uint64_t ino);
struct inode *inode_ref(struct inodes *inodes, struct inode *inode);
/* Gives a reference back. Accepts NULL, and NULLs. */
void inode_put(struct inodes *inodes, struct inode **inode);
/* The kernel got the inode once more, or forgets count of the times it did. */
void inode_looked_up(struct inodes *inodes, struct inode *inode);
void inode_forget(struct inodes *inodes, uint64_t ino, uint64_t count);
/* The numbers of up to cap known inodes from *at on (0 at first); the number given, 0 at the end. Inodes that come and
 * go meanwhile may be missed: they are as new as the caller's question. */
size_t inodes_list(struct inodes *inodes, size_t *at, uint64_t *ret_inos, size_t cap);
/* Called for an inode that goes, without locks, to free what hangs on it. */
void inodes_on_free(struct inodes *inodes, void (*fn)(struct inode *inode, void *arg), void *arg);

#endif
