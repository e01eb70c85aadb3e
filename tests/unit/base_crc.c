#include "objstore/base/hash.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* The slowest form of each CRC, bit by bit, is the reference. */
static uint64_t crc_by_bits(uint64_t poly, uint64_t mask, const uint8_t *bytes, size_t len)
{
    uint64_t state = mask;
    for (size_t i = 0; i < len; i++) {
        state ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            state = state >> 1 ^ (state & 1 ? poly : 0);
    }
    return state ^ mask;
}

static uint64_t reference(enum hash_kind kind, const void *bytes, size_t len)
{
    switch (kind) {
    case HASH_CRC32:
        return crc_by_bits(0xedb88320, UINT32_MAX, bytes, len);
    case HASH_CRC32C:
        return crc_by_bits(0x82f63b78, UINT32_MAX, bytes, len);
    default:
        return crc_by_bits(0x9a6c9329ac4bc9b5, UINT64_MAX, bytes, len);
    }
}

static uint64_t step(enum hash_kind kind, uint64_t crc, const void *bytes, size_t len)
{
    switch (kind) {
    case HASH_CRC32:
        return crc32_step((uint32_t)crc, bytes, len);
    case HASH_CRC32C:
        return crc32c_step((uint32_t)crc, bytes, len);
    default:
        return crc64nvme_step(crc, bytes, len);
    }
}

static const enum hash_kind kinds[] = {HASH_CRC32, HASH_CRC32C, HASH_CRC64NVME};

Test(crc, every_length_and_alignment_agrees_with_the_bitwise_form)
{
    uint8_t bytes[400 + 16];
    random_bytes(bytes, sizeof(bytes));
    for (int k = 0; k < 3; k++)
        for (size_t len = 0; len <= 400; len++)
            cr_assert_eq(step(kinds[k], 0, bytes + len % 16, len), reference(kinds[k], bytes + len % 16, len),
                         "kind %d length %zu", (int)kinds[k], len);
}

Test(crc, steps_continue_each_other)
{
    enum { SIZE = 5000 };
    uint8_t bytes[SIZE];
    random_bytes(bytes, SIZE);
    for (int k = 0; k < 3; k++) {
        uint64_t whole = reference(kinds[k], bytes, SIZE);
        for (int round = 0; round < 300; round++) {
            size_t cut = (size_t)rand() % (SIZE + 1);
            cr_assert_eq(step(kinds[k], step(kinds[k], 0, bytes, cut), bytes + cut, SIZE - cut), whole);
        }
    }
}

Test(crc, combine_equals_the_crc_of_both_parts)
{
    enum { SIZE = 100000 };
    static uint8_t bytes[SIZE];
    random_bytes(bytes, SIZE);
    for (int k = 0; k < 3; k++) {
        uint64_t whole = step(kinds[k], 0, bytes, SIZE);
        for (int round = 0; round < 300; round++) {
            size_t cut = round == 0 ? 0 : round == 1 ? SIZE : (size_t)rand() % (SIZE + 1);
            uint64_t a = step(kinds[k], 0, bytes, cut), b = step(kinds[k], 0, bytes + cut, SIZE - cut);
            cr_assert_eq(crc_combine(kinds[k], a, b, SIZE - cut), whole, "kind %d cut %zu", (int)kinds[k], cut);
        }
    }
}

/* Parts of 5 GiB can't be hashed here; but combining is associative, and doubling a length must keep it so. */
Test(crc, combine_holds_for_lengths_of_any_size)
{
    for (int k = 0; k < 3; k++) {
        uint64_t zero = step(kinds[k], 0, "\0", 1), crc = zero, len = 1;
        for (int bit = 0; bit < 62; bit++, len *= 2) {
            uint64_t once = crc_combine(kinds[k], crc_combine(kinds[k], 0x1234567, crc, len), crc, len);
            crc = crc_combine(kinds[k], crc, crc, len);
            cr_assert_eq(crc_combine(kinds[k], 0x1234567, crc, 2 * len), once, "kind %d bit %d", (int)kinds[k], bit);
            if (len < 4096) {
                static const uint8_t zeros[8192];
                cr_assert_eq(crc, step(kinds[k], 0, zeros, 2 * len));
            }
        }
    }
}
