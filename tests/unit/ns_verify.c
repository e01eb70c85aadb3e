/* Verification finds what is wrong: each test breaks one record, and mends it again. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "objstore/base/errors.h"
#include "tests/support/ns_fixture.h"

static uint64_t bucket;
static char last[512];

static void setup(void)
{
    static char large[20000];
    nsf_init();
    bucket = nsf_bucket("bucket");
    cr_assert_eq(nsf_put(bucket, "d/small", "bytes"), 0);
    cr_assert_eq(nsf_put_span(bucket, SPAN_LIT("large"), span_make(large, sizeof(large))), 0);
}

TestSuite(ns_verify, .init = setup, .fini = nsf_fini, .timeout = 60);

static void keep(const char *text, void *arg)
{
    (void)arg;
    snprintf(last, sizeof(last), "%s", text);
}

struct edit {
    char key[64];
    size_t key_len;
    char old[256], new[256];
    size_t old_len, new_len;
    bool delete;
};

static int do_edit(struct ns_txn *txn, void *arg)
{
    struct edit *e = arg;
    struct span key = span_make(e->key, e->key_len), value;
    int r = index_get(ns_txn_index(txn), key, &value);
    if (r == 0) {
        e->old_len = value.len;
        memcpy(e->old, value.ptr, value.len);
    }
    if (e->delete)
        return index_delete(ns_txn_index(txn), key);
    return index_put(ns_txn_index(txn), key, span_make(e->new, e->new_len));
}

static int do_mend(struct ns_txn *txn, void *arg)
{
    struct edit *e = arg;
    struct span key = span_make(e->key, e->key_len);
    if (e->old_len == 0)
        return index_delete(ns_txn_index(txn), key);
    return index_put(ns_txn_index(txn), key, span_make(e->old, e->old_len));
}

static void key_of(struct edit *e, char tag, uint64_t id, const char *name)
{
    e->key[0] = tag;
    put_be64(e->key + 1, id);
    memcpy(e->key + 9, name, strlen(name));
    e->key_len = 9 + strlen(name);
}

/* Breaks the record, expects findings, mends it. */
static void expect(struct edit *e, const char *finding)
{
    cr_assert_eq(nsf_apply(do_edit, e), 0);
    cr_assert_gt(ns_verify(nsf_ns, keep, NULL), 0);
    cr_assert(strstr(last, finding), "%s", last);
    cr_assert_eq(nsf_apply(do_mend, e), 0);
}

Test(ns_verify, a_missing_inode_is_found)
{
    struct edit e = {.delete = true};
    key_of(&e, 'I', nsf_ino(bucket, "large"), "");
    cr_assert_eq(nsf_apply(do_edit, &e), 0);
    cr_assert_gt(ns_verify(nsf_ns, keep, NULL), 1);
    cr_assert_eq(nsf_apply(do_mend, &e), 0);
}

Test(ns_verify, a_missing_entry_is_found)
{
    struct edit e = {.delete = true};
    key_of(&e, 'N', bucket, "large");
    expect(&e, "has 0 names instead of 1");
}

Test(ns_verify, a_missing_extent_of_a_blob_is_found)
{
    struct edit e = {.delete = true};
    key_of(&e, 'E', nsf_ino(bucket, "large"), "");
    e.key_len += 8;
    expect(&e, "references and 0 extents");
}

Test(ns_verify, an_extent_of_nobody_is_found)
{
    struct edit e = {.new = {1, 1, 0, 0, 0, 0, 0, 0, 'x'}, .new_len = 9};
    key_of(&e, 'E', 99999, "");
    e.key_len += 8;
    expect(&e, "which is nobody's");
}

Test(ns_verify, an_attribute_of_nobody_is_found)
{
    struct edit e = {.new = "v", .new_len = 1};
    key_of(&e, 'X', 99999, "user.x");
    expect(&e, "which is missing");
}

Test(ns_verify, a_wrong_link_count_is_found)
{
    struct edit e = {.key_len = 0};
    struct ns_txn *txn = nsf_view();
    struct span value;
    key_of(&e, 'I', bucket, "");
    cr_assert_eq(index_get(ns_txn_index(txn), span_make(e.key, e.key_len), &value), 0);
    memcpy(e.new, value.ptr, value.len);
    e.new_len = value.len;
    e.new[16]++;
    ns_view_end(&txn);
    expect(&e, "a link count of");
}

Test(ns_verify, a_wrong_count_of_inodes_is_found)
{
    struct edit e = {.key = {'C'}, .key_len = 1, .new_len = 24, .new = {1, [8] = 99}};
    expect(&e, "are counted");
}

Test(ns_verify, a_record_that_can_not_be_read_ends_no_program)
{
    struct edit e = {.new_len = 3};
    struct inode inode;
    key_of(&e, 'I', nsf_ino(bucket, "large"), "");
    cr_assert_eq(nsf_apply(do_edit, &e), 0);
    cr_assert_eq(nsf_find(bucket, "large", &inode), CAIRN_ECORRUPT);
    cr_assert_eq(nsf_put(bucket, "large", "x"), CAIRN_ECORRUPT);
    cr_assert_eq(nsf_delete(bucket, "large"), CAIRN_ECORRUPT);
    cr_assert_gt(ns_verify(nsf_ns, keep, NULL), 0);
    cr_assert_eq(nsf_apply(do_mend, &e), 0);
    cr_assert_eq(nsf_delete(bucket, "large"), 0);
}

/* ---- the reaper ---- */

static int do_damage(struct ns_txn *txn, void *arg)
{
    struct edit *e = arg;
    return index_put(ns_txn_index(txn), span_make(e->key, e->key_len), span_make(e->new, e->new_len));
}

static bool has_record(char tag, uint64_t id)
{
    struct ns_txn *txn = nsf_view();
    struct span value;
    char key[9] = {tag};
    put_be64(key + 1, id);
    int r = index_get(ns_txn_index(txn), span_make(key, 9), &value);
    ns_view_end(&txn);
    return r == 0;
}

Test(ns_verify, damaged_garbage_does_not_keep_the_rest_from_going)
{
    struct edit extent = {.new = "??", .new_len = 2}, garbage = {.new = {1, 1}, .new_len = 2};
    key_of(&garbage, 'G', 5000, "");
    key_of(&extent, 'E', 5000, "");
    extent.key_len += 8;
    cr_assert_eq(nsf_apply(do_damage, &extent), 0);
    cr_assert_eq(nsf_apply(do_damage, &garbage), 0);
    uint64_t f = nsf_mkfile(bucket, "f");
    for (uint64_t i = 0; i < 200; i++)
        cr_assert_eq(nsf_write(f, i * 2, SPAN_LIT("x")), 0);
    cr_assert_eq(nsf_unlink(bucket, "f"), 0);
    while (has_record('G', f))
        ;
    cr_assert(has_record('G', 5000));
    garbage.delete = extent.delete = true;
    cr_assert_eq(nsf_apply(do_edit, &garbage), 0);
    cr_assert_eq(nsf_apply(do_edit, &extent), 0);
}
