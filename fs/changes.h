/*
 * Changes: whether something has changed since a request was sent, so that a reply which has crossed a change on its
 * way is not handed to the kernel as if it were current.
 *
 * A handler takes the time (a counter of changes) before it sends, and asks with that time when the reply is there.
 * Push and every change of our own are recorded. Slots are shared by hash: a false "changed" only costs a caching.
 * Constant memory; no locks; any thread.
 */
#ifndef CAIRN_FS_CHANGES_H
#define CAIRN_FS_CHANGES_H

#include <stdatomic.h>

#include "objstore/base/span.h"

#define CHANGES_SLOTS 16384 /* 128 KiB; some thousand changes within one request's time collide rarely */

/* Embedded; zeroed is ready. */
struct changes {
    atomic_uint_fast64_t now; /* changes so far; times begin at 1 */
    atomic_uint_fast64_t all; /* the time of the last changes_all() */
    atomic_uint_fast64_t slots[CHANGES_SLOTS];
};

uint64_t changes_now(struct changes *c);
/* Each answers the new time. */
uint64_t changes_inode(struct changes *c, uint64_t ino);
uint64_t changes_name(struct changes *c, uint64_t dir, struct span name);
uint64_t changes_all(struct changes *c);
bool changed_inode(struct changes *c, uint64_t ino, uint64_t since);
bool changed_name(struct changes *c, uint64_t dir, struct span name, uint64_t since);

/* The hash of a name in a directory, for every table that needs one. */
uint64_t name_hash(uint64_t dir, struct span name);

#endif
