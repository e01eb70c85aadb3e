#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/posix_bed.h"

static struct posix_bed bed;
static struct posix_client client;

static void setup(void)
{
    posix_bed_init(&bed);
    client_init(&client, &bed, 1);
}

static void teardown(void)
{
    client_release(&client);
    posix_bed_release(&bed);
}

TestSuite(posix_compound, .init = setup, .fini = teardown, .timeout = 60);

static struct posix_op create(const char *name)
{
    return (struct posix_op){.code = POSIX_CREATE,
                             .ino = bed.bucket,
                             .name = span_cstr(name),
                             .mode = 0644,
                             .uid = 5,
                             .gid = 6,
                             .flags = POSIX_CREATE_EXCL};
}

static struct posix_op lookup(const char *name)
{
    return (struct posix_op){.code = POSIX_LOOKUP, .ino = bed.bucket, .name = span_cstr(name)};
}

static struct posix_op write_at(uint64_t ino, uint64_t off, struct span data)
{
    return (struct posix_op){.code = POSIX_WRITE, .ino = ino, .off = off, .data = data};
}

static uint64_t made(const char *name)
{
    struct posix_result r;
    cr_assert_eq(client_do(&client, create(name), &r), 0);
    return r.attr.ino;
}

static void expect_contents(uint64_t ino, struct span want)
{
    struct posix_result r;
    cr_assert_eq(client_do(&client, (struct posix_op){.code = POSIX_READ, .ino = ino, .len = POSIX_READ_MAX}, &r), 0);
    cr_expect(span_eq(r.data, want), "%zu bytes: " SPAN_FMT, r.data.len, SPAN_ARG(span_head(r.data, 40)));
    cr_expect_eq(r.attr.size, want.len);
}

/* Bytes of a file that lie in the index. */
static uint64_t inlined(uint64_t ino)
{
    struct ns_txn *txn;
    struct inode inode;
    cr_assert_eq(ns_view_begin(store_ns(bed.store), &txn), 0);
    cr_assert_eq(ns_inode(txn, ino, &inode), 0);
    ns_view_end(&txn);
    return inode.inlined;
}

Test(posix_compound, a_whole_file_is_made_in_one_round_trip)
{
    struct posix_result r;
    client_begin(&client);
    client_add(&client, create("f"));
    client_add(&client, write_at(0, 0, SPAN_LIT("hello")));
    client_add(
        &client,
        (struct posix_op){.code = POSIX_SETATTR, .valid = POSIX_SET_MTIME | POSIX_SET_MODE, .mtime = 7, .mode = 0600});
    client_add(&client, (struct posix_op){.code = POSIX_FSYNC});
    cr_assert_eq(client_send(&client), 0);
    cr_assert_eq(client.got.count, 4);
    cr_assert_eq(client_next(&client, &r), 0);
    cr_expect(r.flags == POSIX_CREATED && r.attr.uid == 5 && r.attr.gid == 6 && r.attr.mode == 0644 &&
              r.attr.type == POSIX_FILE);
    uint64_t ino = r.attr.ino;
    cr_assert_eq(client_next(&client, &r), 0);
    cr_expect(r.attr.ino == ino && r.attr.size == 5 && r.value == 0);
    cr_assert_eq(client_next(&client, &r), 0);
    cr_expect(r.attr.mtime == 7 && r.attr.mode == 0600);
    expect_contents(ino, SPAN_LIT("hello"));
    cr_expect_eq(inlined(ino), 5, "a blob costs a sync of every drive");
}

Test(posix_compound, the_first_failure_ends_it_and_what_ran_stands)
{
    struct posix_result r;
    client_begin(&client);
    client_add(&client, create("a"));
    client_add(&client, create("a"));
    client_add(&client, create("b"));
    cr_assert_eq(client_send(&client), 0);
    cr_assert_eq(client.got.count, 2);
    cr_expect_eq(client_next(&client, &r), 0);
    cr_expect_eq(client_next(&client, &r), -EEXIST);
    cr_expect_eq(client_do(&client, lookup("a"), &r), 0);
    cr_expect_eq(client_do(&client, lookup("b"), &r), -ENOENT);
}

