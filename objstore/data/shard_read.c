#include "objstore/data/shard_read.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/drive/drive.h"
#include "objstore/drive/pulse.h"

void stripe_read_init(struct stripe_read *read, const struct blob_pin *pin, struct segment *segment, uint64_t number)
{
    struct erasure_set *set = segment->set;

    memset(read, 0, offsetof(struct stripe_read, at));
    read->run_count = 0;
    read->wait = DRIVE_PATIENT;
    read->set = set;
    read->pin = pin;
    read->segment = segment;
    read->number = number;
    read->disk = pin->record.offset + stripe_disk_offset(number, set->k);
    read->shard = shard_length(stripe_length(pin->record.length, number), set->k);
    read->columns = shard_columns(read->shard);
}

static unsigned shard_place(const struct stripe_read *read, unsigned shard)
{
    return place_of_shard(read->pin->record.first, shard, read->set->n);
}

/* To open a file, a slow drive can only be waited for until it is not. */
static struct drive_file *file_open(struct stripe_read *read, unsigned place, int *ret_error)
{
    struct drive_file *file = segment_file(read->segment, place, ret_error);

    while (!file && *ret_error == -ETIMEDOUT && read->wait == DRIVE_WAIT) {
        struct timespec pause = {.tv_nsec = PULSE_LOOK};

        nanosleep(&pause, NULL);
        file = segment_file(read->segment, place, ret_error);
    }
    return file;
}

static struct drive_file *shard_file(struct stripe_read *read, unsigned shard)
{
    unsigned place = shard_place(read, shard);
    int error = 0;

    if (!(read->pin->record.held >> place & 1))
        return NULL;
    struct drive_file *file = file_open(read, place, &error);
    if (error == -ETIMEDOUT)
        read->slow |= 1u << shard;
    else if (!file && error != -ENODEV && !(lacks_get(&read->set->lacks, read->segment->id) >> place & 1))
        read->lost |= 1u << place;
    return file;
}

/* ---- a run ---- */

static void run_init(const struct stripe_read *read, struct shard_run *run, unsigned shard, unsigned lo, unsigned hi)
{
    run->shard = shard;
    run->lo = lo;
    run->hi = hi;
    run->off = read->disk + (uint64_t)lo * (GRANULE + GRANULE_SUM);
    run->len = run->done = 0;
    run->count = 0;
    for (unsigned c = lo; c < hi; c++) {
        uint32_t size = column_length(read->shard, c);

        run->iov[run->count++] = (struct iovec){read->at[shard][c], size};
        run->iov[run->count++] = (struct iovec){run->sums + (c - lo) * GRANULE_SUM, GRANULE_SUM};
        run->len += size + GRANULE_SUM;
    }
}

static void granule_is_wrong(struct stripe_read *read, unsigned place)
{
    read->lost |= 1u << place;
    read->rotten++;
    drive_set_note(read->set->drives, place, DRIVE_BITROT, 0);
}

/* Checks what was read of a run. */
static void run_verify(struct stripe_read *read, const struct shard_run *run)
{
    unsigned place = shard_place(read, run->shard);
    size_t left = run->done;

    for (unsigned c = run->lo; c < run->hi; c++) {
        uint32_t size = column_length(read->shard, c);
        uint64_t seed = granule_seed(read->pin->id, read->number, run->shard, c);

        if (left < size + GRANULE_SUM) {
            read->lost |= 1u << place;
            return;
        }
        left -= size + GRANULE_SUM;
        if (xxh3(read->at[run->shard][c], size, seed) == get_le64(run->sums + (c - run->lo) * GRANULE_SUM))
            read->good[run->shard] |= 1u << c;
        else
            granule_is_wrong(read, place);
    }
}

/* Goes on where it stopped. False when it was not to wait and something is still missing; else the run is over. */
static bool run_read(struct stripe_read *read, struct shard_run *run, enum drive_wait wait)
{
    unsigned place = shard_place(read, run->shard);
    struct iovec rest[2 * COLUMNS_MAX];
    int count = iov_rest(run->iov, run->count, run->done, rest);
    ssize_t n = drive_read(run->file, rest, count, run->off + run->done, wait);

    if (n > 0)
        run->done += (size_t)n;
    if (wait == DRIVE_CACHED && (n == -EAGAIN || (n >= 0 && run->done < run->len)))
        return false;
    place_note(read->set, place, false, n < 0 ? (int)n : 0);
    if (n == -ETIMEDOUT)
        read->slow |= 1u << run->shard;
    else if (n < 0)
        read->lost |= 1u << place;
    else
        run_verify(read, run);
    return true;
}

/* ---- what is asked for ---- */

void runs_read(struct stripe_read *read)
{
    bool at_once = read->run_count == 1 || read->wait == DRIVE_WAIT;
    uint32_t waiting = 0;

    for (unsigned i = 0; i < read->run_count; i++)
        if (at_once || !run_read(read, &read->runs[i], DRIVE_CACHED))
            waiting |= 1u << i;
    for (; waiting; waiting &= waiting - 1)
        (void)run_read(read, &read->runs[__builtin_ctz(waiting)], read->wait);
    read->run_count = 0;
}

static void run_ask(struct stripe_read *read, struct drive_file *file, unsigned shard, unsigned lo, unsigned hi)
{
    if (read->run_count == DRIVE_SET_MAX)
        runs_read(read);
    struct shard_run *run = &read->runs[read->run_count++];
    run->file = file;
    run_init(read, run, shard, lo, hi);
}

void shard_ask(struct stripe_read *read, unsigned shard, uint32_t columns)
{
    struct drive_file *file = shard_file(read, shard);

    read->tried[shard] |= columns;
    while (file && columns) {
        unsigned lo = (unsigned)__builtin_ctz(columns), hi = lo;

        for (; hi < 32 && columns >> hi & 1; hi++) {
            if (!(read->want[shard] >> hi & 1))
                read->at[shard][hi] = read->spare + (size_t)shard * read->shard + (size_t)hi * GRANULE;
            columns &= ~(1u << hi);
        }
        run_ask(read, file, shard, lo, hi);
    }
}
