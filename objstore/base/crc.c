#include "objstore/base/hash.h"

#include <assert.h>
#include <isa-l.h>
#include <pthread.h>

#include "objstore/base/crc_priv.h"

/* Already inverts on the way in and out. */
uint32_t crc32_step(uint32_t crc, const void *bytes, size_t len)
{
    return crc32_gzip_refl(crc, bytes, len);
}

/* Takes an int length and leaves the inversions to its caller. */
uint32_t crc32c_step(uint32_t crc, const void *bytes, size_t len)
{
    const int most = 1 << 30;
    unsigned char *p = (unsigned char *)(uintptr_t)bytes; /* it only reads, for all its prototype says */
    crc = ~crc;
    while (len) {
        int now = len < (size_t)most ? (int)len : most;
        crc = crc32_iscsi(p, now, crc);
        p += now;
        len -= (size_t)now;
    }
    return ~crc;
}

/* Combining is arithmetic of polynomials over GF(2): crc(A B) = crc(A) * x^(8 len(B)) + crc(B) mod P, in which the
 * inversions at start and end cancel out. x^(8 n) is the product of the x^(8 * 2^i) whose bit i is set in n. */
struct field {
    uint64_t poly;
    int top;             /* the bit of x^0 */
    uint64_t powers[64]; /* x^(8 * 2^i) mod P */
};

static struct field fields[] = {
    {.poly = CRC32_POLY, .top = 31},
    {.poly = CRC32C_POLY, .top = 31},
    {.poly = CRC64NVME_POLY, .top = 63},
};
static pthread_once_t fields_once = PTHREAD_ONCE_INIT;

static uint64_t multiply(const struct field *f, uint64_t a, uint64_t b)
{
    uint64_t product = 0;
    for (int bit = f->top; bit >= 0; bit--) {
        if (a >> bit & 1)
            product ^= b;
        b = b >> 1 ^ (b & 1 ? f->poly : 0);
    }
    return product;
}

static void fill_fields(void)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct field *f = &fields[i];
        f->powers[0] = 1ULL << (f->top - 8);
        for (int k = 1; k < 64; k++)
            f->powers[k] = multiply(f, f->powers[k - 1], f->powers[k - 1]);
    }
}

uint64_t crc_combine(enum hash_kind kind, uint64_t crc_a, uint64_t crc_b, uint64_t len_b)
{
    assert(kind >= HASH_CRC32 && kind <= HASH_CRC64NVME);
    pthread_once(&fields_once, fill_fields);
    const struct field *f = &fields[kind - HASH_CRC32];
    for (int k = 0; len_b; k++, len_b >>= 1)
        if (len_b & 1)
            crc_a = multiply(f, crc_a, f->powers[k]);
    return crc_a ^ crc_b;
}
