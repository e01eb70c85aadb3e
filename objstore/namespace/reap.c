#include <endian.h>
#include <stdlib.h>
#include <time.h>

#include "objstore/base/clock.h"
#include "objstore/namespace/extent.h"
#include "objstore/namespace/inode.h"
#include "objstore/namespace/ns_priv.h"
#include "objstore/namespace/upload.h"

#define RETRY_NS NS_PER_SEC /* after the index refused a step */

/* ================================================================ taking records off */

/* What a record leads to goes before it: 1 when the record itself may go, 0 when the budget is used up. The value's
 * bytes are to be read before anything is changed. */
typedef int take_record(struct ns_txn *txn, struct span key, struct span value, int *budget);

static int take_nothing(struct ns_txn *txn, struct span key, struct span value, int *budget)
{
    (void)txn, (void)key, (void)value, (void)budget;
    return 1;
}

static int take_extent(struct ns_txn *txn, struct span key, struct span value, int *budget)
{
    struct extent extent;
    (void)budget;
    int r = extent_decode(key, value, &extent);
    if (r == 0 && !extent.bytes.ptr)
        r = blob_ref(txn->index, txn->ns->data, extent.blob, -1);
    return r < 0 ? r : 1;
}

/* The first record of tag and id, its key copied. -ENOENT. */
static int first_record(struct ns_txn *txn, enum ns_tag tag, uint64_t id, struct record_key *ret_key,
                        struct span *ret_value)
{
    struct index_cursor cursor;
    struct span found;
    int r = index_cursor_open(txn->index, &cursor);
    if (r < 0)
        return r;
    r = index_cursor_seek(&cursor, key_id(ret_key, tag, id), &found, ret_value);
    if (r == 0 && !key_of(found, tag, id, 0))
        r = -ENOENT;
    if (r == 0) {
        ret_key->len = found.len;
        memcpy(ret_key->bytes, found.ptr, found.len);
    }
    index_cursor_close(&cursor);
    return r;
}

/* Takes off records of tag and id while the budget lasts: 1 when none is left, 0 when there are more. */
static int take_all(struct ns_txn *txn, enum ns_tag tag, uint64_t id, take_record *take, int *budget)
{
    for (;;) {
        struct record_key key;
        struct span value;
        int r = first_record(txn, tag, id, &key, &value);
        if (r < 0)
            return r == -ENOENT ? 1 : r;
        if (*budget <= 0)
            return 0;
        r = take(txn, key_span(&key), value, budget);
        if (r <= 0)
            return r;
        r = index_delete(txn->index, key_span(&key));
        if (r < 0)
            return r;
        (*budget)--;
    }
}

static int take_part(struct ns_txn *txn, struct span key, struct span value, int *budget)
{
    struct part_record part;
    (void)key;
    if (value.len < sizeof(part))
        return CAIRN_ECORRUPT;
    memcpy(&part, value.ptr, sizeof(part));
    return take_all(txn, TAG_EXTENT, le64toh(part.body), take_extent, budget);
}

/* Takes off what is keyed by id while the budget lasts: 1 when nothing is left, 0 when there is more. */
static int take_id(struct ns_txn *txn, uint64_t id, enum garbage_kind kind, int *budget)
{
    switch (kind) {
    case GARBAGE_UPLOADS:
        return upload_take_all(txn, id & ~NS_UPLOADS_BIT, budget);
    case GARBAGE_UPLOAD:
        return take_all(txn, TAG_PART, id, take_part, budget);
    case GARBAGE_BODY:
        return take_all(txn, TAG_EXTENT, id, take_extent, budget);
    case GARBAGE_INODE:
        break;
    default:
        return CAIRN_ECORRUPT;
    }
    int r = take_all(txn, TAG_EXTENT, id, take_extent, budget);
    if (r > 0)
        r = take_all(txn, TAG_XATTR, id, take_nothing, budget);
    if (r > 0)
        r = take_all(txn, TAG_PARTS, id, take_nothing, budget);
    return r;
}

int reap_id(struct ns_txn *txn, uint64_t id, enum garbage_kind kind)
{
    struct record_key key;
    struct garbage_record garbage = {.version = NS_FORMAT, .kind = (uint8_t)kind};
    int budget = REAP_INLINE;
    int r = take_id(txn, id, kind, &budget);
    if (r != 0)
        return r < 0 ? r : 0;
    reaper_wake(&txn->ns->reaper);
    return index_put(txn->index, key_id(&key, TAG_GARBAGE, id), span_make(&garbage, sizeof(garbage)));
}

