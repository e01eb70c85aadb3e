#include "fs/readahead.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "fs/timed.h"
#include "fs/workers.h"
#include "objstore/base/clock.h"

#define FETCHERS 4
#define STALE_NS (10 * NS_PER_SEC) /* a piece that nobody has read by then is not believed any more */
#define POLL_NS (100 * NS_PER_MS)

/*   state    meaning                     exits
 *   FREE     nothing                     start: LOADING
 *   LOADING  a fetcher has it            fetched: READY; the file changed meanwhile, or an error: FREE
 *   READY    bytes, maybe none           read to its end, changed, or outdated, when nobody holds it: FREE */
enum state { FREE, LOADING, READY };

struct piece {
    struct job job;
    struct readahead *ra;
    enum state state; /* lock, as all that follows */
    bool dropped;     /* to become FREE */
    unsigned holders;
    uint64_t ino, off;
    size_t len;
    int64_t since;
    char *bytes;
};

struct readahead {
    struct fs *fs;
    struct workers *fetchers;
    pthread_mutex_t lock;
    pthread_cond_t fetched;
    atomic_uint used; /* slots that are not FREE: a quick look for who has nothing to drop */
    char *memory;
    size_t count;
    struct piece slots[];
};

/* ---- slots; under the lock ---- */

static void slot_free(struct piece *s)
{
    s->state = FREE;
    s->dropped = false;
    atomic_fetch_sub(&s->ra->used, 1);
}

/* Gives a slot up as soon as nobody needs it. */
static void slot_drop(struct piece *s)
{
    s->dropped = true;
    if (s->state == READY && s->holders == 0)
        slot_free(s);
}

static struct piece *slot_find(struct readahead *ra, uint64_t ino, uint64_t off)
{
    int64_t oldest = clock_mono_ns() - STALE_NS;

    for (size_t i = 0; i < ra->count; i++) {
        struct piece *s = &ra->slots[i];
        if (s->state == FREE || s->ino != ino || s->off != off || s->dropped)
            continue;
        if (s->since >= oldest)
            return s;
        slot_drop(s);
    }
    return NULL;
}

/* A free slot, or the one that has waited longest for its reader; NULL when all are in use. */
static struct piece *slot_for_new(struct readahead *ra)
{
    struct piece *oldest = NULL;

    for (size_t i = 0; i < ra->count; i++) {
        struct piece *s = &ra->slots[i];
        if (s->state == FREE)
            return s;
        if (s->state == READY && s->holders == 0 && (!oldest || s->since < oldest->since))
            oldest = s;
    }
    if (!oldest || clock_mono_ns() - oldest->since < NS_PER_SEC)
        return NULL; /* another reader is about to want it */
    slot_free(oldest);
    return oldest;
}

/* ---- fetching ---- */

static void fetch(struct job *job)
{
    struct piece *s = (struct piece *)job;
    struct readahead *ra = s->ra;
    uint64_t version, size;

    ptrdiff_t n = remote_read(ra->fs->remote, s->ino, s->off, s->bytes, READAHEAD_PIECE, &version, &size);
    pthread_mutex_lock(&ra->lock);
    s->state = READY;
    s->len = n > 0 ? (size_t)n : 0;
    if (n < 0)
        s->dropped = true;
    if (s->dropped)
        slot_drop(s);
    pthread_cond_broadcast(&ra->fetched);
    pthread_mutex_unlock(&ra->lock);
}

void readahead_start(struct readahead *ra, uint64_t ino, uint64_t from, uint64_t to, uint64_t size)
{
    if (to > size)
        to = size;
    if (from >= to)
        return;
    pthread_mutex_lock(&ra->lock);
    for (uint64_t off = from - from % READAHEAD_PIECE; off < to; off += READAHEAD_PIECE) {
        if (slot_find(ra, ino, off) || off < from) /* a piece that the reader is in already would be fetched twice */
            continue;
        struct piece *s = slot_for_new(ra);
        if (!s)
            break;
        s->state = LOADING;
        s->ino = ino;
        s->off = off;
        s->since = clock_mono_ns();
        atomic_fetch_add(&ra->used, 1);
        workers_add(ra->fetchers, &s->job);
    }
    pthread_mutex_unlock(&ra->lock);
}

/* ---- reading ---- */

static void release(struct piece *s)
{
    s->holders--;
    if (s->dropped)
        slot_drop(s);
}

