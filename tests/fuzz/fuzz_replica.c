/*
 * Damaged files of the index: a database in LMDB's format, which trusts what it reads, and the trail of its commits.
 * There are two replicas: a is ahead of b, and a's trail has what b lacks. The input is a list of edits (struct edit)
 * of their files; then the index is opened as at a start. It opens, or refuses; and what is opened can be read, gives
 * no value that was never put under its key, takes changes, and opens again.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/index/format.h"
#include "objstore/index/index.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/scratch.h"

enum { KEYS = 96, KEY_LEN = 420, FILES = 3, LARGE = 5000 };

static const char *const names[FILES] = {"a/data.mdb", "a/redo.log", "b/data.mdb"};
static struct buf base[FILES];
static char folders[2][160];

/* ---- records: long keys make a deep tree, some values take pages of their own ---- */

static struct span key_of(unsigned i)
{
    static char key[KEY_LEN];
    memset(key, 'k', sizeof(key));
    snprintf(key, 16, "%c%05u", 'a' + i % 3, i);
    return span_make(key, i % 5 ? KEY_LEN : 20);
}

static struct span value_of(unsigned i, unsigned generation)
{
    static char value[LARGE];
    memset(value, 'v', sizeof(value));
    snprintf(value, 32, "%u %u", i, generation);
    return span_make(value, i % 24 == 0 ? LARGE : 60);
}

