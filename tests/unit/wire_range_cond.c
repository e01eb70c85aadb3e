#include <criterion/criterion.h>
#include <inttypes.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "server/wire/cond.h"
#include "server/wire/range.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

Test(range, header_is_resolved_against_the_size)
{
    static const struct {
        const char *header;
        uint64_t size;
        enum range_kind kind;
        uint64_t off, len;
    } rows[] = {
        {"bytes=0-9", 100, RANGE_PART, 0, 10},
        {"bytes=90-", 100, RANGE_PART, 90, 10},
        {"bytes=90-1000", 100, RANGE_PART, 90, 10},
        {"bytes=-10", 100, RANGE_PART, 90, 10},
        {"bytes=-1000", 100, RANGE_PART, 0, 100},
        {"Bytes=0-0", 100, RANGE_PART, 0, 1},
        {"bytes=0-99999999999999999999999999", 100, RANGE_PART, 0, 100},
        {"bytes=-99999999999999999999999999", 100, RANGE_PART, 0, 100},
        {"bytes=100-", 100, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=99999999999999999999999999-", 100, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", 100, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", 0, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-5", 0, RANGE_WHOLE, 0, 0},
        {"bytes= 5-6", 100, RANGE_WHOLE, 0, 100},
        {"bytes=5 -6", 100, RANGE_WHOLE, 0, 100},
        {"bytes=9-5", 100, RANGE_WHOLE, 0, 100},
        {"bytes=0-1,5-6", 100, RANGE_WHOLE, 0, 100},
        {"bytes=-", 100, RANGE_WHOLE, 0, 100},
        {"bytes=", 100, RANGE_WHOLE, 0, 100},
        {"bytes=5", 100, RANGE_WHOLE, 0, 100},
        {"bytes=+1-5", 100, RANGE_WHOLE, 0, 100},
        {"bytes=a-b", 100, RANGE_WHOLE, 0, 100},
        {"lines=0-9", 100, RANGE_WHOLE, 0, 100},
        {"", 100, RANGE_WHOLE, 0, 100},
        {NULL, 100, RANGE_WHOLE, 0, 100},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t off, len;
        cr_expect_eq(range_resolve(span_cstr(rows[i].header), rows[i].size, &off, &len), rows[i].kind, "%s",
                     rows[i].header);
        cr_expect(off == rows[i].off && len == rows[i].len, "%s: %" PRIu64 "+%" PRIu64, rows[i].header, off, len);
    }
}

Test(range, copy_source_is_strict)
{
    uint64_t off, len;
    cr_expect_eq(range_copy_source(SPAN_LIT("bytes=5-9"), 10, &off, &len), 0);
    cr_expect(off == 5 && len == 5);
    cr_expect_eq(range_copy_source(SPAN_LIT("bytes=5-10"), 10, &off, &len), CAIRN_EBADRANGE);
    static const char *const bad[] = {"", "bytes=5-", "bytes=-5", "bytes=9-5", "5-9", "bytes=0-1,2-3", "bytes=0 -1"};
    for (size_t i = 0; i < COUNT(bad); i++)
        cr_expect_eq(range_copy_source(span_cstr(bad[i]), 10, &off, &len), CAIRN_ESYNTAX, "%s", bad[i]);
}

Test(range, content_range_reads_back)
{
    char text[RANGE_CONTENT_SIZE];
    uint64_t off, len, total;
    range_format_content(5, 10, 100, text);
    cr_expect_str_eq(text, "bytes 5-14/100");
    cr_expect_eq(range_parse_content(span_cstr(text), &off, &len, &total), 0);
    cr_expect(off == 5 && len == 10 && total == 100);
    cr_expect_eq(range_parse_content(SPAN_LIT("bytes 0-0/*"), &off, &len, &total), 0);
    cr_expect_eq(total, UINT64_MAX);
    cr_expect_eq(range_parse_content(SPAN_LIT("bytes 5-100/100"), &off, &len, &total), CAIRN_ESYNTAX);
    cr_expect_eq(range_parse_content(SPAN_LIT("bytes */100"), &off, &len, &total), CAIRN_ESYNTAX);
}

Test(etag, lists_are_matched)
{
    struct span etag = SPAN_LIT("abc");
    cr_expect(etag_in_list(SPAN_LIT("\"abc\""), etag, true));
    cr_expect(etag_in_list(SPAN_LIT("abc"), etag, true));
    cr_expect(etag_in_list(SPAN_LIT("*"), etag, true));
    cr_expect(etag_in_list(SPAN_LIT(" \"x,y\" , \"abc\""), etag, true));
    cr_expect(etag_in_list(SPAN_LIT("W/\"abc\""), etag, false));
    cr_expect_not(etag_in_list(SPAN_LIT("W/\"abc\""), etag, true));
    cr_expect_not(etag_in_list(SPAN_LIT("\"ab\",\"abcd\""), etag, false));
    cr_expect_not(etag_in_list(SPAN_LIT("\"x,abc\""), etag, false));
    cr_expect_not(etag_in_list(SPAN_LIT(""), etag, false));
    cr_expect(span_is(etag_bare(SPAN_LIT(" \"abc\" ")), "abc"));
    cr_expect(span_is(etag_bare(SPAN_LIT("abc")), "abc"));
}

#define T0 (1000 * NS_PER_SEC)