/* Takes hold of every piece of the range. False when one is missing. */
static bool hold_all(struct readahead *ra, uint64_t ino, uint64_t off, size_t len, struct readahead_hold *hold)
{
    hold->count = 0;
    for (uint64_t at = off - off % READAHEAD_PIECE; at < off + len; at += READAHEAD_PIECE) {
        struct piece *s = hold->count < READAHEAD_PIECES_MAX ? slot_find(ra, ino, at) : NULL;
        if (!s)
            return false;
        s->holders++;
        hold->slots[hold->count++] = s;
    }
    return true;
}

static bool wait_loaded(struct readahead *ra, const struct readahead_hold *hold)
{
    for (int i = 0; i < hold->count; i++) {
        struct piece *s = hold->slots[i];
        while (s->state == LOADING && !s->dropped) {
            timed_wait(&ra->fetched, &ra->lock, POLL_NS);
            if (request_interrupted())
                return false;
        }
        if (s->dropped)
            return false;
    }
    return true;
}

/* Points parts at the bytes wanted; a piece that is short ends the file. */
static void fill_parts(struct readahead_hold *hold, uint64_t off, size_t len)
{
    uint64_t end = off + len;
    bool ended = false;

    for (int i = 0; i < hold->count; i++) {
        struct piece *s = hold->slots[i];
        uint64_t from = off > s->off ? off : s->off;
        uint64_t to = s->off + s->len < end ? s->off + s->len : end;
        hold->parts[i] = (struct iovec){s->bytes + (from - s->off), to > from && !ended ? to - from : 0};
        ended = ended || s->len < READAHEAD_PIECE;
        if (to == s->off + s->len)
            s->dropped = true; /* read to its end: the kernel has it now */
    }
}

bool readahead_take(struct readahead *ra, uint64_t ino, uint64_t off, size_t len, struct readahead_hold *ret_hold)
{
    if (len == 0 || atomic_load(&ra->used) == 0)
        return false;
    pthread_mutex_lock(&ra->lock);
    bool there = hold_all(ra, ino, off, len, ret_hold) && wait_loaded(ra, ret_hold);
    if (there)
        fill_parts(ret_hold, off, len);
    for (int i = 0; i < ret_hold->count && !there; i++)
        release(ret_hold->slots[i]);
    pthread_mutex_unlock(&ra->lock);
    return there;
}

void readahead_give(struct readahead *ra, struct readahead_hold *hold)
{
    pthread_mutex_lock(&ra->lock);
    for (int i = 0; i < hold->count; i++)
        release(hold->slots[i]);
    pthread_mutex_unlock(&ra->lock);
}

void readahead_drop(struct readahead *ra, uint64_t ino)
{
    if (atomic_load(&ra->used) == 0)
        return;
    pthread_mutex_lock(&ra->lock);
    for (size_t i = 0; i < ra->count; i++)
        if (ra->slots[i].state != FREE && ra->slots[i].ino == ino)
            slot_drop(&ra->slots[i]);
    pthread_cond_broadcast(&ra->fetched);
    pthread_mutex_unlock(&ra->lock);
}

/* ---- life ---- */

static int map_slots(struct readahead *ra)
{
    if (ra->count == 0)
        return 0;
    ra->memory = mmap(NULL, ra->count * READAHEAD_PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ra->memory == MAP_FAILED) {
        ra->memory = NULL;
        return -ENOMEM;
    }
    for (size_t i = 0; i < ra->count; i++) {
        ra->slots[i].ra = ra;
        ra->slots[i].job.run = fetch;
        ra->slots[i].bytes = ra->memory + i * READAHEAD_PIECE;
    }
    return 0;
}

int readahead_new(struct fs *fs, uint64_t window, struct readahead **ret_readahead)
{
    size_t count = window * 4 / READAHEAD_PIECE;
    struct readahead *ra = calloc(1, sizeof *ra + count * sizeof ra->slots[0]);

    if (!ra)
        return -ENOMEM;
    ra->fs = fs;
    ra->count = count;
    pthread_mutex_init(&ra->lock, NULL);
    cond_init(&ra->fetched);
    int r = map_slots(ra);
    if (r == 0)
        r = workers_new(FETCHERS, &ra->fetchers);
    if (r < 0)
        readahead_free(&ra);
    else
        *ret_readahead = ra;
    return r;
}

void readahead_free(struct readahead **readahead)
{
    struct readahead *ra = *readahead;

    if (!ra)
        return;
    workers_free(&ra->fetchers);
    if (ra->memory)
        munmap(ra->memory, ra->count * READAHEAD_PIECE);
    pthread_cond_destroy(&ra->fetched);
    pthread_mutex_destroy(&ra->lock);
    free(ra);
    *readahead = NULL;
}
