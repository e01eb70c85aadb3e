/*
 * How fast the index is: durable mutations at several concurrencies and numbers of replicas, point reads, and memory.
 *     index_bench FOLDER [SECONDS]
 * A mutation puts a record of 200 bytes under a random key, as a small PUT does. All replicas are on the one disk of
 * FOLDER, which is the worst case for many of them; the line "raw" is LMDB's own commit there, the measure for the
 * rest.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/index/index.h"

enum { RECORD_LEN = 200, THREADS_MAX = 64, PATH_LEN = 512, MANY = 1000000, PER_MUTATION = 500, READ_KEYS = 100000 };

struct bench {
    struct index *index;
    atomic_bool stop;
    atomic_ullong done;
    enum index_wait wait;
};

static const char *bench_folder;
static double seconds = 2;

static void die(const char *what, int rc)
{
    fprintf(stderr, "index_bench: %s: %s\n", what, cairn_strerror(rc));
    exit(1);
}

static uint64_t mix(uint64_t x)
{
    return xxh3(&x, sizeof(x), 7);
}

static int put_key(struct index_txn *txn, uint64_t number)
{
    char key[9] = {'K'};
    char value[RECORD_LEN];
    put_be64(key + 1, mix(number));
    memset(value, (int)number & 0xff, sizeof(value));
    return index_put(txn, span_make(key, sizeof(key)), span_make(value, sizeof(value)));
}

static int put_one(struct index_txn *txn, void *arg)
{
    return put_key(txn, *(uint64_t *)arg);
}

static int put_many(struct index_txn *txn, void *arg)
{
    uint64_t first = *(uint64_t *)arg;
    int rc = 0;
    for (uint64_t i = first; i < first + PER_MUTATION && rc == 0; i++)
        rc = put_key(txn, i);
    return rc;
}

static int put_nothing(struct index_txn *txn, void *arg)
{
    (void)arg;
    return index_put(txn, SPAN_LIT("raw"), SPAN_LIT(""));
}

static struct index *open_index(size_t count)
{
    char paths[INDEX_REPLICAS_MAX][PATH_LEN];
    const char *list[INDEX_REPLICAS_MAX];
    for (size_t i = 0; i < count; i++) {
        snprintf(paths[i], PATH_LEN, "%s/r%zu-%zu", bench_folder, count, i);
        list[i] = paths[i];
    }
    struct index *index;
    struct index_options options = {.paths = list, .count = count, .write_quorum = count / 2 + 1};
    int rc = index_open(&options, &index);
    if (rc < 0)
        die("open", rc);
    return index;
}

/* ---- load ---- */

static void *write_loop(void *arg)
{
    struct bench *bench = arg;
    uint64_t number;
    random_bytes(&number, sizeof(number));
    while (!atomic_load(&bench->stop)) {
        number++;
        int rc = index_apply(bench->index, put_one, &number, bench->wait);
        if (rc < 0)
            die("apply", rc);
        atomic_fetch_add(&bench->done, 1);
    }
    return NULL;
}

static void *read_loop(void *arg)
{
    struct bench *bench = arg;
    uint64_t number = 0;
    while (!atomic_load(&bench->stop)) {
        char key[9] = {'K'};
        put_be64(key + 1, mix(number++ % READ_KEYS));
        struct index_txn *txn;
        struct span value;
        int rc = index_read_begin(bench->index, &txn);
        if (rc < 0)
            die("read", rc);
        rc = index_get(txn, span_make(key, sizeof(key)), &value);
        index_read_end(&txn);
        if (rc < 0)
            die("get", rc);
        atomic_fetch_add_explicit(&bench->done, 1, memory_order_relaxed);
    }
    return NULL;
}

/* Operations per second. */
static double load(struct index *index, void *(*loop)(void *), unsigned threads, enum index_wait wait)
{
    struct bench bench = {.index = index, .wait = wait};
    pthread_t ids[THREADS_MAX];
    int64_t start = clock_mono_ns();
    for (unsigned i = 0; i < threads; i++)
        pthread_create(&ids[i], NULL, loop, &bench);
    usleep((useconds_t)(seconds * 1e6));
    atomic_store(&bench.stop, true);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    return (double)atomic_load(&bench.done) * 1e9 / (double)(clock_mono_ns() - start);
}

static void bench_writes(size_t replicas)
{
    static const unsigned threads[] = {1, 16, 64};
    struct index *index = open_index(replicas);
    for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
        struct index_stats before, after;
        index_stats(index, &before);
        double rate = load(index, write_loop, threads[i], INDEX_DURABLE);
        index_stats(index, &after);
        printf("durable R=%zu threads=%-2u %9.0f ops/s  %6.1f per commit  %.3f ms\n", replicas, threads[i], rate,
               (double)(after.mutations - before.mutations) / (double)(after.commits - before.commits),
               threads[i] * 1e3 / rate);
    }
    printf("applied R=%zu threads=4  %9.0f ops/s\n", replicas, load(index, write_loop, 4, INDEX_APPLIED));
    index_close(&index);
}

static void bench_raw(struct index *index)
{
    int64_t start = clock_mono_ns();
    int count = 0;
    for (; clock_mono_ns() - start < seconds * NS_PER_SEC; count++)
        index_apply(index, put_nothing, NULL, INDEX_DURABLE);
    printf("smallest commit, R=1        %9.3f ms\n", (double)(clock_mono_ns() - start) / 1e6 / count);
}

/* ---- memory ---- */

static unsigned long resident_kib(void)
{
    unsigned long size, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%lu %lu", &size, &pages) != 2)
        pages = 0;
    if (f)
        fclose(f);
    return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

static void bench_many(void)
{
    struct index *index = open_index(1);
    bench_raw(index);
    int64_t start = clock_mono_ns();
    for (uint64_t i = 0; i < MANY; i += PER_MUTATION) {
        int rc = index_apply(index, put_many, &i, INDEX_APPLIED);
        if (rc < 0)
            die("fill", rc);
    }
    index_flush(index);
    printf("%d records in               %9.2f s\n", MANY, (double)(clock_mono_ns() - start) / 1e9);
    for (unsigned threads = 1; threads <= 4; threads *= 2)
        printf("get threads=%u               %9.0f ops/s\n", threads, load(index, read_loop, threads, INDEX_APPLIED));
    unsigned long before = resident_kib();
    index_trim(index);
    printf("resident before and after trim %lu %lu KiB\n", before, resident_kib());
    printf("get after trim              %9.0f ops/s\n", load(index, read_loop, 1, INDEX_APPLIED));
    index_close(&index);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: index_bench FOLDER [SECONDS]\n");
        return 2;
    }
    bench_folder = argv[1];
    if (argc > 2)
        seconds = atof(argv[2]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    bench_writes(1);
    bench_writes(2);
    bench_writes(4);
    bench_many();
    return 0;
}
