/* rename(2) and renameat2(2), and S3's RenameObject. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "objstore/base/errors.h"
#include "tests/support/ns_fixture.h"

static uint64_t bucket;

static void setup(void)
{
    nsf_init();
    bucket = nsf_bucket("bucket");
}

TestSuite(ns_rename, .init = setup, .fini = nsf_fini, .timeout = 120);

#define NOREPLACE NS_RENAME_NOREPLACE
#define EXCHANGE NS_RENAME_EXCHANGE

/* ---- the matrix ---- */

/* "file", "empty" and "full" directories, "none", as source and target. */
struct row {
    const char *from, *to;
    uint32_t flags;
    int answer;
};

static const struct row rows[] = {
    {"file", "none", 0, 0},
    {"file", "none", NOREPLACE, 0},
    {"file", "none", EXCHANGE, -ENOENT},
    {"file", "file2", 0, 0},
    {"file", "file2", NOREPLACE, -EEXIST},
    {"file", "file2", EXCHANGE, 0},
    {"file", "empty", 0, -EISDIR},
    {"file", "empty", EXCHANGE, 0},
    {"file", "full", EXCHANGE, 0},
    {"file", "file", 0, 0},
    {"file", "file", EXCHANGE, 0},
    {"empty", "none", 0, 0},
    {"empty", "file", 0, -ENOTDIR},
    {"empty", "file", NOREPLACE, -EEXIST},
    {"empty", "empty2", 0, 0},
    {"empty", "full", 0, -ENOTEMPTY},
    {"full", "none", 0, 0},
    {"full", "empty", 0, 0},
    {"full", "empty", NOREPLACE, -EEXIST},
    {"full", "full2", 0, -ENOTEMPTY},
    {"full", "full2", EXCHANGE, 0},
    {"full", "empty", EXCHANGE, 0},
    {"none", "file", 0, -ENOENT},
    {"none", "none", 0, -ENOENT},
    {"file", "file2", NOREPLACE | EXCHANGE, -EINVAL},
};

static void fill(uint64_t dir)
{
    nsf_mkfile(dir, "file");
    nsf_mkfile(dir, "file2");
    nsf_mkdir(dir, "empty");
    nsf_mkdir(dir, "empty2");
    nsf_mkfile(nsf_mkdir(dir, "full"), "x");
    nsf_mkdir(nsf_mkdir(dir, "full2"), "y");
}

static void try_row(const struct row *row, bool across)
{
    uint64_t a = nsf_mkdir(bucket, "a"), b = nsf_mkdir(bucket, "b");
    struct inode inode;
    fill(a);
    fill(b);
    uint64_t to_dir = across ? b : a;
    uint64_t from = nsf_ino(a, row->from), to = nsf_ino(to_dir, row->to);
    int r = nsf_rename(a, row->from, to_dir, row->to, row->flags);
    cr_assert_eq(r, row->answer, "%s to %s, %u: %s", row->from, row->to, row->flags, cairn_errname(r));
    bool moved = r == 0 && from != to;
    cr_assert_eq(nsf_ino(to_dir, row->to), moved ? from : to);
    cr_assert_eq(nsf_ino(a, row->from), !moved ? from : row->flags == EXCHANGE ? to : 0);
    if (moved && nsf_inode(from, &inode) == 0 && inode.type == INODE_DIR)
        cr_assert_eq(inode.parent, to_dir);
    nsf_verify();
    cr_assert_eq(nsf_rename(bucket, "a", bucket, "gone-a", 0), 0);
    cr_assert_eq(nsf_rename(bucket, "b", nsf_ino(bucket, "gone-a"), "gone-b", 0), 0);
    uint64_t n = nsf_inodes();
    char name[32];
    snprintf(name, sizeof(name), "done-%lu", (unsigned long)n + from);
    cr_assert_eq(nsf_rename(bucket, "gone-a", bucket, name, 0), 0);
}

Test(ns_rename, all_pairs_within_a_directory)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        try_row(&rows[i], false);
}

Test(ns_rename, all_pairs_between_directories)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (strcmp(rows[i].from, rows[i].to) != 0)
            try_row(&rows[i], true);
}

/* ---- directories ---- */

Test(ns_rename, a_directory_takes_all_that_is_below_it)
{
    cr_assert_eq(nsf_put(bucket, "a/b/c", "1"), 0);
    cr_assert_eq(nsf_put(bucket, "a/d", "2"), 0);
    cr_assert_eq(nsf_rename(bucket, "a", bucket, "z", 0), 0);
    cr_assert_str_eq(nsf_list(bucket, ""), "z/b/c z/d ");
    cr_assert_str_eq(nsf_get(bucket, "z/b/c"), "1");
    cr_assert_eq(nsf_delete(bucket, "z/b/c"), 0);
    cr_assert_eq(nsf_delete(bucket, "z/d"), 0);
    cr_assert_str_eq(nsf_readdir(bucket), "");
}

