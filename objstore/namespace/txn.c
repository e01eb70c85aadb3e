#include <stdlib.h>

#include "objstore/base/clock.h"
#include "objstore/namespace/counters.h"
#include "objstore/namespace/ns_priv.h"

int ns_view_begin(struct ns *ns, struct ns_txn **ret_txn)
{
    struct ns_txn *txn = calloc(1, sizeof(*txn));
    if (!txn)
        return -ENOMEM;
    txn->ns = ns;
    txn->now = clock_real_ns();
    int r = index_read_begin(ns->index, &txn->index);
    if (r < 0) {
        free(txn);
        return r;
    }
    *ret_txn = txn;
    return 0;
}

void ns_view_end(struct ns_txn **txn)
{
    if (!*txn)
        return;
    index_read_end(&(*txn)->index);
    arena_release(&(*txn)->arena);
    free(*txn);
    *txn = NULL;
}

struct application {
    struct ns *ns;
    ns_mutation *fn;
    void *arg;
};

static int mutation_run(struct index_txn *index, void *arg)
{
    const struct application *app = arg;
    struct ns_txn txn = {.ns = app->ns, .index = index, .writable = true, .now = clock_real_ns()};
    numbers_heed(app->ns);
    int result = app->fn(&txn, app->arg);
    if (result >= 0 && txn.failed < 0)
        result = txn.failed;
    if (result >= 0) {
        int r = changes_attach(&txn);
        if (r < 0)
            result = r;
    }
    changes_discard(&txn);
    arena_release(&txn.arena);
    return result;
}

int ns_apply(struct ns *ns, ns_mutation *fn, void *arg, enum index_wait wait)
{
    struct application app = {.ns = ns, .fn = fn, .arg = arg};
    numbers_begin(ns);
    return index_apply(ns->index, mutation_run, &app, wait);
}

int ns_flush(struct ns *ns)
{
    return index_flush(ns->index);
}

uint64_t ns_mark(struct ns *ns)
{
    return index_mark(ns->index);
}

int ns_flush_since(struct ns *ns, uint64_t *mark)
{
    return index_flush_since(ns->index, mark);
}

int64_t ns_txn_now(const struct ns_txn *txn)
{
    return txn->now;
}

struct index_txn *ns_txn_index(struct ns_txn *txn)
{
    return txn->index;
}
