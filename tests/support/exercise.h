/*
 * The calls of the namespace and the POSIX dialect, over a store (memory_store.h) whose records may say anything: each
 * must answer, whatever it answers, and what goes through records must end.
 */
#ifndef CAIRN_TESTS_EXERCISE_H
#define CAIRN_TESTS_EXERCISE_H

#include "tests/support/memory_store.h"

/* Reads what there is, by key and by inode, in a view or a mutation. */
void exercise_reads(struct ns_txn *txn);
/* Makes one change: which of them, and of what, are numbers of any size. */
void exercise_change(struct ns *ns, struct ns_txn *txn, unsigned which, unsigned what);
/* exercise_reads in a view of its own. */
void exercise_view(struct ns *ns);
/* Takes up the session of the fill, and repeats its last compound. */
void exercise_session(struct posix *posix);

#endif
