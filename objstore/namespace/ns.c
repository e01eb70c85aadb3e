#include <stdlib.h>

#include "objstore/namespace/counters.h"
#include "objstore/namespace/inode.h"
#include "objstore/namespace/ns_priv.h"
#include "objstore/namespace/reaper.h"

/* The first open: counters and the root. */
static int ns_format(struct ns_txn *txn, void *arg)
{
    struct counters found;
    struct inode root;
    (void)arg;
    int r = counters_read(txn->index, &found);
    if (r != -ENOENT)
        return r;
    r = counters_init(txn, NS_ROOT);
    if (r == 0)
        r = inode_new(txn, INODE_DIR, (struct ns_owner){.mode = 0755}, &root);
    if (r < 0)
        return r;
    assert(root.ino == NS_ROOT);
    root.parent = NS_ROOT;
    return inode_put(txn, &root);
}

/* Looks first: an index without a write quorum still opens for reading. */
static int ns_prepare(struct ns *ns)
{
    struct counters counters;
    struct index_txn *txn;
    int r = index_read_begin(ns->index, &txn);
    if (r < 0)
        return r;
    r = counters_read(txn, &counters);
    index_read_end(&txn);
    ns->numbers_begun = r == -ENOENT ? 0 : -EAGAIN;
    return r == -ENOENT ? ns_apply(ns, ns_format, NULL, INDEX_DURABLE) : r;
}

int ns_open(struct index *index, struct data *data, struct ns **ret_ns)
{
    struct ns *ns = calloc(1, sizeof(*ns));
    if (!ns)
        return -ENOMEM;
    ns->index = index;
    ns->data = data;
    ns->scratch = malloc(SCRATCH_SIZE);
    int r = ns->scratch ? 0 : -ENOMEM;
    if (r == 0)
        r = holds_init(&ns->holds);
    if (r == 0)
        r = backlog_init(&ns->backlog);
    if (r == 0)
        r = subscriber_init(&ns->subscriber);
    ns->opened = r == 0;
    if (r == 0)
        r = ns_prepare(ns);
    if (r == 0)
        r = reaper_start(ns);
    if (r < 0) {
        ns_close(&ns);
        return r;
    }
    *ret_ns = ns;
    return 0;
}

void ns_close(struct ns **ns)
{
    if (!*ns)
        return;
    uint64_t mark = index_mark((*ns)->index);
    reaper_stop(*ns);
    if ((*ns)->opened) {
        ns_subscribe(*ns, NULL, NULL);
        index_flush_since((*ns)->index, &mark); /* who waits for a commit is told of its failure */
        subscriber_release(&(*ns)->subscriber);
        backlog_release(&(*ns)->backlog);
    }
    holds_release(&(*ns)->holds);
    free((*ns)->scratch);
    free(*ns);
    *ns = NULL;
}

int ns_statfs(struct ns *ns, struct ns_statfs *ret_statfs)
{
    struct data_status status;
    struct counters counters;
    struct index_txn *txn;
    int r = data_status(ns->data, &status);
    if (r == 0)
        r = index_read_begin(ns->index, &txn);
    if (r < 0)
        return r;
    r = counters_read(txn, &counters);
    index_read_end(&txn);
    if (r < 0)
        return r;
    *ret_statfs = (struct ns_statfs){.total = status.total, .free = status.free, .inodes = counters.inodes};
    return 0;
}
