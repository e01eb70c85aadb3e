/*
 * Writing a blob. The caller fills one stripe while the drives' threads write the ones before: at most WRITER_STRIPES
 * exist, which bounds memory and lets hashing overlap the disks. The caller encodes, a drive's thread computes its
 * shard's checksums. A blob of one stripe is written by the caller itself: there is nothing to overlap, and page
 * cache takes it faster than threads meet.
 *
 * A drive that fails a write gets no more of this blob. The blob stands while a quorum of drives has all of it.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/layout.h"

#define WRITER_STRIPES 3
#define WRITEBACK_STRIPES 8 /* a drive is told to begin writing so often, so that the sync at the end is short */

struct shard_job {
    struct io_job job;
    struct stripe *stripe;
    unsigned place;
};

struct stripe {
    struct blob_writer *writer;
    uint64_t number;
    uint32_t length; /* bytes of data */
    uint32_t filled;
    uint32_t shard; /* bytes of a shard */
    unsigned columns;
    unsigned pending;  /* writer->lock: drives that have not written their shard yet */
    uint8_t *buffer;   /* n shards in order, then n * columns checksums */
    struct pool *pool; /* where it comes from */
    struct shard_job jobs[DRIVE_SET_MAX];
};

struct blob_writer {
    struct blob_place place;
    struct segment *segment; /* where it lies: the reservation's, or one aside */
    uint64_t offset;
    unsigned enough; /* drives that must have all of it */
    uint64_t taken;  /* bytes of the blob that were given */
    uint64_t stripes_begun;
    bool finished;
    struct stripe *current; /* being filled, or NULL */
    struct stripe stripes[WRITER_STRIPES];

    pthread_mutex_t lock; /* guards what follows, and stripes' pending */
    pthread_cond_t written;
    uint32_t failed; /* places that lack some of the blob */
    int error;       /* the first of theirs, -ENOSPC before others */
};

/* ---- one shard ---- */

static uint8_t *stripe_shard(const struct stripe *stripe, unsigned shard)
{
    return stripe->buffer + (size_t)shard * stripe->shard;
}

static uint8_t *stripe_sums(const struct stripe *stripe, unsigned shard)
{
    unsigned n = stripe->writer->place.set->n;

    return stripe->buffer + (size_t)n * stripe->shard + (size_t)shard * stripe->columns * GRANULE_SUM;
}

/* The shard of a place as on disk: granule, checksum, granule, checksum … */
static int shard_compose(const struct stripe *stripe, unsigned place, struct iovec *ret_iov)
{
    const struct blob_place *blob = &stripe->writer->place;
    unsigned shard = shard_of_place(blob->first, place, blob->set->n);
    uint8_t *bytes = stripe_shard(stripe, shard), *sums = stripe_sums(stripe, shard);

    for (unsigned c = 0; c < stripe->columns; c++) {
        uint8_t *granule = bytes + (size_t)c * GRANULE, *sum = sums + (size_t)c * GRANULE_SUM;
        uint32_t len = column_length(stripe->shard, c);

        put_le64(sum, xxh3(granule, len, granule_seed(blob->id, stripe->number, shard, c)));
        ret_iov[2 * c] = (struct iovec){granule, len};
        ret_iov[2 * c + 1] = (struct iovec){sum, GRANULE_SUM};
    }
    return (int)(2 * stripe->columns);
}

static int shard_write(const struct stripe *stripe, unsigned place)
{
    const struct blob_writer *w = stripe->writer;
    struct iovec iov[2 * COLUMNS_MAX];
    uint64_t begin = w->offset + stripe_disk_offset(stripe->number, w->place.set->k);
    uint32_t len = shard_disk(stripe->shard);
    int error = 0;
    struct drive_file *file = segment_file(w->segment, place, &error);

    if (!file)
        return error;
    int r = drive_write(file, iov, shard_compose(stripe, place, iov), begin);
    place_note(w->place.set, place, true, r);
    if (r == 0 && stripe->number % WRITEBACK_STRIPES == WRITEBACK_STRIPES - 1)
        drive_start_writeback(file, begin - (WRITEBACK_STRIPES - 1) * (uint64_t)len, WRITEBACK_STRIPES * (uint64_t)len);
    return r;
}

static void writer_fail(struct blob_writer *w, unsigned place, int error)
{
    w->failed |= 1u << place;
    w->error = worse_error(w->error, error);
}

static void shard_job_run(struct io_job *job)
{
    struct shard_job *shard = (struct shard_job *)job;
    struct blob_writer *w = shard->stripe->writer;
    int r = shard_write(shard->stripe, shard->place);

    pthread_mutex_lock(&w->lock);
    if (r < 0)
        writer_fail(w, shard->place, r);
    if (--shard->stripe->pending == 0)
        pthread_cond_signal(&w->written);
    pthread_mutex_unlock(&w->lock);
}

/* ---- stripes ---- */