Test(posix_compound, a_marked_failure_does_not_end_it)
{
    struct posix_result r;
    made("a");
    made("c");
    client_begin(&client);
    for (const char *name = "abc"; *name; name++)
        client_add(&client, (struct posix_op){.code = POSIX_UNLINK,
                                              .marks = POSIX_OP_CONTINUE,
                                              .ino = bed.bucket,
                                              .name = span_make(name, 1)});
    cr_assert_eq(client_send(&client), 0);
    cr_assert_eq(client.got.count, 3);
    cr_expect_eq(client_next(&client, &r), 0);
    cr_expect_eq(r.attr.nlink, 0);
    cr_expect_eq(client_next(&client, &r), -ENOENT);
    cr_expect_eq(client_next(&client, &r), 0);
}

Test(posix_compound, a_path_is_walked_by_the_current_inode)
{
    struct posix_result r;
    client_begin(&client);
    client_add(&client, (struct posix_op){.code = POSIX_GETROOT, .name = SPAN_LIT("box")});
    client_add(&client, (struct posix_op){.code = POSIX_MKDIR, .name = SPAN_LIT("d"), .mode = 0755});
    client_add(&client, (struct posix_op){.code = POSIX_MKDIR, .name = SPAN_LIT("e"), .mode = 0755});
    client_add(&client, (struct posix_op){.code = POSIX_SYMLINK, .name = SPAN_LIT("s"), .name2 = SPAN_LIT("../x")});
    cr_assert_eq(client_send(&client), 0);
    cr_assert_eq(client.got.count, 4);

    client_begin(&client);
    client_add(&client, lookup("d"));
    client_add(&client, (struct posix_op){.code = POSIX_LOOKUP, .name = SPAN_LIT("e")});
    client_add(&client, (struct posix_op){.code = POSIX_LOOKUP, .name = SPAN_LIT("s")});
    client_add(&client, (struct posix_op){.code = POSIX_READLINK});
    cr_assert_eq(client_send(&client), 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(client_next(&client, &r), 0);
    cr_expect_eq(r.attr.type, POSIX_LINK_SYMBOLIC);
    cr_assert_eq(client_next(&client, &r), 0);
    cr_expect(span_is(r.data, "../x"));

    struct posix_op root = {.code = POSIX_GETROOT, .name = SPAN_LIT("box"), .name2 = SPAN_LIT("/d/e/")};
    cr_expect_eq(client_do(&client, root, &r), 0);
    cr_expect_eq(r.attr.type, POSIX_DIR);
    root.name2 = SPAN_LIT("d/nothing");
    cr_expect_eq(client_do(&client, root, &r), -ENOENT);
    root.name2 = SPAN_LIT("d/../d");
    cr_expect_eq(client_do(&client, root, &r), -EINVAL);
    root.code = POSIX_MKROOT;
    root.name2 = SPAN_LIT("d/new/er");
    root.mode = 0700;
    cr_expect_eq(client_do(&client, root, &r), 0);
    cr_expect_eq(r.attr.mode, 0700);
}

Test(posix_compound, without_a_current_inode_zero_is_refused)
{
    struct posix_result r;
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_GETATTR}, &r), -EINVAL);
}

Test(posix_compound, a_session_of_a_bucket_does_not_reach_above_it)
{
    struct posix_result r;
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_GETATTR, .ino = POSIX_INO_ROOT}, &r), -EACCES);
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_GETROOT}, &r), -EACCES);
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_GETROOT, .name = SPAN_LIT("other")}, &r), -EACCES);
}

