/*
 * Both views at once: random changes by S3 and POSIX on few names, so that objects and directories of one name,
 * implicit directories, links and escapes meet in every way; all records are verified again and again.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "tests/support/ns_fixture.h"

TestSuite(ns_mixed, .init = nsf_init, .fini = nsf_fini, .timeout = 300);

static uint64_t buckets[2];

static unsigned below(unsigned n)
{
    return (unsigned)rand() % n;
}

static const char *name(void)
{
    static const char *const names[] = {"a", "b", "c", "a", "b", "@cairn.object.a", "@cairn.object.b", "@cairn.name.."};
    return names[below(8)];
}

/* A directory met on a random way down. */
static uint64_t directory(void)
{
    uint64_t dir = buckets[below(2)];
    for (unsigned depth = below(4); depth > 0; depth--) {
        struct inode inode;
        if (nsf_stat(dir, name(), &inode) < 0 || inode.type != INODE_DIR)
            break;
        dir = inode.ino;
    }
    return dir;
}

static const char *key(void)
{
    static char text[64];
    static const char *const components[] = {"a", "b", "c", "."};
    text[0] = 0;
    for (unsigned n = 1 + below(4); n > 0; n--) {
        strcat(text, components[below(4)]);
        if (n > 1 || below(5) == 0)
            strcat(text, "/");
    }
    return text;
}

static int do_key_rename(struct ns_txn *txn, void *arg)
{
    char from[64];
    strcpy(from, key());
    return ns_key_rename(txn, *(uint64_t *)arg, span_cstr(from), span_cstr(key()), NULL, NULL, NULL);
}

static int change(void)
{
    const enum inode_type types[] = {INODE_FILE, INODE_DIR, INODE_SYMLINK, INODE_FIFO};
    uint64_t bucket = buckets[below(2)];
    char from[64];
    switch (below(12)) {
    case 0:
    case 1:
        return nsf_put(bucket, key(), "bytes");
    case 2:
    case 3:
        return nsf_delete(bucket, key());
    case 4:
        return nsf_apply(do_key_rename, &bucket);
    case 5:
    case 6:
        return nsf_create(directory(), name(), types[below(4)], NULL);
    case 7:
        return nsf_unlink(directory(), name());
    case 8:
        return nsf_rmdir(directory(), name());
    case 9:
        return nsf_link(nsf_ino(directory(), name()), directory(), name());
    default:
        strcpy(from, name());
        return nsf_rename(directory(), from, directory(), name(), below(3));
    }
}

/* Keys ascend, and each is found. */
static void check_walk(uint64_t bucket)
{
    struct ns_txn *txn = nsf_view();
    struct ns_walk *walk;
    struct span found;
    struct inode inode, again;
    struct buf last = BUF_INIT;
    cr_assert_eq(ns_walk_open(txn, bucket, SPAN_EMPTY, &walk), 0);
    while (ns_walk_next(walk, &found, &inode) == 0) {
        cr_assert(span_cmp(buf_span(&last), found) < 0);
        cr_assert_eq(ns_key_find(txn, bucket, found, &again), 0);
        cr_assert_eq(inode.ino, again.ino);
        buf_clear(&last);
        buf_add_span(&last, found);
    }
    ns_walk_close(&walk);
    ns_view_end(&txn);
    buf_release(&last);
}

/* Each name that is shown leads to its entry; the number of entries below. */
static size_t check_shown(struct ns_txn *txn, uint64_t ino, unsigned depth)
{
    struct ns_dir *dir;
    struct span shown;
    uint64_t entry;
    enum inode_type type;
    struct inode inode;
    size_t count = 0;
    cr_assert_lt(depth, 100);
    cr_assert_eq(ns_dir_open(txn, ino, SPAN_EMPTY, &dir), 0);
    while (ns_dir_next(dir, &shown, &entry, &type, &inode) == 0) {
        cr_assert_eq(inode.ino, entry);
        cr_assert_eq(ns_lookup(txn, ino, shown, &inode), 0);
        cr_assert_eq(inode.ino, entry);
        count += 1 + (type == INODE_DIR ? check_shown(txn, entry, depth + 1) : 0);
    }
    ns_dir_close(&dir);
    return count;
}

Test(ns_mixed, both_views_agree_after_random_changes)
{
    unsigned succeeded = 0;
    buckets[0] = nsf_bucket("one");
    buckets[1] = nsf_bucket("two");
    srand(31);
    for (int i = 0; i < 8000; i++) {
        succeeded += change() >= 0;
        if (i % 40)
            continue;
        nsf_verify();
        check_walk(buckets[i / 40 % 2]);
        struct ns_txn *txn = nsf_view();
        check_shown(txn, NS_ROOT, 0);
        ns_view_end(&txn);
    }
    cr_assert_gt(succeeded, 2000);
}
