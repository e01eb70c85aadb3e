/* Blobs go in and come out, whole sets and degraded ones. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/data/layout.h"
#include "objstore/drive/fault.h"
#include "tests/support/data_bed.h"

#define MIB (1ull << 20)

static const uint64_t sizes[] = {1, 63, 64, 4096, 32768, 100000, MIB - 1, MIB, MIB + 1, 5 * MIB, 70 * MIB};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static struct bed bed;

static void release(void)
{
    bed_release(&bed);
}

TestSuite(data_blobs, .fini = release);

/* ---- round trips ---- */

static void check_round_trips(unsigned drives)
{
    int64_t ids[SIZES];

    bed_init(&bed, drives);
    for (unsigned i = 0; i < SIZES; i++) {
        ids[i] = bed_put(&bed, i, sizes[i]);
        cr_assert_geq(ids[i], 0, "%s", cairn_errname((int)ids[i]));
    }
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < SIZES; i++)
            cr_assert_eq(bed_check_all(&bed, (uint64_t)ids[i], i, sizes[i]), 0);
        bed_close(&bed);
        bed_open(&bed);
    }
    cr_assert_eq(bed_status(&bed).degraded_reads, 0);
    cr_assert_eq(bed_records(&bed, 'H'), 0);
}

Test(data_blobs, every_size_comes_back_from_one_drive)
{
    check_round_trips(1);
}

Test(data_blobs, every_size_comes_back_from_two_drives)
{
    check_round_trips(2);
}

Test(data_blobs, every_size_comes_back_from_four_drives)
{
    check_round_trips(4);
}

Test(data_blobs, every_size_comes_back_from_six_drives)
{
    check_round_trips(6);
}

Test(data_blobs, any_range_comes_back)
{
    const uint64_t length = 3 * MIB + 12345;

    bed_init(&bed, 5);
    int64_t id = bed_put(&bed, 7, length);
    cr_assert_geq(id, 0);
    srand(1);
    for (int i = 0; i < 500; i++) {
        uint64_t off = (uint64_t)rand() % length, len = (uint64_t)rand() % (i % 2 ? 5000 : 2 * MIB);

        len = len > length - off ? length - off : len;
        cr_assert_eq(bed_check(&bed, (uint64_t)id, 7, off, len), 0);
    }
    cr_assert_eq(bed_check(&bed, (uint64_t)id, 7, length, 0), 0);
    struct blob_pin *pin = NULL;
    char byte;
    cr_assert_eq(bed_pin(&bed, (uint64_t)id, &pin), 0);
    cr_assert_eq(blob_read(pin, length, &byte, 1), -EINVAL);
    cr_assert_eq(blob_read(pin, UINT64_MAX, &byte, 1), -EINVAL);
    blob_unpin(&pin);
}

/* Reads blobs whole; returns the drives that were asked. */
static uint32_t drives_read(const int64_t *ids, const uint64_t *lengths, unsigned count)
{
    uint64_t before[BED_DRIVES_MAX];
    uint32_t read = 0;

    for (unsigned place = 0; place < bed.count; place++)
        before[place] = fault_seen(bed.faults[place], FAULT_READ);
    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(bed_check_all(&bed, (uint64_t)ids[i], i, lengths[i]), 0);
    for (unsigned place = 0; place < bed.count; place++)
        if (fault_seen(bed.faults[place], FAULT_READ) > before[place])
            read |= 1u << place;
    return read;
}

/* As many blobs of a length; returns the drives that have their data. */
static uint32_t drives_with_data_of(unsigned count, uint64_t length)
{
    int64_t ids[16];
    uint64_t lengths[16];

    for (unsigned i = 0; i < count; i++) {
        lengths[i] = length;
        cr_assert_geq(ids[i] = bed_put(&bed, i, length), 0);
    }
    return drives_read(ids, lengths, count);
}

Test(data_blobs, a_stream_over_neighbours_reads_the_same_files)
{
    bed.segment_size = 32 * MIB;
    bed_init(&bed, 4);
    cr_assert_eq(__builtin_popcount(drives_with_data_of(8, 2 * MIB)), 2, "data lies on two drives, parity on two");
}

Test(data_blobs, every_drive_has_its_part_of_the_data)
{
    bed.segment_size = 4 * MIB; /* these blobs get one each */
    bed_init(&bed, 4);
    cr_assert_eq(drives_with_data_of(8, 3 * MIB), 0xf);
}