Test(posix_compound, names_that_are_none_are_refused)
{
    static const struct {
        struct span name;
        int error;
    } rows[] = {{SPAN_LIT(""), -EINVAL}, {SPAN_LIT("a/b"), -EINVAL}, {SPAN_LIT("a\0b"), -EINVAL}};
    char longest[256];
    struct posix_result r;
    struct posix_op op = create("x");
    for (size_t i = 0; i < 3; i++) {
        op.name = rows[i].name;
        cr_expect_eq(client_do(&client, op, &r), rows[i].error);
        op.code = POSIX_LOOKUP;
        cr_expect_eq(client_do(&client, op, &r), rows[i].error);
        op.code = POSIX_CREATE;
    }
    memset(longest, 'n', sizeof(longest));
    op.name = span_make(longest, 256);
    cr_expect_eq(client_do(&client, op, &r), -ENAMETOOLONG);
    op.name = span_make(longest, 255);
    cr_expect_eq(client_do(&client, op, &r), 0);
}

Test(posix_compound, what_may_not_stand_together_is_refused_and_nothing_runs)
{
    struct posix_result r;
    client_begin(&client);
    client_add(&client, create("a"));
    client_add(&client, (struct posix_op){.code = POSIX_READDIR, .ino = bed.bucket, .len = 1000});
    cr_expect_eq(client_send(&client), -EPROTO);
    client_begin(&client);
    client_add(&client, create("a"));
    client_add(&client, (struct posix_op){.code = POSIX_SESSION_HEARTBEAT});
    cr_expect_eq(client_send(&client), -EPROTO);
    client_begin(&client);
    cr_expect_eq(client_send(&client), -EPROTO);
    cr_expect_eq(client_do(&client, lookup("a"), &r), -ENOENT);
}

Test(posix_compound, garbage_is_answered_with_eproto)
{
    client.request.len = 0;
    buf_add_cstr(&client.request, "not a compound");
    cr_expect_eq(client_send_again(&client), -EPROTO);
}

Test(posix_compound, an_append_goes_to_the_end_as_it_is_then)
{
    struct posix_result r;
    uint64_t ino = made("log");
    struct posix_op append = {.code = POSIX_WRITE, .ino = ino, .flags = POSIX_WRITE_END, .data = SPAN_LIT("ab")};
    client_begin(&client);
    client_add(&client, append);
    client_add(&client, append);
    cr_assert_eq(client_send(&client), 0);
    cr_assert_eq(client_next(&client, &r), 0);
    cr_expect_eq(r.value, 0);
    cr_assert_eq(client_next(&client, &r), 0);
    cr_expect_eq(r.value, 2);
    expect_contents(ino, SPAN_LIT("abab"));
}

Test(posix_compound, large_writes_and_reads_come_from_the_drives)
{
    struct posix_result r;
    char *bytes = malloc(POSIX_WRITE_MAX);
    for (size_t i = 0; i < POSIX_WRITE_MAX; i++)
        bytes[i] = (char)(i * 7 + i / 1000);
    uint64_t ino = made("big");
    cr_assert_eq(client_do(&client, write_at(ino, 10, span_make(bytes, POSIX_WRITE_MAX)), &r), 0);
    cr_expect_eq(r.attr.size, POSIX_WRITE_MAX + 10);

    client_begin(&client);
    client_add(&client, (struct posix_op){.code = POSIX_READ, .ino = ino, .off = 10, .len = POSIX_READ_MAX});
    client_add(&client, (struct posix_op){.code = POSIX_READ, .ino = ino, .off = 5, .len = 100});
    client_add(&client, (struct posix_op){.code = POSIX_READ, .ino = ino, .off = POSIX_WRITE_MAX, .len = 100});
    client_add(&client, (struct posix_op){.code = POSIX_READ, .ino = ino, .off = 1ull << 40, .len = 100});
    cr_assert_eq(client_send(&client), 0);
    cr_assert_eq(client_next(&client, &r), 0);
    cr_expect(span_eq(r.data, span_make(bytes, POSIX_WRITE_MAX)));
    cr_assert_eq(client_next(&client, &r), 0);
    cr_expect(r.data.len == 100 && memcmp(r.data.ptr, "\0\0\0\0\0", 5) == 0 && memcmp(r.data.ptr + 5, bytes, 95) == 0);
    cr_assert_eq(client_next(&client, &r), 0);
    cr_expect_eq(r.data.len, 10);
    cr_assert_eq(client_next(&client, &r), 0);
    cr_expect_eq(r.data.len, 0);
    free(bytes);
}

