#include "fs/writeback.h"

#include <stdlib.h>
#include <time.h>

#include "fs/notify.h"
#include "fs/readahead.h"
#include "fs/upload.h"
#include "objstore/base/clock.h"
#include "objstore/base/log.h"

#define SENDERS 6
#define AGE_NS (500 * NS_PER_MS)  /* durable within a second: half of it to wait, half to be sent and committed */
#define POLL_NS (100 * NS_PER_MS) /* how soon a wait notices an interruption */

/* A file that has been written to. */
struct wfile {
    struct inode *inode;
    struct dirty dirty;        /* inode's lock, as all to the next mark */
    pthread_cond_t changed;    /* something was sent */
    int64_t mtime;             /* real ns of the last write */
    bool mtime_shown;          /* somebody has seen it: the server has to take it over */
    unsigned flushing;         /* threads that wait for all of it */
    int error;                 /* the last one of sending */
    uint64_t errors;           /* their number */
    bool error_told;           /* to anybody */
    struct wfile *prev, *next; /* write-back's lock, as all that follows */
    bool queued;               /* holds a reference to inode */
    int64_t due;               /* when something is to be sent */
};

struct writeback {
    struct fs *fs;
    struct slab *slab;
    pthread_mutex_t lock;
    pthread_cond_t work;  /* something is due */
    pthread_cond_t room;  /* slots came back */
    struct wfile *first;  /* lock, as all that follows: files with something dirty */
    unsigned wanting;     /* writers that wait for room */
    uint64_t returned;    /* counts batches whose slots came back */
    int64_t next_wake;    /* when an idle sender looks again */
    bool stopping, hasty; /* hasty: the end; nothing waits for its age */
    unsigned threads;
    pthread_t senders[SENDERS];
};

static void timed_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ns)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    ns += t.tv_nsec;
    t.tv_sec += ns / NS_PER_SEC;
    t.tv_nsec = ns % NS_PER_SEC;
    pthread_cond_timedwait(cond, lock, &t);
}

static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* ---- the queue of files with something dirty ---- */

static void enqueue(struct writeback *wb, struct wfile *f)
{
    f->queued = true;
    f->prev = NULL;
    f->next = wb->first;
    if (wb->first)
        wb->first->prev = f;
    wb->first = f;
    inode_ref(wb->fs->inodes, f->inode);
}

static void dequeue(struct writeback *wb, struct wfile *f)
{
    *(f->prev ? &f->prev->next : &wb->first) = f->next;
    if (f->next)
        f->next->prev = f->prev;
    f->queued = false;
}

/* Brings the queue up to date with what is dirty; the inode's lock is held. True: the queue's reference to the inode is
 * the caller's to give back, after unlocking. */
static bool update_queue(struct writeback *wb, struct wfile *f)
{
    bool empty = dirty_empty(&f->dirty), left = false;
    int64_t due = empty ? INT64_MAX : dirty_due(&f->dirty, f->flushing ? 0 : AGE_NS);

    pthread_mutex_lock(&wb->lock);
    if (!empty && !f->queued)
        enqueue(wb, f);
    if (empty && f->queued) {
        dequeue(wb, f);
        left = true;
    }
    if (due < wb->next_wake)
        pthread_cond_signal(&wb->work);
    f->due = due;
    pthread_mutex_unlock(&wb->lock);
    return left;
}

/* ---- sending ---- */

static struct wfile *wfile_of(struct writeback *wb, struct inode *inode)
{
    if (inode->written)
        return inode->written;
    struct wfile *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->inode = inode;
    f->due = INT64_MAX;
    dirty_init(&f->dirty, wb->slab);
    cond_init(&f->changed);
    inode->written = f;
    return f;
}

static void note_error(struct wfile *f, int error)
{
    f->error = error;
    f->errors++;
    f->error_told = false;
}