int reap_inode(struct ns_txn *txn, const struct inode *inode)
{
    struct record_key key;
    int r = index_delete(txn->index, key_id(&key, TAG_INODE, inode->ino));
    if (r == 0)
        r = inodes_count(txn, -1);
    if (r == 0)
        r = reap_id(txn, inode->ino, GARBAGE_INODE);
    if (r == 0 && inode->body != inode->ino)
        r = reap_id(txn, inode->body, GARBAGE_BODY);
    return r;
}

/* ================================================================ mutations of the reaper */

/* Where a pass through the garbage is. */
struct garbage_pass {
    uint64_t from; /* look at ids from here on */
    uint64_t next; /* set by a step: where to go on */
};

/* A step on the first garbage there is: 1, or 0 when there is none. */
static int garbage_step(struct ns_txn *txn, void *arg)
{
    struct garbage_pass *pass = arg;
    struct record_key key;
    struct index_cursor cursor;
    struct span found, value;
    struct garbage_record garbage;
    int budget = REAP_STEP;
    pass->next = pass->from;
    int r = index_cursor_open(txn->index, &cursor);
    if (r < 0)
        return r;
    r = index_cursor_seek(&cursor, key_id(&key, TAG_GARBAGE, pass->from), &found, &value);
    index_cursor_close(&cursor);
    if (r == -ENOENT || (r == 0 && found.ptr[0] != TAG_GARBAGE))
        return 0;
    if (r < 0)
        return r;
    if (found.len != 9 || value.len != sizeof(garbage))
        return CAIRN_ECORRUPT;
    memcpy(&garbage, value.ptr, sizeof(garbage));
    uint64_t id = get_be64(found.ptr + 1);
    pass->next = id + 1;
    r = take_id(txn, id, garbage.kind, &budget);
    if (r == 0)
        pass->next = id;
    if (r > 0)
        r = index_delete(txn->index, key_id(&key, TAG_GARBAGE, id));
    return r < 0 ? r : 1;
}

/* Reaps *arg if it is an orphan that nobody holds. */
static int orphan_step(struct ns_txn *txn, void *arg)
{
    uint64_t ino = *(const uint64_t *)arg;
    struct record_key key;
    struct span value;
    struct inode inode;
    int r = index_get(txn->index, key_id(&key, TAG_ORPHAN, ino), &value);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = ns_inode(txn, ino, &inode);
    if (r < 0)
        return r == -ESTALE ? CAIRN_ECORRUPT : r;
    if (holds_orphan(&txn->ns->holds, ino, index_txn_sequence(txn->index)))
        return 0;
    event_reaped(txn, ino);
    r = index_delete(txn->index, key_span(&key));
    return r < 0 ? r : reap_inode(txn, &inode);
}

#define ORPHANS_PAGE 256

/* Up to ORPHANS_PAGE orphans after after. */
static int orphans_list(struct ns *ns, uint64_t after, uint64_t *ret_inos)
{
    struct ns_txn *txn;
    struct index_cursor cursor;
    struct record_key key;
    struct span found, value;
    int count = 0;
    int r = ns_view_begin(ns, &txn);
    if (r < 0)
        return r;
    r = index_cursor_open(txn->index, &cursor);
    if (r == 0) {
        r = index_cursor_seek(&cursor, key_id(&key, TAG_ORPHAN, after + 1), &found, &value);
        for (; r == 0 && count < ORPHANS_PAGE && found.len == 9 && found.ptr[0] == TAG_ORPHAN;
             r = index_cursor_next(&cursor, &found, &value))
            ret_inos[count++] = get_be64(found.ptr + 1);
        index_cursor_close(&cursor);
    }
    ns_view_end(&txn);
    return r < 0 && r != -ENOENT ? r : count;
}

int ns_reap_orphans(struct ns *ns)
{
    uint64_t inos[ORPHANS_PAGE], after = 0;
    int count;
    while ((count = orphans_list(ns, after, inos)) > 0) {
        for (int i = 0; i < count; i++) {
            int r = ns_apply(ns, orphan_step, &inos[i], INDEX_APPLIED);
            if (r < 0)
                return r;
        }
        after = inos[count - 1];
    }
    return count;
}

/* ================================================================ the thread */

void reaper_wake(struct reaper *reaper)
{
    pthread_mutex_lock(&reaper->lock);
    reaper->garbage = true;
    pthread_cond_signal(&reaper->wake);
    pthread_mutex_unlock(&reaper->lock);
}

void reaper_give(struct reaper *reaper, struct hold *hold)
{
    pthread_mutex_lock(&reaper->lock);
    hold->next = reaper->orphans;
    reaper->orphans = hold;
    pthread_cond_signal(&reaper->wake);
    pthread_mutex_unlock(&reaper->lock);
}

