#include "objstore/base/span.h"

#include <errno.h>

bool span_starts(struct span s, struct span prefix)
{
    return s.len >= prefix.len && span_eq(span_head(s, prefix.len), prefix);
}

bool span_ends(struct span s, struct span suffix)
{
    return s.len >= suffix.len && span_eq(span_from(s, s.len - suffix.len), suffix);
}

/* tolower() depends on the locale, and protocols do not. */
static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool span_eq_nocase(struct span a, struct span b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (fold(a.ptr[i]) != fold(b.ptr[i]))
            return false;
    return true;
}

int span_cmp(struct span a, struct span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

ptrdiff_t span_find(struct span s, char c, size_t from)
{
    if (from >= s.len)
        return -1;
    const char *hit = memchr(s.ptr + from, c, s.len - from);
    return hit ? hit - s.ptr : -1;
}

struct span span_cut(struct span *s, char c)
{
    struct span whole = *s;
    ptrdiff_t at = span_find(whole, c, 0);
    if (at < 0) {
        *s = SPAN_EMPTY;
        return whole;
    }
    *s = span_make(whole.ptr + at + 1, whole.len - (size_t)at - 1);
    return span_head(whole, (size_t)at);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
    while (s.len && is_blank(s.ptr[0]))
        s = span_from(s, 1);
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

int span_to_u64(struct span s, uint64_t *ret_value)
{
    uint64_t value = 0;
    bool over = false;
    if (s.len == 0)
        return -EINVAL;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return -EINVAL;
        over |= __builtin_mul_overflow(value, 10, &value);
        over |= __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value);
    }
    if (over)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = fold(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int span_hex_to_u64(struct span s, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (s.len == 0 || s.len > 16)
        return -EINVAL;
    for (size_t i = 0; i < s.len; i++) {
        int digit = hex_digit(s.ptr[i]);
        if (digit < 0)
            return -EINVAL;
        value = value << 4 | (uint64_t)digit;
    }
    *ret_value = value;
    return 0;
}

/* The multi-byte sequences of RFC 3629, section 4: the second byte's range is what excludes overlong forms,
 * surrogates and code points past U+10FFFF; every later byte is 80..BF. */
static const struct {
    uint8_t first_low, first_high, second_low, second_high, length;
} utf8_rows[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* Bytes of the multi-byte sequence at p, of which left stand there; 0 when it is not well-formed. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    for (size_t i = 0; i < sizeof(utf8_rows) / sizeof(utf8_rows[0]); i++) {
        if (p[0] < utf8_rows[i].first_low || p[0] > utf8_rows[i].first_high)
            continue;
        size_t length = utf8_rows[i].length;
        if (length > left || p[1] < utf8_rows[i].second_low || p[1] > utf8_rows[i].second_high)
            return 0;
        for (size_t k = 2; k < length; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return length;
    }
    return 0;
}

bool span_is_utf8(struct span s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    for (size_t i = 0; i < s.len;) {
        size_t length = p[i] < 0x80 ? 1 : utf8_sequence(p + i, s.len - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}
