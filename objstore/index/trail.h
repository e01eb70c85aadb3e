/*
 * Trail: the redo of a replica's last commits, in a file beside its database, so that a replica that is a little behind
 * at start needs those commits only, and not a copy of the whole index.
 *
 * It is never synced: after a crash of the process it is whole, after a power cut it ends early or not at all, and a
 * copy is made as if there were none. An entry counts only when the database says that its commit was made: the trail
 * is cut after the entry that has the database's own (epoch, sequence), and dropped when there is none. Since no two
 * contents bear the same (epoch, sequence), a replica whose last commit is an entry of another's trail lacks exactly
 * what follows there. Each entry holds the check of the one before it: a power cut may bring back sectors of entries
 * that were cut off and written over since, whole ones with a sequence that fits.
 *
 * Used by the thread that commits the replica. A trail that can't be written is given up until the next start.
 */
#ifndef CAIRN_INDEX_TRAIL_H
#define CAIRN_INDEX_TRAIL_H

#include "objstore/base/span.h"
#include "objstore/index/redo.h"

struct replica;
struct meta;

struct trail {
    int file;                           /* -1: none */
    uint64_t end;                       /* of the entries whose commits were made */
    uint64_t check;                     /* of the last of them */
    uint64_t limit;                     /* a file is put aside at this length */
    uint64_t end_added, check_added;    /* … and of those whose commits are about to be */
};

/* Opens the trail of a database that was just opened; cuts it, or drops it. */
void trail_open(struct replica *replica);
void trail_close(struct replica *replica);
/* Starts anew, at the database's present state. */
void trail_restart(struct replica *replica);

/* Adds a commit that is about to be made, which may be one of several; then says whether they were. */
void trail_add(struct replica *replica, uint64_t epoch, uint64_t sequence, const struct redo *redo);
void trail_settle(struct replica *replica, bool made);

/* Applies to a replica that lags what it lacks of from's commits up to target, which from has made. from may go on committing. -ENOENT when
 * the trail does not reach back so far; another error, and then nothing is applied either. */
int trail_catch_up(struct replica *from, struct replica *to, const struct meta *target);

#endif