Test(ns_rename, a_directory_does_not_go_below_itself)
{
    uint64_t a = nsf_mkdir(bucket, "a"), b = nsf_mkdir(a, "b"), c = nsf_mkdir(b, "c");
    cr_assert_eq(nsf_rename(bucket, "a", a, "x", 0), -EINVAL);
    cr_assert_eq(nsf_rename(bucket, "a", c, "x", 0), -EINVAL);
    cr_assert_eq(nsf_rename(bucket, "a", b, "c", EXCHANGE), -EINVAL);
    cr_assert_eq(nsf_rename(b, "c", bucket, "a", EXCHANGE), -EINVAL);
    cr_assert_eq(nsf_rename(b, "c", bucket, "a", 0), -ENOTEMPTY);
    cr_assert_eq(nsf_rename(b, "c", bucket, "c", 0), 0);
    cr_assert_eq(nsf_rename(bucket, "a", c, "a", 0), 0);
    cr_assert_eq(nsf_ino(c, ".."), bucket);
    cr_assert_str_eq(nsf_list(bucket, ""), "c/ c/a/ c/a/b/ ");
}

Test(ns_rename, both_names_of_one_file_stay)
{
    uint64_t f = nsf_mkfile(bucket, "f");
    cr_assert_eq(nsf_link(f, bucket, "g"), 0);
    cr_assert_eq(nsf_rename(bucket, "f", bucket, "g", 0), 0);
    cr_assert_str_eq(nsf_readdir(bucket), "f g ");
    cr_assert_eq(nsf_rename(bucket, "f", bucket, "g", EXCHANGE), 0);
}

Test(ns_rename, the_name_dot_is_busy)
{
    uint64_t a = nsf_mkdir(bucket, "a");
    cr_assert_eq(nsf_rename(a, ".", bucket, "x", 0), -EBUSY);
    cr_assert_eq(nsf_rename(bucket, "a", bucket, "..", 0), -EBUSY);
}

/* ---- implicit directories and shadows ---- */

Test(ns_rename, both_directories_become_explicit)
{
    cr_assert_eq(nsf_put(bucket, "a/f", "x"), 0);
    cr_assert_eq(nsf_put(bucket, "b/g", "x"), 0);
    cr_assert_eq(nsf_rename(nsf_ino(bucket, "a"), "f", nsf_ino(bucket, "b"), "f", 0), 0);
    cr_assert_str_eq(nsf_list(bucket, ""), "a/ b/ b/f b/g ");
}

Test(ns_rename, shadows_come_and_go_with_the_directory)
{
    cr_assert_eq(nsf_put(bucket, "a", "object a"), 0);
    cr_assert_eq(nsf_put(bucket, "b", "object b"), 0);
    cr_assert_eq(nsf_put(bucket, "a/x", "x"), 0);
    cr_assert_eq(nsf_rename(bucket, "a", bucket, "c", 0), 0);
    cr_assert_str_eq(nsf_readdir(bucket), "a b c/ ");
    cr_assert_eq(nsf_rename(bucket, "c", bucket, "a", 0), -ENOTDIR);
    cr_assert_eq(nsf_rename(bucket, "b", bucket, "@cairn.object.c", 0), 0);
    cr_assert_str_eq(nsf_readdir(bucket), "a @cairn.object.c c/ ");
    cr_assert_str_eq(nsf_get(bucket, "c"), "object b");
    cr_assert_eq(nsf_rename(bucket, "@cairn.object.c", bucket, "d", 0), 0);
    cr_assert_eq(nsf_rename(bucket, "d", bucket, "@cairn.object.a", 0), -EINVAL);
    cr_assert_str_eq(nsf_list(bucket, ""), "a c/x d ");
}

Test(ns_rename, an_exchange_does_not_land_on_the_object_beside)
{
    cr_assert_eq(nsf_put(bucket, "a", "object"), 0);
    cr_assert_eq(nsf_put(bucket, "a/x", "x"), 0);
    cr_assert_eq(nsf_put(bucket, "f", "f"), 0);
    cr_assert_eq(nsf_rename(bucket, "a", bucket, "f", EXCHANGE), -EEXIST);
    cr_assert_eq(nsf_rename(bucket, "f", bucket, "a", EXCHANGE), -EEXIST);
    cr_assert_eq(nsf_rename(bucket, "f", bucket, "@cairn.object.a", EXCHANGE), 0);
    cr_assert_str_eq(nsf_get(bucket, "a"), "f");
    cr_assert_str_eq(nsf_get(bucket, "f"), "object");
}

/* ---- buckets ---- */

