#include "tests/support/data_bed.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/drive/fault.h"

static int open_drive(void *arg, const char *path, struct drive **ret_drive)
{
    struct bed *bed = arg;
    struct drive *inner = NULL;
    int r = drive_dir_open(path, &inner);

    if (r < 0)
        return r;
    cr_assert_eq(fault_drive_new(inner, ret_drive), 0);
    if (bed->track)
        fault_track(*ret_drive);
    for (unsigned i = 0; i < bed->count; i++)
        if (strcmp(path, bed->paths[i]) == 0)
            bed->opened[i] = *ret_drive;
    return 0;
}

/* The drives' places are their own to say. */
static struct drive *fault_at(struct bed *bed, unsigned place)
{
    struct drive_status status;

    if (!drive_set_get(bed->set, place))
        return NULL;
    drive_set_status(bed->set, place, &status);
    for (unsigned i = 0; i < bed->count; i++)
        if (strcmp(status.path, bed->paths[i]) == 0)
            return bed->opened[i];
    return NULL;
}

static void open_drives(struct bed *bed)
{
    const char *paths[BED_DRIVES_MAX];
    struct drives_options options = {
        .paths = paths, .count = bed->count, .parity = -1, .open = open_drive, .open_arg = bed};
    struct buf message = BUF_INIT;

    for (unsigned i = 0; i < bed->count; i++)
        paths[i] = bed->paths[i];
    int r = drives_open(&options, &bed->drives, &message);
    cr_assert_eq(r, 0, "%s: %.*s", cairn_errname(r), SPAN_ARG(buf_span(&message)));
    buf_release(&message);
    bed->set = drives_sets(bed->drives)[0];
    for (unsigned i = 0; i < drive_set_size(bed->set); i++)
        bed->faults[i] = fault_at(bed, i);
}

int bed_try_open(struct bed *bed)
{
    const char *replicas[DRIVE_SET_MAX];

    open_drives(bed);
    size_t count = drives_index_paths(bed->drives, replicas);
    struct index_options index_options = {.paths = replicas, .count = count, .write_quorum = count / 2 + 1};
    int r = index_open(&index_options, &bed->index);
    cr_assert_eq(r, 0, "index: %s", cairn_errname(r));
    struct data_options options = {
        .sets = drives_sets(bed->drives),
        .set_count = drives_set_count(bed->drives),
        .index = bed->index,
        .segment_size = bed->segment_size,
        .reserve = bed->reserve,
    };
    return data_open(&options, &bed->data);
}

void bed_open(struct bed *bed)
{
    int r = bed_try_open(bed);

    cr_assert_eq(r, 0, "data: %s", cairn_errname(r));
}

void bed_close(struct bed *bed)
{
    data_close(&bed->data);
    index_close(&bed->index);
    drives_close(&bed->drives);
}

void bed_crash(struct bed *bed, uint64_t seed)
{
    for (unsigned i = 0; i < drive_set_size(bed->set); i++)
        if (bed->faults[i])
            cr_assert_eq(fault_power_cut(bed->faults[i], seed ? seed + i : 0), 0);
    bed_close(bed);
}