static uint32_t writer_alive(struct blob_writer *w)
{
    pthread_mutex_lock(&w->lock);
    uint32_t alive = ~w->failed & ((1u << w->place.set->n) - 1);
    pthread_mutex_unlock(&w->lock);
    return alive;
}

/* 0 while enough drives have what was written so far. */
static int writer_check(struct blob_writer *w)
{
    pthread_mutex_lock(&w->lock);
    unsigned alive = w->place.set->n - (unsigned)__builtin_popcount(w->failed);
    int error = w->error;
    pthread_mutex_unlock(&w->lock);
    if (alive >= w->enough)
        return 0;
    return error == -ENOSPC ? -ENOSPC : CAIRN_EQUORUM;
}

static void stripe_release(struct stripe *stripe)
{
    if (stripe->buffer)
        pool_put(stripe->pool, stripe->buffer);
    stripe->buffer = NULL;
}

/* Waits for the stripe that had the slot of the next one, and prepares it. */
static int stripe_begin(struct blob_writer *w)
{
    struct erasure_set *set = w->place.set;
    struct stripe *stripe = &w->stripes[w->stripes_begun % WRITER_STRIPES];

    pthread_mutex_lock(&w->lock);
    while (stripe->pending > 0)
        pthread_cond_wait(&w->written, &w->lock);
    pthread_mutex_unlock(&w->lock);
    stripe->writer = w;
    stripe->number = w->stripes_begun;
    stripe->length = stripe_length(w->place.length, stripe->number);
    stripe->filled = 0;
    stripe->shard = shard_length(stripe->length, set->k);
    stripe->columns = shard_columns(stripe->shard);
    size_t need = (size_t)set->n * shard_disk(stripe->shard);
    if (!stripe->buffer) {
        stripe->pool = need <= SCRAP_SIZE ? set->data->scraps : set->data->stripes;
        stripe->buffer = pool_get(stripe->pool);
    }
    if (!stripe->buffer)
        return -ENOMEM;
    w->stripes_begun++;
    w->current = stripe;
    return 0;
}

static void stripe_encode(struct stripe *stripe)
{
    struct erasure_set *set = stripe->writer->place.set;
    uint8_t *shards[DRIVE_SET_MAX];

    memset(stripe->buffer + stripe->length, 0, (size_t)set->k * stripe->shard - stripe->length);
    for (unsigned i = 0; i < set->n; i++)
        shards[i] = stripe_shard(stripe, i);
    ec_encode(set->ec, shards, stripe->shard);
}

static void stripe_write_here(struct blob_writer *w, struct stripe *stripe, uint32_t places)
{
    for (; places; places &= places - 1) {
        unsigned place = (unsigned)__builtin_ctz(places);
        int r = shard_write(stripe, place);

        if (r < 0)
            writer_fail(w, place, r);
    }
}

static void stripe_send(struct blob_writer *w)
{
    struct stripe *stripe = w->current;
    uint32_t places = writer_alive(w);

    w->current = NULL;
    stripe_encode(stripe);
    if (w->place.length <= DATA_STRIPE) {
        stripe_write_here(w, stripe, places);
        return;
    }
    stripe->pending = (unsigned)__builtin_popcount(places);
    for (; places; places &= places - 1) {
        unsigned place = (unsigned)__builtin_ctz(places);

        stripe->jobs[place] = (struct shard_job){.job = {.run = shard_job_run}, .stripe = stripe, .place = place};
        io_queue_add(w->place.set->writes[place], &stripe->jobs[place].job);
    }
}