Test(posix_compound, a_reply_that_is_full_says_so)
{
    struct posix_result r;
    char *bytes = calloc(1, POSIX_WRITE_MAX);
    uint64_t ino = made("big");
    cr_assert_eq(client_do(&client, write_at(ino, 0, span_make(bytes, POSIX_WRITE_MAX)), &r), 0);
    client_begin(&client);
    for (int i = 0; i < 5; i++)
        client_add(&client, (struct posix_op){.code = POSIX_READ, .ino = ino, .len = POSIX_READ_MAX});
    cr_assert_eq(client_send(&client), 0);
    cr_expect_eq(client.got.count, 4);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(client_next(&client, &r), 0);
    cr_expect_eq(client_next(&client, &r), -EMSGSIZE);
    free(bytes);
}

Test(posix_compound, holes_are_punched_sought_and_copied)
{
    struct posix_result r;
    uint64_t ino = made("a"), other = made("b");
    cr_assert_eq(client_do(&client, write_at(ino, 0, SPAN_LIT("0123456789")), &r), 0);
    cr_assert_eq(client_do(&client, (struct posix_op){.code = POSIX_PUNCH, .ino = ino, .off = 2, .len = 3}, &r), 0);
    expect_contents(ino, SPAN_LIT("01\0\0\0"
                                  "56789"));
    cr_assert_eq(
        client_do(&client, (struct posix_op){.code = POSIX_SEEK, .ino = ino, .off = 0, .flags = POSIX_SEEK_HOLE}, &r),
        0);
    cr_expect_eq(r.value, 2);
    cr_assert_eq(client_do(&client, (struct posix_op){.code = POSIX_SEEK, .ino = ino, .off = 2}, &r), 0);
    cr_expect_eq(r.value, 5);
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_SEEK, .ino = ino, .off = 10}, &r), -ENXIO);
    struct posix_op copy = {.code = POSIX_COPY, .ino = ino, .ino2 = other, .off = 5, .off2 = 1, .len = 100};
    cr_assert_eq(client_do(&client, copy, &r), 0);
    cr_expect(r.value == 5 && r.attr.ino == other);
    expect_contents(other, SPAN_LIT("\0"
                                    "56789"));
}

Test(posix_compound, setattr_takes_the_servers_time_and_grows_only)
{
    struct posix_result r;
    uint64_t ino = made("f");
    struct posix_op set = {.code = POSIX_SETATTR, .ino = ino, .valid = POSIX_SET_SIZE | POSIX_SET_GROW, .size = 100};
    cr_assert_eq(client_do(&client, set, &r), 0);
    cr_expect_eq(r.attr.size, 100);
    set.size = 50;
    cr_assert_eq(client_do(&client, set, &r), 0);
    cr_expect_eq(r.attr.size, 100);
    set.valid = POSIX_SET_SIZE | POSIX_SET_ATIME | POSIX_SET_UID | POSIX_SET_GID;
    set.atime = 3, set.uid = 8, set.gid = 9;
    cr_assert_eq(client_do(&client, set, &r), 0);
    cr_expect(r.attr.size == 50 && r.attr.atime == 3 && r.attr.uid == 8 && r.attr.gid == 9);
    set.valid = POSIX_SET_ATIME_NOW | POSIX_SET_MTIME_NOW;
    cr_assert_eq(client_do(&client, set, &r), 0);
    cr_expect(r.attr.atime == r.attr.mtime && r.attr.atime > 1000);
    set.valid = 1u << 20;
    cr_expect_eq(client_do(&client, set, &r), -EINVAL);
    set.valid = POSIX_SET_MODE;
    set.mode = 0170000;
    cr_expect_eq(client_do(&client, set, &r), -EINVAL);
}

