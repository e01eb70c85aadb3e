#include "objstore/data/space.h"

#include "objstore/base/clock.h"
#include "objstore/data/data.h"

#define VALID_NS NS_PER_SEC
#define RESERVE_SHARE 50
#define RESERVE_MAX (1ull << 30)

uint64_t data_reserve(uint64_t option, uint64_t total)
{
    if (option)
        return option;
    return total / RESERVE_SHARE < RESERVE_MAX ? total / RESERVE_SHARE : RESERVE_MAX;
}

void space_ask(struct space *space)
{
    int64_t now = clock_mono_ns();
    unsigned n = drive_set_data(space->drives) + drive_set_parity(space->drives);

    if (space->at != 0 && now - space->at < VALID_NS)
        return;
    space->at = now;
    for (unsigned i = 0; i < n; i++) {
        struct drive_space drive;

        if (drive_set_space(space->drives, i, &drive) < 0)
            drive = (struct drive_space){0};
        uint64_t reserve = data_reserve(space->reserve, drive.total);
        space->free[i] = drive.free > reserve ? drive.free - reserve : 0;
    }
}

void space_forget(struct space *space)
{
    space->at = 0;
}

uint32_t space_places(const struct space *space, uint64_t size, uint64_t *ret_least)
{
    uint32_t places = 0;

    *ret_least = UINT64_MAX;
    for (uint32_t left = drive_set_online(space->drives); left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);

        if (space->free[i] < size)
            continue;
        places |= 1u << i;
        if (space->free[i] < *ret_least)
            *ret_least = space->free[i];
    }
    return places;
}

void space_take(struct space *space, uint64_t size)
{
    for (unsigned i = 0; i < DRIVE_SET_MAX; i++)
        space->free[i] -= space->free[i] < size ? space->free[i] : size;
}

uint32_t space_with_room(const struct space *space, uint32_t places, uint64_t size)
{
    uint32_t result = 0;

    for (uint32_t left = places & drive_set_online(space->drives); left; left &= left - 1) {
        unsigned place = (unsigned)__builtin_ctz(left);
        struct drive_space drive;

        if (drive_set_space(space->drives, place, &drive) < 0)
            continue;
        if (drive.free > size && drive.free - size > data_reserve(space->reserve, drive.total))
            result |= 1u << place;
    }
    return result;
}

uint64_t space_total(const struct space *space)
{
    unsigned n = drive_set_data(space->drives) + drive_set_parity(space->drives);
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < n; i++) {
        struct drive_space drive;

        if (drive_set_space(space->drives, i, &drive) < 0)
            continue;
        uint64_t reserve = data_reserve(space->reserve, drive.total);
        uint64_t usable = drive.total > reserve ? drive.total - reserve : 0;
        least = usable < least ? usable : least;
    }
    return least == UINT64_MAX ? 0 : least;
}
