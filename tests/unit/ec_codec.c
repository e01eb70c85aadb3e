#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "objstore/ec/ec.h"

#define LEN_MAX 4096

static uint8_t shard_bytes[EC_SHARDS_MAX][LEN_MAX], rebuilt_bytes[EC_SHARDS_MAX][LEN_MAX];

static void fill(unsigned k, size_t len)
{
    for (unsigned i = 0; i < k; i++)
        for (size_t j = 0; j < len; j++)
            shard_bytes[i][j] = (uint8_t)rand();
}

static void encode(const struct ec *ec, size_t len)
{
    uint8_t *shards[EC_SHARDS_MAX];

    for (unsigned i = 0; i < EC_SHARDS_MAX; i++)
        shards[i] = shard_bytes[i];
    ec_encode(ec, shards, len);
}

static void check_rebuild(const struct ec *ec, uint32_t good, uint32_t want, size_t len)
{
    struct ec_plan plan;
    uint8_t *shards[EC_SHARDS_MAX];

    cr_assert_eq(ec_plan_init(&plan, ec, good, want), 0);
    for (unsigned i = 0; i < EC_SHARDS_MAX; i++)
        shards[i] = plan.have >> i & 1 ? shard_bytes[i] : want >> i & 1 ? rebuilt_bytes[i] : NULL;
    memset(rebuilt_bytes, 0xee, sizeof(rebuilt_bytes));
    ec_plan_run(&plan, shards, len);
    for (unsigned i = 0; i < EC_SHARDS_MAX; i++)
        if (want >> i & 1)
            cr_assert_arr_eq(rebuilt_bytes[i], shard_bytes[i], len, "shard %u from %x", i, good);
}

/* Every way to lose up to m shards of small sets, and random ways of the large ones. */
static void check_all_losses(unsigned k, unsigned m, size_t len)
{
    struct ec *ec = NULL;
    unsigned n = k + m;
    uint32_t all = (1u << n) - 1;
    unsigned tries = n <= 8 ? 1u << n : 300;

    cr_assert_eq(ec_new(k, m, &ec), 0);
    fill(k, len);
    encode(ec, len);
    for (unsigned t = 0; t < tries; t++) {
        uint32_t lost = n <= 8 ? t : (uint32_t)rand() & (uint32_t)rand() & all;

        if ((unsigned)__builtin_popcount(lost) > m)
            continue;
        check_rebuild(ec, all & ~lost, lost, len);
    }
    ec_free(&ec);
    cr_assert_null(ec);
}

Test(ec, every_k_and_m_gives_back_what_is_lost)
{
    for (unsigned n = 1; n <= EC_SHARDS_MAX; n++)
        for (unsigned m = 0; m <= n / 2; m++)
            check_all_losses(n - m, m, 64);
}

Test(ec, odd_lengths_are_rebuilt)
{
    static const size_t lens[] = {1, 7, 63, 65, 1000, 4095, 4096};

    for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
        check_all_losses(3, 2, lens[i]);
}

Test(ec, one_shard_of_several_lost_is_rebuilt_alone)
{
    struct ec *ec = NULL;

    cr_assert_eq(ec_new(4, 4, &ec), 0);
    fill(4, 512);
    encode(ec, 512);
    check_rebuild(ec, 0xd2, 0x01, 512); /* 0, 2, 3 and 5 are lost, 0 is wanted */
    check_rebuild(ec, 0xd2, 0x20, 512);
    ec_free(&ec);
}

Test(ec, too_few_shards_are_refused)
{
    struct ec *ec = NULL;
    struct ec_plan plan;

    cr_assert_eq(ec_new(2, 2, &ec), 0);
    cr_assert_eq(ec_plan_init(&plan, ec, 0x1, 0x2), -EINVAL);
    cr_assert_eq(ec_plan_init(&plan, ec, 0x3, 0x1), -EINVAL, "a shard can't be good and wanted");
    cr_assert_eq(ec_plan_init(&plan, ec, 0x3, 0x10), -EINVAL, "there is no shard 4");
    ec_free(&ec);
}

Test(ec, impossible_codes_are_refused)
{
    struct ec *ec = NULL;

    cr_assert_eq(ec_new(0, 0, &ec), -EINVAL);
    cr_assert_eq(ec_new(2, 3, &ec), -EINVAL);
    cr_assert_eq(ec_new(12, 5, &ec), -EINVAL);
    cr_assert_null(ec);
}

Test(ec, default_parity_follows_the_size_of_the_set)
{
    static const unsigned want[] = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4};

    for (unsigned n = 1; n <= 16; n++)
        cr_assert_eq(ec_default_parity(n), want[n], "n=%u", n);
}