Test(data_blobs, several_sets_share_the_blobs)
{
    int64_t ids[64];
    unsigned used = 0;

    bed.segment_size = 4 * MIB;
    bed_init(&bed, 20);
    for (unsigned i = 0; i < 64; i++)
        cr_assert_geq(ids[i] = bed_put(&bed, i, 50000), 0);
    for (unsigned i = 0; i < 64; i++)
        cr_assert_eq(bed_check_all(&bed, (uint64_t)ids[i], i, 50000), 0);
    for (unsigned place = 0; place < 20; place += 10)
        used += bed_segments(&bed, place) > 0;
    cr_assert_eq(used, 2);
}

/* ---- rules of the writer ---- */

Test(data_blobs, a_writer_takes_exactly_its_length)
{
    struct blob_writer *writer = NULL;

    bed_init(&bed, 1);
    cr_assert_eq(blob_writer_new(bed.data, 0, &writer), -EINVAL);
    cr_assert_eq(blob_writer_new(bed.data, BLOB_LENGTH_MAX + 1, &writer), CAIRN_ETOOBIG);
    cr_assert_eq(blob_writer_new(bed.data, 3, &writer), 0);
    cr_assert_eq(blob_write(writer, "ab", 2), 0);
    cr_assert_eq(blob_writer_finish(writer), -EINVAL);
    cr_assert_eq(bed_commit(&bed, writer), -EINVAL, "what is not finished can't be committed");
    cr_assert_eq(blob_write(writer, "cd", 2), CAIRN_ETOOBIG);
    cr_assert_eq(blob_write(writer, "c", 1), 0);
    cr_assert_eq(blob_writer_finish(writer), 0);
    cr_assert_eq(bed_commit(&bed, writer), 0);
    blob_writer_free(&writer);
}

Test(data_blobs, ids_are_never_used_twice)
{
    int64_t last = -1;

    bed_init(&bed, 1);
    for (int i = 0; i < 4; i++) {
        int64_t id = bed_put(&bed, 0, 10);
        cr_assert_gt(id, last);
        last = id;
        bed_close(&bed);
        bed_open(&bed);
    }
}

Test(data_blobs, unknown_blobs_are_refused)
{
    struct blob_pin *pin = NULL;

    bed_init(&bed, 1);
    cr_assert_eq(bed_pin(&bed, 4711, &pin), CAIRN_ECORRUPT);
    cr_assert_eq(bed_ref(&bed, 4711, 1), CAIRN_ECORRUPT);
}

/* ---- fewer drives ---- */

enum damage { DRIVE_IS_GONE, FILE_IS_GONE, FILE_IS_SHORT, FILE_IS_ROTTEN, FILE_IS_EMPTY, DAMAGES };

static void rot(const char *path)
{
    FILE *f = fopen(path, "r+");

    cr_assert_not_null(f);
    for (long at = 13; at < (long)(16 * MIB); at += 1000) {
        fseek(f, at, SEEK_SET);
        fputc(0x5a, f);
    }
    fclose(f);
}

static void damage(unsigned place, enum damage how)
{
    const char *path = bed_segment_path(&bed, place);

    switch (how) {
    case DRIVE_IS_GONE:
        fault_gone(bed.faults[place]);
        break;
    case FILE_IS_GONE:
        cr_assert_eq(unlink(path), 0);
        break;
    case FILE_IS_SHORT:
        cr_assert_eq(truncate(path, 100000), 0);
        break;
    case FILE_IS_EMPTY:
        cr_assert_eq(truncate(path, 0), 0);
        break;
    default:
        rot(path);
    }
}

/* Blobs of all sizes in one segment; the places in lost are damaged while the store is down, or for a gone drive while
 * it is up. */
static void check_damage(unsigned drives, uint32_t lost, enum damage how, bool readable)
{
    int64_t ids[SIZES];
    unsigned count = SIZES - 1; /* the largest has a segment of its own */

    memset(&bed, 0, sizeof(bed));
    bed.segment_size = 32 * MIB;
    bed_init(&bed, drives);
    for (unsigned i = 0; i < count; i++)
        cr_assert_geq(ids[i] = bed_put(&bed, i, sizes[i]), 0);
    uint32_t with_data = drives_read(ids, sizes, count);
    bed_close(&bed);
    bed_open(&bed);
    for (unsigned place = 0; place < drives; place++)
        if (lost >> place & 1)
            damage(place, how);
    for (unsigned i = 0; i < count; i++) {
        int r = bed_check_all(&bed, (uint64_t)ids[i], i, sizes[i]);

        if (readable)
            cr_assert_eq(r, 0, "drives %x of %u, damage %d, size %d: %s", lost, drives, how, (int)sizes[i],
                         cairn_errname(r));
        else
            cr_assert(r == 0 || r == -EIO || r == CAIRN_EBITROT, "%s", cairn_errname(r));
    }
    if (!readable)
        cr_assert_lt(bed_check_all(&bed, (uint64_t)ids[9], 9, sizes[9]), 0);
    if (readable && (lost & with_data))
        cr_assert_gt(bed_status(&bed).degraded_reads, 0);
    bed_release(&bed);
}