void bed_init(struct bed *bed, unsigned count)
{
    const char *base = getenv("TMPDIR");

    if (bed->reserve == 0)
        bed->reserve = 1;
    bed->count = count;
    snprintf(bed->root, sizeof(bed->root), "%s/cairn-data-XXXXXX", base && strlen(base) < 40 ? base : "/tmp");
    cr_assert_not_null(mkdtemp(bed->root));
    for (unsigned i = 0; i < count; i++)
        snprintf(bed->paths[i], sizeof(bed->paths[i]), "%s/d%u", bed->root, i);
    bed_open(bed);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void bed_release(struct bed *bed)
{
    bed_close(bed);
    nftw(bed->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- blobs ---- */

void bed_fill(uint64_t seed, uint64_t off, void *ret_bytes, size_t len)
{
    uint8_t *out = ret_bytes;

    for (size_t i = 0; i < len; i++) {
        uint64_t word = ((off + i) / 8 + seed * 1000003) * 0x9e3779b97f4a7c15u;
        out[i] = (uint8_t)((word ^ word >> 29) >> 8 * ((off + i) % 8));
    }
}

int bed_write(struct bed *bed, uint64_t seed, uint64_t length, struct blob_writer **ret_writer)
{
    const size_t chunk = 300000; /* not a divisor of a stripe */
    uint8_t *bytes = malloc(chunk);
    int r = blob_writer_new(bed->data, length, ret_writer);

    for (uint64_t off = 0; r == 0 && off < length;) {
        size_t n = length - off < chunk ? (size_t)(length - off) : chunk;

        bed_fill(seed, off, bytes, n);
        r = blob_write(*ret_writer, bytes, n);
        off += n;
    }
    free(bytes);
    if (r == 0)
        r = blob_writer_finish(*ret_writer);
    if (r < 0 && *ret_writer)
        blob_writer_free(ret_writer);
    return r;
}

static int mutation_commit(struct index_txn *txn, void *arg)
{
    return blob_commit(txn, arg, 1);
}

int bed_commit(struct bed *bed, struct blob_writer *writer)
{
    return index_apply(bed->index, mutation_commit, writer, INDEX_DURABLE);
}

int64_t bed_put(struct bed *bed, uint64_t seed, uint64_t length)
{
    struct blob_writer *writer = NULL;
    int r = bed_write(bed, seed, length, &writer);

    if (r == 0)
        r = bed_commit(bed, writer);
    int64_t id = r < 0 ? r : (int64_t)blob_writer_id(writer);
    blob_writer_free(&writer);
    return id;
}

struct ref {
    struct data *data;
    uint64_t id;
    int by;
};

static int mutation_ref(struct index_txn *txn, void *arg)
{
    struct ref *ref = arg;

    return blob_ref(txn, ref->data, ref->id, ref->by);
}

int bed_ref(struct bed *bed, uint64_t id, int by)
{
    struct ref ref = {bed->data, id, by};

    return index_apply(bed->index, mutation_ref, &ref, INDEX_DURABLE);
}

int bed_pin(struct bed *bed, uint64_t id, struct blob_pin **ret_pin)
{
    struct index_txn *txn = NULL;

    cr_assert_eq(index_read_begin(bed->index, &txn), 0);
    int r = blob_pin(txn, bed->data, id, ret_pin);
    index_read_end(&txn);
    return r;
}

static int check_pin(struct blob_pin *pin, uint64_t seed, uint64_t off, size_t len)
{
    uint8_t *got = malloc(len), *want = malloc(len);
    int r = blob_read(pin, off, got, len);

    if (r == 0) {
        bed_fill(seed, off, want, len);
        cr_assert(memcmp(got, want, len) == 0, "wrong bytes in [%llu, +%zu) of blob of %llu", (unsigned long long)off,
                  len, (unsigned long long)blob_pin_length(pin));
    }
    free(got);
    free(want);
    return r;
}

int bed_check(struct bed *bed, uint64_t id, uint64_t seed, uint64_t off, size_t len)
{
    struct blob_pin *pin = NULL;
    int r = bed_pin(bed, id, &pin);

    if (r == 0)
        r = check_pin(pin, seed, off, len);
    blob_unpin(&pin);
    return r;
}

int bed_check_all(struct bed *bed, uint64_t id, uint64_t seed, uint64_t length)
{
    struct blob_pin *pin = NULL;
    int r = bed_pin(bed, id, &pin);

    if (r == 0)
        cr_assert_eq(blob_pin_length(pin), length);
    for (uint64_t off = 0; r == 0 && off < length; off += 1500000)
        r = check_pin(pin, seed, off, length - off < 1500000 ? (size_t)(length - off) : 1500000);
    blob_unpin(&pin);
    return r;
}

/* ---- looking behind ---- */

struct data_status bed_status(struct bed *bed)
{
    struct data_status status;

    cr_assert_eq(data_status(bed->data, &status), 0);
    return status;
}

static void data_folder(struct bed *bed, unsigned place, uint64_t *ret_used, unsigned *ret_files, char *ret_path)
{
    char folder[128];

    snprintf(folder, sizeof(folder), "%s/data", bed->paths[place]);
    DIR *dir = opendir(folder);
    *ret_used = *ret_files = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[512];
        struct stat st;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (stat(path, &st) < 0)
            continue; /* removed meanwhile */
        *ret_used += (uint64_t)st.st_blocks * 512;
        ++*ret_files;
        if (ret_path)
            strcpy(ret_path, path);
    }
    if (dir)
        closedir(dir);
}

uint64_t bed_disk_used(struct bed *bed, unsigned place)
{
    uint64_t used;
    unsigned files;

    data_folder(bed, place, &used, &files, NULL);
    return used;
}

unsigned bed_segments(struct bed *bed, unsigned place)
{
    uint64_t used;
    unsigned files;

    data_folder(bed, place, &used, &files, NULL);
    return files;
}

const char *bed_segment_path(struct bed *bed, unsigned place)
{
    static char path[512];
    uint64_t used;
    unsigned files;

    data_folder(bed, place, &used, &files, path);
    cr_assert_eq(files, 1);
    return path;
}

uint64_t bed_records(struct bed *bed, char tag)
{
    struct index_txn *txn = NULL;
    struct index_cursor cursor;
    struct span key, value;
    uint64_t count = 0;

    cr_assert_eq(index_read_begin(bed->index, &txn), 0);
    cr_assert_eq(index_cursor_open(txn, &cursor), 0);
    int r = index_cursor_seek(&cursor, span_make(&tag, 1), &key, &value);
    for (; r == 0 && key.ptr[0] == tag; r = index_cursor_next(&cursor, &key, &value))
        count += key.len > 1;
    index_cursor_close(&cursor);
    index_read_end(&txn);
    return count;
}

void bed_flip(const char *path, uint64_t off, int bit)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);

    cr_assert(fd >= 0 && pread(fd, &byte, 1, (off_t)off) == 1);
    byte ^= (uint8_t)(1 << bit);
    cr_assert_eq(pwrite(fd, &byte, 1, (off_t)off), 1);
    close(fd);
}