Test(posix_compound, a_setgid_directory_gives_its_group)
{
    struct posix_result r;
    struct posix_op dir = {.code = POSIX_MKDIR, .ino = bed.bucket, .name = SPAN_LIT("d"), .mode = 02775, .gid = 77};
    cr_assert_eq(client_do(&client, dir, &r), 0);
    dir.ino = r.attr.ino;
    dir.mode = 0755;
    dir.gid = 1;
    cr_assert_eq(client_do(&client, dir, &r), 0);
    cr_expect(r.attr.gid == 77 && r.attr.mode == 02755);
    struct posix_op file = create("f");
    file.ino = dir.ino;
    cr_assert_eq(client_do(&client, file, &r), 0);
    cr_expect(r.attr.gid == 77 && r.attr.mode == 0644);
}

Test(posix_compound, names_are_linked_renamed_and_removed)
{
    struct posix_result r;
    uint64_t ino = made("a");
    cr_assert_eq(client_do(&client,
                           (struct posix_op){.code = POSIX_LINK, .ino = ino, .ino2 = bed.bucket, .name = SPAN_LIT("b")},
                           &r),
                 0);
    cr_expect_eq(r.attr.nlink, 2);
    struct posix_op rename = {
        .code = POSIX_RENAME, .ino = bed.bucket, .name = SPAN_LIT("b"), .ino2 = bed.bucket, .name2 = SPAN_LIT("c")};
    cr_assert_eq(client_do(&client, rename, &r), 0);
    rename.name2 = SPAN_LIT("a");
    rename.name = SPAN_LIT("c");
    made("x");
    rename.name = SPAN_LIT("x");
    rename.flags = POSIX_RENAME_NOREPLACE;
    cr_expect_eq(client_do(&client, rename, &r), -EEXIST);
    rename.flags = POSIX_RENAME_EXCHANGE;
    cr_expect_eq(client_do(&client, rename, &r), 0);
    cr_assert_eq(client_do(&client, lookup("x"), &r), 0);
    cr_expect_eq(r.attr.ino, ino);
    rename.flags = 8;
    cr_expect_eq(client_do(&client, rename, &r), -EINVAL);
    cr_expect_eq(
        client_do(&client, (struct posix_op){.code = POSIX_RMDIR, .ino = bed.bucket, .name = SPAN_LIT("x")}, &r),
        -ENOTDIR);
    cr_expect_eq(
        client_do(&client, (struct posix_op){.code = POSIX_UNLINK, .ino = bed.bucket, .name = SPAN_LIT("x")}, &r), 0);
    cr_expect_eq(r.attr.nlink, 1);
    struct posix_op fifo = {
        .code = POSIX_MKNOD, .ino = bed.bucket, .name = SPAN_LIT("p"), .type = POSIX_FIFO, .mode = 0600};
    cr_expect_eq(client_do(&client, fifo, &r), 0);
    cr_expect_eq(r.attr.type, POSIX_FIFO);
    fifo.type = POSIX_DIR;
    cr_expect_eq(client_do(&client, fifo, &r), -EINVAL);
}

Test(posix_compound, extended_attributes_are_kept)
{
    struct posix_result r;
    uint64_t ino = made("f");
    struct posix_op op = {.code = POSIX_SETXATTR, .ino = ino, .name = SPAN_LIT("user.a"), .data = SPAN_LIT("one")};
    cr_assert_eq(client_do(&client, op, &r), 0);
    op.flags = POSIX_XATTR_CREATE;
    cr_expect_eq(client_do(&client, op, &r), -EEXIST);
    op.flags = 0;
    op.name = SPAN_LIT("user.b");
    cr_assert_eq(client_do(&client, op, &r), 0);
    op.code = POSIX_GETXATTR;
    cr_assert_eq(client_do(&client, op, &r), 0);
    cr_expect(span_is(r.data, "one"));
    op.code = POSIX_LISTXATTR;
    cr_assert_eq(client_do(&client, op, &r), 0);
    cr_expect(span_eq(r.data, SPAN_LIT("user.a\0user.b\0")));
    op.code = POSIX_REMOVEXATTR;
    cr_assert_eq(client_do(&client, op, &r), 0);
    cr_expect_eq(client_do(&client, op, &r), -ENODATA);
}

