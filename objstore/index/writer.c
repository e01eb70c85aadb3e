/*
 * The writer: group commit.
 *
 *   wait for a request → open a batch → run every request that is queued, and those that come meanwhile, within bounds
 *     (who waits for applied is answered at once) → seal: meta record, disk space on every replica → send the redo
 *     to the appliers → commit the primary → wait until W replicas have it → callbacks → answer who waits for durable
 *
 * While a commit is under way requests queue up and make the next batch. A batch in which nobody waits for durable
 * lingers: it stays open for more requests until somebody waits for it (a durable mutation, a flush, a read that must
 * see it) or LINGER_NS have passed. So one client's changes, each sent after the answer to the last, share a commit
 * too. What a commit's failure leaves:
 *
 *   committed on       the batch is   then
 *   W or more          durable        those without it are unhealthy; was the primary one, another is promoted
 *   none               void           every caller gets the error; a replica is unhealthy unless its disk was only full
 *   some, less than W  in doubt       callers get CAIRN_EQUORUM, and nothing is written until the next start decides
 *
 * A sequence is used up by the attempt, so a replica on which a void batch survives after all is behind the next one.
 */

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/index/batch.h"

static void answer(struct request *request, int result)
{
    request->result = result;
    event_set(&request->answered); /* the request may be gone */
}

/* ---- commit ---- */

/* What may keep the thread for as long as the primary's drive hangs. If that is too long it does not return. */
static int commit_once(struct index *index, struct batch *batch, bool again)
{
    struct replica *primary = index->primary;
    MDB_txn *txn = index->write.mdb;
    uint64_t epoch = index->meta.epoch;
    index->write.mdb = NULL;
    struct writer *me = office_enter(index, batch);
    if (!again)
        trail_add(primary, epoch, batch->sequence, &batch->redo);
    int rc = mdb_txn_commit(txn);
    office_leave(index, me, primary, batch);
    return rc;
}

static int commit_primary(struct index *index, struct batch *batch)
{
    int rc = commit_once(index, batch, false);
    while (rc == MDB_MAP_FULL) {
        rc = batch_rebuild(index, batch, true);
        if (rc)
            break;
        rc = commit_once(index, batch, true);
    }
    batch_abort(index);
    trail_settle(index->primary, rc == 0);
    return lmdb_error(rc);
}

static void note_primary(struct index *index, const struct batch *batch, int rc)
{
    struct replica *primary = index->primary;
    pthread_mutex_lock(&index->lock);
    if (rc < 0) {
        replica_fail(primary, rc);
    } else {
        primary->meta = index->meta;
        primary->meta.sequence = batch->sequence;
    }
    pthread_mutex_unlock(&index->lock);
}

/* index->lock held: a replica's disk was full, and so everybody's commit was void. */
static void forgive_full_disks(struct index *index)
{
    for (size_t i = 0; i < index->count; i++) {
        struct replica *replica = &index->replicas[i];
        if (!replica->healthy && replica->error == -ENOSPC && replica->meta.sequence == index->primary->meta.sequence) {
            replica->healthy = true;
            replica->error = 0;
        }
    }
}

/* What became of the batch, as the table above has it. */
static int judge(struct index *index, unsigned committed, int primary_rc)
{
    if (committed >= index->write_quorum) {
        if (primary_rc < 0)
            replace_primary(index);
        return 0;
    }
    if (committed > 0) {
        index->gone = true;
        return CAIRN_EQUORUM;
    }
    pthread_mutex_lock(&index->lock);
    forgive_full_disks(index);
    bool lost = !index->primary->healthy;
    pthread_mutex_unlock(&index->lock);
    if (lost)
        replace_primary(index);
    return primary_rc;
}

static int commit_everywhere(struct index *index, struct batch *batch)
{
    uint64_t txnid = mdb_txn_id(index->write.mdb);
    applier_send_all(index, batch);
    int rc = commit_primary(index, batch);
    note_primary(index, batch, rc);
    /* Without the primary the others' number decides, so all of them have to answer. */
    unsigned committed = rc < 0 ? applier_await(index, batch, INDEX_REPLICAS_MAX)
                                : 1 + applier_await(index, batch, (unsigned)index->write_quorum - 1);
    if (rc == 0)
        atomic_store(&index->primary->visible_txnid, txnid);
    return judge(index, committed, rc);
}

/* After files were extended: a primary that was given up meanwhile hands the open batch to another. */
static int keep_primary(struct index *index, struct batch *batch)
{
    if (primary_is_well(index))
        return 0;
    batch_abort(index);
    replace_primary(index);
    return may_write(index) ? lmdb_error(batch_rebuild(index, batch, false)) : CAIRN_EQUORUM;
}

/* Makes the batch durable, or void. A batch that has put nothing needs no commit. */
static int batch_commit(struct index *index, struct batch *batch)
{
    int rc = batch->error;
    if (rc == 0 && !batch->redo.ops) {
        batch_abort(index);
        return 0;
    }
    if (rc == 0)
        rc = keep_primary(index, batch);
    if (rc == 0)
        rc = lmdb_error(batch_seal(index, batch));
    index->meta.sequence = batch->sequence;
    if (rc < 0 && rc != -ENOMEM && rc != -ENOSPC && rc != CAIRN_EQUORUM) { /* it is the primary's */
        batch_abort(index);
        note_primary(index, batch, rc);
        return judge(index, 0, rc);
    }
    if (rc == 0)
        rc = room_reserve(index, batch);
    if (rc == 0)
        rc = keep_primary(index, batch);
    if (rc == 0)
        rc = commit_everywhere(index, batch);
    batch_abort(index);
    return rc;
}

