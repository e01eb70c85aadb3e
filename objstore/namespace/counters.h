/*
 * The namespace's counters: the next number, of inodes, bodies, uploads and chain nodes alike, and how many inodes
 * there are. One record.
 *
 * A number is never given to two, also where a crash or a failed commit takes the record back: who was told a number
 * (a mount that has the file open) must not find somebody else's file under it. So the record is not believed alone:
 *
 *   a commit of this process failed    numbers_floor, in memory, is past all that this process gave out
 *   the process before this one died   it may have given out more than its last commit says: before the first mutation
 *                                      of a process NUMBERS_UNCOMMITTED are left out, durably. That is more than can
 *                                      wait for a commit (half a day of them at 100,000 a second), and 2^31 starts use
 *                                      the numbers up
 *
 * So it is with an inode's version, by which caches and ETags tell its contents apart: one that was told and taken back
 * must not come again for other contents. It grows by one with each change, but the first change after one of those two
 * takes it past all that were told: to a number made of the life of the process (the upper half of the number that it
 * began at), or past the highest that this process gave out.
 */
#ifndef CAIRN_NAMESPACE_COUNTERS_H
#define CAIRN_NAMESPACE_COUNTERS_H

#include "objstore/namespace/namespace.h"

#define NUMBERS_UNCOMMITTED ((uint64_t)1 << 32)
#define VERSIONS_OF_LIFE_BITS 40 /* 2^40 changes of one inode in a life; 2^24 lives */

struct counters {
    uint64_t next_ino, inodes;
};

/* -ENOENT before the first counters_init. CAIRN_ECORRUPT, CAIRN_EFORMAT. */
int counters_read(struct index_txn *txn, struct counters *ret_counters);

/* Before a mutation, on any thread: leaves out what the process before may have given out. Blocks for a commit the
 * first time; where that fails number_new and version_grow answer why, until a later call succeeds. */
void numbers_begin(struct ns *ns);

/* In a mutation */

/* First of all in it: heeds a commit that has failed since the last one. */
void numbers_heed(struct ns *ns);

/* The first number is next_ino, and there is no inode. */
int counters_init(struct ns_txn *txn, uint64_t next_ino);
/* The next number, and inodes added to their count. */
int number_new(struct ns_txn *txn, int inodes, uint64_t *ret_number);
int inodes_count(struct ns_txn *txn, int by);
/* The inode's contents, or its entries, change. */
int version_grow(struct ns_txn *txn, struct inode *inode);

#endif
