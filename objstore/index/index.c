#include "objstore/index/index.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "objstore/base/errors.h"
#include "objstore/index/index_priv.h"

/* ---- flush ---- */

uint64_t index_mark(struct index *index)
{
    return atomic_load(&index->failures);
}

int index_flush_since(struct index *index, uint64_t *mark)
{
    await_finish(index, atomic_load(&index->applied));
    uint64_t failures = atomic_load(&index->failures);
    if (failures == *mark)
        return 0;
    *mark = failures;
    return atomic_load(&index->failure);
}

int index_flush(struct index *index)
{
    await_finish(index, atomic_load(&index->applied));
    uint64_t failures = atomic_load(&index->failures);
    return atomic_exchange(&index->flush_mark, failures) == failures ? 0 : atomic_load(&index->failure);
}

/* ---- status ---- */

size_t index_status(struct index *index, struct index_replica_status *ret_rows, size_t cap)
{
    pthread_mutex_lock(&index->lock);
    for (size_t i = 0; i < index->count && i < cap; i++) {
        const struct replica *replica = &index->replicas[i];
        ret_rows[i] = (struct index_replica_status){
            .path = replica->path,
            .epoch = replica->meta.epoch,
            .sequence = replica->meta.sequence,
            .primary = replica == index->primary,
            .healthy = replica->healthy,
            .error = replica->healthy ? 0 : replica->error,
        };
    }
    pthread_mutex_unlock(&index->lock);
    return index->count;
}

void index_stats(struct index *index, struct index_stats *ret_stats)
{
    struct index_stats stats = {
        .sequence = atomic_load(&index->sequence),
        .mutations = atomic_load(&index->mutations),
        .commits = atomic_load(&index->commits),
        .failures = atomic_load(&index->failed),
    };
    size_t healthy = 0;
    pthread_mutex_lock(&index->lock);
    for (size_t i = 0; i < index->count; i++)
        healthy += index->replicas[i].healthy;
    pthread_mutex_unlock(&index->lock);
    stats.writable = healthy >= index->write_quorum && !atomic_load(&index->gone);
    *ret_stats = stats;
}

/* ---- trim ---- */

static bool is_ours(const struct index *index, ino_t inode)
{
    for (size_t i = 0; i < index->count; i++)
        if (index->replicas[i].path && index->replicas[i].inode == inode)
            return true;
    return false;
}

/* LMDB does not say where it has mapped a file, the kernel does. Dropping the pages of a shared read-only mapping loses
 * nothing: the next access finds them in the page cache. So neither does it matter when another file has the same inode
 * number. */
void index_trim(struct index *index)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    unsigned long from, to, inode;
    while (maps && fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx r--s %*x %*x:%*x %lu", &from, &to, &inode) == 3 && is_ours(index, inode))
            madvise((void *)from, to - from, MADV_DONTNEED);
    }
    if (maps)
        fclose(maps);
}

/* ---- life ---- */

/* Signals are the program's; its own threads take them. */
static int threads_start(struct index *index, const struct index_options *options)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = office_start(index, options->late_ns);
    for (size_t i = 0; i < index->count && rc == 0; i++)
        if (index->replicas[i].healthy && index->count > 1)
            rc = applier_start(&index->replicas[i]);
    if (rc == 0 && index->count > 1)
        rc = rejoin_start(index, options->rejoin_ns);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static int start(struct index *index, const struct index_options *options)
{
    int rc = readers_init(index);
    if (rc == 0)
        rc = recover(index, options);
    if (rc < 0)
        return rc;
    atomic_store(&index->sequence, index->meta.sequence);
    atomic_store(&index->applied, index->meta.sequence);
    atomic_store(&index->finished, index->meta.sequence);
    return threads_start(index, options);
}

int index_open(const struct index_options *options, struct index **ret_index)
{
    if (options->count < 1 || options->count > INDEX_REPLICAS_MAX || options->write_quorum < 1 ||
        options->write_quorum > options->count)
        return -EINVAL;
    struct index *index = aligned_alloc(CACHE_LINE, sizeof(*index));
    if (!index)
        return -ENOMEM;
    memset(index, 0, sizeof(*index));
    index->count = options->count;
    index->write_quorum = options->write_quorum;
    int rc = locks_init(index);
    if (rc < 0) {
        free(index);
        return rc;
    }
    rc = start(index, options);
    if (rc < 0)
        index_close(&index);
    else
        *ret_index = index;
    return rc;
}

/* index->lock held. */
static unsigned threads_left(const struct index *index)
{
    unsigned count = index->rejoin.running + index->office.threads;
    for (size_t i = 0; i < index->count; i++)
        count += index->replicas[i].running + atomic_load(&index->replicas[i].detained);
    return count;
}

/* The index is its threads' from now on, when there are any: false. */
static bool is_alone(struct index *index)
{
    pthread_mutex_lock(&index->lock);
    index->closed = true;
    index->left = threads_left(index);
    bool alone = index->left == 0;
    pthread_mutex_unlock(&index->lock);
    return alone;
}

/* Closes the replicas that no thread is in. */
static void release_unused(struct index *index)
{
    for (size_t i = 0; i < index->count; i++) {
        struct replica *replica = &index->replicas[i];
        pthread_mutex_lock(&index->lock);
        bool used = replica->running || atomic_load(&replica->detained);
        pthread_mutex_unlock(&index->lock);
        if (used)
            continue;
        readers_leave(index, replica);
        replica_release(replica);
    }
}

void index_close(struct index **index)
{
    struct index *old = *index;
    if (!old)
        return;
    *index = NULL;
    bool ended = rejoin_stop(old);
    ended = office_end(old) && ended;
    for (size_t i = 0; i < old->count; i++)
        applier_stop(&old->replicas[i]);
    if (ended) /* else there is a thread that may be in any of them */
        release_unused(old);
    if (is_alone(old))
        index_release(old);
}
