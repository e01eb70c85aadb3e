/*
 * Writing a blob. The caller fills one stripe while the drives' threads write the ones before (stripe.c): at most
 * WRITER_STRIPES exist, which bounds memory and lets hashing overlap the disks.
 *
 * A drive that fails a write, or is slow, gets no more of this blob. The blob stands while a quorum of drives has all
 * of it.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "objstore/base/cond.h"
#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/data/writer_priv.h"

/* ---- its drives ---- */

void writer_fail(struct blob_writer *w, unsigned place, int error)
{
    w->failed |= 1u << place;
    w->error = worse_error(w->error, error);
}

uint32_t writer_alive(struct blob_writer *w)
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

/* ---- the writer ---- */

/* Places whose file can't be written are lost for this blob from the start. */
static void writer_probe(struct blob_writer *w)
{
    struct erasure_set *set = w->place.set;
    uint32_t online = drive_set_online(set->drives);

    for (unsigned place = 0; place < set->n; place++) {
        int error = -ETIMEDOUT;

        if (!(online >> place & 1) || !segment_file(w->segment, place, &error))
            writer_fail(w, place, error);
    }
}

static struct blob_writer *writer_alloc(struct data *data, struct erasure_set *set, uint64_t id, uint64_t length)
{
    struct blob_writer *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->place = (struct blob_place){.data = data, .set = set, .id = id, .length = length};
    w->enough = drive_set_quorum(set->drives);
    pthread_mutex_init(&w->lock, NULL);
    cond_init(&w->written);
    return w;
}

int blob_writer_new_for(struct data *data, size_t number, uint64_t id, uint64_t length, struct blob_writer **ret_writer)
{
    struct erasure_set *set = &data->sets[number];
    struct blob_writer *w = writer_alloc(data, set, id, length);

    if (!w)
        return -ENOMEM;
    int r = reservation_new(&data->allocators[number], length, extent_length(length, set->k), &w->place.reservation);
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
    struct blob_writer *w = writer_alloc(pin->data, aside->set, pin->id, pin->record.length);

    if (!w)
        return -ENOMEM;
    w->segment = segment_ref(aside);
    w->offset = pin->record.offset;
    w->place.first = pin->record.first;
    w->enough = 1;
    w->failed = ~places & places_all(aside->set);
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
        sum += free_mib[i] = allocator_space(&data->allocators[i]) >> 20;
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
        int r = blob_writer_new_for(data, (first + i) % data->set_count, id, length, ret_writer);

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
    int r = ids_new(&data->ids, &id);
    if (r == 0)
        r = writer_place(data, id, length, &writer);
    if (r == -ENOSPC && chores_pass(&data->chores) == 0) /* what was just deleted may make the room */
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
    int error = 0, r = writer_check(w);
    if (r < 0)
        return r;
    uint32_t synced = segment_sync_end(&w->sync, &error);
    pthread_mutex_lock(&w->lock);
    w->failed = ~synced & ((1u << w->place.set->n) - 1);
    w->error = worse_error(w->error, error);
    pthread_mutex_unlock(&w->lock);
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
    stripes_wait(w);
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

void writer_destroy(struct blob_writer *w)
{
    if (w->place.reservation)
        reservation_unref(w->place.reservation);
    else
        segment_put(&w->segment);
    pthread_cond_destroy(&w->written);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void blob_writer_free(struct blob_writer **writer)
{
    struct blob_writer *w = *writer;

    if (!w)
        return;
    *writer = NULL;
    stripes_wait(w);
    segment_sync_release(&w->sync);
    if (stripes_release(w))
        writer_destroy(w);
}