Test(ns_rename, files_move_between_buckets_and_buckets_stay_in_the_root)
{
    uint64_t other = nsf_bucket("other");
    uint64_t d = nsf_mkdir(bucket, "d");
    nsf_mkfile(d, "f");
    cr_assert_eq(nsf_rename(bucket, "d", other, "d", 0), 0);
    cr_assert_str_eq(nsf_list(other, ""), "d/ d/f ");
    cr_assert_eq(nsf_rename(NS_ROOT, "bucket", other, "b", 0), -EXDEV);
    cr_assert_eq(nsf_rename(other, "d", NS_ROOT, "ddd", 0), -EXDEV);
    cr_assert_eq(nsf_rename(NS_ROOT, "bucket", NS_ROOT, "X", 0), -EINVAL);
    cr_assert_eq(nsf_rename(NS_ROOT, "other", NS_ROOT, "renamed", 0), 0);
    cr_assert_eq(nsf_ino(NS_ROOT, "renamed"), other);
    cr_assert_eq(nsf_rename(NS_ROOT, "renamed", NS_ROOT, "bucket", 0), 0);
    cr_assert_eq(nsf_ino(NS_ROOT, "bucket"), other);
}

/* ---- S3 RenameObject ---- */

struct key_rename {
    const char *from, *to;
    int check_from, check_to;
    bool target_seen;
};

static int check_from(const struct inode *current, void *arg)
{
    cr_assert_not_null(current);
    return ((struct key_rename *)arg)->check_from;
}

static int check_to(const struct inode *current, void *arg)
{
    struct key_rename *a = arg;
    a->target_seen = current != NULL;
    return a->check_to;
}

static int do_key_rename(struct ns_txn *txn, void *arg)
{
    struct key_rename *a = arg;
    return ns_key_rename(txn, bucket, span_cstr(a->from), span_cstr(a->to), check_from, check_to, a);
}

static int key_rename(const char *from, const char *to)
{
    struct key_rename a = {.from = from, .to = to};
    return nsf_apply(do_key_rename, &a);
}

Test(ns_rename, rename_object_makes_and_removes_implicit_directories)
{
    cr_assert_eq(nsf_put(bucket, "a/b/c", "1"), 0);
    uint64_t ino = nsf_ino(nsf_ino(nsf_ino(bucket, "a"), "b"), "c");
    cr_assert_eq(key_rename("a/b/c", "x/y/z"), 0);
    cr_assert_str_eq(nsf_list(bucket, ""), "x/y/z ");
    cr_assert_str_eq(nsf_readdir(bucket), "x/ ");
    cr_assert_eq(key_rename("x/y/z", "x/w"), 0);
    cr_assert_eq(key_rename("x/w", "x/w/v"), 0);
    cr_assert_str_eq(nsf_list(bucket, ""), "x/w/v ");
    cr_assert_eq(nsf_ino(nsf_ino(nsf_ino(bucket, "x"), "w"), "v"), ino);
    cr_assert_eq(key_rename("x/w/v", "x"), 0);
    cr_assert_str_eq(nsf_readdir(bucket), "x ");
    cr_assert_eq(key_rename("none", "x"), CAIRN_ENOKEY);
    cr_assert_eq(key_rename("x", "d/"), CAIRN_EBADNAME);
}

Test(ns_rename, rename_object_checks_both_ends_first)
{
    struct key_rename a = {.from = "a", .to = "b", .check_to = CAIRN_EPRECONDITION};
    cr_assert_eq(nsf_put(bucket, "a", "1"), 0);
    cr_assert_eq(nsf_apply(do_key_rename, &a), CAIRN_EPRECONDITION);
    cr_assert_not(a.target_seen);
    cr_assert_eq(nsf_put(bucket, "b", "2"), 0);
    cr_assert_eq(nsf_apply(do_key_rename, &a), CAIRN_EPRECONDITION);
    cr_assert(a.target_seen);
    a.check_from = CAIRN_EPRECONDITION;
    a.check_to = 0;
    cr_assert_eq(nsf_apply(do_key_rename, &a), CAIRN_EPRECONDITION);
    cr_assert_str_eq(nsf_get(bucket, "b"), "2");
    a.check_from = 0;
    cr_assert_eq(nsf_apply(do_key_rename, &a), 0);
    cr_assert_str_eq(nsf_get(bucket, "b"), "1");
    cr_assert_str_eq(nsf_list(bucket, ""), "b ");
}

Test(ns_rename, rename_object_over_another_name_of_the_file_leaves_one)
{
    struct inode inode;
    uint64_t f = nsf_mkfile(bucket, "f");
    cr_assert_eq(nsf_link(f, bucket, "g"), 0);
    cr_assert_eq(key_rename("f", "g"), 0);
    cr_assert_str_eq(nsf_list(bucket, ""), "g ");
    cr_assert_eq(nsf_inode(f, &inode), 0);
    cr_assert_eq(inode.nlink, 1);
}
