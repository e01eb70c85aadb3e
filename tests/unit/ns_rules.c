/* The rules of the tree, one test for each row of the table in objstore/namespace/README.md, and what follows from
 * them. */
#include <criterion/criterion.h>

#include "objstore/base/errors.h"
#include "tests/support/ns_fixture.h"

static uint64_t bucket;

static void setup(void)
{
    nsf_init();
    bucket = nsf_bucket("bucket");
}

TestSuite(ns_rules, .init = setup, .fini = nsf_fini, .timeout = 120);

#define assert_list(prefix, expected) cr_assert_str_eq(nsf_list(bucket, prefix), expected)
#define assert_dir(dir, expected) cr_assert_str_eq(nsf_readdir(dir), expected)

/* ---- order ---- */

Test(ns_rules, a_walk_is_the_byte_order_of_keys)
{
    const char *keys[] = {"a0", "a/b", "a", "a!", "a/", "a//b", "a/./c", "b/../d", "/x", "a/b/c", "aa", "~"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        cr_assert_eq(nsf_put(bucket, keys[i], keys[i]), 0);
    assert_list("", "/x a a! a/ a/./c a//b a/b a/b/c a0 aa b/../d ~ ");
    assert_list("a/", "a/ a/./c a//b a/b a/b/c ");
    assert_list("a/b", "a/b a/b/c ");
    assert_list("a//", "a//b ");
    assert_list("b", "b/../d ");
    assert_list("c", "");
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        cr_assert_str_eq(nsf_get(bucket, keys[i]), keys[i]);
}

static void assert_from(struct ns_walk *walk, const char *key, const char *expected)
{
    struct span found;
    cr_assert_eq(ns_walk_seek(walk, span_cstr(key)), 0);
    int r = ns_walk_next(walk, &found, NULL);
    cr_assert_eq(r, expected ? 0 : CAIRN_ENOKEY);
    if (expected)
        cr_assert(span_is(found, expected), "from %s: " SPAN_FMT, key, SPAN_ARG(found));
}

Test(ns_rules, a_walk_seeks_forth_and_back)
{
    const char *keys[] = {"a/1", "a/2/x", "a/2/y", "b", "c/", "c/d"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        cr_assert_eq(nsf_put(bucket, keys[i], ""), 0);
    struct ns_txn *txn = nsf_view();
    struct ns_walk *walk;
    cr_assert_eq(ns_walk_open(txn, bucket, SPAN_EMPTY, &walk), 0);
    assert_from(walk, "a0", "b");
    assert_from(walk, "a/2/", "a/2/x");
    assert_from(walk, "a/2/x!", "a/2/y");
    assert_from(walk, "a/20", "b");
    assert_from(walk, "c/", "c/");
    assert_from(walk, "c/!", "c/d");
    assert_from(walk, "", "a/1");
    assert_from(walk, "c/d/e/f", NULL);
    assert_from(walk, "a/2", "a/2/x");
    ns_walk_close(&walk);
    ns_view_end(&txn);
}

/* ---- implicit and explicit directories ---- */

Test(ns_rules, directories_of_a_key_are_implicit_and_vanish_with_the_last_key)
{
    uint64_t before = nsf_inodes();
    cr_assert_eq(nsf_put(bucket, "a/b/c", "x"), 0);
    assert_list("", "a/b/c ");
    assert_dir(bucket, "a/ ");
    cr_assert_null(nsf_get(bucket, "a/"));
    cr_assert_eq(nsf_put(bucket, "a/d", "x"), 0);
    cr_assert_eq(nsf_delete(bucket, "a/b/c"), 0);
    cr_assert_eq(nsf_ino(nsf_ino(bucket, "a"), "b"), 0);
    cr_assert_eq(nsf_delete(bucket, "a/d"), 0);
    assert_dir(bucket, "");
    cr_assert_eq(nsf_inodes(), before);
    cr_assert_eq(nsf_delete(bucket, "a/d"), CAIRN_ENOKEY);
}

Test(ns_rules, an_explicit_directory_is_an_object_and_stays)
{
    nsf_mkdir(bucket, "d");
    assert_list("", "d/ ");
    cr_assert_str_eq(nsf_get(bucket, "d/"), "");
    cr_assert_eq(nsf_put(bucket, "d/f", "x"), 0);
    cr_assert_eq(nsf_delete(bucket, "d/f"), 0);
    assert_list("", "d/ ");
    cr_assert_eq(nsf_put(bucket, "e/", "a body"), 0);
    cr_assert_str_eq(nsf_get(bucket, "e/"), "a body");
    assert_dir(bucket, "d/ e/ ");
}

Test(ns_rules, deleting_the_key_of_a_directory_with_entries_makes_it_implicit)
{
    cr_assert_eq(nsf_put(bucket, "d/", "body"), 0);
    cr_assert_eq(nsf_put(bucket, "d/f", "x"), 0);
    cr_assert_eq(nsf_delete(bucket, "d/"), 0);
    cr_assert_eq(nsf_delete(bucket, "d/"), CAIRN_ENOKEY);
    assert_list("", "d/f ");
    cr_assert_eq(nsf_delete(bucket, "d/f"), 0);
    assert_dir(bucket, "");
}

Test(ns_rules, deleting_the_key_of_an_empty_directory_takes_its_implicit_parents_too)
{
    cr_assert_eq(nsf_put(bucket, "a/b/", ""), 0);
    cr_assert_eq(nsf_delete(bucket, "a/b/"), 0);
    assert_dir(bucket, "");
}

Test(ns_rules, a_posix_change_makes_an_implicit_directory_explicit)
{
    cr_assert_eq(nsf_put(bucket, "a/b/c", "x"), 0);
    uint64_t b = nsf_ino(nsf_ino(bucket, "a"), "b");
    cr_assert_eq(nsf_unlink(b, "c"), 0);
    assert_list("", "a/b/ ");
    cr_assert_eq(nsf_delete(bucket, "a/b/"), 0);
    assert_dir(bucket, "");
}

Test(ns_rules, writing_a_file_leaves_its_directory_implicit)
{
    cr_assert_eq(nsf_put(bucket, "a/f", "x"), 0);
    cr_assert_eq(nsf_write(nsf_ino(nsf_ino(bucket, "a"), "f"), 0, SPAN_LIT("y")), 0);
    cr_assert_eq(nsf_delete(bucket, "a/f"), 0);
    assert_dir(bucket, "");
}

Test(ns_rules, deep_keys_of_empty_components_come_and_go)
{
    char key[NS_KEY_MAX + 2];
    memset(key, '/', sizeof(key));
    key[NS_KEY_MAX] = 0;
    cr_assert_eq(nsf_put(bucket, key, "deep"), 0);
    cr_assert_str_eq(nsf_get(bucket, key), "deep");
    key[NS_KEY_MAX - 1] = 'x';
    cr_assert_eq(nsf_put(bucket, key, "deeper"), 0);
    key[NS_KEY_MAX - 1] = '/';
    cr_assert_eq(nsf_delete(bucket, key), 0);
    key[NS_KEY_MAX - 1] = 'x';
    cr_assert_eq(nsf_delete(bucket, key), 0);
    assert_dir(bucket, "");
}

Test(ns_rules, keys_have_limits)
{
    char key[NS_KEY_MAX + 2];
    memset(key, 'k', sizeof(key));
    cr_assert_eq(nsf_put_span(bucket, span_make(key, NS_KEY_MAX), SPAN_LIT("x")), 0);
    cr_assert_eq(nsf_put_span(bucket, span_make(key, NS_KEY_MAX + 1), SPAN_LIT("x")), CAIRN_EKEYTOOLONG);
    cr_assert_eq(nsf_put_span(bucket, SPAN_EMPTY, SPAN_LIT("x")), CAIRN_EBADNAME);
    cr_assert_eq(nsf_put_span(bucket, span_make("a\0b", 3), SPAN_LIT("x")), CAIRN_EBADNAME);
    cr_assert_eq(nsf_put_span(99999, SPAN_LIT("k"), SPAN_LIT("x")), CAIRN_ENOBUCKET);
}

/* ---- objects beside directories, and other names a mount can't show ---- */

Test(ns_rules, an_object_beside_a_directory_is_shown_under_its_escape)
{
    struct inode inode;
    cr_assert_eq(nsf_put(bucket, "a", "object"), 0);
    assert_dir(bucket, "a ");
    cr_assert_eq(nsf_put(bucket, "a/b", "below"), 0);
    assert_list("", "a a/b ");
    assert_dir(bucket, "@cairn.object.a a/ ");
    cr_assert_eq(nsf_stat(bucket, "a", &inode), 0);
    cr_assert_eq(inode.type, INODE_DIR);
    cr_assert_eq(nsf_stat(bucket, "@cairn.object.a", &inode), 0);
    cr_assert_eq(inode.size, 6);
    cr_assert_eq(nsf_delete(bucket, "a/b"), 0);
    assert_dir(bucket, "a ");
    cr_assert_eq(nsf_ino(bucket, "@cairn.object.a"), 0);
    cr_assert_eq(nsf_ino(bucket, "a"), inode.ino);
}

Test(ns_rules, an_object_put_beside_a_directory_can_be_removed_by_its_escape)
{
    nsf_mkdir(bucket, "a");
    cr_assert_eq(nsf_put(bucket, "a", "object"), 0);
    assert_dir(bucket, "@cairn.object.a a/ ");
    cr_assert_eq(nsf_unlink(bucket, "@cairn.object.a"), 0);
    assert_list("", "a/ ");
}

Test(ns_rules, posix_makes_no_object_beside_a_directory_by_accident)
{
    nsf_mkdir(bucket, "a");
    nsf_mkfile(bucket, "f");
    cr_assert_eq(nsf_create(bucket, "a", INODE_FILE, NULL), -EEXIST);
    cr_assert_eq(nsf_create(bucket, "f", INODE_DIR, NULL), -EEXIST);
    cr_assert_eq(nsf_create(bucket, "@cairn.object.f", INODE_FILE, NULL), -EINVAL);
    cr_assert_eq(nsf_create(bucket, "@cairn.object.a", INODE_FILE, NULL), 0);
    assert_list("", "a a/ f ");
}

Test(ns_rules, names_that_a_mount_can_not_show_are_escaped)
{
    const char *keys[] = {"//x", "./y", "../z", ".", "..", "@cairn.name..", "@cairn.name.q"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        cr_assert_eq(nsf_put(bucket, keys[i], ""), 0);
    assert_dir(bucket, "@cairn.object.. @cairn.object... @cairn.name.../ @cairn.name../ @cairn.name./ "
                       "@cairn.name.@cairn.name.. @cairn.name.q ");
    uint64_t empty = nsf_ino(bucket, "@cairn.name.");
    assert_dir(empty, "@cairn.name./ ");
    cr_assert_neq(nsf_ino(nsf_ino(empty, "@cairn.name."), "x"), 0);
    cr_assert_neq(nsf_ino(nsf_ino(bucket, "@cairn.name..."), "z"), 0);
    cr_assert_neq(nsf_ino(bucket, "@cairn.object.."), 0);
    cr_assert_neq(nsf_ino(bucket, "@cairn.name.q"), 0);
}

Test(ns_rules, long_components_are_shown_by_a_hash_and_resolved)
{
    char key[NS_KEY_MAX + 1];
    struct ns_txn *txn;
    struct ns_dir *dir;
    struct span name;
    struct inode inode;
    uint64_t ino;
    enum inode_type type;
    const size_t lengths[] = {256, 479, 480, 481, 960, 1000, 1024};
    memset(key, 'n', sizeof(key));
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
        cr_assert_eq(nsf_put_span(bucket, span_make(key, lengths[i]), span_make(key, i + 1)), 0);
    txn = nsf_view();
    cr_assert_eq(ns_dir_open(txn, bucket, SPAN_EMPTY, &dir), 0);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        cr_assert_eq(ns_dir_next(dir, &name, &ino, &type, NULL), 0);
        cr_assert_leq(name.len, NS_NAME_MAX);
        cr_assert_eq(ns_lookup(txn, bucket, name, &inode), 0);
        cr_assert_eq(inode.ino, ino);
        cr_assert_eq(inode.size, i + 1);
    }
    cr_assert_eq(ns_dir_next(dir, &name, &ino, &type, NULL), -ENOENT);
    ns_dir_close(&dir);
    ns_view_end(&txn);
}

/* ---- PUT over what is there ---- */

static int do_chmod(struct ns_txn *txn, void *arg)
{
    struct ns_setattr set = {.valid = NS_SET_MODE | NS_SET_UID | NS_SET_GID, .mode = 0600, .uid = 7, .gid = 8};
    struct inode inode;
    return ns_setattr(txn, *(uint64_t *)arg, &set, &inode);
}

Test(ns_rules, a_put_replaces_the_inode_and_keeps_mode_and_owner)
{
    struct inode old, new;
    cr_assert_eq(nsf_put(bucket, "f", "old"), 0);
    cr_assert_eq(nsf_find(bucket, "f", &old), 0);
    cr_assert_eq(nsf_apply(do_chmod, &old.ino), 0);
    cr_assert_eq(nsf_put(bucket, "f", "new"), 0);
    cr_assert_eq(nsf_find(bucket, "f", &new), 0);
    cr_assert_neq(new.ino, old.ino);
    cr_assert_eq(new.mode, 0600);
    cr_assert_eq(new.uid, 7);
    cr_assert_eq(new.gid, 8);
    cr_assert_eq(nsf_inode(old.ino, &old), -ESTALE);
}

Test(ns_rules, a_reader_sees_one_snapshot_to_its_end)
{
    static char large[100000];
    struct ns_txn *txn;
    struct body_reader *reader;
    struct inode inode;
    char byte;
    memset(large, 'o', sizeof(large));
    cr_assert_eq(nsf_put_span(bucket, SPAN_LIT("f"), span_make(large, sizeof(large))), 0);
    txn = nsf_view();
    cr_assert_eq(ns_key_find(txn, bucket, SPAN_LIT("f"), &inode), 0);
    cr_assert_eq(body_reader_new(txn, &inode, 0, UINT64_MAX, &reader), 0);
    ns_view_end(&txn);
    cr_assert_eq(nsf_write(inode.ino, 10, SPAN_LIT("new bytes")), 0);
    cr_assert_eq(nsf_put(bucket, "f", "n"), 0);
    cr_assert_eq(nsf_delete(bucket, "f"), 0);
    for (size_t i = 0; i < sizeof(large); i++) {
        cr_assert_eq(body_read(reader, &byte, 1), 1);
        cr_assert_eq(byte, 'o');
    }
    cr_assert_eq(body_read(reader, &byte, 1), 0);
    body_reader_free(&reader);
}

Test(ns_rules, a_posix_write_gives_a_new_opaque_etag)
{
    struct inode inode;
    char first[INODE_ETAG_MAX], second[INODE_ETAG_MAX], third[INODE_ETAG_MAX];
    cr_assert_eq(nsf_put(bucket, "f", "x"), 0);
    cr_assert_eq(nsf_find(bucket, "f", &inode), 0);
    inode_etag(&inode, first);
    cr_assert_eq(strlen(first), 32);
    cr_assert_eq(nsf_write(inode.ino, 0, SPAN_LIT("y")), 0);
    cr_assert_eq(nsf_find(bucket, "f", &inode), 0);
    inode_etag(&inode, second);
    cr_assert_not_null(strchr(second, '-'));
    cr_assert_eq(nsf_write(inode.ino, 0, SPAN_LIT("y")), 0);
    cr_assert_eq(nsf_find(bucket, "f", &inode), 0);
    inode_etag(&inode, third);
    cr_assert_str_neq(second, third);
}

/* ---- buckets ---- */

Test(ns_rules, buckets_are_directories_of_the_root)
{
    cr_assert_eq(nsf_ino(NS_ROOT, "bucket"), bucket);
    uint64_t made = nsf_mkdir(NS_ROOT, "made-by-mkdir");
    cr_assert_eq(nsf_create(NS_ROOT, "No", INODE_DIR, NULL), -EINVAL);
    cr_assert_eq(nsf_create(NS_ROOT, "bucket", INODE_DIR, NULL), -EEXIST);
    cr_assert_eq(nsf_create(NS_ROOT, "file", INODE_FILE, NULL), -EPERM);
    cr_assert_eq(nsf_put(made, "k", "x"), 0);
    cr_assert_eq(nsf_bucket_delete("made-by-mkdir"), CAIRN_EBUCKETNOTEMPTY);
    cr_assert_eq(nsf_rmdir(NS_ROOT, "made-by-mkdir"), CAIRN_EBUCKETNOTEMPTY);
    cr_assert_eq(nsf_delete(made, "k"), 0);
    cr_assert_eq(nsf_rmdir(NS_ROOT, "made-by-mkdir"), 0);
    cr_assert_eq(nsf_bucket_delete("made-by-mkdir"), CAIRN_ENOBUCKET);
}

Test(ns_rules, a_bucket_with_an_explicit_directory_is_not_empty)
{
    uint64_t other = nsf_bucket("other");
    nsf_mkdir(other, "d");
    cr_assert_eq(nsf_bucket_delete("other"), CAIRN_EBUCKETNOTEMPTY);
    cr_assert_eq(nsf_rmdir(other, "d"), 0);
    cr_assert_eq(nsf_bucket_delete("other"), 0);
}

Test(ns_rules, buckets_are_listed_in_byte_order_of_their_names)
{
    const char *names[] = {"aaa.b", "aaa", "aaa-b", "aaa-b-c", "aaa.b-c", "aab", "aaa0"};
    const char *sorted[] = {"aaa", "aaa-b", "aaa-b-c", "aaa.b", "aaa.b-c", "aaa0", "aab", "bucket"};
    struct arena arena = ARENA_INIT;
    struct span after = SPAN_EMPTY;
    struct inode inode;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        nsf_bucket(names[i]);
    struct ns_txn *txn = nsf_view();
    for (size_t i = 0; i < sizeof(sorted) / sizeof(*sorted); i++) {
        cr_assert_eq(ns_bucket_next(txn, after, &arena, &after, &inode), 0);
        cr_assert(span_is(after, sorted[i]), SPAN_FMT " instead of %s", SPAN_ARG(after), sorted[i]);
    }
    cr_assert_eq(ns_bucket_next(txn, after, &arena, &after, &inode), CAIRN_ENOBUCKET);
    ns_view_end(&txn);
    arena_release(&arena);
}
