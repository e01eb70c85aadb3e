/*
 * How fast the namespace is, on one core, without a network: objects of 4 KiB put, looked up, read and listed.
 *     ns_bench FOLDER [KEYS]
 * The same number of keys lies in 1, 100 and 10,000 directories. "put" is one object per mutation, waiting for applied,
 * from one thread; "put durable" the same from 64 threads that wait for durable; "fill" many objects per mutation: the
 * cost of a put itself.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/namespace/namespace.h"
#include "objstore/store.h"

enum { BODY = 4096, PER_MUTATION = 200, THREADS = 64, MEASURED = 20000 };

static struct ns *ns;
static uint64_t bucket;
static unsigned keys = 100000, directories;
static struct body_writer *body;

static void check(const char *what, int rc)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "ns_bench: %s: %s\n", what, cairn_strerror(rc));
    exit(1);
}

static double seconds_since(int64_t start)
{
    return (double)(clock_mono_ns() - start) / NS_PER_SEC;
}

static struct span key_of(unsigned i, char text[64])
{
    int len = directories == 1 ? snprintf(text, 64, "directory/object-%08u", i)
                               : snprintf(text, 64, "directory-%05u/object-%08u", i / (keys / directories), i);
    return span_make(text, (size_t)len);
}

/* ---- put ---- */

struct range {
    unsigned from, to;
};

static int put_range(struct ns_txn *txn, void *arg)
{
    static const char attrs[] = "\1\14\0\30\0\0\0content-typeapplication/octet-stream";
    struct range *range = arg;
    struct ns_put put = {.body = body, .flags = INODE_ETAG_MD5, .attrs = span_make(attrs, sizeof(attrs) - 1)};
    struct inode inode;
    char text[64];
    int r = 0;
    for (unsigned i = range->from; r == 0 && i < range->to; i++)
        r = ns_key_put(txn, bucket, key_of(i, text), &put, &inode);
    return r;
}

static void fill(void)
{
    int64_t start = clock_mono_ns();
    for (unsigned i = 0; i < keys; i += PER_MUTATION)
        check("fill", ns_apply(ns, put_range, &(struct range){i, i + PER_MUTATION}, INDEX_APPLIED));
    check("flush", ns_flush(ns));
    printf("  fill         %9.0f objects/s\n", keys / seconds_since(start));
}

static void put_applied(void)
{
    int64_t start = clock_mono_ns();
    for (unsigned i = 0; i < MEASURED; i++)
        check("put", ns_apply(ns, put_range, &(struct range){i, i + 1}, INDEX_APPLIED));
    check("flush", ns_flush(ns));
    printf("  put          %9.0f objects/s\n", MEASURED / seconds_since(start));
}

static void *put_thread(void *arg)
{
    atomic_uint *next = arg;
    for (unsigned i; (i = atomic_fetch_add(next, 1)) < MEASURED;)
        check("put", ns_apply(ns, put_range, &(struct range){i, i + 1}, INDEX_DURABLE));
    return NULL;
}

static void put_durable(void)
{
    pthread_t threads[THREADS];
    atomic_uint next = 0;
    int64_t start = clock_mono_ns();
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, put_thread, &next);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("  put durable  %9.0f objects/s\n", MEASURED / seconds_since(start));
}

/* ---- read ---- */

static void find_and_read(bool read)
{
    int64_t start = clock_mono_ns();
    for (unsigned i = 0; i < keys; i++) {
        struct ns_txn *txn;
        struct inode inode;
        struct body_reader *reader;
        struct span bytes;
        char text[64];
        unsigned k = (unsigned)((uint64_t)i * 7919 % keys);
        check("view", ns_view_begin(ns, &txn));
        check("find", ns_key_find(txn, bucket, key_of(k, text), &inode));
        if (read) {
            check("read", body_reader_new(txn, &inode, 0, UINT64_MAX, &reader));
            if (!body_reader_inline(reader, &bytes) || bytes.len != BODY)
                check("read", -EIO);
            body_reader_free(&reader);
        }
        ns_view_end(&txn);
    }
    printf("  %-12s %9.0f objects/s\n", read ? "find, read" : "find", keys / seconds_since(start));
}