static void check_damages(unsigned drives, unsigned parity)
{
    for (uint32_t lost = 0; lost < 1u << drives; lost++)
        if ((unsigned)__builtin_popcount(lost) == parity)
            check_damage(drives, lost, (enum damage)(lost % DAMAGES), true);
    for (int how = 0; how < DAMAGES; how++) {
        check_damage(drives, (1u << parity) - 1, (enum damage)how, true);
        check_damage(drives, (2u << parity) - 1, (enum damage)how, false);
    }
    memset(&bed, 0, sizeof(bed));
    bed_init(&bed, 1);
}

Test(data_blobs, two_drives_bear_the_loss_of_one, .timeout = 120)
{
    check_damages(2, 1);
}

Test(data_blobs, three_drives_bear_the_loss_of_one, .timeout = 120)
{
    check_damages(3, 1);
}

Test(data_blobs, four_drives_bear_the_loss_of_two, .timeout = 120)
{
    check_damages(4, 2);
}

Test(data_blobs, six_drives_bear_the_loss_of_three, .timeout = 300)
{
    check_damages(6, 3);
}

Test(data_blobs, a_flipped_bit_anywhere_is_found_and_repaired_in_the_reply, .timeout = 120)
{
    const uint64_t length = MIB + 70000;

    bed.segment_size = 4 * MIB;
    bed_init(&bed, 4);
    int64_t id = bed_put(&bed, 3, length);
    cr_assert_geq(id, 0);
    srand(7);
    uint64_t extent = extent_length(length, 2);
    for (int i = 0; i < 60; i++) {
        unsigned place = (unsigned)rand() % 4;
        uint64_t off = (uint64_t)rand() % extent;
        int bit = rand() % 8;

        bed_flip(bed_segment_path(&bed, place), off, bit);
        cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 3, length), 0);
        bed_flip(bed_segment_path(&bed, place), off, bit);
    }
    cr_assert_gt(bed_status(&bed).bitrot_found, 10);
    cr_assert_eq(data_reclaim_wait(bed.data), 0);
    cr_assert_eq(bed_records(&bed, 'H'), 1, "the blob is queued for healing");
}

Test(data_blobs, a_shard_of_another_blob_does_not_verify)
{
    bed.segment_size = 4 * MIB;
    bed_init(&bed, 2);
    int64_t a = bed_put(&bed, 1, 4096), b = bed_put(&bed, 2, 4096);
    char bytes[4160];
    uint64_t step = extent_length(4096, 1);

    cr_assert(a >= 0 && b >= 0);
    FILE *f = fopen(bed_segment_path(&bed, 0), "r+");
    cr_assert_eq(fread(bytes, 1, step, f), step);
    cr_assert_eq(fseek(f, (long)step, SEEK_SET), 0);
    cr_assert_eq(fwrite(bytes, 1, step, f), step);
    fclose(f);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)b, 2, 4096), 0);
}

Test(data_blobs, a_set_opens_and_reads_without_a_drive_and_writes_too)
{
    char command[256];

    bed_init(&bed, 4);
    int64_t id = bed_put(&bed, 3, 5 * MIB);
    cr_assert_geq(id, 0);
    bed_close(&bed);
    snprintf(command, sizeof(command), "mv %s %s.away", bed.paths[1], bed.paths[1]);
    cr_assert_eq(system(command), 0);
    bed_open(&bed);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 3, 5 * MIB), 0);
    int64_t second = bed_put(&bed, 4, 3 * MIB);
    cr_assert_geq(second, 0);
    cr_assert_eq(bed_records(&bed, 'H'), 1, "what it lacks is queued; what it has is not");
    bed_close(&bed);
    snprintf(command, sizeof(command), "mv %s.away %s", bed.paths[1], bed.paths[1]);
    cr_assert_eq(system(command), 0);
    bed_open(&bed);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)id, 3, 5 * MIB), 0);
    cr_assert_eq(bed_status(&bed).degraded_reads, 0);
    cr_assert_eq(bed_check_all(&bed, (uint64_t)second, 4, 3 * MIB), 0);
}
