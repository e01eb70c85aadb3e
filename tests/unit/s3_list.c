#include <criterion/criterion.h>

#include "server/s3/list.h"

static void expect_span(struct span got, const char *want, const char *what)
{
    if (!want)
        cr_expect_eq(got.ptr, NULL, "%s", what);
    else
        cr_expect(got.ptr && span_is(got, want), "%s: %.*s, not %s", what, (int)got.len, got.ptr ? got.ptr : "", want);
}

Test(s3_list, keys_roll_up_at_the_first_delimiter_behind_the_prefix)
{
    static const struct {
        const char *key, *prefix, *delimiter, *common;
    } rows[] = {
        {"a/b/c", "", "/", "a/"},      {"a/b/c", "a/", "/", "a/b/"}, {"a/b/c", "a", "/", "a/"},
        {"a/b/c", "a/b/c", "/", NULL}, {"abc", "", "/", NULL},       {"abc", "", "", NULL},
        {"/a", "", "/", "/"},          {"a//b", "a/", "/", "a//"},   {"a/", "", "/", "a/"},
        {"a/", "a/", "/", NULL},       {"axxbxxc", "", "xx", "axx"}, {"axxxb", "ax", "xx", "axxx"},
        {"foo bar", "", " ", "foo "},  {"aba", "a", "ba", "aba"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        expect_span(list_common_prefix(span_cstr(rows[i].key), span_cstr(rows[i].prefix), span_cstr(rows[i].delimiter)),
                    rows[i].common, rows[i].key);
}

Test(s3_list, what_is_behind_a_prefix_is_the_least_string_that_does_not_begin_with_it)
{
    char room[16];
    expect_span(list_behind(SPAN_LIT("a/"), room), "a0", "a slash");
    expect_span(list_behind(SPAN_LIT("a\xff"), room), "b", "the last byte can't grow");
    expect_span(list_behind(SPAN_LIT("\xff\xff"), room), NULL, "nothing is behind");
    expect_span(list_behind(SPAN_EMPTY, room), NULL, "everything begins with the empty string");
}