/* Pages of 1000 keys with their inodes, as ListObjectsV2 reads them. */
static void list(bool inodes)
{
    int64_t start = clock_mono_ns();
    unsigned count = 0;
    char last[NS_KEY_MAX + 1];
    struct span from = SPAN_EMPTY;
    for (int r = 0; r == 0;) {
        struct ns_txn *txn;
        struct ns_walk *walk;
        struct inode inode;
        struct span key;
        check("view", ns_view_begin(ns, &txn));
        check("walk", ns_walk_open(txn, bucket, SPAN_EMPTY, &walk));
        check("seek", ns_walk_seek(walk, from));
        for (unsigned i = 0; i < 1000 && (r = ns_walk_next(walk, &key, inodes ? &inode : NULL)) == 0; i++)
            count++;
        if (r == 0) {
            memcpy(last, key.ptr, key.len);
            last[key.len] = 0;
            from = span_make(last, key.len + 1);
        }
        ns_walk_close(&walk);
        ns_view_end(&txn);
    }
    if (count != keys)
        check("list", CAIRN_ECORRUPT);
    printf("  %-12s %9.0f keys/s\n", inodes ? "list" : "list names", keys / seconds_since(start));
}

/* One level with a delimiter: each directory once. */
static void list_prefixes(void)
{
    int64_t start = clock_mono_ns();
    struct ns_txn *txn;
    struct ns_walk *walk;
    struct span key;
    struct inode inode;
    char behind[NS_KEY_MAX];
    unsigned count = 0;
    check("view", ns_view_begin(ns, &txn));
    check("walk", ns_walk_open(txn, bucket, SPAN_EMPTY, &walk));
    while (ns_walk_next(walk, &key, &inode) == 0) {
        size_t len = (size_t)((const char *)memchr(key.ptr, '/', key.len) - key.ptr) + 1;
        memcpy(behind, key.ptr, len);
        behind[len - 1]++;
        check("seek", ns_walk_seek(walk, span_make(behind, len)));
        count++;
    }
    ns_walk_close(&walk);
    ns_view_end(&txn);
    printf("  prefixes     %9.0f prefixes/s\n", count / seconds_since(start));
}

/* ---- main ---- */

static int create_bucket(struct ns_txn *txn, void *arg)
{
    struct inode inode;
    int r = ns_bucket_create(txn, span_cstr(arg), (struct ns_owner){.mode = 0755}, SPAN_EMPTY, &inode);
    bucket = inode.ino;
    return r;
}

static void measure(unsigned in_directories)
{
    char name[32];
    directories = in_directories;
    snprintf(name, sizeof(name), "bench-%u", directories);
    check("bucket", ns_apply(ns, create_bucket, name, INDEX_DURABLE));
    printf("%u keys in %u directories\n", keys, directories);
    fill();
    list(false);
    list(true);
    if (directories > 1)
        list_prefixes();
    find_and_read(false);
    find_and_read(true);
    put_applied();
    put_durable();
}

int main(int argc, char **argv)
{
    static char bytes[BODY];
    char message[STORE_MESSAGE_MAX];
    struct store *store;
    if (argc < 2) {
        fprintf(stderr, "usage: ns_bench FOLDER [KEYS]\n");
        return 2;
    }
    if (argc > 2)
        keys = (unsigned)atoi(argv[2]) / 10000 * 10000;
    struct store_options options = {
        .drives = (const char *const *)&argv[1], .drive_count = 1, .parity = STORE_PARITY_DEFAULT};
    int r = store_open(&options, &store, message, sizeof(message));
    if (r < 0)
        fprintf(stderr, "%s\n", message);
    check("open", r);
    ns = store_ns(store);
    check("body", body_writer_new(ns, BODY, &body));
    check("body", body_write(body, bytes, BODY));
    check("body", body_writer_finish(body));
    const unsigned counts[] = {1, 100, 10000};
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
        measure(counts[i]);
    body_writer_free(&body);
    store_close(&store);
    return 0;
}
