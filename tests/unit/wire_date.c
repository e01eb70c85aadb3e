#include "server/wire/date.h"

#include <criterion/criterion.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"

#define MAY_24_2013 1369353600LL /* seconds */
#define NOV_6_1994 784111777LL   /* RFC 9110's example */

typedef int parser(struct span s, int64_t *ret_ns);

static int parse_http(struct span s, int64_t *ret_ns)
{
    return date_parse_http(s, 1700000000 * NS_PER_SEC, ret_ns);
}

static void expect_seconds(parser *parse, const char *text, int64_t seconds)
{
    int64_t ns = -1;
    cr_expect_eq(parse(span_cstr(text), &ns), 0, "%s", text);
    cr_expect_eq(ns, seconds * NS_PER_SEC, "%s is %lld", text, (long long)ns);
}

static void expect_refused(parser *parse, const char *text)
{
    int64_t ns = 42;
    cr_expect_eq(parse(span_cstr(text), &ns), CAIRN_ESYNTAX, "%s", text);
    cr_expect_eq(ns, 42, "%s", text);
}

Test(date, the_three_forms_of_http_are_read)
{
    expect_seconds(parse_http, "Sun, 06 Nov 1994 08:49:37 GMT", NOV_6_1994);
    expect_seconds(parse_http, "Sunday, 06-Nov-94 08:49:37 GMT", NOV_6_1994);
    expect_seconds(parse_http, "Sun Nov  6 08:49:37 1994", NOV_6_1994);
    expect_seconds(parse_http, "Sun, 06 Nov 1994 08:49:37 UTC", NOV_6_1994);
    expect_seconds(parse_http, "Sun, 06 Nov 1994 08:49:37 -0000", NOV_6_1994);
    expect_seconds(parse_http, "Sun, 06 Nov 1994 10:19:37 +0130", NOV_6_1994);
    expect_seconds(parse_http, "Thu, 29 Feb 2024 23:59:58 GMT", 1709251198);
    expect_seconds(parse_http, "Thu, 01 Jan 1970 00:00:00 GMT", 0);
    expect_seconds(parse_http, "Wed, 31 Dec 1969 23:59:59 GMT", -1);
}

Test(date, two_digit_years_lie_near_now)
{
    expect_seconds(parse_http, "Sunday, 06-Nov-73 00:00:00 GMT", 3277152000); /* 2073: 50 years ahead of 2023 */
    expect_seconds(parse_http, "Sunday, 06-Nov-74 00:00:00 GMT", 152928000);  /* 1974 */
}

Test(date, iso_forms_are_read)
{
    expect_seconds(date_parse_basic, "20130524T000000Z", MAY_24_2013);
    expect_seconds(date_parse_iso, "2013-05-24T00:00:00.000Z", MAY_24_2013);
    expect_seconds(date_parse_iso, "2013-05-24T00:00:00Z", MAY_24_2013);
    expect_seconds(date_parse_iso, "2013-05-24", MAY_24_2013);
    expect_seconds(date_parse_iso, "2013-05-24T02:30:00+02:30", MAY_24_2013);
    expect_seconds(date_parse_iso, "2013-05-23T23:00:00-01:00", MAY_24_2013);
    int64_t ns;
    cr_expect_eq(date_parse_iso(SPAN_LIT("2013-05-24T00:00:00.1234567899Z"), &ns), 0);
    cr_expect_eq(ns, MAY_24_2013 * NS_PER_SEC + 123456789);
}

Test(date, what_is_no_date_is_refused)
{
    static const char *const http[] = {"",
                                       "Sun, 06 Nov 1994 08:49:37",
                                       "Sun, 06 Nov 1994 08:49:37 GMT ",
                                       "Sun, 6 Nov 1994 08:49:37 GMT",
                                       "Sun, 31 Feb 1994 08:49:37 GMT",
                                       "Sun, 29 Feb 2023 08:49:37 GMT",
                                       "Sun, 00 Nov 1994 08:49:37 GMT",
                                       "Sun, 06 Nov 1994 24:00:00 GMT",
                                       "Sun, 06 Nov 1994 08:49:61 GMT",
                                       "Sun, 06 nov 1994 08:49:37 GMT",
                                       "Xyz, 06 Nov 1994 08:49:37 GMT",
                                       "Sun, 06 Nov 1994 08:49:37 CET",
                                       "Sun, 06 Nov 1994 08:49:37 +2400",
                                       "Sun, 06 Nov 1994 08:49:37 +00:00",
                                       "Sun Nov 6 08:49:37 1994",
                                       "Sun, 06 Nov 0000 08:49:37 GMT"};
    for (size_t i = 0; i < sizeof(http) / sizeof(http[0]); i++)
        expect_refused(parse_http, http[i]);
    expect_refused(date_parse_basic, "20130524T000000");
    expect_refused(date_parse_basic, "20131324T000000Z");
    expect_refused(date_parse_basic, "2013-05-24T00:00:00Z");
    expect_refused(date_parse_iso, "2013-05-24T00:00:00");
    expect_refused(date_parse_iso, "2013-05-24T00:00:00.Z");
    expect_refused(date_parse_iso, "2013-05-24T00:00:00+24:00");
}

Test(date, dates_beyond_nanoseconds_stay_ordered)
{
    int64_t ns;
    cr_expect_eq(date_parse_iso(SPAN_LIT("9999-12-31T23:59:59Z"), &ns), 0);
    cr_expect_eq(ns, INT64_MAX);
    cr_expect_eq(date_parse_iso(SPAN_LIT("0001-01-01"), &ns), 0);
    cr_expect_eq(ns, INT64_MIN);
}

Test(date, what_is_written_reads_back)
{
    char basic[DATE_BASIC_SIZE], ms[DATE_MS_SIZE], http[DATE_HTTP_SIZE];
    date_format_basic(MAY_24_2013 * NS_PER_SEC, basic);
    date_format_ms(MAY_24_2013 * NS_PER_SEC + 7 * NS_PER_MS, ms);
    date_format_http(NOV_6_1994 * NS_PER_SEC, http);
    cr_expect_str_eq(basic, "20130524T000000Z");
    cr_expect_str_eq(ms, "2013-05-24T00:00:00.007Z");
    cr_expect_str_eq(http, "Sun, 06 Nov 1994 08:49:37 GMT");

    /* every 17 days and some from 1677 to 2262, over all leap years of that time */
    for (int64_t s = -9223372036; s < 9223372036; s += 17 * 86400 + 3671) {
        int64_t back;
        date_format_http(s * NS_PER_SEC, http);
        cr_assert_eq(parse_http(span_cstr(http), &back), 0, "%s", http);
        cr_assert_eq(back, s * NS_PER_SEC, "%s", http);
    }
}

Test(date, the_ends_of_time_are_written)
{
    char ms[DATE_MS_SIZE];
    date_format_ms(INT64_MAX, ms);
    cr_expect_str_eq(ms, "2262-04-11T23:47:16.854Z");
    date_format_ms(INT64_MIN, ms);
    cr_expect_str_eq(ms, "1677-09-21T00:12:43.145Z");
}
