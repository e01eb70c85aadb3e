/*
 * Start-up, which is also recovery.
 *
 *   1. Every folder is claimed, and its database opened and read: good, empty, damaged or missing.
 *   2. When no folder is missing and none ever held a commit (epoch 0), the deployment is fresh: all are created with
 * epoch 0. A crash between them leaves the same case.
 *   3. Fewer than R-W+1 good ones: refused. Any acknowledged commit is on W, so R-W+1 hold the last one.
 *   4. Every good one promises the new epoch: higher than any it has seen.
 *   5. The one with the highest (epoch, sequence) is copied over the others: those that lag, are damaged, or empty.
 * What it holds beyond the last acknowledged commit is kept, what another holds that it does not was never
 * acknowledged.
 *   6. With W of them the new epoch begins: a commit of the meta record alone. Fewer: the index is for reading only.
 *
 * Why promises: a start that sees other replicas than the last one, which got no further than step 6 on fewer than W,
 * must not begin the same epoch; and no two contents ever have the same (epoch, sequence). Each start has W promises
 * before it begins an epoch, and each later start reads one of those W.
 */
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/index/index_priv.h"

/* Replicas that have a database, opened, are healthy from here on; the others say why not. */
static void lose(struct replica *replica, int error)
{
    replica_shut(replica);
    replica->healthy = false;
    replica->error = error;
}

static size_t good_count(const struct index *index)
{
    size_t count = 0;
    for (size_t i = 0; i < index->count; i++)
        count += index->replicas[i].healthy;
    return count;
}

/* ---- 1: what is there ---- */

struct probe {
    struct replica *replica;
    const char *path;
    size_t map_size;
    pthread_t thread;
    bool running;
};

static void *probe_main(void *arg)
{
    struct probe *probe = arg;
    struct replica *replica = probe->replica;
    int rc = replica_claim(replica, probe->path);
    if (rc == 0 && !replica_has_database(replica))
        rc = replica_had_database(replica) ? CAIRN_ECORRUPT : -ENODATA;
    if (rc == 0)
        rc = replica_open(replica, probe->map_size);
    replica->healthy = rc == 0;
    replica->error = replica->found = rc;
    return NULL;
}

/* Side by side, since each reads its whole database. */
static int probe_all(struct index *index, const struct index_options *options)
{
    struct probe probes[INDEX_REPLICAS_MAX];
    for (size_t i = 0; i < index->count; i++) {
        probes[i] = (struct probe){&index->replicas[i], options->paths[i], options->map_size, .running = false};
        probes[i].running = pthread_create(&probes[i].thread, NULL, probe_main, &probes[i]) == 0;
        if (!probes[i].running)
            probe_main(&probes[i]);
    }
    int rc = 0;
    for (size_t i = 0; i < index->count; i++) {
        if (probes[i].running)
            pthread_join(probes[i].thread, NULL);
        int error = index->replicas[i].error;
        rc = error == -EBUSY || error == -ENOMEM ? error : rc;
    }
    return rc;
}

/* ---- 2: a fresh deployment ---- */

static bool is_fresh(const struct index *index)
{
    for (size_t i = 0; i < index->count; i++) {
        const struct replica *replica = &index->replicas[i];
        if (replica->healthy ? replica->meta.epoch > 0 : replica->error != -ENODATA)
            return false;
    }
    return true;
}

static int create_all(struct index *index, size_t map_size)
{
    struct meta meta = {.epoch = 0};
    random_bytes(meta.uuid, sizeof(meta.uuid));
    int rc = 0;
    for (size_t i = 0; i < index->count && rc == 0; i++) {
        struct replica *replica = &index->replicas[i];
        replica_shut(replica);
        rc = replica_create(replica, &meta);
        if (rc == 0)
            rc = replica_open(replica, map_size);
        replica->healthy = rc == 0;
    }
    return rc;
}

/* ---- 3: enough of one deployment ---- */

/* Why too few are good: an unknown format or damage first, since those say what to do; else what all of them say. */
static int refusal(const struct index *index)
{
    int common = 0;
    for (size_t i = 0; i < index->count; i++) {
        int error = index->replicas[i].error;
        if (error == CAIRN_EFORMAT || error == CAIRN_ECORRUPT)
            return error;
        if (common == 0 || common == error)
            common = error;
        else
            common = CAIRN_EQUORUM;
    }
    return common == 0 || common == -ENODATA || common == -ENODEV ? CAIRN_EQUORUM : common;
}

static int check_uuids(const struct index *index, const struct replica *best)
{
    for (size_t i = 0; i < index->count; i++) {
        const struct replica *replica = &index->replicas[i];
        if (replica->healthy && memcmp(replica->meta.uuid, best->meta.uuid, sizeof(best->meta.uuid)) != 0)
            return CAIRN_EFOREIGN;
    }
    return 0;
}

static bool is_behind(const struct replica *replica, const struct replica *other)
{
    if (replica->meta.epoch != other->meta.epoch)
        return replica->meta.epoch < other->meta.epoch;
    return replica->meta.sequence < other->meta.sequence;
}

