/* Hex, base64 (RFC 4648, section 4), and the two small services of cryptography. */
#include "objstore/base/hash.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <sys/random.h>

bool equal_constant_time(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

void random_bytes(void *ret_bytes, size_t len)
{
    uint8_t *at = ret_bytes;
    while (len) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0) {
            assert(errno == EINTR);
            continue;
        }
        at += n;
        len -= (size_t)n;
    }
}

void hex_encode(const void *bytes, size_t len, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++) {
        *ret_text++ = digits[p[i] >> 4];
        *ret_text++ = digits[p[i] & 15];
    }
    *ret_text = '\0';
}

int hex_decode(struct span text, void *ret_bytes, size_t len)
{
    uint8_t *out = ret_bytes;
    if (text.len % 2 || text.len / 2 != len)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        uint64_t byte;
        if (span_hex_to_u64(span_make(text.ptr + 2 * i, 2), &byte) < 0)
            return -EINVAL;
        out[i] = (uint8_t)byte;
    }
    return 0;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t len, char *ret_text)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t group = (uint32_t)p[i] << 16;
        group |= have > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        group |= have > 2 ? p[i + 2] : 0;
        *ret_text++ = base64_digits[group >> 18];
        *ret_text++ = base64_digits[group >> 12 & 63];
        *ret_text++ = have > 1 ? base64_digits[group >> 6 & 63] : '=';
        *ret_text++ = have > 2 ? base64_digits[group & 63] : '=';
    }
    *ret_text = '\0';
}

static int base64_digit(char c)
{
    const char *at = c ? strchr(base64_digits, c) : NULL;
    return at ? (int)(at - base64_digits) : -1;
}

/* Four characters, of which the last pad are '='; their unused bits must be zero, so each value has one spelling. */
static int base64_group(const char *text, size_t pad, uint32_t *ret_group)
{
    uint32_t group = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = i < 4 - pad ? base64_digit(text[i]) : 0;
        if (digit < 0)
            return -EINVAL;
        group = group << 6 | (uint32_t)digit;
    }
    if (group & ((1U << 8 * pad) - 1))
        return -EINVAL;
    *ret_group = group;
    return 0;
}

ptrdiff_t base64_decode(struct span text, void *ret_bytes, size_t cap)
{
    uint8_t *out = ret_bytes;
    if (text.len == 0)
        return 0;
    if (text.len % 4)
        return -EINVAL;
    size_t pad = text.ptr[text.len - 1] != '=' ? 0 : text.ptr[text.len - 2] != '=' ? 1 : 2;
    size_t len = text.len / 4 * 3 - pad;
    if (len > cap)
        return -EINVAL;
    for (size_t i = 0, at = 0; i < text.len; i += 4) {
        uint32_t group;
        if (base64_group(text.ptr + i, i + 4 == text.len ? pad : 0, &group) < 0)
            return -EINVAL;
        for (int shift = 16; shift >= 0 && at < len; shift -= 8)
            out[at++] = (uint8_t)(group >> shift);
    }
    return (ptrdiff_t)len;
}