/* Tags: 'y' matches, 'n' does not, 0 absent. Dates: seconds after T0, or NONE. */
#define NONE 99
static struct cond make_cond(char match, char none_match, int unmodified, int modified)
{
    const struct span yes = SPAN_LIT("\"abc\""), no = SPAN_LIT("\"zzz\"");
    return (struct cond){
        .if_match = match == 0     ? SPAN_EMPTY
                    : match == 'y' ? yes
                                   : no,
        .if_none_match = none_match == 0     ? SPAN_EMPTY
                         : none_match == 'y' ? yes
                                             : no,
        .has_unmodified_since = unmodified != NONE,
        .unmodified_since_ns = T0 + unmodified * NS_PER_SEC,
        .has_modified_since = modified != NONE,
        .modified_since_ns = T0 + modified * NS_PER_SEC,
    };
}

Test(cond, reads_follow_the_order_of_rfc_9110)
{
    static const struct {
        char match, none_match;
        int unmodified, modified;
        enum cond_result result;
    } rows[] = {
        {0, 0, NONE, NONE, COND_OK},
        {'y', 0, NONE, NONE, COND_OK},
        {'n', 0, NONE, NONE, COND_FAILED},
        {0, 'y', NONE, NONE, COND_NOT_MODIFIED},
        {0, 'n', NONE, NONE, COND_OK},
        {0, 0, 0, NONE, COND_OK},
        {0, 0, -1, NONE, COND_FAILED},
        {0, 0, NONE, 0, COND_NOT_MODIFIED},
        {0, 0, NONE, -1, COND_OK},
        {'y', 0, -1, NONE, COND_OK}, /* a matching tag outweighs the date */
        {0, 'n', NONE, 0, COND_OK},  /* as does one that differs */
        {0, 'y', NONE, -1, COND_NOT_MODIFIED},
        {'y', 'y', NONE, NONE, COND_NOT_MODIFIED},
        {'n', 'y', NONE, NONE, COND_FAILED},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct cond cond = make_cond(rows[i].match, rows[i].none_match, rows[i].unmodified, rows[i].modified);
        /* half a second into the second that Last-Modified shows */
        enum cond_result got = cond_check_read(&cond, SPAN_LIT("abc"), T0 + NS_PER_SEC / 2);
        cr_expect_eq(got, rows[i].result, "row %zu: %d", i, (int)got);
        got = cond_check_copy_source(&cond, SPAN_LIT("abc"), T0 + NS_PER_SEC / 2);
        cr_expect_eq(got, rows[i].result == COND_OK ? COND_OK : COND_FAILED, "copy, row %zu", i);
    }
}

Test(cond, writes_look_at_tags_alone)
{
    struct cond create = {.if_none_match = SPAN_LIT("*")};
    cr_expect_eq(cond_check_write(&create, SPAN_EMPTY), COND_OK);
    cr_expect_eq(cond_check_write(&create, SPAN_LIT("abc")), COND_FAILED);
    struct cond replace = make_cond('y', 0, NONE, NONE);
    cr_expect_eq(cond_check_write(&replace, SPAN_LIT("abc")), COND_OK);
    cr_expect_eq(cond_check_write(&replace, SPAN_LIT("other")), COND_FAILED);
    cr_expect_eq(cond_check_write(&replace, SPAN_EMPTY), COND_NO_KEY);
    struct cond other = make_cond(0, 'y', NONE, NONE);
    cr_expect_eq(cond_check_write(&other, SPAN_LIT("abc")), COND_FAILED);
    cr_expect_eq(cond_check_write(&other, SPAN_LIT("other")), COND_OK);
    cr_expect_eq(cond_check_write(&other, SPAN_EMPTY), COND_OK);
    struct cond both = make_cond('y', 'y', NONE, NONE);
    cr_expect_eq(cond_check_write(&both, SPAN_LIT("abc")), COND_FAILED);
    cr_expect_eq(cond_check_write(&both, SPAN_EMPTY), COND_NO_KEY);
    struct cond dated = {.has_unmodified_since = true};
    cr_expect_eq(cond_check_write(&dated, SPAN_LIT("abc")), COND_UNSUPPORTED);
    struct cond none = {0};
    cr_expect_eq(cond_check_write(&none, SPAN_EMPTY), COND_OK);
    cr_expect_not(cond_any(&none));
    cr_expect(cond_any(&create));
}

Test(cond, headers_are_read_and_bad_dates_ignored)
{
    struct http_head head;
    struct cond cond;
    size_t scanned = 0;
    ssize_t rc =
        http_request_parse(SPAN_LIT("GET / HTTP/1.1\r\nHost: a\r\nIf-Match: \"x\"\r\nIf-Modified-Since: never\r\n"
                                    "If-Unmodified-Since: Thu, 01 Jan 1970 00:16:40 GMT\r\n"
                                    "x-amz-copy-source-if-none-match: y\r\n\r\n"),
                           &scanned, &head);
    cr_assert_gt(rc, 0);
    cond_read(&head, 0, &cond);
    cr_expect(span_is(cond.if_match, "\"x\""));
    cr_expect(cond.if_none_match.ptr == NULL);
    cr_expect_not(cond.has_modified_since);
    cr_expect(cond.has_unmodified_since);
    cr_expect_eq(cond.unmodified_since_ns, T0);
    cond_read_copy_source(&head, 0, &cond);
    cr_expect(cond.if_match.ptr == NULL);
    cr_expect(span_is(cond.if_none_match, "y"));
}
