/*
 * Garbage: records that no name leads to any more. What is small is taken off within the mutation that ended it; of the
 * rest a 'G' record remembers what is still to do, and the reaper does it in steps, also after a restart.
 */
#ifndef CAIRN_NAMESPACE_GARBAGE_H
#define CAIRN_NAMESPACE_GARBAGE_H

#include "objstore/namespace/format.h"
#include "objstore/namespace/namespace.h"

/* In a mutation: all that is keyed by id goes, now or by the reaper. */
int garbage_add(struct ns_txn *txn, uint64_t id, enum garbage_kind kind);
/* In a mutation: empties the body of a file, now or by the reaper; the caller puts the inode. */
int garbage_empty(struct ns_txn *txn, struct inode *inode);

/* Takes off all the garbage there is, in mutations of its own, until it is done or the reaper is to end. What is
 * damaged is passed over, and does not keep the rest from going. 0 or the last error. */
int garbage_pass(struct ns *ns);

#endif
