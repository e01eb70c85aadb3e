/*
 * Reading a blob, stripe by stripe. The unit is the granule: column c of shard s. Those that the request covers whole
 * are read straight into the caller's memory, with their checksums beside; the one or two that it only touches go to a
 * bounce buffer.
 *
 *   1  read the wanted granules from the data shards' drives (shard_read.c)
 *   2  where a granule is missing, wrong or slow to come, read the same column of other shards until k are good, and
 *      rebuild it
 *   3  copy what bounced
 *
 * Bytes are given to the caller only if each came from a granule that verified or was rebuilt from k that did.
 */
#include <errno.h>

#include "objstore/base/errors.h"
#include "objstore/data/read_priv.h"

/* ---- what is wanted, and where it goes ---- */

/* The part of the request that a granule has, as offsets in the stripe; false when it has none. */
static bool granule_part(const struct stripe_read *read, unsigned shard, unsigned column, uint32_t *ret_begin,
                         uint32_t *ret_end)
{
    uint32_t first = shard * read->shard + column * GRANULE, last = first + column_length(read->shard, column);

    *ret_begin = first > read->begin ? first : read->begin;
    *ret_end = last < read->end ? last : read->end;
    return *ret_begin < *ret_end;
}

static int granule_want(struct stripe_read *read, unsigned shard, unsigned column)
{
    uint32_t begin, end;

    if (!granule_part(read, shard, column, &begin, &end))
        return 0;
    read->want[shard] |= 1u << column;
    if (end - begin == column_length(read->shard, column)) {
        read->at[shard][column] = read->out + (begin - read->begin);
        return 0;
    }
    if (!read->bounce)
        read->bounce = pool_get(read->data->buffers.scraps);
    if (!read->bounce)
        return -ENOMEM;
    /* Only a granule with an end of the request inside it bounces: two at most. */
    read->at[shard][column] = read->bounce + (size_t)read->bounced++ * GRANULE;
    return 0;
}

static int stripe_want(struct stripe_read *read)
{
    unsigned first = read->begin / read->shard, last = (read->end - 1) / read->shard;
    int r = 0;

    for (unsigned s = first; r == 0 && s <= last; s++)
        for (unsigned c = 0; r == 0 && c < read->columns; c++)
            r = granule_want(read, s, c);
    return r;
}

static void stripe_copy_bounced(const struct stripe_read *read)
{
    for (unsigned s = 0; read->bounced > 0 && s < read->set->k; s++) {
        for (uint32_t left = read->want[s]; left; left &= left - 1) {
            unsigned c = (unsigned)__builtin_ctz(left);
            uint32_t begin, end, first = s * read->shard + c * GRANULE;

            granule_part(read, s, c, &begin, &end);
            if (end - begin < column_length(read->shard, c))
                memcpy(read->out + (begin - read->begin), read->at[s][c] + (begin - first), end - begin);
        }
    }
}

static void stripe_read_wanted(struct stripe_read *read)
{
    for (unsigned s = 0; s < read->set->k; s++)
        if (read->want[s])
            shard_ask(read, s, read->want[s]);
    runs_read(read);
}

/* ---- rebuilding ---- */

static uint32_t columns_missing(const struct stripe_read *read)
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

static void columns_rebuild(struct stripe_read *read, uint32_t columns, struct ec_plan *plan)
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

static int stripe_rebuild(struct stripe_read *read, uint32_t missing)
{
    struct ec_plan plan;

    read->degraded = true;
    read->spare = pool_get(read->data->buffers.stripes);
    if (!read->spare)
        return -ENOMEM;
    int r = columns_gather(read, missing);
    if (r == 0)
        columns_rebuild(read, missing, &plan);
    return r;
}

/* ---- a stripe, a blob ---- */

static int stripe_read_run(struct stripe_read *read)
{
    int r = stripe_want(read);

    if (r < 0)
        return r;
    stripe_read_wanted(read);
    uint32_t missing = columns_missing(read);
    if (missing)
        r = stripe_rebuild(read, missing);
    if (r == 0)
        stripe_copy_bounced(read);
    return r;
}

