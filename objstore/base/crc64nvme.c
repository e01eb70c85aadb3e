/*
 * CRC-64/NVME by carry-less multiplication, with slicing tables where the processor has none and for the ends.
 *
 * Reflected: of a 128-bit register that holds 16 bytes of the message, bit i stands for x^(127-i), so its low half L
 * and high half H stand for L * x^64 + H. To carry it d bits further on is to multiply it by x^d; modulo P that is
 * L * (x^(d+64) mod P) + H * (x^d mod P). PCLMULQDQ of two reflected halves gives their product times x, hence the
 * exponents d+63 and d-1 below. Four registers run side by side, 64 bytes a turn, to hide the latency of the
 * multiplier. The last 16 bytes need no special reduction: they are a short message, and the tables take it.
 */
#include "objstore/base/hash.h"

#include <pthread.h>

#include "objstore/base/crc_priv.h"

struct fold {
    uint64_t low;  /* multiplies L */
    uint64_t high; /* multiplies H */
};

static uint64_t slices[8][256];  /* [n][b]: the byte b with n zero bytes behind it */
static struct fold by_16, by_64; /* carry 16 and 64 bytes on */
static bool has_multiplier;
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static uint64_t times_x(uint64_t v, unsigned times)
{
    while (times--)
        v = v >> 1 ^ (v & 1 ? CRC64NVME_POLY : 0);
    return v;
}

static struct fold fold_by(unsigned bits)
{
    const uint64_t one = 1ULL << 63;
    return (struct fold){.low = times_x(one, bits + 63), .high = times_x(one, bits - 1)};
}

static void fill_tables(void)
{
    for (unsigned b = 0; b < 256; b++)
        slices[0][b] = times_x(b, 8);
    for (int n = 1; n < 8; n++)
        for (unsigned b = 0; b < 256; b++)
            slices[n][b] = slices[n - 1][b] >> 8 ^ slices[0][slices[n - 1][b] & 0xff];
    by_16 = fold_by(8 * 16);
    by_64 = fold_by(8 * 64);
#ifdef __x86_64__
    has_multiplier = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
#endif
}

static uint64_t by_tables(uint64_t state, const uint8_t *p, size_t len)
{
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t v = state ^ get_le64(p);
        state = 0;
        for (int n = 0; n < 8; n++)
            state ^= slices[7 - n][v >> 8 * n & 0xff];
    }
    for (; len; p++, len--)
        state = state >> 8 ^ slices[0][(state ^ *p) & 0xff];
    return state;
}

#ifdef __x86_64__
#include <immintrin.h>

#define MULTIPLIER __attribute__((target("pclmul,sse4.1")))

MULTIPLIER static inline __m128i load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

MULTIPLIER static inline __m128i carry(__m128i v, __m128i k)
{
    return _mm_xor_si128(_mm_clmulepi64_si128(v, k, 0x00), _mm_clmulepi64_si128(v, k, 0x11));
}

/* len is at least 64. */
MULTIPLIER static uint64_t by_multiplier(uint64_t state, const uint8_t *p, size_t len)
{
    const __m128i k64 = _mm_set_epi64x((long long)by_64.high, (long long)by_64.low);
    const __m128i k16 = _mm_set_epi64x((long long)by_16.high, (long long)by_16.low);
    __m128i v[4];
    for (int i = 0; i < 4; i++)
        v[i] = load(p + 16 * i);
    v[0] = _mm_xor_si128(v[0], _mm_cvtsi64_si128((long long)state));
    for (p += 64, len -= 64; len >= 64; p += 64, len -= 64)
        for (int i = 0; i < 4; i++)
            v[i] = _mm_xor_si128(carry(v[i], k64), load(p + 16 * i));
    for (int i = 1; i < 4; i++)
        v[0] = _mm_xor_si128(carry(v[0], k16), v[i]);
    for (; len >= 16; p += 16, len -= 16)
        v[0] = _mm_xor_si128(carry(v[0], k16), load(p));

    uint8_t last[16];
    _mm_storeu_si128((__m128i *)last, v[0]);
    return by_tables(by_tables(0, last, sizeof(last)), p, len);
}
#else
static uint64_t by_multiplier(uint64_t state, const uint8_t *p, size_t len)
{
    return by_tables(state, p, len);
}
#endif

uint64_t crc64nvme_step(uint64_t crc, const void *bytes, size_t len)
{
    pthread_once(&tables_once, fill_tables);
    if (has_multiplier && len >= 64)
        return ~by_multiplier(~crc, bytes, len);
    return ~by_tables(~crc, bytes, len);
}
