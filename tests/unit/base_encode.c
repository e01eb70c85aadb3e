#include "objstore/base/hash.h"

#include <criterion/criterion.h>
#include <errno.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

Test(hex, encodes_lower_case_and_decodes_both)
{
    char text[9];
    uint8_t bytes[4];
    hex_encode("\x00\xab\xcd\xff", 4, text);
    cr_expect_str_eq(text, "00abcdff");
    cr_assert_eq(hex_decode(SPAN_LIT("00AbCdFf"), bytes, 4), 0);
    cr_expect_arr_eq(bytes, "\x00\xab\xcd\xff", 4);
}

Test(hex, refuses_what_is_not_exactly_that_many_digits)
{
    static const char *const bad[] = {"", "00abcdf", "00abcdfff", "00abcdff00", "00abcdfg", "00 bcdff", "0x00abcd"};
    uint8_t bytes[4];
    for (size_t i = 0; i < COUNT(bad); i++)
        cr_expect_eq(hex_decode(span_cstr(bad[i]), bytes, 4), -EINVAL, "%s", bad[i]);
}

static const char *const rfc_4648[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"}};

Test(base64, agrees_with_rfc_4648_both_ways)
{
    for (size_t i = 0; i < COUNT(rfc_4648); i++) {
        const char *plain = rfc_4648[i][0], *coded = rfc_4648[i][1];
        char text[16], bytes[8];
        base64_encode(plain, strlen(plain), text);
        cr_expect_str_eq(text, coded);
        cr_expect_eq(base64_decode(span_cstr(coded), bytes, sizeof(bytes)), (ptrdiff_t)strlen(plain));
        cr_expect_eq(memcmp(bytes, plain, strlen(plain)), 0);
    }
}

Test(base64, every_byte_survives)
{
    uint8_t bytes[256], back[256];
    char text[4 * 86 + 1];
    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    base64_encode(bytes, 256, text);
    cr_assert_eq(base64_decode(span_cstr(text), back, 256), 256);
    cr_assert_arr_eq(back, bytes, 256);
}

Test(base64, refuses_loose_spellings)
{
    static const char *const bad[] = {
        "Zg",   "Zg=",    "Zm9",   "Zh==",         "Zm9=", "====",     "Z===",     "Zm=v",
        "=m9v", "Zm9v\n", " Zm9v", "Zm9vZg==Zg==", "Zm-_", "Zm9vYg=A", "Zm9v====", "\xffm9v"};
    char bytes[32];
    for (size_t i = 0; i < COUNT(bad); i++)
        cr_expect_eq(base64_decode(span_cstr(bad[i]), bytes, sizeof(bytes)), -EINVAL, "%s", bad[i]);
    cr_expect_eq(base64_decode(SPAN_LIT("Zm\0v"), bytes, sizeof(bytes)), -EINVAL);
}

Test(base64, refuses_more_than_the_room_given)
{
    char bytes[3];
    cr_expect_eq(base64_decode(SPAN_LIT("Zm9v"), bytes, 3), 3);
    cr_expect_eq(base64_decode(SPAN_LIT("Zm9v"), bytes, 2), -EINVAL);
    cr_expect_eq(base64_decode(SPAN_LIT("Zm8="), bytes, 2), 2);
}

Test(secrets, comparison_sees_every_byte)
{
    cr_expect(equal_constant_time("abc", "abc", 3));
    cr_expect_not(equal_constant_time("abc", "abd", 3));
    cr_expect(equal_constant_time("abc", "xyz", 0));
}

Test(secrets, random_bytes_differ)
{
    uint8_t a[300] = {0}, b[300] = {0};
    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    cr_expect_neq(memcmp(a, b, sizeof(a)), 0);
    cr_expect_neq(memcmp(a + 268, b + 268, 32), 0);
}