static unsigned count_entries(struct span data, struct span *ret_last)
{
    struct posix_entry entry;
    unsigned count = 0;
    for (; posix_entry_next(&data, &entry) == 1; count++)
        *ret_last = entry.name;
    return count;
}

Test(posix_compound, a_directory_is_read_in_pages)
{
    struct posix_result r;
    char name[16], after[16] = "";
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "f%02d", i);
        made(name);
    }
    struct posix_op page = {
        .code = POSIX_READDIR, .ino = bed.bucket, .len = 1 << 20, .count = 30, .flags = POSIX_READDIR_ATTRS};
    unsigned total = 0;
    struct span last = SPAN_EMPTY;
    do {
        page.name = span_cstr(after);
        cr_assert_eq(client_do(&client, page, &r), 0);
        cr_expect_eq(r.attr.ino, bed.bucket);
        unsigned got = count_entries(r.data, &last);
        cr_assert(got > 0 || r.flags & POSIX_READDIR_EOF);
        total += got;
        snprintf(after, sizeof(after), SPAN_FMT, SPAN_ARG(last));
    } while (!(r.flags & POSIX_READDIR_EOF));
    cr_expect_eq(total, 100);
    page.count = 0;
    page.len = 0;
    page.name = SPAN_EMPTY;
    cr_assert_eq(client_do(&client, page, &r), 0);
    cr_expect(count_entries(r.data, &last) >= 1);
}

Test(posix_compound, small_bodies_come_with_their_entries)
{
    struct posix_result r;
    struct posix_entry entry;
    uint64_t small = made("a");
    made("b");
    uint64_t longer = made("c");
    cr_assert_eq(client_do(&client, write_at(small, 0, SPAN_LIT("body")), &r), 0);
    cr_assert_eq(client_do(&client, write_at(longer, 0, SPAN_LIT("too long for it")), &r), 0);
    struct posix_op page = {
        .code = POSIX_READDIR, .ino = bed.bucket, .len = 1 << 20, .flags = POSIX_READDIR_BODIES, .size = 8};
    cr_assert_eq(client_do(&client, page, &r), 0);
    cr_assert_eq(posix_entry_next(&r.data, &entry), 1);
    cr_expect(entry.has_body && span_is(entry.body, "body") && entry.attr.size == 4);
    cr_assert_eq(posix_entry_next(&r.data, &entry), 1);
    cr_expect(entry.has_body && entry.body.len == 0);
    cr_assert_eq(posix_entry_next(&r.data, &entry), 1);
    cr_expect(!entry.has_body && entry.has_attr);
}

Test(posix_compound, space_is_told)
{
    struct posix_result r;
    cr_assert_eq(client_do(&client, (struct posix_op){.code = POSIX_STATFS}, &r), 0);
    cr_expect(r.total > 0 && r.free <= r.total && r.inodes >= 2);
}

Test(posix_compound, a_file_is_not_a_directory_nor_the_reverse)
{
    struct posix_result r;
    uint64_t ino = made("f");
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_READDIR, .ino = ino, .len = 1000}, &r), -ENOTDIR);
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_READ, .ino = bed.bucket, .len = 1}, &r), -EISDIR);
    cr_expect_eq(client_do(&client, write_at(bed.bucket, 0, SPAN_LIT("x")), &r), -EISDIR);
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_READLINK, .ino = ino}, &r), -EINVAL);
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_GETATTR, .ino = 1u << 30}, &r), -ESTALE);
    struct posix_op op = create("x");
    op.ino = ino;
    cr_expect_eq(client_do(&client, op, &r), -ENOTDIR);
    op = create("d");
    op.code = POSIX_MKDIR;
    cr_assert_eq(client_do(&client, op, &r), 0);
    op.code = POSIX_CREATE;
    op.flags = 0;
    cr_expect_eq(client_do(&client, op, &r), -EISDIR);
}
