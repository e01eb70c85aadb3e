/* Bodies of files: random changes against arrays of bytes, and the accounts of extents and blobs. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "tests/support/ns_fixture.h"

static uint64_t bucket;

static void setup(void)
{
    nsf_init();
    bucket = nsf_bucket("bucket");
}

TestSuite(ns_extents, .init = setup, .fini = nsf_fini, .timeout = 300);

struct range_args {
    uint64_t from, from_off, to, to_off, len;
    struct inode inode;
};

static int do_punch(struct ns_txn *txn, void *arg)
{
    struct range_args *a = arg;
    return ns_punch(txn, a->to, a->to_off, a->len, &a->inode);
}

static int do_copy_range(struct ns_txn *txn, void *arg)
{
    struct range_args *a = arg;
    return ns_copy_range(txn, a->from, a->from_off, a->to, a->to_off, a->len, &a->inode);
}

/* ---- random changes of a few files ---- */

#define FILES 3
#define FILE_SIZE 120000

static struct file {
    uint64_t ino;
    size_t size;
    char bytes[FILE_SIZE];
} files[FILES];

static size_t below(size_t n)
{
    return (size_t)rand() % n;
}

static size_t random_length(void)
{
    static const size_t limits[] = {10, 500, NS_INLINE_MAX + 1, 20000};
    return below(limits[below(4)]);
}

/* The model's file grows with zeros, as a file does. */
static void grow(struct file *f, size_t size)
{
    if (size > f->size) {
        memset(f->bytes + f->size, 0, size - f->size);
        f->size = size;
    }
}

static void write_one(struct file *f)
{
    static char bytes[20000];
    size_t len = random_length(), off = below(2) ? f->size : below(FILE_SIZE);
    if (off + len > FILE_SIZE)
        return;
    memset(bytes, 'a' + (int)below(26), len);
    cr_assert_eq(nsf_write(f->ino, off, span_make(bytes, len)), 0);
    if (len)
        grow(f, off + len);
    memcpy(f->bytes + off, bytes, len);
}

static void truncate_one(struct file *f)
{
    size_t size = below(3) ? below(f->size + 1) : below(FILE_SIZE);
    cr_assert_eq(nsf_truncate(f->ino, size), 0);
    grow(f, size);
    f->size = size;
}

static void punch_one(struct file *f)
{
    struct range_args a = {.to = f->ino, .to_off = below(FILE_SIZE), .len = random_length()};
    cr_assert_eq(nsf_apply(do_punch, &a), 0);
    for (size_t i = a.to_off; i < a.to_off + a.len && i < f->size; i++)
        f->bytes[i] = 0;
}

static void copy_one(struct file *f, struct file *to)
{
    struct range_args a = {.from = f->ino, .to = to->ino, .from_off = below(FILE_SIZE), .to_off = below(FILE_SIZE)};
    a.len = random_length();
    size_t len = a.from_off < f->size ? (a.len < f->size - a.from_off ? a.len : f->size - a.from_off) : 0;
    if (a.to_off + len > FILE_SIZE)
        return;
    bool overlap = f == to && len > 0 && a.from_off < a.to_off + len && a.to_off < a.from_off + len;
    cr_assert_eq(nsf_apply(do_copy_range, &a), overlap ? -EINVAL : 0);
    if (overlap || len == 0)
        return;
    grow(to, a.to_off + len);
    memmove(to->bytes + a.to_off, f->bytes + a.from_off, len);
}

static void compare(struct file *f)
{
    struct buf bytes = BUF_INIT;
    nsf_read(f->ino, &bytes);
    cr_assert_eq(bytes.len, f->size);
    cr_assert(f->size == 0 || memcmp(bytes.ptr, f->bytes, f->size) == 0);
    buf_release(&bytes);
}

static void compare_range(struct file *f)
{
    struct ns_txn *txn = nsf_view();
    struct inode inode;
    struct body_reader *reader;
    static char bytes[FILE_SIZE];
    size_t off = below(FILE_SIZE), len = random_length();
    cr_assert_eq(ns_inode(txn, f->ino, &inode), 0);
    cr_assert_eq(body_reader_new(txn, &inode, off, len, &reader), 0);
    ns_view_end(&txn);
    size_t expected = off < f->size ? (len < f->size - off ? len : f->size - off) : 0;
    struct span all;
    if (body_reader_inline(reader, &all)) {
        cr_assert_eq(all.len, expected);
        cr_assert(expected == 0 || memcmp(all.ptr, f->bytes + off, expected) == 0);
    }
    cr_assert_eq(body_read(reader, bytes, sizeof(bytes)), (ptrdiff_t)expected);
    cr_assert(expected == 0 || memcmp(bytes, f->bytes + off, expected) == 0);
    body_reader_free(&reader);
}

