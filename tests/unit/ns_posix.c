/* The POSIX view: create, link, unlink, open without a name, attributes, readdir, extended attributes. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "tests/support/ns_fixture.h"

static uint64_t bucket;

static void setup(void)
{
    nsf_init();
    bucket = nsf_bucket("bucket");
}

TestSuite(ns_posix, .init = setup, .fini = nsf_fini, .timeout = 300);

/* ---- names ---- */

Test(ns_posix, all_types_are_made_and_listed)
{
    const enum inode_type types[] = {INODE_FILE,   INODE_DIR,  INODE_SYMLINK, INODE_FIFO,
                                     INODE_SOCKET, INODE_CHAR, INODE_BLOCK};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        char name[] = {(char)('a' + i), 0};
        struct inode inode;
        cr_assert_eq(nsf_create(bucket, name, types[i], NULL), 0);
        cr_assert_eq(nsf_stat(bucket, name, &inode), 0);
        cr_assert_eq(inode.type, types[i]);
        cr_assert_eq(inode.mode, 0750);
        cr_assert_eq(nsf_create(bucket, name, INODE_FILE, NULL), -EEXIST);
    }
    cr_assert_str_eq(nsf_readdir(bucket), "a b/ c d e f g ");
    cr_assert_str_eq(nsf_list(bucket, ""), "a b/ c d e f g ");
    cr_assert_str_eq(nsf_get(bucket, "c"), "target");
}

Test(ns_posix, bad_names_are_refused)
{
    char name[300];
    struct inode inode;
    memset(name, 'n', sizeof(name));
    name[256] = 0;
    cr_assert_eq(nsf_create(bucket, name, INODE_FILE, NULL), -ENAMETOOLONG);
    cr_assert_eq(nsf_stat(bucket, name, &inode), -ENAMETOOLONG);
    name[255] = 0;
    cr_assert_eq(nsf_create(bucket, name, INODE_FILE, NULL), 0);
    cr_assert_eq(nsf_create(bucket, name, INODE_DIR, NULL), -EEXIST);
    cr_assert_eq(nsf_create(bucket, "", INODE_FILE, NULL), -EINVAL);
    cr_assert_eq(nsf_create(bucket, "a/b", INODE_FILE, NULL), -EINVAL);
    cr_assert_eq(nsf_create(bucket, "..", INODE_DIR, NULL), -EEXIST);
    cr_assert_eq(nsf_stat(bucket, "none", &inode), -ENOENT);
    cr_assert_eq(nsf_stat(999, "none", &inode), -ESTALE);
    cr_assert_eq(nsf_stat(nsf_ino(bucket, name), "none", &inode), -ENOTDIR);
}

Test(ns_posix, dot_and_dot_dot_are_answered)
{
    uint64_t d = nsf_mkdir(bucket, "d");
    cr_assert_eq(nsf_ino(d, "."), d);
    cr_assert_eq(nsf_ino(d, ".."), bucket);
    cr_assert_eq(nsf_ino(bucket, ".."), NS_ROOT);
    cr_assert_eq(nsf_ino(NS_ROOT, ".."), NS_ROOT);
}

Test(ns_posix, escapes_that_are_shown_can_be_made)
{
    cr_assert_eq(nsf_create(bucket, "@cairn.name...", INODE_DIR, NULL), 0);
    cr_assert_str_eq(nsf_list(bucket, ""), "../ ");
    cr_assert_eq(nsf_create(bucket, "@cairn.name...", INODE_DIR, NULL), -EEXIST);
    cr_assert_eq(nsf_create(bucket, "@cairn.name.", INODE_FILE, NULL), -EINVAL);
    cr_assert_eq(nsf_create(bucket, "@cairn.name.", INODE_DIR, NULL), 0);
    cr_assert_str_eq(nsf_list(bucket, ""), "../ / ");
    cr_assert_eq(nsf_rmdir(bucket, "@cairn.name..."), 0);
    cr_assert_eq(nsf_rmdir(bucket, "@cairn.name."), 0);
}