static void writer_wait(struct blob_writer *w)
{
    pthread_mutex_lock(&w->lock);
    for (int i = 0; i < WRITER_STRIPES; i++)
        while (w->stripes[i].pending > 0)
            pthread_cond_wait(&w->written, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

/* ---- the writer ---- */

/* Places whose file can't be written are lost for this blob from the start. */
static void writer_probe(struct blob_writer *w)
{
    struct erasure_set *set = w->place.set;

    for (unsigned place = 0; place < set->n; place++) {
        int error = 0;

        if (!segment_file(w->segment, place, &error))
            writer_fail(w, place, error);
    }
}

static struct blob_writer *writer_alloc(struct erasure_set *set, uint64_t id, uint64_t length)
{
    struct blob_writer *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->place = (struct blob_place){.data = set->data, .set = set, .id = id, .length = length};
    w->enough = drive_set_quorum(set->drives);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->written, NULL);
    return w;
}

int blob_writer_new_for(struct erasure_set *set, uint64_t id, uint64_t length, struct blob_writer **ret_writer)
{
    struct blob_writer *w = writer_alloc(set, id, length);

    if (!w)
        return -ENOMEM;
    int r = reservation_new(set, length, extent_length(length, set->k), &w->place.reservation);
    if (r == 0) {
        w->segment = w->place.reservation->segment;
        w->offset = w->place.reservation->offset;
        w->place.first = first_place(w->segment->id, w->offset, set->n);
        writer_probe(w);
        r = writer_check(w);
    }
    if (r < 0)
        blob_writer_free(&w);
    *ret_writer = w;
    return r;
}

int blob_writer_new_at(struct segment *aside, const struct blob_pin *pin, uint32_t places,
                       struct blob_writer **ret_writer)
{
    struct blob_writer *w = writer_alloc(aside->set, pin->id, pin->record.length);

    if (!w)
        return -ENOMEM;
    w->segment = aside;
    w->offset = pin->record.offset;
    w->place.first = pin->record.first;
    w->enough = 1;
    w->failed = ~places & ((1u << aside->set->n) - 1);
    *ret_writer = w;
    return 0;
}

/* A set drawn by chance, weighted with the free space of each, so that they fill evenly and share the work. */
static size_t set_choose(struct data *data, uint64_t id)
{
    uint64_t free_mib[256], sum = 0;

    if (data->set_count == 1)
        return 0;
    for (size_t i = 0; i < data->set_count; i++)
        sum += free_mib[i] = set_free(&data->sets[i]) >> 20;
    uint64_t draw = sum > 0 ? xxh3(&id, sizeof(id), 0) % sum : 0;
    for (size_t i = 0; i < data->set_count; i++) {
        if (draw < free_mib[i])
            return i;
        draw -= free_mib[i];
    }
    return 0;
}

/* In the chosen set, or the next one that takes it. */
static int writer_place(struct data *data, uint64_t id, uint64_t length, struct blob_writer **ret_writer)
{
    size_t first = set_choose(data, id);
    int result = CAIRN_EQUORUM;

    for (size_t i = 0; i < data->set_count; i++) {
        struct erasure_set *set = &data->sets[(first + i) % data->set_count];
        int r = blob_writer_new_for(set, id, length, ret_writer);

        if (r != -ENOSPC && r != CAIRN_EQUORUM)
            return r;
        if (r == -ENOSPC)
            result = r;
    }
    return result;
}

int blob_writer_new(struct data *data, uint64_t length, struct blob_writer **ret_writer)
{
    struct blob_writer *writer = NULL;
    uint64_t id;

    if (length < 1 || length > BLOB_LENGTH_MAX)
        return length < 1 ? -EINVAL : CAIRN_ETOOBIG;
    int r = data_new_id(data, &id);
    if (r == 0)
        r = writer_place(data, id, length, &writer);
    if (r == -ENOSPC && data_reclaim_wait(data) == 0) /* what was just deleted may make the room */
        r = writer_place(data, id, length, &writer);
    if (r == 0)
        *ret_writer = writer;
    return r;
}

int blob_write(struct blob_writer *w, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;

    assert(!w->finished);
    if (len > w->place.length - w->taken)
        return CAIRN_ETOOBIG;
    while (len > 0) {
        int r = w->current ? 0 : stripe_begin(w);
        if (r < 0)
            return r;
        struct stripe *stripe = w->current;
        uint32_t room = stripe->length - stripe->filled, n = len < room ? (uint32_t)len : room;
        memcpy(stripe->buffer + stripe->filled, from, n);
        stripe->filled += n;
        w->taken += n;
        from += n;
        len -= n;
        if (stripe->filled < stripe->length)
            continue;
        stripe_send(w);
        r = writer_check(w);
        if (r < 0)
            return r;
    }
    return 0;
}

int blob_writer_finish(struct blob_writer *w)
{
    if (w->taken < w->place.length)
        return -EINVAL;
    if (w->finished)
        return 0;
    writer_wait(w);
    int r = writer_check(w), error = 0;
    if (r < 0)
        return r;
    uint32_t synced = segment_sync(w->segment, writer_alive(w), &error);
    w->failed = ~synced & ((1u << w->place.set->n) - 1);
    w->error = worse_error(w->error, error);
    r = writer_check(w);
    if (r < 0)
        return r;
    w->place.held = synced;
    w->finished = true;
    return 0;
}

uint32_t blob_writer_drain(struct blob_writer *w, int *ret_error)
{
    assert(w->taken == w->place.length);
    writer_wait(w);
    *ret_error = w->error;
    return writer_alive(w);
}

uint32_t blob_writer_places(struct blob_writer *w)
{
    return writer_alive(w);
}

uint64_t blob_writer_id(const struct blob_writer *w)
{
    return w->place.id;
}

const struct blob_place *blob_writer_place(const struct blob_writer *w)
{
    return w->finished ? &w->place : NULL;
}

void blob_writer_free(struct blob_writer **writer)
{
    struct blob_writer *w = *writer;

    if (!w)
        return;
    writer_wait(w);
    for (int i = 0; i < WRITER_STRIPES; i++)
        stripe_release(&w->stripes[i]);
    if (w->place.reservation)
        reservation_unref(w->place.reservation);
    pthread_cond_destroy(&w->written);
    pthread_mutex_destroy(&w->lock);
    free(w);
    *writer = NULL;
}
