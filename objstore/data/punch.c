#include "objstore/data/punch.h"

#include <errno.h>

#include "objstore/drive/drive.h"

#define PUNCH_ALIGN 4096u

bool may_discard(struct index *index)
{
    struct index_stats stats;

    index_stats(index, &stats);
    return stats.writable;
}

int segment_punch(struct segment *segment, unsigned place, struct range range)
{
    int error = 0;
    struct drive_file *file = segment_file(segment, place, &error);

    uint64_t begin = (range.begin + PUNCH_ALIGN - 1) / PUNCH_ALIGN * PUNCH_ALIGN;
    uint64_t end = range.end / PUNCH_ALIGN * PUNCH_ALIGN;
    if (!file)
        return error == -ENOENT ? 0 : error;
    if (begin >= end)
        return 0;
    int r = drive_punch(file, begin, end - begin);
    return r == -EOPNOTSUPP ? 0 : r;
}

static uint32_t gaps_punch(struct segment *segment, uint32_t places, const struct range *gaps, int count)
{
    uint32_t good = 0;

    for (uint32_t left = places; left; left &= left - 1) {
        unsigned place = (unsigned)__builtin_ctz(left);
        int r = 0;

        for (int i = 0; r == 0 && i < count; i++)
            r = segment_punch(segment, place, gaps[i]);
        if (r == 0)
            good |= 1u << place;
        else
            place_note(segment->set, place, true, r);
    }
    return good;
}

int segment_punch_gaps(struct segment *segment, uint64_t size, uint32_t places, uint64_t *ret_end, uint32_t *ret_good)
{
    struct range gaps[GAPS_MAX + 1];
    uint64_t from = 0;

    *ret_end = 0;
    while (from < size) {
        int count = segment_gaps(segment->set->index, segment->id, size, &from, ret_end, gaps);
        if (count < 0)
            return count;
        places = gaps_punch(segment, places, gaps, count);
    }
    *ret_good = places;
    return 0;
}

static int file_cut(struct segment *segment, unsigned place, uint64_t size)
{
    int r = 0;
    struct drive_file *file = segment_file(segment, place, &r);
    uint64_t len, allocated;

    if (!file)
        return r == -ENOENT ? 0 : r;
    r = drive_file_size(file, &len, &allocated);
    if (r == 0 && len > size)
        r = drive_truncate(file, size);
    return r < 0 ? r : drive_file_sync(file, DRIVE_PATIENT);
}

uint32_t segment_cut(struct segment *segment, uint32_t places, uint64_t size)
{
    uint32_t good = 0;

    for (uint32_t left = places; left; left &= left - 1) {
        unsigned place = (unsigned)__builtin_ctz(left);
        int r = file_cut(segment, place, size);

        if (r == 0)
            good |= 1u << place;
        else
            place_note(segment->set, place, true, r);
    }
    return good;
}
