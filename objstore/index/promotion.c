/* Which replica is the primary. */
#include "objstore/base/errors.h"
#include "objstore/index/index_priv.h"

static unsigned healthy_count(struct index *index)
{
    unsigned count = 0;
    pthread_mutex_lock(&index->lock);
    for (size_t i = 0; i < index->count; i++)
        count += index->replicas[i].healthy;
    pthread_mutex_unlock(&index->lock);
    return count;
}

bool may_write(struct index *index)
{
    return !index->gone && healthy_count(index) >= index->write_quorum;
}

bool primary_is_well(struct index *index)
{
    pthread_mutex_lock(&index->lock);
    bool well = index->primary->healthy;
    pthread_mutex_unlock(&index->lock);
    return well;
}

/* The healthy replica that is furthest; all its batches are applied. NULL when there is none. */
static struct replica *heir(struct index *index)
{
    struct replica *best = NULL;
    pthread_mutex_lock(&index->lock);
    for (size_t i = 0; i < index->count; i++) {
        struct replica *replica = &index->replicas[i];
        if (replica->healthy && !replica->queue_count && (!best || replica->meta.sequence > best->meta.sequence))
            best = replica;
    }
    pthread_mutex_unlock(&index->lock);
    return best;
}

int primary_set(struct index *index, struct replica *replica)
{
    MDB_envinfo info;
    int rc = mdb_env_info(replica->env, &info);
    if (rc)
        return rc;
    atomic_store(&replica->visible_txnid, info.me_last_txnid);
    atomic_store(&replica->generation, ++index->generation);
    pthread_mutex_lock(&index->lock);
    index->primary = replica;
    pthread_cond_signal(&index->rejoin.change); /* the one before may be copied anew now */
    pthread_mutex_unlock(&index->lock);
    tide_rise(&index->finishes);
    return 0;
}

/* The primary is unhealthy: another takes its place, for reads too. Without one it stays. Nobody waits for the reads
 * that are under way in the old one: they go on there. */
static bool promote(struct index *index)
{
    struct replica *next = heir(index);
    return next && primary_set(index, next) == 0;
}

void replace_primary(struct index *index)
{
    if (!promote(index))
        index->gone = true;
}

static void set_healthy(struct index *index, struct replica *replica, int error)
{
    pthread_mutex_lock(&index->lock);
    if (error < 0)
        replica_fail(replica, error);
    replica->healthy = error == 0;
    pthread_mutex_unlock(&index->lock);
}

/* A damaged record was met in the primary. If the others are a write quorum without it, one of them serves from now on.
 */
void heed_suspicion(struct index *index)
{
    struct replica *primary = index->primary;
    if (atomic_exchange(&index->suspect, 0) != index->generation || healthy_count(index) <= index->write_quorum)
        return;
    set_healthy(index, primary, CAIRN_ECORRUPT);
    if (!promote(index))
        set_healthy(index, primary, 0);
}
