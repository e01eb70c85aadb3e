#include "objstore/data/rebuild.h"

#include <errno.h>

#include "objstore/base/errors.h"

uint32_t columns_missing(const struct stripe_read *read)
{
    uint32_t missing = 0;

    for (unsigned s = 0; s < read->set->k; s++)
        missing |= read->want[s] & ~read->good[s];
    return missing;
}

static uint32_t column_shards(const uint32_t *by_shard, unsigned n, unsigned column)
{
    uint32_t shards = 0;

    for (unsigned s = 0; s < n; s++)
        shards |= (by_shard[s] >> column & 1) << s;
    return shards;
}

/* Of the columns given, those that have fewer good shards than it takes, even if all comes that is asked for. */
static uint32_t columns_short(const struct stripe_read *read, const uint32_t *asked, uint32_t columns)
{
    uint32_t result = 0;

    for (; columns; columns &= columns - 1) {
        unsigned c = (unsigned)__builtin_ctz(columns);
        uint32_t hoped = column_shards(read->good, read->set->n, c) | column_shards(asked, read->set->n, c);

        if ((unsigned)__builtin_popcount(hoped) < read->set->k)
            result |= 1u << c;
    }
    return result;
}

/* Asks for as many more shards of the columns as they are short of. False when none is left to ask. */
static bool shards_ask_more(struct stripe_read *read, uint32_t columns)
{
    uint32_t asked[DRIVE_SET_MAX] = {0};
    bool any = false;

    for (unsigned s = 0; s < read->set->n; s++) {
        asked[s] = columns_short(read, asked, columns) & ~read->tried[s];
        if (asked[s])
            shard_ask(read, s, asked[s]);
        any = any || asked[s];
    }
    return any;
}

/* Slow drives may be asked once more, and are waited for. False when there are none. */
static bool shards_forgive(struct stripe_read *read)
{
    uint32_t slow = read->slow;

    read->wait = DRIVE_WAIT;
    read->slow = 0;
    for (uint32_t left = slow; left; left &= left - 1)
        read->tried[__builtin_ctz(left)] = read->good[__builtin_ctz(left)];
    return slow != 0;
}

/* Until k shards of each column are good, or no more can be. */
static int columns_gather(struct stripe_read *read, uint32_t columns)
{
    static const uint32_t none[DRIVE_SET_MAX];

    while (columns_short(read, none, columns)) {
        if (shards_ask_more(read, columns))
            runs_read(read);
        else if (read->wait == DRIVE_WAIT || !shards_forgive(read))
            return read->rotten ? CAIRN_EBITROT : -EIO;
    }
    return 0;
}

static void columns_solve(struct stripe_read *read, uint32_t columns, struct ec_plan *plan)
{
    plan->have = plan->want = 0;
    for (; columns; columns &= columns - 1) {
        unsigned c = (unsigned)__builtin_ctz(columns);
        uint32_t good = column_shards(read->good, read->set->n, c);
        uint32_t want = column_shards(read->want, read->set->k, c) & ~good;
        uint8_t *shards[DRIVE_SET_MAX];

        if (plan->want != want || (plan->have & good) != plan->have)
            (void)ec_plan_init(plan, read->set->ec, good, want); /* k are good: it can't fail */
        for (unsigned s = 0; s < read->set->n; s++)
            shards[s] = read->at[s][c];
        ec_plan_run(plan, shards, column_length(read->shard, c));
    }
}

int columns_rebuild(struct stripe_read *read, uint32_t columns)
{
    struct ec_plan plan;
    int r = columns_gather(read, columns);

    if (r == 0)
        columns_solve(read, columns, &plan);
    return r;
}
