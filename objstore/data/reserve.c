/*
 * Space for blobs: which segment, and where in it.
 *
 * A set has at most one shared segment that takes blobs; places in it are handed out by moving its tail. A large blob
 * gets a segment of its own, so that reclaiming it is an unlink. The life of a segment:
 *
 *   state     in the index  meaning                                        leaves when
 *   new       open          recorded first, then its files are made        its files are durable: current
 *   current   open          hands out ranges                               full, or the store closes: retired
 *   retired   open          its last reservations are being decided        none is left: the keeper settles it
 *   sealed    sealed        every byte is a blob's or was given back       its last blob is reclaimed: removed
 *
 * The files have their full length, with space for it, from the start: writing later neither fails for want of space
 * nor changes the inode, which keeps fdatasync cheap, and a hole can be punched anywhere. Settling cuts what was not
 * used.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/record.h"
#include "objstore/data/sync.h"
#include "objstore/drive/drive.h"

#define OWN_SEGMENT (64ull << 20) /* blobs from this length on get a segment of their own */
#define SPACE_SHARE 16            /* a segment takes at most one in so many of the free bytes */
#define SPACE_VALID_NS NS_PER_SEC
#define SEGMENT_MIN (4ull << 20) /* but so much, where there is */

/* ---- free space; the caller holds set->lock ---- */

static void space_ask(struct erasure_set *set)
{
    int64_t now = clock_mono_ns();

    if (set->space_at != 0 && now - set->space_at < SPACE_VALID_NS)
        return;
    set->space_at = now;
    for (unsigned i = 0; i < set->n; i++) {
        struct drive_space space;

        if (drive_set_space(set->drives, i, &space) < 0)
            space = (struct drive_space){0};
        uint64_t reserve = data_reserve(set->data->reserve, space.total);
        set->space_free[i] = space.free > reserve ? space.free - reserve : 0;
    }
}

/* Places whose drive has room for size more bytes, and the least room among them. */
static uint32_t space_places(struct erasure_set *set, uint64_t size, uint64_t *ret_least)
{
    uint32_t places = 0;

    *ret_least = UINT64_MAX;
    for (uint32_t left = drive_set_online(set->drives); left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);

        if (set->space_free[i] < size)
            continue;
        places |= 1u << i;
        if (set->space_free[i] < *ret_least)
            *ret_least = set->space_free[i];
    }
    return places;
}

uint64_t set_free(struct erasure_set *set)
{
    uint64_t least;

    pthread_mutex_lock(&set->lock);
    space_ask(set);
    unsigned enough = drive_set_quorum(set->drives);
    uint32_t places = space_places(set, 1, &least);
    pthread_mutex_unlock(&set->lock);
    return (unsigned)__builtin_popcount(places) < enough ? 0 : least;
}

/* ---- making a segment ---- */

struct creation {
    uint64_t id;
    struct segment_record record;
    struct segment *segment;
};

static int record_creation(struct index_txn *txn, void *arg)
{
    struct creation *c = arg;

    return segment_put_record(txn, c->id, &c->record);
}

static int create_file(struct erasure_set *set, unsigned place, void *arg)
{
    struct creation *c = arg;
    struct drive *drive = drive_set_get(set->drives, place);
    struct drive_file *file = NULL;
    char name[SEGMENT_NAME_MAX];

    if (!drive)
        return -ENODEV;
    segment_name(c->id, name);
    int r = drive_open(drive, name, DRIVE_CREATE, &file);
    if (r == 0)
        r = drive_reserve(file, c->record.size);
    if (r == 0)
        r = drive_file_sync(file, DRIVE_PATIENT);
    if (r == 0)
        r = drive_sync_folder(drive, DRIVE_DATA_FOLDER);
    place_note(set, place, true, r);
    if (r < 0) {
        drive_file_close(&file);
        (void)drive_unlink(drive, name); /* if it stays, settling or the next start removes it */
        return r;
    }
    pthread_mutex_lock(&c->segment->lock);
    c->segment->files[place] = file;
    pthread_mutex_unlock(&c->segment->lock);
    return 0;
}

/* Files that could not be made are removed by settling: the index has the segment, and no blob in it. */
static int segment_create(struct erasure_set *set, uint64_t size, uint32_t places, struct segment **ret_segment)
{
    struct creation c = {
        .record = {.size = size, .state = SEGMENT_OPEN, .set = (uint16_t)set->number},
    };
    int r = ids_new(&set->data->ids, &c.id), error = 0;

    if (r == 0)
        r = index_apply(set->index, record_creation, &c, INDEX_DURABLE);
    if (r < 0)
        return r;
    c.segment = segment_get(set, c.id);
    if (!c.segment)
        return -ENOMEM;
    c.segment->size = size;
    uint32_t made = places_run(set, places, create_file, &c, &error);
    uint32_t slow = places & ~made & ~drive_set_online(set->drives);
    c.segment->passed = (~places | slow) & places_all(set);
    pthread_mutex_lock(&c.segment->lock);
    c.segment->absent = ~made;
    pthread_mutex_unlock(&c.segment->lock);
    if ((unsigned)__builtin_popcount(made) < drive_set_quorum(set->drives)) {
        chores_settle(&set->data->chores, c.segment);
        return error == -ENOSPC ? -ENOSPC : CAIRN_EQUORUM;
    }
    for (unsigned i = 0; i < set->n; i++)
        set->space_free[i] -= set->space_free[i] < size ? set->space_free[i] : size;
    *ret_segment = c.segment;
    return 0;
}