Test(ns_posix, rmdir_wants_an_empty_directory)
{
    struct inode inode;
    uint64_t d = nsf_mkdir(bucket, "d");
    nsf_mkfile(d, "f");
    cr_assert_eq(nsf_rmdir(bucket, "d"), -ENOTEMPTY);
    cr_assert_eq(nsf_rmdir(d, "f"), -ENOTDIR);
    cr_assert_eq(nsf_unlink(bucket, "d"), -EISDIR);
    cr_assert_eq(nsf_unlink(d, "f"), 0);
    cr_assert_eq(nsf_inode(bucket, &inode), 0);
    cr_assert_eq(inode.nlink, 3);
    cr_assert_eq(nsf_rmdir(bucket, "d"), 0);
    cr_assert_eq(nsf_inode(bucket, &inode), 0);
    cr_assert_eq(inode.nlink, 2);
    cr_assert_eq(nsf_rmdir(bucket, "d"), -ENOENT);
}

Test(ns_posix, entries_change_the_version_and_times_of_their_directory)
{
    struct inode before, after;
    cr_assert_eq(nsf_inode(bucket, &before), 0);
    cr_assert_eq(nsf_put(bucket, "k", ""), 0);
    cr_assert_eq(nsf_inode(bucket, &after), 0);
    cr_assert_gt(after.version, before.version);
    cr_assert_gt(after.mtime, before.mtime);
    cr_assert_eq(after.mtime, after.ctime);
    before = after;
    cr_assert_eq(nsf_unlink(bucket, "k"), 0);
    cr_assert_eq(nsf_inode(bucket, &after), 0);
    cr_assert_gt(after.version, before.version);
}

/* ---- hard links ---- */

Test(ns_posix, hard_links_share_an_inode_until_s3_replaces_one)
{
    struct inode inode;
    uint64_t d = nsf_mkdir(bucket, "d"), f = nsf_mkfile(bucket, "f");
    cr_assert_eq(nsf_write(f, 0, SPAN_LIT("both")), 0);
    cr_assert_eq(nsf_link(f, d, "g"), 0);
    cr_assert_eq(nsf_link(f, d, "g"), -EEXIST);
    cr_assert_eq(nsf_link(d, d, "h"), -EPERM);
    cr_assert_eq(nsf_inode(f, &inode), 0);
    cr_assert_eq(inode.nlink, 2);
    cr_assert_str_eq(nsf_get(bucket, "d/g"), "both");
    cr_assert_eq(nsf_put(bucket, "f", "other"), 0);
    cr_assert_str_eq(nsf_get(bucket, "d/g"), "both");
    cr_assert_eq(nsf_inode(f, &inode), 0);
    cr_assert_eq(inode.nlink, 1);
    cr_assert_eq(nsf_unlink(d, "g"), 0);
    cr_assert_eq(nsf_inode(f, &inode), -ESTALE);
}

/* ---- open files without a name ---- */

static int do_hold(struct ns_txn *txn, void *arg)
{
    return ns_hold(txn, *(uint64_t *)arg);
}

static int hold(uint64_t ino)
{
    struct ns_txn *txn = nsf_view();
    int r = ns_hold(txn, ino);
    ns_view_end(&txn);
    return r;
}

Test(ns_posix, a_held_inode_outlives_its_name)
{
    struct inode inode;
    struct buf bytes = BUF_INIT;
    uint64_t before = nsf_inodes(), f = nsf_mkfile(bucket, "f");
    cr_assert_eq(nsf_write(f, 0, SPAN_LIT("bytes")), 0);
    cr_assert_eq(hold(f), 0);
    cr_assert_eq(nsf_apply(do_hold, &f), 0);
    cr_assert_eq(nsf_unlink(bucket, "f"), 0);
    ns_unhold(nsf_ns, f);
    nsf_verify();
    cr_assert_eq(nsf_inode(f, &inode), 0);
    cr_assert_eq(inode.nlink, 0);
    cr_assert_eq(nsf_write(f, 5, SPAN_LIT(" more")), 0);
    nsf_read(f, &bytes);
    cr_assert(span_is(buf_span(&bytes), "bytes more"));
    cr_assert_eq(nsf_link(f, bucket, "again"), -ENOENT);
    ns_unhold(nsf_ns, f);
    nsf_verify();
    cr_assert_eq(nsf_inode(f, &inode), -ESTALE);
    cr_assert_eq(nsf_inodes(), before);
    buf_release(&bytes);
}