/* SEEK_DATA and SEEK_HOLE tell apart what can be told: outside data everything is zero. */
static void compare_seek(struct file *f)
{
    struct ns_txn *txn = nsf_view();
    struct inode inode;
    uint64_t data, off = below(FILE_SIZE);
    cr_assert_eq(ns_inode(txn, f->ino, &inode), 0);
    int r = ns_seek(txn, &inode, off, false, &data);
    uint64_t end = r == 0 ? data : f->size;
    cr_assert(r == 0 || r == -ENXIO);
    for (uint64_t i = off; i < end; i++)
        cr_assert_eq(f->bytes[i], 0);
    uint64_t hole;
    r = ns_seek(txn, &inode, off, true, &hole);
    cr_assert_eq(r, off < f->size ? 0 : -ENXIO);
    cr_assert(r < 0 || (hole >= off && hole <= f->size));
    ns_view_end(&txn);
}

Test(ns_extents, random_changes_agree_with_arrays)
{
    srand(8160);
    for (size_t i = 0; i < FILES; i++) {
        char name[] = {(char)('a' + i), 0};
        files[i].ino = nsf_mkfile(bucket, name);
    }
    for (int i = 0; i < 3000; i++) {
        struct file *f = &files[below(FILES)];
        size_t what = below(20);
        if (what < 10)
            write_one(f);
        else if (what < 12)
            truncate_one(f);
        else if (what < 15)
            punch_one(f);
        else if (what < 19)
            copy_one(f, &files[below(FILES)]);
        else
            nsf_verify();
        compare_range(f);
        compare_seek(f);
        if (i % 10 == 0)
            compare(f);
    }
    for (size_t i = 0; i < FILES; i++)
        compare(&files[i]);
}

/* ---- what a file is made of ---- */

static size_t count_extents(uint64_t ino)
{
    struct ns_txn *txn = nsf_view();
    struct index_cursor cursor;
    struct span key, value;
    struct inode inode;
    char at[9] = {'E'};
    size_t count = 0;
    cr_assert_eq(ns_inode(txn, ino, &inode), 0);
    put_be64(at + 1, inode.body);
    cr_assert_eq(index_cursor_open(ns_txn_index(txn), &cursor), 0);
    int r = index_cursor_seek(&cursor, span_make(at, 9), &key, &value);
    for (; r == 0 && span_starts(key, span_make(at, 9)); r = index_cursor_next(&cursor, &key, &value))
        count++;
    index_cursor_close(&cursor);
    ns_view_end(&txn);
    return count;
}

Test(ns_extents, appending_small_pieces_makes_few_records)
{
    uint64_t ino = nsf_mkfile(bucket, "log");
    struct inode inode;
    for (uint64_t i = 0; i < 500; i++)
        cr_assert_eq(nsf_write(ino, i * 100,
                               span_make("0123456789012345678901234567890123456789"
                                         "0123456789012345678901234567890123456789012345678901234567890",
                                         100)),
                     0);
    cr_assert_leq(count_extents(ino), 50000 / NS_INLINE_MAX + 2);
    cr_assert_eq(nsf_inode(ino, &inode), 0);
    cr_assert_eq(inode.size, 50000);
    cr_assert_eq(inode.blocks, 50000);
}

Test(ns_extents, overwriting_within_a_small_file_leaves_one_record)
{
    uint64_t ino = nsf_mkfile(bucket, "f");
    struct buf bytes = BUF_INIT;
    cr_assert_eq(nsf_write(ino, 0, SPAN_LIT("0123456789")), 0);
    cr_assert_eq(nsf_write(ino, 3, SPAN_LIT("abc")), 0);
    cr_assert_eq(count_extents(ino), 1);
    nsf_read(ino, &bytes);
    cr_assert(span_is(buf_span(&bytes), "012abc6789"));
    buf_release(&bytes);
}

Test(ns_extents, sizes_have_limits)
{
    uint64_t ino = nsf_mkfile(bucket, "f");
    struct inode inode;
    cr_assert_eq(nsf_truncate(ino, INT64_MAX), 0);
    cr_assert_eq(nsf_truncate(ino, 1ull << 63), -EFBIG);
    cr_assert_eq(nsf_write(ino, INT64_MAX, SPAN_LIT("x")), -EFBIG);
    cr_assert_eq(nsf_write(ino, INT64_MAX - 1, SPAN_LIT("x")), 0);
    cr_assert_eq(nsf_write(bucket, 0, SPAN_LIT("x")), -EISDIR);
    cr_assert_eq(nsf_inode(ino, &inode), 0);
    cr_assert_eq(inode.size, INT64_MAX);
    cr_assert_eq(inode.blocks, 1);
    cr_assert_eq(nsf_truncate(ino, 0), 0);
}

