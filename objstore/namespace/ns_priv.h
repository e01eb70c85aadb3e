/*
 * What the files of this folder share: the namespace itself and a transaction.
 *
 * Threads: mutations run one at a time, on the index's writer thread; what is marked "mutation" below belongs to the
 * one that runs. Locks of holds, backlog and subscriber are each taken alone.
 */
#ifndef CAIRN_NAMESPACE_PRIV_H
#define CAIRN_NAMESPACE_PRIV_H

#include "objstore/base/errors.h"
#include "objstore/namespace/backlog.h"
#include "objstore/namespace/event.h"
#include "objstore/namespace/format.h"
#include "objstore/namespace/hold.h"
#include "objstore/namespace/namespace.h"
#include "objstore/namespace/record_key.h"
#include "objstore/namespace/tidy.h"

#define SCRATCH_SIZE (ATTRS_MAX + 4096u) /* the largest record that is put together: an inode with its attributes */

struct ns {
    struct index *index;
    struct data *data;
    struct holds holds;
    struct subscriber subscriber;
    struct backlog backlog;
    struct tidy tidy;
    pthread_t reaper;
    bool reaping;              /* the reaper runs */
    bool opened;               /* backlog and subscriber are initialised */
    char *scratch;             /* SCRATCH_SIZE bytes; mutation */
    uint64_t numbers_floor;    /* no lower number is given out (counters.h); mutation, as all that follow */
    uint64_t versions_floor;   /* nor a lower version */
    uint64_t versions_top;     /* the highest that was given out */
    uint64_t failures;         /* the index's mark at the last mutation */
    _Atomic int numbers_begun; /* 0, or why no number can be given out; any thread */
};

struct ns_txn {
    struct ns *ns;
    struct index_txn *index;
    bool writable;
    int64_t now;
    uint64_t origin;
    struct changes *changes; /* events and reaped inodes of this mutation; NULL before the first */
    int failed;              /* mutation: an event could not be noted; ends it */
    struct arena arena;      /* mutation: attributes of the inodes it has read */
};

#endif
