/*
 * What the keeper does in a pass: it settles segments, queues what readers found to be lost, and reclaims what was
 * freed. When nothing of that kind is left, it moves blobs out of segments that are mostly dead. Passes that nobody
 * waits for are PASS_NS apart, so that a storm of deletes shares them.
 */
#include "objstore/data/keeper.h"

#include <errno.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/data/compact.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/reclaim.h"
#include "objstore/data/record.h"
#include "objstore/data/settle.h"

#define PASS_NS (50 * NS_PER_MS)

/* What can't be settled now is tried again; at the end it is left to the next start. */
static int work_settle(struct data *data, struct work *work)
{
    int result = 0;

    while (work->settle) {
        struct segment *segment = work->settle;
        int r = segment_settle(segment->set, segment->id);

        work->settle = segment->settle_next;
        if (r < 0 && !work->stop)
            chores_settle_later(&data->chores, segment);
        else
            segment_put(&segment);
        if (r < 0)
            result = r;
    }
    return result;
}

static int record_found(struct index_txn *txn, void *arg)
{
    const struct work *work = arg;
    struct blob_record blob;

    for (unsigned i = 0; i < work->found_count; i++) {
        const struct found *found = &work->found[i];
        int r = blob_get(txn, found->blob, &blob);

        if (r == -ENOENT || r == CAIRN_ECORRUPT || (r == 0 && blob.refs == 0))
            continue;
        if (r == 0)
            r = heal_put(txn, found->blob, found->places);
        if (r < 0)
            return r;
    }
    return 0;
}

static int work_queue(struct data *data, struct work *work)
{
    if (work->found_count == 0)
        return 0;
    int r = index_apply(data->index, record_found, work, INDEX_APPLIED);
    damage_tell(&data->damage);
    return r;
}

static int work_run(struct data *data, struct work *work)
{
    int queued = work_queue(data, work), settled = work_settle(data, work), reclaimed = reclaim_pass(data);

    return reclaimed < 0 ? reclaimed : settled < 0 ? settled : queued < 0 ? queued : 0;
}

static void *keeper_thread(void *arg)
{
    struct data *data = arg;
    struct chores *chores = &data->chores;
    struct work work = {0};
    uint64_t compact_from = 0;

    for (;;) {
        chores_take(chores, &work);
        chores_done(chores, &work, work_run(data, &work));
        if (work.stop)
            return NULL;
        while (!chores_pause(chores, PASS_NS) && !chores_is_woken(chores) && compact_step(data, &compact_from) > 0)
            ;
    }
}

int keeper_start(struct data *data)
{
    int r = pthread_create(&data->keeper, NULL, keeper_thread, data);

    data->keeping = r == 0;
    return -r;
}

void keeper_stop(struct data *data)
{
    if (!data->keeping)
        return;
    chores_stop(&data->chores);
    pthread_join(data->keeper, NULL);
    data->keeping = false;
}