/* Versions only grow, so a new life that gives one that was given before has not seen what got it then. */
void unsynced_add(struct inode *inode, uint64_t instance, uint64_t version)
{
    struct unsynced *u = &inode->unsynced;

    if (u->instance != 0 && u->instance != instance && version <= u->version)
        u->lost = true;
    if (u->instance != instance || version > u->version)
        u->version = version;
    u->instance = instance;
}

/* A batch has been sent, or not; the inode's lock is held. */
static void finish_batch(struct writeback *wb, struct wfile *f, const struct upload *u, int error)
{
    struct fs *fs = wb->fs;

    if (error == -EINTR) {
        dirty_unsent(&f->dirty, &u->batch);
    } else {
        dirty_sent(&f->dirty, &u->batch);
        readahead_drop(fs->readahead, f->inode->ino);
        fs_own_change(fs, f->inode, error == 0 ? &u->attr : NULL, (unsigned)u->stored, u->since);
    }
    if (error < 0 && error != -EINTR)
        note_error(f, error);
    if (error == 0 && u->times)
        f->mtime_shown = false;
    if (error == 0)
        unsynced_add(f->inode, u->instance, u->attr.version);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_lock(&wb->lock);
    wb->returned++;
    pthread_cond_broadcast(&wb->room);
    pthread_mutex_unlock(&wb->lock);
}

/* Sends one batch if there is one to be sent. The inode's lock is held, and let go meanwhile. 1, 0 when there is none,
 * or the error. */
static int send_some(struct writeback *wb, struct wfile *f, int64_t before, struct upload *u)
{
    struct inode *inode = f->inode;

    if (!dirty_take(&f->dirty, before, &u->batch))
        return 0;
    u->last = f->dirty.fresh.count == 0 && f->dirty.sending.count == u->batch.count;
    u->times = u->last && f->mtime_shown;
    u->mtime = f->mtime;
    u->since = changes_now(&wb->fs->changes);
    pthread_mutex_unlock(&inode->lock);
    int r = upload_send(wb->fs, inode->ino, u);
    pthread_mutex_lock(&inode->lock);
    finish_batch(wb, f, u, r);
    return r < 0 ? r : 1;
}

/* What was shown of an inode while it was dirty has been stored, and the kernel should look again. */
static void settle(struct writeback *wb, struct wfile *f, bool was_shown)
{
    if (was_shown && dirty_empty(&f->dirty))
        notify_attributes(wb->fs->notify, f->inode->ino);
}

/* ---- the senders ---- */

/* A file with something due, with a reference to its inode. The lock is held. */
static struct inode *pick(struct writeback *wb)
{
    int64_t now = clock_mono_ns();

    wb->next_wake = now + NS_PER_SEC;
    for (struct wfile *f = wb->first; f; f = f->next) {
        if (f->due <= now || (f->due < INT64_MAX && (wb->wanting || wb->hasty))) {
            pthread_cond_signal(&wb->work); /* there may be more for another sender */
            return inode_ref(wb->fs->inodes, f->inode);
        }
        if (f->due < wb->next_wake)
            wb->next_wake = f->due;
    }
    return NULL;
}

static void send_due(struct writeback *wb, struct inode *inode)
{
    struct upload u = {0};
    struct wfile *f = inode->written;

    pthread_mutex_lock(&wb->lock);
    bool all = wb->wanting || wb->hasty;
    pthread_mutex_unlock(&wb->lock);
    pthread_mutex_lock(&inode->lock);
    bool shown = f->mtime_shown;
    int64_t before = all || f->flushing ? INT64_MAX : clock_mono_ns() - AGE_NS + 1;
    int r = send_some(wb, f, before, &u);
    if (r == 1)
        settle(wb, f, shown);
    bool left = update_queue(wb, f);
    pthread_mutex_unlock(&inode->lock);
    if (left) {
        struct inode *queued = inode;
        inode_put(wb->fs->inodes, &queued);
    }
}