static int put_third(struct index_txn *txn, void *arg)
{
    const unsigned *turn = arg;
    for (unsigned i = *turn % 3; i < KEYS; i += 3) {
        int rc = index_put(txn, key_of(i), value_of(i, *turn / 3));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int drop_some(struct index_txn *txn, void *arg)
{
    const unsigned *from = arg;
    for (unsigned i = *from; i < KEYS; i += 8) {
        int rc = index_delete(txn, key_of(i));
        if (rc < 0 && rc != -ENOENT)
            return rc;
    }
    return 0;
}

static int open_both(struct index **ret_index)
{
    const char *paths[] = {folders[0], folders[1]};
    struct buf message = BUF_INIT;
    struct index_options options = {
        .paths = paths, .count = 2, .write_quorum = 2, .message = &message, .map_size = 64 << 20};
    int rc = index_open(&options, ret_index);
    buf_release(&message);
    return rc;
}

/* ---- files ---- */

static void path_of(const char *name, char ret_path[256])
{
    snprintf(ret_path, 256, "%s/%s", scratch_folder(), name);
}

/* The whole file, but the pages at its end that are only kept ready. */
static void read_file(const char *name, struct buf *bytes)
{
    char path[256], piece[65536];
    ssize_t got;
    path_of(name, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    FUZZ_CHECK(fd >= 0);
    while ((got = read(fd, piece, sizeof(piece))) > 0)
        FUZZ_CHECK(buf_add(bytes, piece, (size_t)got) == 0);
    close(fd);
    while (bytes->len > 4096 && bytes->ptr[bytes->len - 1] == 0)
        bytes->len--;
    FUZZ_CHECK(buf_reserve(bytes, 4096) == 0);
    memset(bytes->ptr + bytes->len, 0, 4096);
    bytes->len = (bytes->len + 4095) / 4096 * 4096;
}

static void write_file(const char *name, struct span bytes)
{
    char path[256];
    path_of(name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len);
    close(fd);
}

static void remove_file(const char *name)
{
    char path[256];
    path_of(name, path);
    (void)unlink(path);
}

static void commits(unsigned from, unsigned to)
{
    struct index *index;
    FUZZ_CHECK(open_both(&index) == 0);
    for (unsigned turn = from; turn < to; turn++)
        FUZZ_CHECK(index_apply(index, put_third, &turn, INDEX_DURABLE) == 0);
    for (unsigned i = 0; i < to / 3; i++) /* pages become free */
        FUZZ_CHECK(index_apply(index, drop_some, &i, INDEX_DURABLE) == 0);
    index_close(&index);
}

static void prepare(void)
{
    for (int i = 0; i < 2; i++) {
        char name[2] = {(char)('a' + i), 0};
        path_of(name, folders[i]);
        FUZZ_CHECK(mkdir(folders[i], 0700) == 0);
    }
    commits(0, 4);
    read_file(names[2], &base[2]);
    commits(4, 6);
    read_file(names[0], &base[0]);
    read_file(names[1], &base[1]);
}

/* ---- edits ---- */

/* {file, page, place in it (2 bytes), length, bytes}. Length 0 cuts the file there. A file with its highest bit set:
 * the trail's entries are sealed anew. */
static void edit_files(struct span edits, struct buf *files, bool *ret_seal)
{
    while (edits.len >= 5) {
        uint8_t which = (uint8_t)edits.ptr[0];
        struct buf *file = &files[(which & 0x7f) % FILES];
        size_t off = (uint8_t)edits.ptr[1] * 4096u + get_le16(edits.ptr + 2) % 4096u, len = (uint8_t)edits.ptr[4];
        off = file->len ? off % file->len : 0;
        struct span bytes = span_head(span_from(edits, 5), len < file->len - off ? len : file->len - off);
        if (len == 0)
            file->len = off;
        else if (bytes.len)
            memcpy(file->ptr + off, bytes.ptr, bytes.len);
        *ret_seal |= which & 0x80;
        edits = span_from(edits, 5 + len);
    }
}

static void seal_trail(struct buf *file)
{
    struct index_trail_head head;
    for (size_t off = 0; file->len - off >= sizeof(head);) {
        memcpy(&head, file->ptr + off, sizeof(head));
        if (head.len > file->len - off - sizeof(head))
            return;
        uint64_t seed = xxh3(&head, offsetof(struct index_trail_head, check), 0);
        head.check = xxh3(file->ptr + off + sizeof(head), (size_t)head.len, seed);
        memcpy(file->ptr + off, &head, sizeof(head));
        off += sizeof(head) + (size_t)head.len;
    }
}

/* ---- what must hold ---- */

static bool is_known(struct span found, struct span value)
{
    char copy[INDEX_KEY_MAX];
    struct span key = span_make(copy, found.len);
    memcpy(copy, found.ptr, found.len);
    for (unsigned i = 0; i < KEYS; i++)
        if (span_eq(key, key_of(i)))
            return span_eq(value, value_of(i, 0)) || span_eq(value, value_of(i, 1));
    return false;
}

static void check_read(struct index *index, bool sealed)
{
    struct index_txn *txn;
    struct index_cursor cursor;
    struct span key, value;
    int count = 0;
    if (index_read_begin(index, &txn) < 0)
        return;
    FUZZ_CHECK(index_cursor_open(txn, &cursor) == 0);
    int rc = index_cursor_seek(&cursor, SPAN_EMPTY, &key, &value);
    for (; (rc == 0 || rc == CAIRN_ECORRUPT) && count < 2 * KEYS;
         rc = index_cursor_next(&cursor, &key, &value), count++)
        FUZZ_CHECK(rc < 0 || sealed || is_known(key, value));
    FUZZ_CHECK(count < 2 * KEYS);
    index_cursor_close(&cursor);
    for (unsigned i = 0; i < KEYS; i += 7)
        if (index_get(txn, key_of(i), &value) == 0)
            FUZZ_CHECK(sealed || is_known(key_of(i), value));
    index_read_end(&txn);
}

static void check_opened(struct index *index, bool sealed)
{
    unsigned turn = 3, from = 2;
    check_read(index, sealed);
    (void)index_apply(index, put_third, &turn, INDEX_DURABLE);
    (void)index_apply(index, drop_some, &from, INDEX_DURABLE);
    check_read(index, sealed);
}

static void open_and_check(bool sealed)
{
    struct index *index;
    struct index_stats stats;
    int rc = open_both(&index);
    FUZZ_CHECK(rc <= 0 && cairn_errname(rc)[0] != '?');
    if (rc < 0)
        return;
    check_opened(index, sealed);
    index_stats(index, &stats);
    index_close(&index);
    rc = open_both(&index);
    FUZZ_CHECK(rc == 0 || !stats.writable);
    if (rc == 0)
        index_close(&index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool prepared;
    struct buf files[FILES] = {BUF_INIT, BUF_INIT, BUF_INIT};
    bool seal = false;
    if (!prepared)
        prepare();
    prepared = true;
    for (int i = 0; i < FILES; i++)
        FUZZ_CHECK(buf_add_span(&files[i], buf_span(&base[i])) == 0);
    edit_files(span_make(data, size), files, &seal);
    if (seal)
        seal_trail(&files[1]);
    remove_file("b/redo.log");
    remove_file("a/redo.log.1");
    for (int i = 0; i < FILES; i++) {
        write_file(names[i], buf_span(&files[i]));
        buf_release(&files[i]);
    }
    open_and_check(seal);
    return 0;
}
