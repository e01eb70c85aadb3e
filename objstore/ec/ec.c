#include "objstore/ec/ec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l.h>

struct ec {
    unsigned k;
    unsigned m;
    uint8_t matrix[EC_SHARDS_MAX * EC_SHARDS_MAX]; /* k + m rows of k: the identity, then the Cauchy rows */
    uint8_t tables[32 * EC_SHARDS_MAX * EC_SHARDS_MAX];
};

unsigned ec_default_parity(unsigned n)
{
    static const uint8_t parity[] = {0, 0, 1, 1, 2, 2, 3, 3};

    return n < sizeof(parity) ? parity[n] : 4;
}

int ec_new(unsigned k, unsigned m, struct ec **ret_ec)
{
    if (k == 0 || m > k || k + m > EC_SHARDS_MAX)
        return -EINVAL;
    struct ec *ec = calloc(1, sizeof(*ec));
    if (!ec)
        return -ENOMEM;
    ec->k = k;
    ec->m = m;
    gf_gen_cauchy1_matrix(ec->matrix, (int)(k + m), (int)k);
    if (m > 0)
        ec_init_tables((int)k, (int)m, ec->matrix + k * k, ec->tables);
    *ret_ec = ec;
    return 0;
}

void ec_free(struct ec **ec)
{
    if (!ec)
        return;
    free(*ec);
    *ec = NULL;
}

unsigned ec_data(const struct ec *ec)
{
    return ec->k;
}

unsigned ec_parity(const struct ec *ec)
{
    return ec->m;
}

/* ISA-L counts bytes in an int and takes pointers to bytes that are not const; neither tables nor inputs are changed.
 */
static void multiply(const uint8_t *tables, unsigned k, unsigned rows, size_t len, uint8_t **in, uint8_t **out)
{
    const size_t step = 1u << 30;

    while (len > 0) {
        size_t n = len < step ? len : step;

        ec_encode_data((int)n, (int)k, (int)rows, (unsigned char *)tables, in, out);
        for (unsigned i = 0; i < k; i++)
            in[i] += n;
        for (unsigned i = 0; i < rows; i++)
            out[i] += n;
        len -= n;
    }
}

void ec_encode(const struct ec *ec, uint8_t *const *shards, size_t len)
{
    uint8_t *at[EC_SHARDS_MAX];

    if (ec->m == 0)
        return;
    memcpy(at, shards, (ec->k + ec->m) * sizeof(at[0]));
    multiply(ec->tables, ec->k, ec->m, len, at, at + ec->k);
}

/* The bit numbers of a bitmap, lowest first, at most max of them; returns how many. */
static unsigned bits_list(uint32_t bits, unsigned max, uint8_t *ret_numbers)
{
    unsigned n = 0;

    for (; bits && n < max; bits &= bits - 1)
        ret_numbers[n++] = (uint8_t)__builtin_ctz(bits);
    return n;
}

static void matrix_row_multiply(const uint8_t *row, const uint8_t *matrix, unsigned k, uint8_t *ret_row)
{
    for (unsigned col = 0; col < k; col++) {
        uint8_t sum = 0;

        for (unsigned i = 0; i < k; i++)
            sum ^= gf_mul(row[i], matrix[i * k + col]);
        ret_row[col] = sum;
    }
}

/* The rows of the k shards at hand, inverted, turn them into the data; a wanted shard's own row turns data into the
 * shard. */
int ec_plan_init(struct ec_plan *plan, const struct ec *ec, uint32_t good, uint32_t want)
{
    uint8_t rows[EC_SHARDS_MAX * EC_SHARDS_MAX], inverse[EC_SHARDS_MAX * EC_SHARDS_MAX];
    unsigned k = ec->k;

    if ((good | want) >> (k + ec->m) || (good & want) || bits_list(good, k, plan->from) < k)
        return -EINVAL;
    plan->k = (uint8_t)k;
    plan->want = want;
    plan->have = 0;
    for (unsigned i = 0; i < k; i++) {
        plan->have |= 1u << plan->from[i];
        memcpy(rows + i * k, ec->matrix + plan->from[i] * k, k);
    }
    if (gf_invert_matrix(rows, inverse, (int)k) != 0)
        return -EINVAL;
    plan->rows = (uint8_t)bits_list(want, EC_SHARDS_MAX, plan->to);
    for (unsigned i = 0; i < plan->rows; i++)
        matrix_row_multiply(ec->matrix + plan->to[i] * k, inverse, k, rows + i * k);
    if (plan->rows > 0)
        ec_init_tables((int)k, plan->rows, rows, plan->tables);
    return 0;
}

void ec_plan_run(const struct ec_plan *plan, uint8_t *const *shards, size_t len)
{
    uint8_t *in[EC_SHARDS_MAX], *out[EC_SHARDS_MAX];

    if (plan->rows == 0)
        return;
    for (unsigned i = 0; i < plan->k; i++)
        in[i] = shards[plan->from[i]];
    for (unsigned i = 0; i < plan->rows; i++)
        out[i] = shards[plan->to[i]];
    multiply(plan->tables, plan->k, plan->rows, len, in, out);
}