Test(ns_posix, old_handles_keep_the_bytes_that_a_put_replaced)
{
    struct buf bytes = BUF_INIT;
    cr_assert_eq(nsf_put(bucket, "f", "old"), 0);
    uint64_t f = nsf_ino(bucket, "f");
    cr_assert_eq(hold(f), 0);
    cr_assert_eq(nsf_put(bucket, "f", "new"), 0);
    nsf_read(f, &bytes);
    cr_assert(span_is(buf_span(&bytes), "old"));
    cr_assert_str_eq(nsf_get(bucket, "f"), "new");
    ns_unhold(nsf_ns, f);
    buf_release(&bytes);
}

Test(ns_posix, orphans_outlive_a_restart_until_they_are_reaped)
{
    struct inode inode;
    uint64_t a = nsf_mkfile(bucket, "a"), b = nsf_mkfile(bucket, "b");
    cr_assert_eq(hold(a), 0);
    cr_assert_eq(hold(b), 0);
    cr_assert_eq(nsf_unlink(bucket, "a"), 0);
    cr_assert_eq(nsf_unlink(bucket, "b"), 0);
    nsf_reopen();
    nsf_verify();
    cr_assert_eq(hold(a), 0);
    cr_assert_eq(ns_reap_orphans(nsf_ns), 0);
    cr_assert_eq(nsf_inode(a, &inode), 0);
    cr_assert_eq(nsf_inode(b, &inode), -ESTALE);
    ns_unhold(nsf_ns, a);
    nsf_verify();
    cr_assert_eq(nsf_inode(a, &inode), -ESTALE);
}

Test(ns_posix, many_orphans_are_reaped_page_by_page)
{
    uint64_t before = nsf_inodes();
    for (int i = 0; i < 600; i++) {
        uint64_t f = nsf_mkfile(bucket, "f");
        cr_assert_eq(hold(f), 0);
        cr_assert_eq(nsf_unlink(bucket, "f"), 0);
    }
    cr_assert_eq(nsf_inodes(), before + 600);
    nsf_reopen();
    cr_assert_eq(ns_reap_orphans(nsf_ns), 0);
    cr_assert_eq(nsf_inodes(), before);
}

Test(ns_posix, a_hold_from_an_old_view_does_not_bring_an_inode_back)
{
    uint64_t f = nsf_mkfile(bucket, "f"), g = nsf_mkfile(bucket, "g");
    struct ns_txn *txn = nsf_view();
    struct ns_txn *later;
    cr_assert_eq(nsf_unlink(bucket, "f"), 0);
    cr_assert_eq(ns_hold(txn, f), -ESTALE);
    cr_assert_eq(ns_hold(txn, g), 0);
    ns_view_end(&txn);
    later = nsf_view();
    cr_assert_eq(ns_hold(later, f), -ESTALE);
    ns_view_end(&later);
    ns_unhold(nsf_ns, g);
}

Test(ns_posix, a_removed_directory_that_is_held_takes_no_entries)
{
    uint64_t d = nsf_mkdir(bucket, "d");
    struct inode inode;
    cr_assert_eq(hold(d), 0);
    cr_assert_eq(nsf_rmdir(bucket, "d"), 0);
    cr_assert_eq(nsf_create(d, "f", INODE_FILE, NULL), -ENOENT);
    cr_assert_eq(nsf_stat(d, "f", &inode), -ENOENT);
    cr_assert_str_eq(nsf_readdir(d), "");
    ns_unhold(nsf_ns, d);
}

Test(ns_posix, many_holds_are_counted)
{
    static uint64_t inos[2000];
    char name[20];
    for (size_t i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "f%zu", i);
        inos[i] = nsf_mkfile(bucket, name);
        cr_assert_eq(hold(inos[i]), 0);
    }
    for (size_t i = 0; i < 2000; i++)
        ns_unhold(nsf_ns, inos[i]);
    ns_unhold(nsf_ns, inos[0]);
}

/* ---- attributes ---- */

struct set_args {
    uint64_t ino;
    struct ns_setattr set;
    struct inode inode;
};

static int do_setattr(struct ns_txn *txn, void *arg)
{
    struct set_args *a = arg;
    return ns_setattr(txn, a->ino, &a->set, &a->inode);
}

