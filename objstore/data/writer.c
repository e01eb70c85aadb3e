#include "objstore/data/writer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/layout.h"
#include "objstore/data/pin.h"
#include "objstore/data/stripe.h"

struct blob_writer {
    struct stripes stripes; /* first: who has these has the writer */
    struct data *data;
    struct reservation *reservation; /* NULL: the segment is one aside, and has a reference */
    uint64_t taken;                  /* bytes of the blob that were given */
    uint32_t held;
    bool finished;
};

static void writer_destroy(struct stripes *stripes)
{
    struct blob_writer *w = (struct blob_writer *)stripes;

    if (w->reservation)
        reservation_unref(w->reservation);
    else
        segment_put(&w->stripes.site.segment);
    stripes_destroy(&w->stripes);
    free(w);
}

/* Places whose file can't be written are lost for this blob from the start. */
static void writer_probe(struct stripes *stripes)
{
    struct erasure_set *set = stripes->site.set;
    uint32_t online = drive_set_online(set->drives);

    for (unsigned place = 0; place < set->n; place++) {
        int error = -ETIMEDOUT;

        if (!(online >> place & 1) || !segment_file(stripes->site.segment, place, &error))
            stripes_fail(stripes, place, error);
    }
}

static struct blob_writer *writer_alloc(struct data *data, struct erasure_set *set, uint64_t id, uint64_t length)
{
    struct blob_writer *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->data = data;
    w->stripes = (struct stripes){
        .site = {.set = set, .id = id, .length = length},
        .enough = drive_set_quorum(set->drives),
        .buffers = &data->buffers,
        .over = writer_destroy,
    };
    stripes_init(&w->stripes);
    return w;
}

int blob_writer_new_for(struct data *data, size_t number, uint64_t id, uint64_t length, struct blob_writer **ret_writer)
{
    struct erasure_set *set = &data->sets[number];
    struct blob_writer *w = writer_alloc(data, set, id, length);

    if (!w)
        return -ENOMEM;
    int r = reservation_new(&data->allocators[number], length, extent_length(length, set->k), &w->reservation);
    if (r == 0) {
        struct shard_site *site = &w->stripes.site;

        site->segment = w->reservation->segment;
        site->offset = w->reservation->offset;
        site->first = first_place(site->segment->id, site->offset, set->n);
        w->stripes.synced = true;
        writer_probe(&w->stripes);
        r = stripes_check(&w->stripes);
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
    w->stripes.site.segment = segment_ref(aside);
    w->stripes.site.offset = pin->record.offset;
    w->stripes.site.first = pin->record.first;
    w->stripes.enough = 1;
    w->stripes.failed = ~places & places_all(aside->set);
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
    if (len > w->stripes.site.length - w->taken)
        return CAIRN_ETOOBIG;
    for (size_t done = 0; done < len;) {
        size_t n = 0;
        int r = stripes_fill(&w->stripes, from + done, len - done, &n);

        w->taken += n;
        done += n;
        if (r < 0)
            return r;
    }
    return 0;
}

int blob_writer_finish(struct blob_writer *w)
{
    if (w->taken < w->stripes.site.length)
        return -EINVAL;
    if (w->finished)
        return 0;
    int r = stripes_check(&w->stripes);
    if (r < 0)
        return r;
    uint32_t synced = stripes_sync(&w->stripes);
    r = stripes_check(&w->stripes);
    if (r < 0)
        return r;
    w->held = synced;
    w->finished = true;
    return 0;
}

uint32_t blob_writer_drain(struct blob_writer *w, int *ret_error)
{
    assert(w->taken == w->stripes.site.length);
    stripes_wait(&w->stripes);
    *ret_error = w->stripes.error;
    return stripes_places(&w->stripes);
}

uint32_t blob_writer_places(struct blob_writer *w)
{
    return stripes_places(&w->stripes);
}

uint64_t blob_writer_id(const struct blob_writer *w)
{
    return w->stripes.site.id;
}

bool blob_writer_place(const struct blob_writer *w, struct blob_place *ret_place)
{
    if (!w->finished)
        return false;
    *ret_place = (struct blob_place){
        .data = w->data,
        .set = w->stripes.site.set,
        .reservation = w->reservation,
        .id = w->stripes.site.id,
        .length = w->stripes.site.length,
        .first = w->stripes.site.first,
        .held = w->held,
    };
    return true;
}

void blob_writer_free(struct blob_writer **writer)
{
    struct blob_writer *w = *writer;

    if (!w)
        return;
    *writer = NULL;
    if (stripes_release(&w->stripes))
        writer_destroy(&w->stripes);
}