/* Small disks get small segments, but a nearly full one is not cut to crumbs. */
static uint64_t shared_size(const struct erasure_set *set, uint64_t length, uint64_t space)
{
    uint64_t size = space / SPACE_SHARE;

    if (size < SEGMENT_MIN)
        size = space < SEGMENT_MIN ? space : SEGMENT_MIN;
    if (size > set->data->segment_size)
        size = set->data->segment_size;
    return size > length ? size : length;
}

/* A segment for at least length bytes; a shared one for more, where there is room. */
static int segment_open_new(struct erasure_set *set, uint64_t length, bool own, struct segment **ret_segment)
{
    uint64_t least;
    unsigned quorum = drive_set_quorum(set->drives);

    if ((unsigned)__builtin_popcount(drive_set_online(set->drives)) < quorum)
        return CAIRN_EQUORUM;
    space_ask(set);
    uint32_t places = space_places(set, length, &least);
    if ((unsigned)__builtin_popcount(places) < quorum) {
        set->space_at = 0;
        return -ENOSPC;
    }
    return segment_create(set, own ? length : shared_size(set, length, least), places, ret_segment);
}

/* ---- reservations ---- */

/* Takes over the caller's reference. */
static void segment_retire(struct segment *segment)
{
    struct data *data = segment->set->data;

    pthread_mutex_lock(&data->segments.lock);
    segment->retired = true;
    bool settle = segment->unresolved == 0;
    pthread_mutex_unlock(&data->segments.lock);
    if (settle)
        chores_settle(&data->chores, segment);
    else
        segment_put(&segment);
}

void set_retire_current(struct erasure_set *set)
{
    pthread_mutex_lock(&set->lock);
    struct segment *segment = set->current;
    set->current = NULL;
    pthread_mutex_unlock(&set->lock);
    if (segment)
        segment_retire(segment);
}

/* A drive that was full or slow when it was made can take part now: a new one would be on more drives. */
static bool segment_is_narrow(struct erasure_set *set, const struct segment *segment)
{
    uint64_t least;

    if ((segment->passed & drive_set_online(set->drives)) == 0)
        return false;
    space_ask(set);
    return segment->passed & space_places(set, segment->size, &least);
}

static struct reservation *segment_take(struct segment *segment, uint64_t length)
{
    struct reservation *reservation = calloc(1, sizeof(*reservation));

    if (!reservation)
        return NULL;
    reservation->segment = segment_get(segment->set, segment->id);
    assert(reservation->segment == segment);
    reservation->offset = segment->tail;
    reservation->length = length;
    reservation->refs = 1;
    segment->tail += length;
    pthread_mutex_lock(&segment->set->segments->lock);
    segment->unresolved++;
    pthread_mutex_unlock(&segment->set->segments->lock);
    return reservation;
}

static int take_own(struct erasure_set *set, uint64_t length, struct reservation **ret_reservation)
{
    struct segment *segment = NULL;
    int r = segment_open_new(set, length, true, &segment);

    if (r < 0)
        return r;
    *ret_reservation = segment_take(segment, length);
    segment_retire(segment);
    return *ret_reservation ? 0 : -ENOMEM;
}

static int take_shared(struct erasure_set *set, uint64_t length, struct reservation **ret_reservation)
{
    struct segment *current = set->current;

    if (current &&
        (current->tail + length > current->size || segment_is_broken(current) || segment_is_narrow(set, current))) {
        set->current = NULL;
        segment_retire(current);
    }
    if (!set->current) {
        int r = segment_open_new(set, length, false, &set->current);
        if (r < 0)
            return r;
    }
    *ret_reservation = segment_take(set->current, length);
    return *ret_reservation ? 0 : -ENOMEM;
}

int reservation_new(struct erasure_set *set, uint64_t blob_length, uint64_t length,
                    struct reservation **ret_reservation)
{
    bool own = blob_length >= OWN_SEGMENT || length > set->data->segment_size / 4;

    *ret_reservation = NULL;
    pthread_mutex_lock(&set->lock);
    int r = own ? take_own(set, length, ret_reservation) : take_shared(set, length, ret_reservation);
    pthread_mutex_unlock(&set->lock);
    return r;
}

void reservation_ref(struct reservation *reservation)
{
    atomic_fetch_add(&reservation->refs, 1);
}

void reservation_unref(void *arg)
{
    struct reservation *reservation = arg;

    if (atomic_fetch_sub(&reservation->refs, 1) != 1)
        return;
    struct segment *segment = reservation->segment;
    struct data *data = segment->set->data;
    pthread_mutex_lock(&data->segments.lock);
    bool settle = --segment->unresolved == 0 && segment->retired;
    pthread_mutex_unlock(&data->segments.lock);
    if (settle)
        chores_settle(&data->chores, segment);
    else
        segment_put(&segment);
    free(reservation);
}
