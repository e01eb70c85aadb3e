#include "objstore/base/span.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "objstore/base/errors.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

Test(span, compares_bytes_the_shorter_first)
{
    cr_expect(span_cmp(SPAN_LIT("a"), SPAN_LIT("b")) < 0);
    cr_expect(span_cmp(SPAN_LIT("a"), SPAN_LIT("a/")) < 0);
    cr_expect(span_cmp(SPAN_LIT("a\xff"), SPAN_LIT("a/")) > 0);
    cr_expect(span_cmp(SPAN_EMPTY, SPAN_LIT("")) == 0);
    cr_expect(span_starts(SPAN_LIT("abc"), SPAN_LIT("ab")) && span_starts(SPAN_EMPTY, SPAN_EMPTY));
    cr_expect_not(span_starts(SPAN_LIT("a"), SPAN_LIT("ab")));
    cr_expect(span_ends(SPAN_LIT("abc"), SPAN_LIT("bc")) && span_ends(SPAN_LIT("abc"), SPAN_EMPTY));
    cr_expect_not(span_ends(SPAN_LIT("c"), SPAN_LIT("bc")));
    cr_expect(span_eq_nocase(SPAN_LIT("Content-MD5"), SPAN_LIT("content-md5")));
    cr_expect_not(span_eq_nocase(SPAN_LIT("\xc4"), SPAN_LIT("\xe4")));
    cr_expect_not(span_eq_nocase(SPAN_LIT("["), SPAN_LIT("{")));
}

Test(span, finds_from_an_offset)
{
    struct span s = SPAN_LIT("a/b/c");
    cr_expect_eq(span_find(s, '/', 0), 1);
    cr_expect_eq(span_find(s, '/', 2), 3);
    cr_expect_eq(span_find(s, '/', 4), -1);
    cr_expect_eq(span_find(s, '/', 99), -1);
    cr_expect_eq(span_find(SPAN_EMPTY, '/', 0), -1);
}

Test(span, cut_walks_every_field_even_empty_ones)
{
    static const char *const want[] = {"a", "", "b", ""};
    struct span s = SPAN_LIT("a,,b,");
    size_t n = 0;
    while (s.ptr) {
        cr_assert_lt(n, COUNT(want));
        cr_expect(span_is(span_cut(&s, ','), want[n]));
        n++;
    }
    cr_expect_eq(n, COUNT(want));
}

Test(span, trims_blanks_of_both_ends)
{
    cr_expect(span_is(span_trim(SPAN_LIT(" \t a b\t")), "a b"));
    cr_expect(span_is(span_trim(SPAN_LIT("  ")), ""));
    cr_expect_eq(span_trim(SPAN_EMPTY).len, 0);
}

Test(span, reads_decimal_numbers_strictly)
{
    uint64_t v = 7;
    cr_expect_eq(span_to_u64(SPAN_LIT("18446744073709551615"), &v), 0);
    cr_expect_eq(v, UINT64_MAX);
    cr_expect_eq(span_to_u64(SPAN_LIT("000"), &v), 0);
    cr_expect_eq(v, 0);
    cr_expect_eq(span_to_u64(SPAN_LIT("18446744073709551616"), &v), -ERANGE);
    cr_expect_eq(span_to_u64(SPAN_LIT("99999999999999999999999999"), &v), -ERANGE);
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "1a", "99999999999999999999999999x"};
    for (size_t i = 0; i < COUNT(bad); i++)
        cr_expect_eq(span_to_u64(span_cstr(bad[i]), &v), -EINVAL, "%s", bad[i]);
    cr_expect_eq(v, 0);
}

Test(span, reads_hex_numbers_strictly)
{
    uint64_t v = 7;
    cr_expect_eq(span_hex_to_u64(SPAN_LIT("fFfFfFfF00000001"), &v), 0);
    cr_expect_eq(v, 0xffffffff00000001ULL);
    static const char *const bad[] = {"", "0x1", "g", "00000000000000001", "-1", " 1"};
    for (size_t i = 0; i < COUNT(bad); i++)
        cr_expect_eq(span_hex_to_u64(span_cstr(bad[i]), &v), -EINVAL, "%s", bad[i]);
}