Test(ns_posix, setattr_sets_what_it_is_told)
{
    struct set_args a = {.ino = nsf_mkfile(bucket, "f"),
                         .set = {.valid = NS_SET_MODE | NS_SET_UID | NS_SET_ATIME | NS_SET_MTIME,
                                 .mode = 04711,
                                 .uid = 5,
                                 .gid = 6,
                                 .atime = 1000,
                                 .mtime = -2000}};
    cr_assert_eq(nsf_apply(do_setattr, &a), 0);
    cr_assert_eq(a.inode.mode, 04711);
    cr_assert_eq(a.inode.uid, 5);
    cr_assert_eq(a.inode.gid, 0);
    cr_assert_eq(a.inode.atime, 1000);
    cr_assert_eq(a.inode.mtime, -2000);
    cr_assert_gt(a.inode.ctime, 1000);
    a.set.valid = NS_SET_SIZE;
    a.ino = bucket;
    cr_assert_eq(nsf_apply(do_setattr, &a), -EISDIR);
}

Test(ns_posix, attributes_set_on_an_implicit_directory_make_it_explicit)
{
    struct set_args a = {.set = {.valid = NS_SET_ATIME, .mode = 0700}};
    cr_assert_eq(nsf_put(bucket, "d/f", ""), 0);
    a.ino = nsf_ino(bucket, "d");
    cr_assert_eq(nsf_apply(do_setattr, &a), 0);
    cr_assert_str_eq(nsf_list(bucket, ""), "d/f ");
    a.set.valid = NS_SET_MODE;
    cr_assert_eq(nsf_apply(do_setattr, &a), 0);
    cr_assert_str_eq(nsf_list(bucket, ""), "d/ d/f ");
}

Test(ns_posix, checksums_go_with_the_bytes_that_they_were_of)
{
    struct ns_txn *txn;
    struct inode inode;
    struct span value;
    struct buf attrs = BUF_INIT;
    char crc = HASH_CRC32;
    attrs_add(&attrs, ATTR_CHECKSUM, span_make(&crc, 1), SPAN_LIT("abcd"));
    attrs_add(&attrs, ATTR_META, SPAN_LIT("k"), SPAN_LIT("v"));
    uint64_t f = nsf_mkfile(bucket, "f");
    cr_assert_eq(nsf_set_attrs(bucket, "f", buf_span(&attrs)), 0);
    cr_assert_eq(nsf_write(f, 0, SPAN_LIT("x")), 0);
    txn = nsf_view();
    cr_assert_eq(ns_inode(txn, f, &inode), 0);
    cr_assert_not(attrs_find(inode.attrs, ATTR_CHECKSUM, span_make(&crc, 1), &value));
    cr_assert(attrs_find(inode.attrs, ATTR_META, SPAN_LIT("k"), &value));
    cr_assert(span_is(value, "v"));
    ns_view_end(&txn);
    buf_release(&attrs);
}

/* ---- extended attributes ---- */

struct xattr_args {
    uint64_t ino;
    struct span name, value;
    uint32_t flags;
};

static int do_xattr_set(struct ns_txn *txn, void *arg)
{
    struct xattr_args *a = arg;
    return ns_xattr_set(txn, a->ino, a->name, a->value, a->flags);
}

static int do_xattr_remove(struct ns_txn *txn, void *arg)
{
    struct xattr_args *a = arg;
    return ns_xattr_remove(txn, a->ino, a->name);
}

static int xattr_set(uint64_t ino, const char *name, struct span value, uint32_t flags)
{
    struct xattr_args a = {.ino = ino, .name = span_cstr(name), .value = value, .flags = flags};
    return nsf_apply(do_xattr_set, &a);
}