static void stripe_read_init(struct stripe_read *read, const struct blob_pin *pin, struct segment *segment,
                             uint64_t number)
{
    struct erasure_set *set = segment->set;

    memset(read, 0, offsetof(struct stripe_read, at));
    read->run_count = 0;
    read->wait = DRIVE_PATIENT;
    read->data = pin->data;
    read->set = set;
    read->pin = pin;
    read->segment = segment;
    read->number = number;
    read->disk = pin->record.offset + stripe_disk_offset(number, set->k);
    read->shard = shard_length(stripe_length(pin->record.length, number), set->k);
    read->columns = shard_columns(read->shard);
}

static int stripe_read_part(const struct blob_pin *pin, struct segment *segment, uint64_t off, uint8_t *out,
                            uint32_t len, bool *degraded)
{
    struct stripe_read read;

    stripe_read_init(&read, pin, segment, off / DATA_STRIPE);
    read.begin = (uint32_t)(off % DATA_STRIPE);
    read.end = read.begin + len;
    read.out = out;
    int r = stripe_read_run(&read);
    pool_put(read.data->buffers.scraps, read.bounce);
    pool_put(read.data->buffers.stripes, read.spare);
    if (read.lost && !pin->background)
        chores_heal(&read.data->chores, pin->id, read.lost);
    *degraded = *degraded || read.degraded;
    return r;
}

int blob_read(struct blob_pin *pin, uint64_t off, void *ret_bytes, size_t len)
{
    uint8_t *out = ret_bytes;
    bool degraded = false;
    int r = 0;

    if (off > pin->record.length || len > pin->record.length - off)
        return -EINVAL;
    struct segment *segment = segment_get(&pin->data->sets[pin->record.set], pin->record.segment);
    if (!segment)
        return -ENOMEM;
    while (r == 0 && len > 0) {
        uint32_t room = DATA_STRIPE - (uint32_t)(off % DATA_STRIPE), n = len < room ? (uint32_t)len : room;

        r = stripe_read_part(pin, segment, off, out, n, &degraded);
        off += n;
        out += n;
        len -= n;
    }
    segment_put(&segment);
    if (degraded && !pin->background)
        atomic_fetch_add(&pin->data->degraded_reads, 1);
    return r;
}

/* ---- verifying ---- */

/* All granules of the shards that the places have of a stripe. *bad gets the places where one is not good. */
static int stripe_verify(const struct blob_pin *pin, struct segment *segment, uint64_t number, uint32_t places,
                         uint32_t *bad)
{
    struct stripe_read read;

    stripe_read_init(&read, pin, segment, number);
    read.spare = pool_get(read.data->buffers.stripes);
    if (!read.spare)
        return -ENOMEM;
    uint32_t all = read.columns == 32 ? UINT32_MAX : (1u << read.columns) - 1;
    for (uint32_t left = places; left; left &= left - 1)
        shard_ask(&read, shard_of_place(pin->record.first, (unsigned)__builtin_ctz(left), read.set->n), all);
    runs_read(&read);
    for (; places; places &= places - 1) {
        unsigned place = (unsigned)__builtin_ctz(places);

        if (read.good[shard_of_place(pin->record.first, place, read.set->n)] != all)
            *bad |= 1u << place;
    }
    pool_put(read.data->buffers.stripes, read.spare);
    return 0;
}

int blob_verify(struct blob_pin *pin, uint32_t places, const struct data_pace *pace, uint32_t *ret_bad)
{
    struct segment *segment = segment_get(&pin->data->sets[pin->record.set], pin->record.segment);
    uint64_t stripes = (pin->record.length + DATA_STRIPE - 1) / DATA_STRIPE;
    uint32_t bad = 0;
    int r = segment ? 0 : -ENOMEM;

    for (uint64_t i = 0; r == 0 && places && i < stripes; i++) {
        r = stripe_verify(pin, segment, i, places, &bad);
        uint64_t bytes = (uint64_t)__builtin_popcount(places) * (DATA_STRIPE / pin->record.data);
        places &= ~bad; /* one that lacks a stripe lacks the shard */
        if (r == 0 && pace && pace->pause(pace->arg, bytes))
            r = -ECANCELED;
    }
    segment_put(&segment);
    if (r == 0)
        *ret_bad = bad;
    return r;
}