static void *sender(void *arg)
{
    struct writeback *wb = arg;

    pthread_mutex_lock(&wb->lock);
    while (!wb->stopping) {
        struct inode *inode = pick(wb);
        if (!inode) {
            timed_wait(&wb->work, &wb->lock, wb->next_wake - clock_mono_ns());
            continue;
        }
        pthread_mutex_unlock(&wb->lock);
        send_due(wb, inode);
        inode_put(wb->fs->inodes, &inode);
        pthread_mutex_lock(&wb->lock);
    }
    pthread_mutex_unlock(&wb->lock);
    return NULL;
}

/* ---- writing ---- */

static uint64_t slots_returned(struct writeback *wb)
{
    pthread_mutex_lock(&wb->lock);
    uint64_t returned = wb->returned;
    pthread_mutex_unlock(&wb->lock);
    return returned;
}

/* Waits for slots to come back, if none did since returned. The inode's lock is not held. */
static int wait_for_room(struct writeback *wb, uint64_t returned)
{
    pthread_mutex_lock(&wb->lock);
    wb->wanting++;
    pthread_cond_broadcast(&wb->work);
    if (wb->returned == returned)
        timed_wait(&wb->room, &wb->lock, POLL_NS);
    wb->wanting--;
    pthread_mutex_unlock(&wb->lock);
    return request_interrupted() ? -EINTR : 0;
}

/* Takes in what there is room for. The inode's lock is held. Bytes, 0 without room, -ENOMEM. */
static ptrdiff_t take_in(struct writeback *wb, struct inode *inode, uint64_t off, const char *bytes, size_t len)
{
    struct wfile *f = wfile_of(wb, inode);
    size_t done = 0;
    ptrdiff_t n = 1;

    if (!f)
        return -ENOMEM;
    while (done < len && n > 0) {
        n = dirty_write(&f->dirty, off + done, bytes + done, len - done, clock_mono_ns());
        done += n > 0 ? (size_t)n : 0;
    }
    if (done == 0)
        return n;
    f->mtime = clock_real_ns();
    f->mtime_shown = false;
    update_queue(wb, f);
    return (ptrdiff_t)done;
}

int writeback_write(struct fs *fs, struct inode *inode, uint64_t off, const char *bytes, size_t len)
{
    struct writeback *wb = fs->writeback;
    int r = 0;

    while (len > 0 && r == 0) {
        uint64_t returned = slots_returned(wb);
        pthread_mutex_lock(&inode->lock);
        ptrdiff_t n = take_in(wb, inode, off, bytes, len);
        changes_inode(&fs->changes, inode->ino);
        pthread_mutex_unlock(&inode->lock);
        if (n < 0)
            return (int)n;
        off += (size_t)n;
        bytes += n;
        len -= (size_t)n;
        if (len > 0)
            r = wait_for_room(wb, returned);
    }
    readahead_drop(fs->readahead, inode->ino);
    return r;
}

/* ---- flushing ---- */

/* Sends, or waits for, all that was dirty at the start. The inode's lock is held. *folded: tail went with it. */
static int drain(struct writeback *wb, struct wfile *f, struct upload_tail *tail, bool *ret_folded)
{
    uint64_t number = f->dirty.numbers;
    struct upload u = {.tail = tail};
    int r = 0;

    f->flushing++;
    if (f->dirty.fresh.count > 1)
        update_queue(wb, f); /* the senders help; what is queued stays queued */
    while (r != -EINTR && dirty_pending(&f->dirty, number)) {
        r = send_some(wb, f, INT64_MAX, &u);
        *ret_folded = *ret_folded || u.folded;
        if (r == 0) {
            timed_wait(&f->changed, &f->inode->lock, POLL_NS);
            r = request_interrupted() ? -EINTR : 0;
        }
    }
    f->flushing--;
    return r < 0 ? r : 0;
}