Test(ns_extents, a_file_of_many_extents_is_emptied_and_removed_by_the_reaper)
{
    uint64_t before = nsf_inodes();
    for (int round = 0; round < 2; round++) {
        uint64_t ino = nsf_mkfile(bucket, "f");
        struct buf bytes = BUF_INIT;
        for (uint64_t i = 0; i < 300; i++)
            cr_assert_eq(nsf_write(ino, i * 100, SPAN_LIT("piece piece piece piece piece piece piece")), 0);
        cr_assert_eq(count_extents(ino), 300);
        if (round == 0) {
            cr_assert_eq(nsf_truncate(ino, 0), 0);
            cr_assert_eq(nsf_write(ino, 0, SPAN_LIT("new")), 0);
            nsf_verify();
            nsf_read(ino, &bytes);
            cr_assert(span_is(buf_span(&bytes), "new"));
        }
        cr_assert_eq(nsf_unlink(bucket, "f"), 0);
        buf_release(&bytes);
    }
    nsf_verify();
    cr_assert_eq(nsf_inodes(), before);
}

Test(ns_extents, garbage_that_a_restart_left_is_reaped)
{
    uint64_t ino = nsf_mkfile(bucket, "f");
    for (uint64_t i = 0; i < 1000; i++)
        cr_assert_eq(nsf_write(ino, i * 2, SPAN_LIT("x")), 0);
    cr_assert_eq(nsf_unlink(bucket, "f"), 0);
    nsf_reopen();
    nsf_verify();
}

/* ---- copies share ---- */

struct copy_args {
    struct span from, to;
    uint64_t off, len;
};

static int do_key_copy(struct ns_txn *txn, void *arg)
{
    struct copy_args *a = arg;
    struct ns_put put = {.body = NULL};
    struct inode inode;
    int r = ns_key_find(txn, bucket, a->from, &inode);
    if (r < 0)
        return r;
    return ns_key_copy(txn, inode.ino, a->off, a->len ? a->len : inode.size, bucket, a->to, &put, &inode);
}

Test(ns_extents, a_copy_shares_its_blob_and_outlives_the_source)
{
    static char large[300000];
    struct copy_args a = {.from = SPAN_LIT("a"), .to = SPAN_LIT("x/b")};
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (char)('a' + i % 26);
    cr_assert_eq(nsf_put_span(bucket, a.from, span_make(large, sizeof(large))), 0);
    cr_assert_eq(nsf_apply(do_key_copy, &a), 0);
    cr_assert_eq(nsf_delete(bucket, "a"), 0);
    nsf_verify();
    cr_assert(memcmp(nsf_get(bucket, "x/b"), large, sizeof(large)) == 0);
    a = (struct copy_args){.from = SPAN_LIT("x/b"), .to = SPAN_LIT("x/b"), .off = 1000, .len = 5000};
    cr_assert_eq(nsf_apply(do_key_copy, &a), 0);
    cr_assert(memcmp(nsf_get(bucket, "x/b"), large + 1000, 5000) == 0);
    a.off = 5000;
    a.len = 1;
    cr_assert_eq(nsf_apply(do_key_copy, &a), CAIRN_EBADRANGE);
}

Test(ns_extents, the_object_of_a_directory_can_be_copied_onto_itself)
{
    static char large[50000];
    struct copy_args a = {.from = SPAN_LIT("d/"), .to = SPAN_LIT("d/")};
    memset(large, 'd', sizeof(large));
    cr_assert_eq(nsf_put_span(bucket, a.from, span_make(large, sizeof(large))), 0);
    cr_assert_eq(nsf_apply(do_key_copy, &a), 0);
    cr_assert(memcmp(nsf_get(bucket, "d/"), large, sizeof(large)) == 0);
    nsf_verify();
}

/* ---- append ---- */

struct append_args {
    uint64_t offset;
    struct body_writer *body;
};

static int do_append(struct ns_txn *txn, void *arg)
{
    struct append_args *a = arg;
    struct ns_put put = {.body = a->body};
    struct inode inode;
    return ns_key_append(txn, bucket, SPAN_LIT("f"), a->offset, &put, &inode);
}

Test(ns_extents, append_takes_the_offset_that_is_the_size)
{
    struct append_args a = {.offset = 3, .body = nsf_body(SPAN_LIT("def"))};
    cr_assert_eq(nsf_apply(do_append, &a), CAIRN_ENOKEY);
    cr_assert_eq(nsf_put(bucket, "f", "abc"), 0);
    cr_assert_eq(nsf_apply(do_append, &a), 0);
    cr_assert_eq(nsf_apply(do_append, &a), CAIRN_EBADRANGE);
    cr_assert_str_eq(nsf_get(bucket, "f"), "abcdef");
    body_writer_free(&a.body);
}

