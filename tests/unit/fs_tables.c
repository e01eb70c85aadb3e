#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/changes.h"
#include "fs/inode.h"
#include "fs/names.h"
#include "objstore/base/clock.h"

static struct span numbered(char text[32], unsigned i)
{
    return span_make(text, (size_t)snprintf(text, 32, "name-%u", i));
}

/* ---- changes ---- */

Test(fs_tables, a_change_is_seen_by_who_asked_before_it)
{
    struct changes *c = calloc(1, sizeof *c);
    uint64_t before = changes_now(c);

    changes_inode(c, 7);
    uint64_t after = changes_now(c);
    cr_expect(changed_inode(c, 7, before));
    cr_expect_not(changed_inode(c, 7, after));
    cr_expect_not(changed_inode(c, 8, before));
    changes_name(c, 7, SPAN_LIT("a"));
    cr_expect(changed_name(c, 7, SPAN_LIT("a"), after));
    cr_expect_not(changed_name(c, 7, SPAN_LIT("b"), after));
    cr_expect_not(changed_name(c, 8, SPAN_LIT("a"), after));
    uint64_t last = changes_now(c);
    changes_all(c);
    cr_expect(changed_inode(c, 8, last) && changed_name(c, 8, SPAN_LIT("a"), last));
    free(c);
}

/* ---- inodes ---- */

static unsigned freed;

static void count_free(struct inode *inode, void *arg)
{
    (void)inode, (void)arg;
    freed++;
}

Test(fs_tables, an_inode_lives_as_long_as_somebody_refers_to_it)
{
    struct inodes *t;

    cr_assert_eq(inodes_new(&t), 0);
    inodes_on_free(t, count_free, NULL);
    struct inode *inode = inode_get(t, 5), *again = inode_find(t, 5);
    cr_expect_eq(inode, again);
    inode_looked_up(t, inode);
    inode_looked_up(t, inode);
    inode_put(t, &inode);
    inode_put(t, &again);
    cr_expect_eq(freed, 0);
    inode_forget(t, 5, 1);
    inode = inode_find(t, 5);
    cr_assert_not_null(inode);
    inode_forget(t, 5, 1);
    cr_expect_eq(freed, 0);
    inode_put(t, &inode);
    cr_expect_eq(freed, 1);
    cr_expect_null(inode_find(t, 5));
    inodes_free(&t);
}

Test(fs_tables, all_inodes_are_listed_also_after_the_table_has_grown)
{
    struct inodes *t;
    uint64_t page[512], sum = 0;
    size_t at = 0, count, all = 0;

    cr_assert_eq(inodes_new(&t), 0);
    for (uint64_t ino = 1; ino <= 20000; ino++)
        cr_assert_not_null(inode_get(t, ino));
    while ((count = inodes_list(t, &at, page, 512)) > 0)
        for (size_t i = 0; i < count; i++, all++)
            sum += page[i];
    cr_expect_eq(all, 20000);
    cr_expect_eq(sum, 20000ull * 20001 / 2);
    inodes_free(&t);
}

/* ---- names ---- */

Test(fs_tables, names_go_with_their_inode)
{
    struct inodes *t;
    struct names *n;
    struct name_copy page[8];
    size_t at = 0;

    cr_assert(inodes_new(&t) == 0 && names_new(&n) == 0);
    struct inode *a = inode_get(t, 10), *b = inode_get(t, 11);
    names_note(n, 1, SPAN_LIT("x"), a);
    names_note(n, 1, SPAN_LIT("y"), a);
    names_note(n, 1, SPAN_LIT("x"), b); /* replaced */
    names_drop_inode(n, a);
    cr_expect_eq(names_list(n, &at, page, 8), 1);
    cr_expect(page[0].dir == 1 && page[0].len == 1 && page[0].name[0] == 'x');
    names_drop(n, 1, SPAN_LIT("x"));
    cr_expect_null(b->names);
    at = 0;
    cr_expect_eq(names_list(n, &at, page, 8), 0);
    inode_put(t, &a);
    inode_put(t, &b);
    names_free(&n);
    inodes_free(&t);
}

Test(fs_tables, names_move_and_swap)
{
    struct inodes *t;
    struct names *n;
    uint64_t inos[2];

    cr_assert(inodes_new(&t) == 0 && names_new(&n) == 0);
    struct inode *a = inode_get(t, 10), *b = inode_get(t, 11);
    names_note(n, 1, SPAN_LIT("a"), a);
    names_note(n, 2, SPAN_LIT("b"), b);
    names_move(n, 1, SPAN_LIT("a"), 2, SPAN_LIT("b"), true, inos);
    cr_expect(inos[0] == 10 && inos[1] == 11);
    names_move(n, 1, SPAN_LIT("a"), 1, SPAN_LIT("c"), false, inos);
    cr_expect(inos[0] == 11 && inos[1] == 0);
    names_move(n, 2, SPAN_LIT("b"), 1, SPAN_LIT("c"), false, inos);
    cr_expect(inos[0] == 10 && inos[1] == 11);
    cr_expect_null(b->names);
    names_drop_inode(n, a);
    inode_put(t, &a);
    inode_put(t, &b);
    names_free(&n);
    inodes_free(&t);
}

Test(fs_tables, absent_names_are_bounded_and_run_out)
{
    struct names *n;
    struct name_copy page[4];
    char text[32];
    size_t at = 0;

    cr_assert_eq(names_new(&n), 0);
    for (unsigned i = 0; i < NAMES_NEGATIVE_MAX; i++)
        cr_assert_eq(names_note_absent(n, 1, numbered(text, i), NS_PER_SEC), 0);
    cr_expect_eq(names_note_absent(n, 1, SPAN_LIT("more"), NS_PER_SEC), -ENOSPC);
    clock_shift_ns(2 * NS_PER_SEC);
    cr_expect_eq(names_note_absent(n, 1, SPAN_LIT("more"), NS_PER_SEC), 0);
    cr_expect_eq(names_list(n, &at, page, 4), 1);
    names_free(&n);
}

/* ---- sets of names ---- */

Test(fs_tables, a_set_has_what_was_added_and_little_else)
{
    struct nameset *set = nameset_new();
    char text[32];
    unsigned wrong = 0;

    cr_assert_not_null(set);
    for (unsigned i = 0; i < 50000; i++)
        cr_assert(nameset_add(set, name_hash(1, numbered(text, i))));
    for (unsigned i = 0; i < 50000; i++)
        cr_assert(nameset_has(set, name_hash(1, numbered(text, i))));
    for (unsigned i = 50000; i < 100000; i++)
        wrong += nameset_has(set, name_hash(1, numbered(text, i)));
    cr_expect_eq(wrong, 0);
    cr_expect(nameset_has(NULL, 1), "an unknown directory may have any name");
    cr_expect(nameset_add(set, 0) && nameset_has(set, 0));
    nameset_free(&set);
    cr_expect_null(set);
}
