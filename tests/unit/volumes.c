/* What drive arguments stand for. */
#include <criterion/criterion.h>

#include "objstore/base/errors.h"
#include "server/volumes.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct volumes volumes; /* large */
static struct arena arena;

static void fini(void)
{
    arena_release(&arena);
}

TestSuite(volumes, .fini = fini, .timeout = 60);

static int expand(const char *argument)
{
    return volumes_expand(span_cstr(argument), &arena, &volumes);
}

/* argument alone stands for exactly those. */
static void expect(const char *argument, const char *const *expected)
{
    volumes.count = 0;
    cr_assert_eq(expand(argument), 0, "%s", argument);
    for (size_t i = 0; i < volumes.count; i++)
        cr_assert_str_eq(volumes.paths[i], expected[i], "%s", argument);
    cr_assert_null(expected[volumes.count], "%s", argument);
}

#define PATHS(...) ((const char *const[]){__VA_ARGS__, NULL})

Test(volumes, a_plain_path_stands_for_itself)
{
    expect("/data", PATHS("/data"));
    expect("data", PATHS("data"));
    expect("/data}", PATHS("/data}"));
    expect("/data1...4", PATHS("/data1...4"));
    expect("/ümläut b", PATHS("/ümläut b"));
}

Test(volumes, a_range_counts_up_with_both_ends)
{
    expect("/data{1...4}", PATHS("/data1", "/data2", "/data3", "/data4"));
    expect("/data{9...11}/d", PATHS("/data9/d", "/data10/d", "/data11/d"));
    expect("{0...1}", PATHS("0", "1"));
    expect("/d{7...7}", PATHS("/d7"));
    expect("/d{999999998...999999999}", PATHS("/d999999998", "/d999999999"));
}

Test(volumes, leading_zeros_set_the_width)
{
    expect("/d{08...11}", PATHS("/d08", "/d09", "/d10", "/d11"));
    expect("/d{098...101}", PATHS("/d098", "/d099", "/d100", "/d101"));
    expect("/d{00...2}", PATHS("/d00", "/d01", "/d02"));
    expect("/d{0...2}", PATHS("/d0", "/d1", "/d2"));
}

Test(volumes, ranges_multiply_and_the_last_runs_fastest)
{
    expect("/m{1...2}/d{1...3}", PATHS("/m1/d1", "/m1/d2", "/m1/d3", "/m2/d1", "/m2/d2", "/m2/d3"));
    expect("{1...2}{1...2}{1...2}", PATHS("111", "112", "121", "122", "211", "212", "221", "222"));
}

Test(volumes, arguments_add_up)
{
    volumes.count = 0;
    cr_assert_eq(expand("/a{1...2}"), 0);
    cr_assert_eq(expand("/b"), 0);
    cr_assert_eq(volumes.count, 3);
    cr_assert_str_eq(volumes.paths[2], "/b");
}

Test(volumes, what_is_no_range_is_refused)
{
    static const char *const bad[] = {
        "",
        "/d{}",
        "/d{1}",
        "/d{1..4}",
        "/d{1....4}",
        "/d{...4}",
        "/d{1...}",
        "/d{4...1}",
        "/d{1...4",
        "/d{a...f}",
        "/d{-1...4}",
        "/d{+1...4}",
        "/d{1 ...4}",
        "/d{1...4.}",
        "/d{1...4}{",
        "/d{1...2}/{x}",
        "/d{{1...4}}",
        "/d{1...4,6}",
        "/d{1...1000000000}",
        "/d{0000000001...2}",
        "/d{1...18446744073709551616}",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        volumes.count = 0;
        cr_assert_eq(expand(bad[i]), -EINVAL, "%s", bad[i]);
    }
}

Test(volumes, as_many_as_there_is_room_for)
{
    volumes.count = 0;
    cr_assert_eq(expand("/d{1...4096}"), 0);
    cr_assert_eq(volumes.count, VOLUMES_MAX);
    cr_assert_str_eq(volumes.paths[VOLUMES_MAX - 1], "/d4096");
    cr_assert_eq(expand("/more"), -E2BIG);
    volumes.count = 0;
    cr_assert_eq(expand("/d{1...999999999}/e{1...999999999}"), -E2BIG);
    cr_assert_leq(volumes.count, VOLUMES_MAX);
}
