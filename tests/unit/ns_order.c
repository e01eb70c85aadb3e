/*
 * The tree against a flat sorted map: random puts, deletes and renames of keys with long and odd names, then walks with
 * random prefixes and seeks, compared key by key.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "tests/support/ns_fixture.h"

TestSuite(ns_order, .init = nsf_init, .fini = nsf_fini, .timeout = 300);

/* ---- the model: keys sorted in an array ---- */

#define MODEL_MAX 4000

static struct model_key {
    char *bytes;
    size_t len;
} model[MODEL_MAX];
static size_t model_count;

static struct span model_at(size_t i)
{
    return span_make(model[i].bytes, model[i].len);
}

/* The first key at or after key. */
static size_t model_seek(struct span key)
{
    size_t low = 0, high = model_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (span_cmp(model_at(mid), key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool model_has(struct span key)
{
    size_t i = model_seek(key);
    return i < model_count && span_eq(model_at(i), key);
}

static void model_add(struct span key)
{
    size_t i = model_seek(key);
    if (model_has(key))
        return;
    cr_assert_lt(model_count, MODEL_MAX);
    memmove(model + i + 1, model + i, (model_count - i) * sizeof(*model));
    model[i] = (struct model_key){.bytes = malloc(key.len), .len = key.len};
    memcpy(model[i].bytes, key.ptr, key.len);
    model_count++;
}

static void model_remove(size_t i)
{
    free(model[i].bytes);
    model_count--;
    memmove(model + i, model + i + 1, (model_count - i) * sizeof(*model));
}

/* ---- random keys ---- */

static unsigned below(unsigned n)
{
    return (unsigned)rand() % n;
}

/* Lengths around what a chunk of a name and an index key hold, and short ones. */
static size_t component_length(void)
{
    static const size_t edges[] = {0,   1,   1,   2,   3,   254, 255, 256, 478, 479,
                                   480, 481, 500, 511, 512, 959, 960, 961, 1023};
    return below(4) ? below(3) : edges[below(sizeof(edges) / sizeof(*edges))];
}

/* Few different bytes, those around '/' among them, so that names share beginnings. */
static struct span random_key(char bytes[NS_KEY_MAX])
{
    static const char alphabet[] = {'a', 'b', '.', '-', '0', (char)0xff, 1};
    size_t len = 0, components = 1 + below(4);
    for (size_t c = 0; c < components; c++) {
        size_t n = component_length();
        char fill = alphabet[below(2)];
        for (size_t i = 0; i < n && len < NS_KEY_MAX; i++)
            bytes[len++] = n < 4 || i + 2 > n ? alphabet[below(sizeof(alphabet))] : fill;
        if (len < NS_KEY_MAX && (c + 1 < components || below(6) == 0))
            bytes[len++] = '/';
    }
    if (len == 0)
        bytes[len++] = 'k';
    return span_make(bytes, len);
}

/* A key that is there, or one near it. */
static struct span known_key(char bytes[NS_KEY_MAX])
{
    if (model_count == 0)
        return random_key(bytes);
    struct span key = model_at(below((unsigned)model_count));
    memcpy(bytes, key.ptr, key.len);
    return span_make(bytes, below(3) ? key.len : 1 + below((unsigned)key.len));
}

/* ---- operations on both ---- */

static uint64_t bucket;

static void put_one(void)
{
    char bytes[NS_KEY_MAX];
    struct span key = below(4) ? random_key(bytes) : known_key(bytes);
    cr_assert_eq(nsf_put_span(bucket, key, span_head(key, 20)), 0);
    model_add(key);
}

static void delete_one(void)
{
    char bytes[NS_KEY_MAX];
    struct span key = known_key(bytes);
    bool there = model_has(key);
    int r = nsf_delete_span(bucket, key);
    cr_assert_eq(r, there ? 0 : CAIRN_ENOKEY, "delete: %s", cairn_errname(r));
    if (there)
        model_remove(model_seek(key));
}

struct rename_args {
    struct span from, to;
};

static int do_rename(struct ns_txn *txn, void *arg)
{
    struct rename_args *a = arg;
    return ns_key_rename(txn, bucket, a->from, a->to, NULL, NULL, NULL);
}

static void rename_one(void)
{
    char from[NS_KEY_MAX], to[NS_KEY_MAX];
    struct rename_args a = {.from = known_key(from)};
    a.to = below(2) ? random_key(to) : known_key(to);
    bool dirs = a.from.ptr[a.from.len - 1] == '/' || a.to.ptr[a.to.len - 1] == '/';
    int expected = dirs ? CAIRN_EBADNAME : model_has(a.from) ? 0 : CAIRN_ENOKEY;
    int r = nsf_apply(do_rename, &a);
    cr_assert_eq(r, expected, "rename: %s", cairn_errname(r));
    if (r == 0 && !span_eq(a.from, a.to)) {
        model_remove(model_seek(a.from));
        model_add(a.to);
    }
}

/* ---- comparison ---- */

static void expect_next(struct ns_walk *walk, struct span prefix, size_t *at)
{
    struct span key;
    struct inode inode;
    int r = ns_walk_next(walk, &key, &inode);
    bool more = *at < model_count && span_starts(model_at(*at), prefix);
    cr_assert_eq(r, more ? 0 : CAIRN_ENOKEY, "walk: %s", cairn_errname(r));
    if (more)
        cr_assert(span_eq(key, model_at(*at)), "key %zu of %zu", *at, model_count);
    (*at)++;
}

static void compare_all(void)
{
    struct ns_txn *txn = nsf_view();
    struct ns_walk *walk;
    cr_assert_eq(ns_walk_open(txn, bucket, SPAN_EMPTY, &walk), 0);
    for (size_t at = 0; at <= model_count;)
        expect_next(walk, SPAN_EMPTY, &at);
    ns_walk_close(&walk);
    ns_view_end(&txn);
}

static void compare_walk(void)
{
    char bytes[NS_KEY_MAX], seek_bytes[NS_KEY_MAX];
    struct span prefix = known_key(bytes);
    prefix = span_head(prefix, below((unsigned)prefix.len + 1));
    struct ns_txn *txn = nsf_view();
    struct ns_walk *walk;
    cr_assert_eq(ns_walk_open(txn, bucket, prefix, &walk), 0);
    size_t at = model_seek(prefix);
    for (int seeks = 0; seeks < 4; seeks++) {
        for (unsigned n = below(6); n > 0 && at < model_count && span_starts(model_at(at), prefix); n--)
            expect_next(walk, prefix, &at);
        struct span key = below(3) ? known_key(seek_bytes) : random_key(seek_bytes);
        cr_assert_eq(ns_walk_seek(walk, key), 0);
        at = model_seek(span_cmp(key, prefix) < 0 ? prefix : key);
    }
    expect_next(walk, prefix, &at);
    ns_walk_close(&walk);
    ns_view_end(&txn);
}

static void compare_finds(void)
{
    struct ns_txn *txn = nsf_view();
    struct inode inode;
    char bytes[NS_KEY_MAX];
    for (int i = 0; i < 20; i++) {
        struct span key = known_key(bytes);
        cr_assert_eq(ns_key_find(txn, bucket, key, &inode), model_has(key) ? 0 : CAIRN_ENOKEY);
    }
    ns_view_end(&txn);
}

Test(ns_order, random_keys_agree_with_a_sorted_map)
{
    bucket = nsf_bucket("random");
    srand(20260101);
    for (int i = 0; i < 6000; i++) {
        unsigned what = below(10);
        if (what < (model_count < 400 ? 6u : 3u))
            put_one();
        else if (what < 8)
            delete_one();
        else
            rename_one();
        if (i % 20 == 0)
            compare_walk();
        if (i % 100 == 0)
            compare_finds();
        if (i % 300 == 0)
            compare_all();
    }
    compare_all();
    nsf_verify();
    while (model_count > 0) {
        cr_assert_eq(nsf_delete_span(bucket, model_at(model_count / 2)), 0);
        model_remove(model_count / 2);
    }
    cr_assert_str_eq(nsf_readdir(bucket), "");
    cr_assert_eq(nsf_bucket_delete("random"), 0);
    cr_assert_eq(nsf_inodes(), 1);
}

/* What a mount shows: every entry once, and each name leads back to its entry. */
static void check_shown(struct ns_txn *txn, uint64_t ino)
{
    struct ns_dir *dir;
    struct span name;
    uint64_t entry;
    enum inode_type type;
    struct inode inode;
    int r;
    cr_assert_eq(ns_dir_open(txn, ino, SPAN_EMPTY, &dir), 0);
    while ((r = ns_dir_next(dir, &name, &entry, &type, NULL)) == 0) {
        cr_assert_leq(name.len, NS_NAME_MAX);
        cr_assert_eq(ns_lookup(txn, ino, name, &inode), 0, SPAN_FMT, SPAN_ARG(name));
        cr_assert_eq(inode.ino, entry);
        if (type == INODE_DIR)
            check_shown(txn, entry);
    }
    cr_assert_eq(r, -ENOENT);
    ns_dir_close(&dir);
}

Test(ns_order, every_random_key_is_shown_under_one_name)
{
    bucket = nsf_bucket("shown");
    srand(4711);
    for (int i = 0; i < 600; i++)
        put_one();
    struct ns_txn *txn = nsf_view();
    check_shown(txn, bucket);
    ns_view_end(&txn);
    while (model_count > 0)
        model_remove(0);
}
