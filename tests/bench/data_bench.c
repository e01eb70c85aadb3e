/*
 * How fast blobs go in and out of a set of drives, beside memcpy and plain files on the same disk in the same run.
 *
 *     data_bench [FOLDER [DRIVES [MIB]]]      default: a new folder below /tmp, 4 drives, 64 MiB
 *
 * Reads are from the page cache unless they are called cold. Writes are durable when they are timed.
 */
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/data/data.h"
#include "objstore/drive/set.h"

#define MIB (1u << 20)
#define ROUNDS 5
#define SMALL_MAX 20000

static struct drives *drives;
static struct index *index_;
static struct data *data;
static char root[256];
static unsigned drive_count = 4;
static size_t big = 64 * (size_t)MIB;
static char *source, *sink;

static void must(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, cairn_strerror(r));
    exit(1);
}

static void open_store(void)
{
    static char paths[DRIVE_SET_MAX][300];
    const char *names[DRIVE_SET_MAX], *replicas[DRIVE_SET_MAX];
    struct buf message = BUF_INIT;

    for (unsigned i = 0; i < drive_count; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/d%u", root, i);
        names[i] = paths[i];
    }
    struct drives_options drive_options = {.paths = names, .count = drive_count, .parity = -1};
    must(drives_open(&drive_options, &drives, &message), "drives_open");
    buf_release(&message);
    size_t count = drives_index_paths(drives, replicas);
    struct index_options index_options = {.paths = replicas, .count = count, .write_quorum = count / 2 + 1};
    must(index_open(&index_options, &index_), "index_open");
    struct data_options options = {.sets = drives_sets(drives), .set_count = drives_set_count(drives), .index = index_};
    must(data_open(&options, &data), "data_open");
}

static int commit(struct index_txn *txn, void *arg)
{
    return blob_commit(txn, arg, 1);
}

static uint64_t put(size_t length)
{
    struct blob_writer *writer = NULL;

    must(blob_writer_new(data, length, &writer), "blob_writer_new");
    for (size_t off = 0; off < length; off += 256 << 10)
        must(blob_write(writer, source + off, length - off < 256 << 10 ? length - off : 256 << 10), "blob_write");
    must(blob_writer_finish(writer), "blob_writer_finish");
    must(index_apply(index_, commit, writer, INDEX_DURABLE), "index_apply");
    uint64_t id = blob_writer_id(writer);
    blob_writer_free(&writer);
    return id;
}

static struct blob_pin *pin(uint64_t id)
{
    struct index_txn *txn = NULL;
    struct blob_pin *result = NULL;

    must(index_read_begin(index_, &txn), "index_read_begin");
    must(blob_pin(txn, data, id, &result), "blob_pin");
    index_read_end(&txn);
    return result;
}

/* ---- what is timed ---- */

static uint64_t big_id;
static struct blob_pin *big_pin;
static int plain = -1;

static void do_memcpy(void)
{
    memcpy(sink, source, big);
}

static void do_hash(void)
{
    static volatile uint64_t result;

    for (size_t off = 0; off < big; off += 32768)
        result += xxh3(source + off, 32768, off);
}

static void do_plain_write(void)
{
    must((int)pwrite(plain, source, big, 0) > 0 ? 0 : -EIO, "pwrite");
    must(fdatasync(plain), "fdatasync");
}

static void do_plain_read(void)
{
    for (size_t off = 0; off < big; off += MIB)
        must((int)pread(plain, sink, MIB, (off_t)off), "pread");
}

static void do_blob_write(void)
{
    big_id = put(big);
}

static void read_by(size_t step)
{
    for (size_t off = 0; off < big; off += step)
        must(blob_read(big_pin, off, sink, step), "blob_read");
}

static void do_blob_read_mib(void)
{
    read_by(MIB);
}

static void do_blob_read_256k(void)
{
    read_by(256 << 10);
}

/* Into one small buffer, as a server sends it on. */
static void do_blob_read_window(void)
{
    for (size_t off = 0; off < big; off += 256 << 10)
        must(blob_read(big_pin, off, sink, 256 << 10), "blob_read");
}

static void do_plain_read_window(void)
{
    for (size_t off = 0; off < big; off += 256 << 10)
        must((int)pread(plain, sink, 256 << 10, (off_t)off), "pread");
}

/* ---- from the disk ---- */

static int forget_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (flag != FTW_F || strstr(path, "/index/"))
        return 0;
    int fd = open(path, O_RDONLY);
    if (fd >= 0) {
        fdatasync(fd);
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
    return 0;
}

/* Drops the files from the page cache; not timed. */
static void forget(void)
{
    nftw(root, forget_one, 16, FTW_PHYS);
}

static double best_of(void (*fn)(void), void (*before)(void))
{
    double best = 1e9;

    for (int i = 0; i < ROUNDS; i++) {
        if (before)
            before();
        int64_t start = clock_mono_ns();
        fn();
        double seconds = (double)(clock_mono_ns() - start) / NS_PER_SEC;
        best = seconds < best ? seconds : best;
    }
    return best;
}