bool reaper_stopping(struct reaper *reaper)
{
    pthread_mutex_lock(&reaper->lock);
    bool stop = reaper->stop;
    pthread_mutex_unlock(&reaper->lock);
    return stop;
}

static int orphans_pass(struct ns *ns)
{
    struct reaper *reaper = &ns->reaper;
    int failed = 0;
    pthread_mutex_lock(&reaper->lock);
    struct hold *hold = reaper->orphans, *next;
    reaper->orphans = NULL;
    pthread_mutex_unlock(&reaper->lock);
    for (; hold; hold = next) {
        next = hold->next;
        int r = reaper_stopping(reaper) ? 0 : ns_apply(ns, orphan_step, &hold->ino, INDEX_APPLIED);
        if (r < 0) {
            failed = r;
            reaper_give(reaper, hold);
        } else {
            free(hold);
        }
    }
    return failed;
}

/* What is damaged is passed over, and does not keep the rest from going. */
static int garbage_pass(struct ns *ns)
{
    struct garbage_pass pass = {.from = 0};
    int failed = 0, r = 1;
    while (r > 0 && !reaper_stopping(&ns->reaper)) {
        r = ns_apply(ns, garbage_step, &pass, INDEX_DURABLE);
        if (r == CAIRN_ECORRUPT && pass.next > pass.from)
            failed = r, r = 1;
        pass.from = pass.next;
    }
    return r < 0 ? r : failed;
}

/* All there is to do now: first what gives space back. */
static int reaper_work(struct ns *ns)
{
    int orphans = orphans_pass(ns), garbage = garbage_pass(ns), tidy = tidy_pass(ns);
    return orphans < 0 ? orphans : garbage < 0 ? garbage : tidy;
}

/* Called with the lock held: a pause after a failure, cut short by stop. */
static void reaper_pause(struct reaper *reaper)
{
    int64_t until = clock_mono_ns() + RETRY_NS;
    struct timespec deadline = {.tv_sec = until / NS_PER_SEC, .tv_nsec = until % NS_PER_SEC};
    while (!reaper->stop && pthread_cond_timedwait(&reaper->wake, &reaper->lock, &deadline) == 0)
        ;
}

static void *reaper_main(void *arg)
{
    struct ns *ns = arg;
    struct reaper *reaper = &ns->reaper;
    pthread_mutex_lock(&reaper->lock);
    while (!reaper->stop) {
        if (!reaper->garbage && !reaper->orphans) {
            reaper->busy = false;
            pthread_cond_broadcast(&reaper->idle);
            pthread_cond_wait(&reaper->wake, &reaper->lock);
            continue;
        }
        reaper->busy = true;
        reaper->garbage = false;
        pthread_mutex_unlock(&reaper->lock);
        int r = reaper_work(ns);
        pthread_mutex_lock(&reaper->lock);
        if (r < 0) {
            reaper->garbage = true;
            reaper->busy = false;
            pthread_cond_broadcast(&reaper->idle);
            reaper_pause(reaper);
        }
    }
    reaper->busy = false;
    pthread_cond_broadcast(&reaper->idle);
    pthread_mutex_unlock(&reaper->lock);
    return NULL;
}

int reaper_start(struct ns *ns)
{
    struct reaper *reaper = &ns->reaper;
    pthread_condattr_t monotonic;
    pthread_mutex_init(&reaper->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&reaper->wake, &monotonic);
    pthread_cond_init(&reaper->idle, NULL);
    pthread_condattr_destroy(&monotonic);
    reaper->garbage = reaper->busy = true; /* what the last process left */
    int r = -pthread_create(&reaper->thread, NULL, reaper_main, ns);
    reaper->started = r == 0;
    return r;
}

void reaper_stop(struct ns *ns)
{
    struct reaper *reaper = &ns->reaper;
    if (!reaper->started)
        return;
    pthread_mutex_lock(&reaper->lock);
    reaper->stop = true;
    pthread_cond_signal(&reaper->wake);
    pthread_mutex_unlock(&reaper->lock);
    pthread_join(reaper->thread, NULL);
    for (struct hold *hold = reaper->orphans, *next; hold; hold = next) {
        next = hold->next;
        free(hold);
    }
    pthread_cond_destroy(&reaper->wake);
    pthread_cond_destroy(&reaper->idle);
    pthread_mutex_destroy(&reaper->lock);
}

void reaper_wait(struct ns *ns)
{
    struct reaper *reaper = &ns->reaper;
    pthread_mutex_lock(&reaper->lock);
    while (reaper->garbage || reaper->orphans || reaper->busy)
        pthread_cond_wait(&reaper->idle, &reaper->lock);
    pthread_mutex_unlock(&reaper->lock);
}
