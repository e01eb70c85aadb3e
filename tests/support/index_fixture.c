#include "tests/support/index_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "tests/support/descriptors.h"

enum { PATH_LEN = 128 };

static char folder[64];
static char replicas[FIXTURE_REPLICAS][PATH_LEN];
static struct buf message;
static char databases[FIXTURE_REPLICAS][PATH_LEN + 16];

void fixture_init(void)
{
    snprintf(folder, sizeof(folder), "/tmp/cairn-index-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    for (size_t i = 0; i < FIXTURE_REPLICAS; i++) {
        snprintf(replicas[i], PATH_LEN, "%s/r%zu", folder, i);
        snprintf(databases[i], sizeof(databases[i]), "%s/data.mdb", replicas[i]);
    }
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void fixture_fini(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    buf_release(&message);
}

const char *fixture_replica(size_t i)
{
    return replicas[i];
}

const char *fixture_database(size_t i)
{
    return databases[i];
}

static int64_t rejoin_ns, late_ns;

void fixture_rejoin_after(int64_t ns)
{
    rejoin_ns = ns;
}

void fixture_late_after(int64_t ns)
{
    late_ns = ns;
}

int fixture_open_without(size_t count, unsigned missing, struct index **ret_index)
{
    const char *paths[FIXTURE_REPLICAS];
    for (size_t i = 0; i < count; i++)
        paths[i] = missing >> i & 1 ? NULL : replicas[i];
    buf_clear(&message);
    struct index_options options = {
        .paths = paths,
        .count = count,
        .write_quorum = count / 2 + 1,
        .message = &message,
        .rejoin_ns = rejoin_ns,
        .late_ns = late_ns,
    };
    int rc = index_open(&options, ret_index);
    buf_add_char(&message, 0);
    return rc;
}

const char *fixture_message(void)
{
    return message.ptr;
}

struct index *fixture_open(size_t count)
{
    struct index *index = NULL;
    cr_assert_eq(fixture_open_without(count, 0, &index), 0);
    return index;
}

struct put {
    const char *key;
    uint64_t value;
};

static int put(struct index_txn *txn, void *arg)
{
    struct put *p = arg;
    char text[24];
    int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)p->value);
    return index_put(txn, span_cstr(p->key), span_make(text, (size_t)len));
}

int fixture_put(struct index *index, const char *key, uint64_t value, enum index_wait wait)
{
    struct put p = {key, value};
    return index_apply(index, put, &p, wait);
}

int64_t fixture_get(struct index *index, const char *key)
{
    struct index_txn *txn;
    struct span value;
    uint64_t number = 0;
    int rc = index_read_begin(index, &txn);
    if (rc < 0)
        return rc;
    rc = index_get(txn, span_cstr(key), &value);
    if (rc == 0)
        rc = span_to_u64(value, &number);
    index_read_end(&txn);
    return rc < 0 ? rc : (int64_t)number;
}

size_t fixture_count(struct index *index)
{
    struct index_txn *txn;
    struct index_cursor cursor;
    struct span key, value;
    size_t count = 0;
    cr_assert_eq(index_read_begin(index, &txn), 0);
    cr_assert_eq(index_cursor_open(txn, &cursor), 0);
    int rc = index_cursor_seek(&cursor, SPAN_EMPTY, &key, &value);
    for (; rc == 0; rc = index_cursor_next(&cursor, &key, &value))
        count++;
    cr_assert_eq(rc, -ENOENT);
    index_cursor_close(&cursor);
    index_read_end(&txn);
    return count;
}

/* ---- faults ---- */

static int replaced[FIXTURE_REPLICAS][16];
static int replaced_count[FIXTURE_REPLICAS];

void fixture_replace_files(size_t i, const char *path)
{
    if (path)
        replaced_count[i] = descriptors_of(databases[i], replaced[i], 16);
    cr_assert_gt(replaced_count[i], 0);
    for (int k = 0; k < replaced_count[i]; k++)
        descriptor_replace(replaced[i][k], path ? path : databases[i]);
}

void fixture_copy_file(const char *from, const char *to)
{
    char bytes[65536];
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    cr_assert(in && out);
    for (size_t len; (len = fread(bytes, 1, sizeof(bytes), in)) > 0;)
        cr_assert_eq(fwrite(bytes, 1, len, out), len);
    fclose(in);
    cr_assert_eq(fclose(out), 0);
}

void fixture_wait(bool (*condition)(void *arg), void *arg)
{
    static const struct timespec pause = {.tv_nsec = 200000};
    int64_t deadline = clock_mono_ns() + 60 * NS_PER_SEC;
    while (!condition(arg)) {
        cr_assert_lt(clock_mono_ns(), deadline, "the condition never came");
        nanosleep(&pause, NULL);
    }
}

struct index_replica_status fixture_status(struct index *index, size_t i)
{
    struct index_replica_status rows[FIXTURE_REPLICAS];
    cr_assert_gt(index_status(index, rows, FIXTURE_REPLICAS), i);
    return rows[i];
}

struct first {
    struct index *index;
    size_t count;
};

static bool all_healthy(void *arg)
{
    const struct first *first = arg;
    for (size_t i = 0; i < first->count; i++)
        if (!fixture_status(first->index, i).healthy)
            return false;
    return true;
}

void fixture_wait_healthy(struct index *index, size_t count)
{
    fixture_wait(all_healthy, &(struct first){index, count});
}