static int flush_dirty(struct fs *fs, struct inode *inode, struct upload_tail *tail, bool *ret_folded)
{
    struct writeback *wb = fs->writeback;
    bool left = false;
    int r = 0;

    pthread_mutex_lock(&inode->lock);
    struct wfile *f = inode->written;
    if (f && !dirty_empty(&f->dirty)) {
        uint64_t errors = f->errors;
        bool shown = f->mtime_shown;
        r = drain(wb, f, tail, ret_folded);
        if (r == 0 && f->errors != errors)
            r = f->error; /* one of the senders met it */
        settle(wb, f, shown);
        left = update_queue(wb, f);
    }
    if (f && f->mtime_shown && dirty_empty(&f->dirty)) {
        tail->times = true;
        tail->mtime = f->mtime;
        f->mtime_shown = false;
    }
    pthread_mutex_unlock(&inode->lock);
    if (left) {
        struct inode *queued = inode;
        inode_put(fs->inodes, &queued);
    }
    return r;
}

/* What an fsync is about to vouch for. */
static struct unsynced take_unsynced(struct inode *inode)
{
    pthread_mutex_lock(&inode->lock);
    struct unsynced taken = inode->unsynced;
    inode->unsynced = (struct unsynced){0};
    pthread_mutex_unlock(&inode->lock);
    return taken;
}

/* Whether what an fsync was to vouch for did not outlive the server that had answered it. */
static bool was_lost(struct fs *fs, struct inode *inode, const struct unsynced *taken, uint64_t instance)
{
    struct posix_result result;

    if (taken->lost || taken->instance == 0 || taken->instance == instance)
        return taken->lost;
    int r = call_one(fs, &(struct posix_op){.code = POSIX_GETATTR, .ino = inode->ino}, &result);
    return r < 0 || result.attr.version < taken->version;
}

/* After an fsync, answered in that life of the server: what is lost every handle is to know. A failed fsync has vouched
 * for nothing. */
static int vouch(struct fs *fs, struct inode *inode, const struct unsynced *taken, uint64_t instance, int error)
{
    bool lost = error == 0 && was_lost(fs, inode, taken, instance);

    pthread_mutex_lock(&inode->lock);
    if (error < 0 && inode->unsynced.instance == 0)
        inode->unsynced = *taken;
    if (lost && inode->written)
        note_error(inode->written, -EIO);
    pthread_mutex_unlock(&inode->lock);
    return lost ? -EIO : error;
}

static int flush_all(struct fs *fs, struct inode *inode, struct upload_tail *tail, struct unsynced *ret_unsynced)
{
    bool folded = false;
    int r = flush_dirty(fs, inode, tail, &folded);

    if (r < 0)
        return r;
    if (tail->durable)
        *ret_unsynced = take_unsynced(inode);
    if (!folded && (tail->op || tail->durable || tail->times)) {
        uint64_t since = changes_now(&fs->changes);
        r = upload_tail_alone(fs, inode->ino, tail);
        if (r == 0 && tail->times) {
            pthread_mutex_lock(&inode->lock);
            fs_own_change(fs, inode, NULL, 0, since);
            pthread_mutex_unlock(&inode->lock);
        }
    }
    return r < 0 ? r : tail->error;
}

int writeback_flush(struct fs *fs, struct inode *inode, const struct posix_op *op, bool durable,
                    struct posix_result *ret_result)
{
    struct upload_tail tail = {.op = op, .durable = durable, .result = ret_result};
    struct unsynced unsynced = {0};
    int r = flush_all(fs, inode, &tail, &unsynced);

    if (durable)
        return vouch(fs, inode, &unsynced, tail.instance, r);
    if (r == 0 && op) {
        pthread_mutex_lock(&inode->lock);
        unsynced_add(inode, tail.instance, ret_result->attr.version);
        pthread_mutex_unlock(&inode->lock);
    }
    return r;
}

bool writeback_dirty(struct inode *inode)
{
    pthread_mutex_lock(&inode->lock);
    bool dirty = inode->written && !dirty_empty(&inode->written->dirty);
    pthread_mutex_unlock(&inode->lock);
    return dirty;
}

/* ---- looking ---- */