Test(ns_posix, extended_attributes_are_set_listed_and_removed)
{
    static char large[NS_XATTR_MAX + 1];
    uint64_t f = nsf_mkfile(bucket, "f");
    struct xattr_args a = {.ino = f, .name = SPAN_LIT("user.b")};
    struct span name = SPAN_EMPTY, value;
    cr_assert_eq(xattr_set(f, "user.b", SPAN_LIT("1"), NS_XATTR_REPLACE), -ENODATA);
    cr_assert_eq(xattr_set(f, "user.b", SPAN_LIT("1"), NS_XATTR_CREATE), 0);
    cr_assert_eq(xattr_set(f, "user.b", SPAN_LIT("2"), NS_XATTR_CREATE), -EEXIST);
    cr_assert_eq(xattr_set(f, "user.b", SPAN_EMPTY, 0), 0);
    cr_assert_eq(xattr_set(f, "user.a", span_make(large, NS_XATTR_MAX), 0), 0);
    cr_assert_eq(xattr_set(f, "user.c", span_make(large, NS_XATTR_MAX + 1), 0), -E2BIG);
    cr_assert_eq(xattr_set(f, "", SPAN_EMPTY, 0), -ERANGE);
    cr_assert_eq(xattr_set(999, "user.a", SPAN_EMPTY, 0), -ESTALE);
    struct ns_txn *txn = nsf_view();
    cr_assert_eq(ns_xattr_get(txn, f, SPAN_LIT("user.b"), &value), 0);
    cr_assert_eq(value.len, 0);
    cr_assert_eq(ns_xattr_get(txn, f, SPAN_LIT("user.x"), &value), -ENODATA);
    cr_assert_eq(ns_xattr_next(txn, f, name, &name), 0);
    cr_assert(span_is(name, "user.a"));
    cr_assert_eq(ns_xattr_next(txn, f, name, &name), 0);
    cr_assert(span_is(name, "user.b"));
    cr_assert_eq(ns_xattr_next(txn, f, name, &name), -ENODATA);
    ns_view_end(&txn);
    cr_assert_eq(nsf_apply(do_xattr_remove, &a), 0);
    cr_assert_eq(nsf_apply(do_xattr_remove, &a), -ENODATA);
    cr_assert_eq(nsf_unlink(bucket, "f"), 0);
}

/* ---- reading a large directory ---- */

struct fill_args {
    int from, to;
};

static int do_fill(struct ns_txn *txn, void *arg)
{
    struct fill_args *a = arg;
    struct inode inode;
    struct ns_create create = {.type = INODE_FILE, .mode = 0644};
    char name[20];
    for (int i = a->from; i < a->to; i++) {
        int len = snprintf(name, sizeof(name), "f%06d", i);
        cr_assert_eq(ns_create(txn, bucket, span_make(name, (size_t)len), &create, &inode), 0);
    }
    return 0;
}

Test(ns_posix, a_large_directory_is_read_in_pages)
{
    enum { FILES = 100000, PAGE = 999 };
    char after[NS_NAME_MAX + 1] = "", expected[20];
    int seen = 0;
    for (struct fill_args a = {0, 0}; a.to < FILES; a.from = a.to) {
        a.to += 10000;
        cr_assert_eq(nsf_apply(do_fill, &a), 0);
    }
    for (bool more = true; more;) {
        struct ns_txn *txn = nsf_view();
        struct ns_dir *dir;
        struct span name;
        struct inode inode;
        uint64_t ino;
        enum inode_type type;
        cr_assert_eq(ns_dir_open(txn, bucket, span_cstr(after), &dir), 0);
        for (int i = 0; more && i < PAGE; i++) {
            more = ns_dir_next(dir, &name, &ino, &type, &inode) == 0;
            if (!more)
                break;
            snprintf(expected, sizeof(expected), "f%06d", seen++);
            cr_assert(span_is(name, expected));
            cr_assert_eq(inode.ino, ino);
            memcpy(after, name.ptr, name.len);
            after[name.len] = 0;
        }
        ns_dir_close(&dir);
        ns_view_end(&txn);
    }
    cr_assert_eq(seen, FILES);
}

Test(ns_posix, removing_while_reading_skips_nothing)
{
    const char *names[] = {"a", "a-b", "a.txt", "b", "b!", "c"};
    struct ns_dir *dir;
    struct span name;
    uint64_t ino;
    enum inode_type type;
    char after[300] = "";
    int removed = 0;
    nsf_mkdir(bucket, "b");
    nsf_mkdir(bucket, "a.d");
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (i != 3)
            nsf_mkfile(bucket, names[i]);
    for (;;) {
        struct ns_txn *txn = nsf_view();
        cr_assert_eq(ns_dir_open(txn, bucket, span_cstr(after), &dir), 0);
        int r = ns_dir_next(dir, &name, &ino, &type, NULL);
        if (r == 0) {
            memcpy(after, name.ptr, name.len);
            after[name.len] = 0;
        }
        ns_dir_close(&dir);
        ns_view_end(&txn);
        if (r < 0)
            break;
        cr_assert_eq(type == INODE_DIR ? nsf_rmdir(bucket, after) : nsf_unlink(bucket, after), 0);
        if (type == INODE_DIR)
            strcat(after, "/");
        removed++;
    }
    cr_assert_eq(removed, 7);
}