Test(span, knows_well_formed_utf8)
{
    static const char *const good[] = {"",
                                       "plain",
                                       "gr\xc3\xbc\xc3\x9f",
                                       "\xe2\x82\xac",
                                       "\xed\x9f\xbf\xee\x80\x80",
                                       "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
                                       "\xef\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc3",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xe2\x82",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "a\xe2\x28\xa1",
                                      "\xe2\x82z",
                                      "\xf0\x90\x80"};
    for (size_t i = 0; i < COUNT(good); i++)
        cr_expect(span_is_utf8(span_cstr(good[i])), "good %zu", i);
    for (size_t i = 0; i < COUNT(bad); i++)
        cr_expect_not(span_is_utf8(span_cstr(bad[i])), "bad %zu", i);
    cr_expect(span_is_utf8(SPAN_LIT("a\0b")));
}

Test(span, integers_keep_their_byte_order)
{
    uint8_t b[8];
    put_le64(b, 0x0102030405060708ULL);
    cr_expect_arr_eq(b, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    cr_expect_eq(get_le64(b), 0x0102030405060708ULL);
    cr_expect_eq(get_be64(b), 0x0807060504030201ULL);
    put_be32(b + 1, 0x01020304);
    cr_expect_eq(get_be32(b + 1), 0x01020304U);
    cr_expect_eq(get_le16(b + 1), 0x0201);
}

Test(buf, grows_by_every_kind_of_append)
{
    struct buf b = BUF_INIT;
    buf_add_cstr(&b, "key");
    buf_add_char(&b, '=');
    buf_add_u64(&b, UINT64_MAX);
    buf_add_span(&b, SPAN_LIT(" "));
    buf_printf(&b, "%s-%03d", "x", 7);
    buf_add(&b, NULL, 0);
    cr_expect_eq(b.failed, 0);
    cr_expect(span_is(buf_span(&b), "key=18446744073709551615 x-007"));
    buf_clear(&b);
    buf_add_u64(&b, 0);
    cr_expect(span_is(buf_span(&b), "0"));
    buf_release(&b);
    cr_expect_null(b.ptr);
    buf_release(NULL);
}

Test(buf, printf_longer_than_the_room_is_whole)
{
    struct buf b = BUF_INIT;
    for (int width = 1; width < 700; width++)
        cr_assert_eq(buf_printf(&b, "%*d", width, 1), 0);
    cr_expect_eq(b.len, 699 * 700 / 2);
    cr_expect_eq(b.ptr[b.len - 1], '1');
    buf_release(&b);
}

Test(buf, stops_at_its_limit_and_stays_failed)
{
    struct buf b = {.limit = 5};
    cr_expect_eq(buf_add_cstr(&b, "12345"), 0);
    cr_expect_eq(buf_printf(&b, "%s", ""), 0);
    cr_expect_eq(buf_printf(&b, "%d", 6), CAIRN_ETOOBIG);
    cr_expect(span_is(buf_span(&b), "12345"));
    cr_expect_eq(buf_add(&b, NULL, 0), CAIRN_ETOOBIG);
    cr_expect_eq(b.failed, CAIRN_ETOOBIG);
    buf_clear(&b);
    cr_expect_eq(buf_add_cstr(&b, "1234"), 0);
    cr_expect_eq(buf_reserve(&b, SIZE_MAX), -ENOMEM);
    buf_release(&b);
    cr_expect_eq(b.limit, 5);
    cr_expect_eq(b.failed, 0);
}

Test(buf, drops_from_the_front)
{
    struct buf b = BUF_INIT;
    buf_drop(&b, 3);
    buf_add_cstr(&b, "abcdef");
    buf_drop(&b, 2);
    cr_expect(span_is(buf_span(&b), "cdef"));
    buf_drop(&b, 99);
    cr_expect_eq(b.len, 0);
    buf_release(&b);
}
