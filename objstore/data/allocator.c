#include "objstore/data/allocator.h"

#include <errno.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "objstore/data/chores.h"
#include "objstore/data/segment_make.h"
#include "objstore/data/sync.h"

#define OWN_SEGMENT (64ull << 20) /* blobs from this length on get a segment of their own */
#define SPACE_SHARE 16            /* a segment takes at most one in so many of the free bytes */
#define SEGMENT_MIN (4ull << 20)  /* but so much, where there is */

void allocator_init(struct allocator *allocator)
{
    pthread_mutex_init(&allocator->lock, NULL);
}

void allocator_release(struct allocator *allocator)
{
    pthread_mutex_destroy(&allocator->lock);
}

uint64_t allocator_space(struct allocator *allocator)
{
    uint64_t least;

    pthread_mutex_lock(&allocator->lock);
    space_ask(&allocator->space);
    unsigned enough = drive_set_quorum(allocator->set->drives);
    uint32_t places = space_places(&allocator->space, 1, &least);
    pthread_mutex_unlock(&allocator->lock);
    return (unsigned)__builtin_popcount(places) < enough ? 0 : least;
}

/* ---- room; the caller holds the lock ---- */

/* Small disks get small segments, but a nearly full one is not cut to crumbs. */
static uint64_t shared_size(const struct allocator *allocator, uint64_t length, uint64_t space)
{
    uint64_t size = space / SPACE_SHARE;

    if (size < SEGMENT_MIN)
        size = space < SEGMENT_MIN ? space : SEGMENT_MIN;
    if (size > allocator->segment_size)
        size = allocator->segment_size;
    return size > length ? size : length;
}

/* A segment for at least length bytes; a shared one for more, where there is room. */
static int room_open(struct allocator *allocator, uint64_t length, bool own, struct room *ret_room)
{
    struct drive_set *drives = allocator->set->drives;
    uint64_t least;
    unsigned quorum = drive_set_quorum(drives);

    if ((unsigned)__builtin_popcount(drive_set_online(drives)) < quorum)
        return CAIRN_EQUORUM;
    space_ask(&allocator->space);
    uint32_t places = space_places(&allocator->space, length, &least);
    if ((unsigned)__builtin_popcount(places) < quorum) {
        space_forget(&allocator->space);
        return -ENOSPC;
    }
    uint64_t size = own ? length : shared_size(allocator, length, least);
    int r = segment_make(allocator->set, allocator->ids, allocator->chores, size, places, ret_room);
    if (r == 0)
        space_take(&allocator->space, size);
    return r;
}

/* The segment takes no more; there need not be one. */
static void room_close(struct allocator *allocator, struct room *room)
{
    struct segment *segment = room->segment;

    room->segment = NULL;
    if (segment && segment_retire(segment))
        chores_settle(allocator->chores, segment);
    else
        segment_put(&segment);
}

/* A drive that was full or slow when it was made can take part now: a new one would be on more drives. */
static bool room_is_narrow(struct allocator *allocator, const struct room *room)
{
    uint64_t least;

    if ((room->passed & drive_set_online(allocator->set->drives)) == 0)
        return false;
    space_ask(&allocator->space);
    return room->passed & space_places(&allocator->space, room->size, &least);
}

/* Whether so many bytes want another segment. After a failed sync the next one is made without that drive, if it still
 * fails. */
static bool room_is_over(struct allocator *allocator, const struct room *room, uint64_t length)
{
    return room->tail + length > room->size || segment_is_broken(room->segment) || room_is_narrow(allocator, room);
}

void allocator_retire(struct allocator *allocator)
{
    pthread_mutex_lock(&allocator->lock);
    room_close(allocator, &allocator->current);
    pthread_mutex_unlock(&allocator->lock);
}

/* ---- reservations ---- */

static struct reservation *room_take(struct allocator *allocator, struct room *room, uint64_t length)
{
    struct reservation *reservation = calloc(1, sizeof(*reservation));

    if (!reservation)
        return NULL;
    reservation->allocator = allocator;
    reservation->segment = segment_claim(room->segment);
    reservation->offset = room->tail;
    reservation->length = length;
    reservation->refs = 1;
    room->tail += length;
    return reservation;
}

static int take_own(struct allocator *allocator, uint64_t length, struct reservation **ret_reservation)
{
    struct room room;
    int r = room_open(allocator, length, true, &room);

    if (r < 0)
        return r;
    *ret_reservation = room_take(allocator, &room, length);
    room_close(allocator, &room);
    return *ret_reservation ? 0 : -ENOMEM;
}

static int take_shared(struct allocator *allocator, uint64_t length, struct reservation **ret_reservation)
{
    struct room *current = &allocator->current;

    if (current->segment && room_is_over(allocator, current, length))
        room_close(allocator, current);
    if (!current->segment) {
        int r = room_open(allocator, length, false, current);
        if (r < 0)
            return r;
    }
    *ret_reservation = room_take(allocator, current, length);
    return *ret_reservation ? 0 : -ENOMEM;
}

int reservation_new(struct allocator *allocator, uint64_t blob_length, uint64_t length,
                    struct reservation **ret_reservation)
{
    bool own = blob_length >= OWN_SEGMENT || length > allocator->segment_size / 4;

    *ret_reservation = NULL;
    pthread_mutex_lock(&allocator->lock);
    int r = own ? take_own(allocator, length, ret_reservation) : take_shared(allocator, length, ret_reservation);
    pthread_mutex_unlock(&allocator->lock);
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
    if (segment_unclaim(segment))
        chores_settle(reservation->allocator->chores, segment);
    else
        segment_put(&segment);
    free(reservation);
}