static void report_after(const char *what, void (*before)(void), void (*fn)(void), double *ret_rate, double yardstick)
{
    *ret_rate = (double)big / best_of(fn, before) / 1e9;
    printf("%-44s %7.2f GB/s", what, *ret_rate);
    if (yardstick > 0)
        printf("  %5.2f", *ret_rate / yardstick);
    printf("\n");
    fflush(stdout);
}

static void report(const char *what, void (*fn)(void), double *ret_rate, double yardstick)
{
    report_after(what, NULL, fn, ret_rate, yardstick);
}

/* ---- small blobs ---- */

struct small {
    size_t length;
    int count;
};

static void *small_writer(void *arg)
{
    struct small *small = arg;

    for (int i = 0; i < small->count; i++)
        put(small->length);
    return NULL;
}

static void small_writes(size_t length, int threads, int total)
{
    pthread_t ids[64];
    struct small small = {length, total / threads};
    int64_t start = clock_mono_ns();

    for (int i = 0; i < threads; i++)
        pthread_create(&ids[i], NULL, small_writer, &small);
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    double seconds = (double)(clock_mono_ns() - start) / NS_PER_SEC;
    printf("durable blobs of %7zu bytes, %2d at a time   %7.0f /s\n", length, threads, small.count * threads / seconds);
    fflush(stdout);
}

static void small_reads(size_t length, int total)
{
    int64_t start = clock_mono_ns();

    for (int i = 0; i < total; i++) {
        uint64_t off = (uint64_t)i * 2654435761u % (big / length) * length;
        struct blob_pin *p = pin(big_id);
        must(blob_read(p, off, sink, length), "blob_read");
        blob_unpin(&p);
    }
    printf("pin, random read of %zu bytes, unpin          %7.2f us\n", length,
           (double)(clock_mono_ns() - start) / total / 1e3);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void measure(void)
{
    double copy, rate, write_rate, read_rate;

    printf("%u drives, %zu MiB; the last column is the ratio to the yardstick above it\n", drive_count, big / MIB);
    report("memcpy", do_memcpy, &copy, 0);
    report("XXH3 by 32 KiB", do_hash, &rate, copy);
    report("plain file: write, fdatasync", do_plain_write, &write_rate, copy);
    report("blob: write, sync, commit", do_blob_write, &rate, write_rate);
    report("plain file: pread by 1 MiB", do_plain_read, &read_rate, copy);
    big_pin = pin(big_id);
    report("blob: read by 1 MiB", do_blob_read_mib, &rate, read_rate);
    report("plain file: pread by 256 KiB, one buffer", do_plain_read_window, &read_rate, copy);
    report("blob: read by 256 KiB, one buffer", do_blob_read_window, &rate, read_rate);
    report("blob: read by 256 KiB", do_blob_read_256k, &rate, read_rate);
    report_after("plain file: pread by 1 MiB, cold", forget, do_plain_read, &read_rate, 0);
    report_after("blob: read by 1 MiB, cold", forget, do_blob_read_mib, &rate, read_rate);
    report_after("blob: read by 256 KiB, cold", forget, do_blob_read_256k, &rate, read_rate);
    blob_unpin(&big_pin);
    small_reads(4096, 20000);
    small_reads(65536, 10000);
    small_writes(4096, 1, 300);
    small_writes(4096, 16, 3200);
    small_writes(4096, 64, 6400);
    small_writes(64 << 10, 1, 300);
    small_writes(64 << 10, 16, 3200);
    small_writes(256 << 10, 1, 200);
    small_writes(256 << 10, 16, 640);
    small_writes(1 << 20, 1, 100);
    small_writes(1 << 20, 4, 200);
}

int main(int argc, char **argv)
{
    char path[300];

    snprintf(root, sizeof(root), "%s/cairn-bench-XXXXXX", argc > 1 ? argv[1] : "/tmp");
    if (argc > 2)
        drive_count = (unsigned)atoi(argv[2]);
    if (argc > 3)
        big = (size_t)atoi(argv[3]) * MIB;
    if (!mkdtemp(root) || drive_count < 1 || drive_count > DRIVE_SET_MAX || big == 0) {
        fprintf(stderr, "usage: data_bench [FOLDER [DRIVES [MIB]]]\n");
        return 1;
    }
    source = malloc(big + MIB);
    sink = malloc(big + MIB);
    random_bytes(source, big);
    memset(sink, 1, big);
    snprintf(path, sizeof(path), "%s/plain", root);
    plain = open(path, O_RDWR | O_CREAT, 0600);
    open_store();
    measure();
    data_close(&data);
    index_close(&index_);
    drives_close(&drives);
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(source);
    free(sink);
    return 0;
}
