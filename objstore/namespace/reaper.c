#include "objstore/namespace/reaper.h"

#include "objstore/namespace/garbage.h"
#include "objstore/namespace/ns_priv.h"
#include "objstore/namespace/orphan.h"
#include "objstore/namespace/tidier.h"

static int work(struct ns *ns)
{
    int orphans = orphans_pass(ns), garbage = garbage_pass(ns), tidy = tidier_pass(ns);
    return orphans < 0 ? orphans : garbage < 0 ? garbage : tidy;
}

static void *reaper_main(void *arg)
{
    struct ns *ns = arg;
    while (backlog_wait(&ns->backlog))
        if (work(ns) < 0)
            backlog_failed(&ns->backlog);
    return NULL;
}

int reaper_start(struct ns *ns)
{
    int r = -pthread_create(&ns->reaper, NULL, reaper_main, ns);
    ns->reaping = r == 0;
    return r;
}

void reaper_stop(struct ns *ns)
{
    if (!ns->reaping)
        return;
    backlog_stop(&ns->backlog);
    pthread_join(ns->reaper, NULL);
    ns->reaping = false;
}