/* ---- writers ---- */

Test(ns_extents, a_writer_takes_exactly_its_length)
{
    const uint64_t lengths[] = {0, 1, NS_INLINE_MAX, NS_INLINE_MAX + 1, 3000000};
    static char bytes[3000001];
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        struct body_writer *writer;
        cr_assert_eq(body_writer_new(nsf_ns, lengths[i], &writer), 0);
        cr_assert_eq(body_write(writer, bytes, lengths[i] + 1), CAIRN_ETOOBIG);
        cr_assert_eq(body_writer_finish(writer), lengths[i] ? -EINVAL : 0);
        cr_assert_eq(body_write(writer, bytes, lengths[i]), 0);
        cr_assert_eq(body_writer_finish(writer), 0);
        body_writer_free(&writer);
    }
    struct body_writer *writer = NULL;
    cr_assert_eq(body_writer_new(nsf_ns, (5ull << 30) + 1, &writer), CAIRN_ETOOBIG);
    body_writer_free(&writer);
}

/* ---- tidying ---- */

/* As the server writes: the writer knows the file. */
static int write_for(uint64_t ino, uint64_t off, struct span bytes)
{
    struct body_writer *body;
    cr_assert_eq(body_writer_new_for(nsf_ns, ino, bytes.len, &body), 0);
    cr_assert_eq(body_write(body, bytes.ptr, bytes.len), 0);
    cr_assert_eq(body_writer_finish(body), 0);
    int r = nsf_write_body(ino, off, body);
    body_writer_free(&body);
    return r;
}

Test(ns_extents, a_long_log_of_small_pieces_moves_to_blobs)
{
    static char piece[1000], whole[2000 * sizeof(piece)];
    uint64_t ino = nsf_mkfile(bucket, "log");
    struct buf bytes = BUF_INIT;
    struct inode before, after;
    for (uint64_t i = 0; i < 2000; i++) {
        memset(piece, 'a' + (int)(i % 26), sizeof(piece));
        memcpy(whole + i * sizeof(piece), piece, sizeof(piece));
        cr_assert_eq(write_for(ino, i * sizeof(piece), span_make(piece, sizeof(piece))), 0);
        if (i == 1990)
            cr_assert_eq(nsf_inode(ino, &before), 0);
    }
    nsf_verify();
    cr_assert_eq(nsf_inode(ino, &after), 0);
    cr_assert_lt(after.inlined, 512u << 10);
    cr_assert_eq(after.blocks, sizeof(whole));
    cr_assert_eq(after.version, before.version + 9);
    nsf_read(ino, &bytes);
    cr_assert_eq(bytes.len, sizeof(whole));
    cr_assert(memcmp(bytes.ptr, whole, sizeof(whole)) == 0);
    buf_release(&bytes);
}

Test(ns_extents, scattered_small_writes_do_not_fill_the_index)
{
    static char piece[4096];
    uint64_t ino = nsf_mkfile(bucket, "database");
    struct inode inode;
    for (uint64_t i = 0; i < 600; i++)
        cr_assert_eq(write_for(ino, i * 2 * sizeof(piece), span_make(piece, sizeof(piece))), 0);
    nsf_verify();
    cr_assert_eq(nsf_inode(ino, &inode), 0);
    cr_assert_leq(inode.inlined, NS_INLINE_FILE_MAX);
    cr_assert_eq(inode.blocks, 600 * sizeof(piece));
    cr_assert_eq(nsf_truncate(ino, 0), 0);
    cr_assert_eq(nsf_inode(ino, &inode), 0);
    cr_assert_eq(inode.inlined, 0);
}

Test(ns_extents, a_file_that_changes_while_it_is_tidied_keeps_its_bytes)
{
    static char model[1500000], piece[3000];
    uint64_t ino = nsf_mkfile(bucket, "busy");
    struct buf bytes = BUF_INIT;
    for (size_t i = 0; i < sizeof(model) / sizeof(piece); i++) {
        memset(piece, 'a' + (int)(i % 26), sizeof(piece));
        memcpy(model + i * sizeof(piece), piece, sizeof(piece));
        cr_assert_eq(write_for(ino, i * sizeof(piece), span_make(piece, sizeof(piece))), 0);
        size_t at = below((i + 1) * sizeof(piece));
        model[at] = '!';
        cr_assert_eq(write_for(ino, at, SPAN_LIT("!")), 0);
    }
    nsf_read(ino, &bytes);
    cr_assert_eq(bytes.len, sizeof(model));
    cr_assert(memcmp(bytes.ptr, model, sizeof(model)) == 0);
    buf_release(&bytes);
}