/* ---- a batch's life ---- */

/* The next request: of those taken from the queue, or of those that have come since. */
static struct request *next_request(struct index *index, struct request **todo)
{
    if (!*todo)
        *todo = queue_take(index);
    struct request *request = *todo;
    if (request)
        *todo = request->next;
    return request;
}

static void keep_waiting(struct batch *batch, struct request *request, int result)
{
    request->result = result;
    request->next = NULL;
    *batch->waiters_end = request;
    batch->waiters_end = &request->next;
}

static void run_request(struct index *index, struct batch *batch, struct request *request)
{
    int rc = batch->error ? batch->error : batch_run(index, batch, request);
    atomic_fetch_add_explicit(&index->mutations, 1, memory_order_relaxed);
    if (batch->redo.ops)
        atomic_store(&index->applied, batch->sequence);
    if (request->wait == INDEX_DURABLE) {
        keep_waiting(batch, request, rc);
        return;
    }
    batch->answered = batch->answered || rc >= 0;
    answer(request, rc);
}

/* Whether the commit has to wait for nobody, and nobody for the commit. The order matters: asleep before the looks. */
static bool may_linger(struct index *index, const struct batch *batch)
{
    return batch->redo.ops && !batch->waiters && !batch->error && !atomic_load(&index->finishes.waiters) &&
           !atomic_load(&index->stop);
}

/* The next request, for which a batch that nobody waits for is kept open; NULL when it is to be committed. */
static struct request *linger(struct index *index, struct batch *batch, struct request **todo, int64_t until)
{
    struct request *request;
    while (!(request = next_request(index, todo))) {
        int64_t left = until - clock_mono_ns();
        atomic_store(&index->asleep, 1);
        bool stay = left > 0 && may_linger(index, batch);
        if (stay && !atomic_load(&index->queued))
            futex_wait_for(&index->asleep, 1, (long)(left < LINGER_NS ? left : LINGER_NS));
        atomic_store(&index->asleep, 0);
        if (!stay)
            return NULL;
    }
    return request;
}

static void fill(struct index *index, struct batch *batch, struct request **todo)
{
    int64_t opened = clock_mono_ns();
    struct request *request;
    for (unsigned ran = 0; ran < BATCH_MUTATIONS && batch->redo.bytes.len < BATCH_BYTES; ran++) {
        if (!batch->error && !room_for_more(index, batch, ran))
            break;
        if (!(request = linger(index, batch, todo, opened + LINGER_NS)))
            break;
        run_request(index, batch, request);
        bool awaited = batch->waiters || atomic_load(&index->finishes.waiters);
        if (awaited && clock_mono_ns() >= opened + BATCH_OPEN_NS)
            break;
    }
}

/* Readers may go on; then callbacks, then the callers. */
static void settle(struct index *index, struct batch *batch, int rc)
{
    if (rc < 0 && batch->answered) {
        atomic_store(&index->failure, rc);
        atomic_fetch_add(&index->failures, 1);
    }
    if (atomic_load(&index->applied) == batch->sequence)
        atomic_store(&index->finished, batch->sequence);
    tide_rise(&index->finishes);
    for (size_t i = 0; rc == 0 && i < batch->callback_count; i++)
        batch->callbacks[i].fn(batch->callbacks[i].arg);
    batch_drop_callbacks(batch, rc == 0 ? batch->callback_count : 0);
    for (struct request *request = batch->waiters, *next; request; request = next) {
        next = request->next;
        answer(request, rc < 0 ? rc : request->result);
    }
}

static void count_commit(struct index *index, const struct batch *batch, int rc)
{
    if (!batch->redo.ops)
        return;
    atomic_fetch_add(rc < 0 ? &index->failed : &index->commits, 1);
    if (rc == 0)
        atomic_store(&index->sequence, batch->sequence);
}

static void refuse(struct request **todo, int code)
{
    while (*todo) {
        struct request *request = *todo;
        *todo = request->next;
        answer(request, code);
    }
}

static void run_batch(struct index *index)
{
    struct batch *batch = batch_new(index);
    if (!batch) {
        refuse(&index->todo, -ENOMEM);
        return;
    }
    batch->sequence = index->meta.sequence + 1;
    batch->error = lmdb_error(batch_begin(index, batch));
    if (!batch->error) {
        room_look(index);
        batch->error = keep_primary(index, batch);
    }
    fill(index, batch, &index->todo);
    writer_finish(index, batch, batch_commit(index, batch));
}

void writer_finish(struct index *index, struct batch *batch, int rc)
{
    count_commit(index, batch, rc);
    settle(index, batch, rc);
    batch_unref(index, batch);
}

void writer_loop(struct index *index)
{
    for (;;) {
        heed_suspicion(index);
        heed_job(index);
        if (!index->todo)
            index->todo = queue_take(index);
        if (!index->todo && atomic_load(&index->stop))
            return;
        if (!index->todo)
            queue_wait(index);
        else if (may_write(index))
            run_batch(index);
        else
            refuse(&index->todo, CAIRN_EQUORUM);
    }
}
