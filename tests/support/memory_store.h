/*
 * A store for tests that damage it thousands of times: three drives in memory (k 2, m 1), one replica of the index in
 * the scratch folder, and a way back to what it was. It is filled with at least one record of every kind:
 *
 *   box            the bucket: a (beside the directory a/), a/c, d/x (d is implicit), e/ (explicit), a key of 600 bytes
 *   box/blob       two stripes; box/pieces an inline extent, a hole, a blob's range; box/link box/fifo box/twin (of a)
 *   box/parts      was completed from two parts; box/up an upload under way with two
 *   beside these   extended attributes; a session with a file open, and the reply of its last compound
 *   as crashed     also a file without a name, garbage, a body to be tidied, a freed blob, one to be healed
 *
 * What can't be done ends the process: it is not what such a test is about.
 */
#ifndef CAIRN_TESTS_MEMORY_STORE_H
#define CAIRN_TESTS_MEMORY_STORE_H

#include "objstore/drive/set.h"
#include "objstore/namespace/namespace.h"
#include "server/posix/posix.h"
#include "server/wire/posix.h"
#include "tests/support/memory_drive.h"

enum { MEMORY_DRIVES = 3 };

struct memory_store {
    struct memory_disk disks[MEMORY_DRIVES];
    char folders[MEMORY_DRIVES][160]; /* empty ones: formatting syncs their names */
    struct drives *drives;
    struct index *index;
    struct data *data;
    struct ns *ns;
    struct posix *posix;

    /* what memory_store_restore goes back to */
    struct buf records;
    struct memory_disk kept[MEMORY_DRIVES];
};

/* The session that the fill has opened. */
extern struct posix_request memory_session; /* with its generation, slot 0, and the last sequence of that */

/* Makes and fills it, and leaves it with only the index open. crashed: with work that an open store would soon have
 * done, so that its records don't stay as they are. */
void memory_store_init(struct memory_store *store, bool crashed);
void memory_store_release(struct memory_store *store);
/* Opens drives, data, namespace and the POSIX dialect, as a start of the daemon does: 0, or the error that it would
 * answer; then nothing of these is open. */
int memory_store_open(struct memory_store *store);
/* Waits until the threads in the background have done what they can do now, and does what repair would: what lacks
 * shards is written anew. */
void memory_store_rest(struct memory_store *store);
void memory_store_close(struct memory_store *store);
/* While it is closed: the last drive has lost its segments. */
void memory_store_lose(struct memory_store *store);
/* Whether the records are other ones than after the fill. */
bool memory_store_changed(struct memory_store *store);
/* Goes back to the state after the fill; closed. */
void memory_store_restore(struct memory_store *store);
/* While it is open: likewise, as long as nothing but the namespace's own records has changed; else false. */
bool memory_store_rewind(struct memory_store *store);

/* All records but the index's own, one after the other; record_next takes one off. */
struct record {
    struct span key, value;
};
bool record_next(struct span *rest, struct record *ret_record);

#endif