static bool is_worse(const struct replica *replica, const struct replica *other)
{
    return is_behind(replica, other) || (!is_behind(other, replica) && replica->spoiled && !other->spoiled);
}

static struct replica *best_of(struct index *index)
{
    struct replica *best = NULL;
    for (size_t i = 0; i < index->count; i++) {
        struct replica *replica = &index->replicas[i];
        if (replica->healthy && (!best || is_worse(best, replica)))
            best = replica;
    }
    return best;
}

/* ---- 4 to 6: the new epoch ---- */

static void store_or_lose(struct replica *replica, const struct meta *meta)
{
    int rc = replica_store_meta(replica, meta);
    if (rc < 0)
        lose(replica, rc);
}

static uint64_t promise_all(struct index *index)
{
    uint64_t epoch = 0;
    for (size_t i = 0; i < index->count; i++)
        if (index->replicas[i].healthy && index->replicas[i].meta.promised > epoch)
            epoch = index->replicas[i].meta.promised;
    epoch++;
    for (size_t i = 0; i < index->count; i++) {
        struct meta meta = index->replicas[i].meta;
        meta.promised = epoch;
        if (index->replicas[i].healthy)
            store_or_lose(&index->replicas[i], &meta);
    }
    return epoch;
}

static void catch_up_all(struct index *index, struct replica *best)
{
    for (size_t i = 0; i < index->count; i++)
        if (index->replicas[i].healthy && is_behind(&index->replicas[i], best))
            trail_catch_up(best, &index->replicas[i], &best->meta);
}

/* One that can't be brought up to date is left out, whatever it held. */
static void copy_anew(struct replica *best, struct replica *replica, size_t map_size)
{
    int rc = replica_copy(best, replica);
    if (rc == 0)
        rc = replica_open(replica, map_size);
    replica->copied = replica->healthy = rc == 0;
    if (rc < 0)
        lose(replica, rc);
}

static void copy_all(struct index *index, struct replica *best, size_t map_size)
{
    for (size_t i = 0; i < index->count; i++) {
        struct replica *replica = &index->replicas[i];
        bool good = replica->healthy && !is_worse(replica, best);
        if (replica->folder >= 0 && !good)
            copy_anew(best, replica, map_size);
    }
}

static void begin_on(struct replica *replica, const struct meta *meta)
{
    static const struct redo nothing;
    trail_add(replica, meta->epoch, meta->sequence, &nothing);
    store_or_lose(replica, meta);
    trail_settle(replica, replica->healthy);
}

static void begin_epoch(struct index *index, uint64_t epoch)
{
    struct meta meta = best_of(index)->meta;
    meta.epoch = epoch;
    meta.sequence++;
    for (size_t i = 0; i < index->count; i++)
        if (index->replicas[i].healthy)
            begin_on(&index->replicas[i], &meta);
}

static int renew(struct index *index, size_t map_size)
{
    uint64_t epoch = promise_all(index);
    struct replica *best = best_of(index);
    if (!best)
        return CAIRN_EQUORUM;
    catch_up_all(index, best);
    copy_all(index, best_of(index), map_size); /* which may be one that has just caught up, when the first is spoiled */
    if (good_count(index) >= index->write_quorum)
        begin_epoch(index, epoch);
    else
        index->gone = true;
    return 0;
}

static int set_primary(struct index *index)
{
    struct replica *best = best_of(index);
    if (!best)
        return CAIRN_EQUORUM;
    index->meta = best->meta;
    return lmdb_error(primary_set(index, best));
}

/* ---- telling ---- */

static void tell(const struct replica *replica, struct buf *message)
{
    if (replica->healthy && !replica->copied)
        return;
    if (message->len > 0)
        buf_add_cstr(message, "; ");
    buf_printf(message, "index replica %s: ", replica->path[0] ? replica->path : "on a missing drive");
    if (!replica->healthy)
        buf_add_cstr(message, replica->error ? cairn_strerror(replica->error) : "left out");
    else
        buf_printf(message, "%s, copied anew", replica->found ? cairn_strerror(replica->found) : "behind or damaged");
}

static int choose(struct index *index, const struct index_options *options)
{
    int rc = probe_all(index, options);
    if (rc == 0 && is_fresh(index))
        rc = options->must_exist ? CAIRN_EQUORUM : create_all(index, options->map_size);
    if (rc < 0)
        return rc;
    if (good_count(index) < index->count - index->write_quorum + 1)
        return refusal(index);
    rc = check_uuids(index, best_of(index));
    if (rc == 0)
        rc = renew(index, options->map_size);
    return rc < 0 ? rc : set_primary(index);
}

int recover(struct index *index, const struct index_options *options)
{
    int rc = choose(index, options);
    for (size_t i = 0; options->message && i < index->count && index->replicas[i].path; i++)
        tell(&index->replicas[i], options->message);
    return rc;
}