int writeback_overlay(struct inode *inode, uint64_t off, size_t len, char *out, struct gap ret_gaps[DIRTY_GAPS_MAX],
                      uint64_t *ret_size)
{
    int r = 1;

    ret_gaps[0] = (struct gap){off, len};
    *ret_size = 0;
    pthread_mutex_lock(&inode->lock);
    struct wfile *f = inode->written;
    if (f && !dirty_empty(&f->dirty)) {
        *ret_size = dirty_end(&f->dirty);
        r = dirty_overlay(&f->dirty, off, len, out, ret_gaps);
    }
    pthread_mutex_unlock(&inode->lock);
    return r;
}

bool writeback_show(struct inode *inode, struct posix_attr *attr)
{
    struct wfile *f = inode->written;

    if (!f || dirty_empty(&f->dirty))
        return false;
    uint64_t end = dirty_end(&f->dirty);
    if (end > attr->size) {
        attr->blocks += end - attr->size;
        attr->size = end;
    }
    attr->mtime = attr->ctime = f->mtime;
    f->mtime_shown = true;
    return true;
}

/* ---- errors ---- */

void writeback_error_begin(struct inode *inode, uint64_t *ret_seen)
{
    pthread_mutex_lock(&inode->lock);
    struct wfile *f = inode->written;
    *ret_seen = f ? f->errors - (f->errors > 0 && !f->error_told) : 0;
    pthread_mutex_unlock(&inode->lock);
}

int writeback_error(struct inode *inode, uint64_t *seen)
{
    int error = 0;

    pthread_mutex_lock(&inode->lock);
    struct wfile *f = inode->written;
    if (f && f->errors != *seen) {
        *seen = f->errors;
        f->error_told = true;
        error = f->error;
    }
    pthread_mutex_unlock(&inode->lock);
    return error;
}

/* ---- life ---- */

int writeback_new(struct fs *fs, uint64_t bytes, struct writeback **ret_writeback)
{
    struct writeback *wb = calloc(1, sizeof *wb);

    if (!wb)
        return -ENOMEM;
    wb->fs = fs;
    pthread_mutex_init(&wb->lock, NULL);
    cond_init(&wb->work);
    cond_init(&wb->room);
    int r = slab_new(bytes, &wb->slab);
    while (r == 0 && wb->threads < SENDERS && (r = -pthread_create(&wb->senders[wb->threads], NULL, sender, wb)) == 0)
        wb->threads++;
    if (r < 0)
        writeback_free(&wb);
    else
        *ret_writeback = wb;
    return r;
}

static void stop_senders(struct writeback *wb)
{
    pthread_mutex_lock(&wb->lock);
    wb->hasty = true;
    pthread_cond_broadcast(&wb->work);
    while (wb->first && wb->threads > 0 && !request_interrupted())
        timed_wait(&wb->room, &wb->lock, POLL_NS);
    wb->stopping = true;
    pthread_cond_broadcast(&wb->work);
    pthread_mutex_unlock(&wb->lock);
    for (unsigned i = 0; i < wb->threads; i++)
        pthread_join(wb->senders[i], NULL);
}

/* Gives up what could not be stored; nobody else uses the files any more. */
static void drop_rest(struct writeback *wb)
{
    while (wb->first) {
        struct wfile *f = wb->first;
        struct inode *inode = f->inode;
        log_error("data_lost", "ino=%llu reason=\"the server did not answer before the end\"",
                  (unsigned long long)inode->ino);
        dirty_release(&f->dirty);
        dequeue(wb, f);
        inode_put(wb->fs->inodes, &inode);
    }
}

void writeback_free(struct writeback **writeback)
{
    struct writeback *wb = *writeback;

    if (!wb)
        return;
    stop_senders(wb);
    drop_rest(wb);
    slab_free(&wb->slab);
    pthread_cond_destroy(&wb->work);
    pthread_cond_destroy(&wb->room);
    pthread_mutex_destroy(&wb->lock);
    free(wb);
    *writeback = NULL;
}

void writeback_forget(struct inode *inode)
{
    struct wfile *f = inode->written;

    if (!f)
        return;
    dirty_release(&f->dirty);
    pthread_cond_destroy(&f->changed);
    free(f);
    inode->written = NULL;
}
