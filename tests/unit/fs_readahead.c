#include "fs/readahead_policy.h"

#include <criterion/criterion.h>

#define MAX (8ull << 20)
#define READ (128u << 10)

static uint64_t ahead(struct readahead_policy *p, uint64_t off, size_t len)
{
    uint64_t from, to;

    readahead_advance(p, off, len, MAX, &from, &to);
    return to - from;
}

Test(fs_readahead, grows_with_a_sequential_reader_up_to_its_limit)
{
    struct readahead_policy p = {0};
    uint64_t last = 0, off = 0;

    cr_expect_eq(ahead(&p, 0, READ), 0); /* the first read of a file alone says nothing */
    for (off = READ; off < 32 * READ; off += READ) {
        uint64_t window = ahead(&p, off, READ);
        cr_expect(window >= last && window <= MAX);
        last = window;
    }
    cr_expect_eq(last, MAX);
}

Test(fs_readahead, begins_at_the_end_of_what_was_read)
{
    struct readahead_policy p = {0};
    uint64_t from, to;

    readahead_advance(&p, 0, READ, MAX, &from, &to);
    readahead_advance(&p, READ, READ, MAX, &from, &to);
    cr_expect_eq(from, 2 * READ);
    cr_expect_gt(to, from);
}

Test(fs_readahead, bears_reads_that_come_out_of_order)
{
    struct readahead_policy p = {0};

    ahead(&p, 0, READ);
    ahead(&p, 2 * READ, READ);
    ahead(&p, READ, READ);
    cr_expect_gt(ahead(&p, 3 * READ, READ), 0);
    cr_expect_eq(p.next, 4 * READ);
}

Test(fs_readahead, does_nothing_for_a_reader_that_jumps_about)
{
    struct readahead_policy p = {0};
    uint64_t off = 1;

    for (int i = 0; i < 100; i++) {
        off = off * 6364136223846793005u + 1442695040888963407u;
        cr_expect_eq(ahead(&p, (off >> 20) << 12, 4096), 0);
    }
}

Test(fs_readahead, begins_in_the_middle_once_it_is_a_run)
{
    struct readahead_policy p = {0};

    cr_expect_eq(ahead(&p, 100 << 20, READ), 0);
    cr_expect_eq(ahead(&p, (100 << 20) + READ, READ), 0);
    cr_expect_gt(ahead(&p, (100 << 20) + 2 * READ, READ), 0);
}
