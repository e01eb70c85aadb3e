#include "server/posix/handles.h"

#include <errno.h>
#include <stdlib.h>

enum { PLACES_FIRST = 64 };

static size_t home_of(const struct handles *handles, uint64_t handle)
{
    return (size_t)(handle * 0x9e3779b97f4a7c15ull >> 32) & (handles->size - 1);
}

/* Where the handle is, or the free place where it would be. */
static size_t place_of(const struct handles *handles, uint64_t handle)
{
    size_t at = home_of(handles, handle);
    while (handles->places[at].handle && handles->places[at].handle != handle)
        at = (at + 1) & (handles->size - 1);
    return at;
}

int handles_reserve(struct handles *handles, size_t count)
{
    size_t size = handles->size ? handles->size : PLACES_FIRST;
    while ((handles->used + count) * 2 > size)
        size *= 2;
    if (size == handles->size)
        return 0;
    struct handles grown = {calloc(size, sizeof(*grown.places)), size, handles->used};
    if (!grown.places)
        return -ENOMEM;
    for (size_t i = 0; i < handles->size; i++)
        if (handles->places[i].handle)
            grown.places[place_of(&grown, handles->places[i].handle)] = handles->places[i];
    free(handles->places);
    *handles = grown;
    return 0;
}

bool handles_put(struct handles *handles, uint64_t handle, uint64_t ino)
{
    size_t at = place_of(handles, handle);
    if (handles->places[at].handle)
        return false;
    handles->places[at] = (struct handle){handle, ino};
    handles->used++;
    return true;
}

/* Moves what follows a freed place back to it, so that no search stops too early. */
static void close_gap(struct handles *handles, size_t gap)
{
    size_t mask = handles->size - 1;
    for (size_t at = (gap + 1) & mask; handles->places[at].handle; at = (at + 1) & mask) {
        size_t home = home_of(handles, handles->places[at].handle);
        if (((at - home) & mask) < ((at - gap) & mask))
            continue;
        handles->places[gap] = handles->places[at];
        gap = at;
    }
    handles->places[gap] = (struct handle){0};
}

bool handles_take(struct handles *handles, uint64_t handle, uint64_t *ret_ino)
{
    if (handles->used == 0 || handle == 0)
        return false;
    size_t at = place_of(handles, handle);
    if (!handles->places[at].handle)
        return false;
    *ret_ino = handles->places[at].ino;
    close_gap(handles, at);
    handles->used--;
    return true;
}

void handles_release(struct handles *handles)
{
    free(handles->places);
    *handles = (struct handles){0};
}
