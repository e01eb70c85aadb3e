/*
 * The namespace's counters: the next number, of inodes, bodies, uploads and chain nodes alike, and how many inodes
 * there are. One record.
 */
#ifndef CAIRN_NAMESPACE_COUNTERS_H
#define CAIRN_NAMESPACE_COUNTERS_H

#include "objstore/namespace/namespace.h"

struct counters {
    uint64_t next_ino, inodes;
};

/* -ENOENT before the first counters_init. CAIRN_ECORRUPT, CAIRN_EFORMAT. */
int counters_read(struct index_txn *txn, struct counters *ret_counters);

/* In a mutation */

/* The first number is next_ino, and there is no inode. */
int counters_init(struct ns_txn *txn, uint64_t next_ino);
/* The next number, and inodes added to their count. */
int number_new(struct ns_txn *txn, int inodes, uint64_t *ret_number);
int inodes_count(struct ns_txn *txn, int by);

#endif
