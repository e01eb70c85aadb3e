#include <criterion/criterion.h>
#include <sched.h>

#include "objstore/base/clock.h"
#include "tests/support/index_fixture.h"

static struct index *index_;

static void setup(void)
{
    fixture_init();
    index_ = fixture_open(3);
}

static void teardown(void)
{
    index_close(&index_);
    fixture_fini();
}

TestSuite(index_linger, .init = setup, .fini = teardown, .timeout = 60);

static uint64_t commits(void)
{
    struct index_stats stats;
    index_stats(index_, &stats);
    return stats.commits;
}

Test(index_linger, changes_that_follow_each_other_share_a_commit)
{
    uint64_t before = commits();
    int64_t began = clock_mono_ns();
    for (uint64_t i = 0; i < 500; i++)
        cr_assert_eq(fixture_put(index_, "key", i, INDEX_APPLIED), 0);
    cr_assert_eq(index_flush(index_), 0);
    uint64_t by_time = (uint64_t)(clock_mono_ns() - began) / (5 * NS_PER_MS) + 2;
    cr_expect_leq(commits() - before, by_time);
}

Test(index_linger, a_read_sees_the_change_and_does_not_wait_for_the_time_to_pass)
{
    int64_t began = clock_mono_ns();
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(fixture_put(index_, "key", (uint64_t)i, INDEX_APPLIED), 0);
        cr_expect_eq(fixture_get(index_, "key"), i);
        cr_expect_not(index_read_waits(index_));
    }
    cr_expect_lt(clock_mono_ns() - began, 20 * NS_PER_SEC);
    cr_expect_geq(commits(), 100u);
}

Test(index_linger, a_change_that_nobody_waits_for_is_committed_by_itself)
{
    uint64_t before = commits();
    cr_assert_eq(fixture_put(index_, "key", 1, INDEX_APPLIED), 0);
    while (index_read_waits(index_))
        sched_yield();
    cr_expect_eq(commits() - before, 1u);
}

Test(index_linger, a_durable_change_ends_the_batch)
{
    uint64_t before = commits();
    cr_assert_eq(fixture_put(index_, "key", 1, INDEX_APPLIED), 0);
    cr_assert_eq(fixture_put(index_, "other", 2, INDEX_DURABLE), 0);
    cr_expect_geq(commits() - before, 1u);
    cr_expect_not(index_read_waits(index_));
}

Test(index_linger, closing_commits_what_lingers)
{
    cr_assert_eq(fixture_put(index_, "key", 7, INDEX_APPLIED), 0);
    index_close(&index_);
    index_ = fixture_open(3);
    cr_expect_eq(fixture_get(index_, "key"), 7);
}
