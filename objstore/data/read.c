/*
 * Reading a blob, stripe by stripe. The unit is the granule: column c of shard s. Those that the request covers whole
 * are read straight into the caller's memory, with their checksums beside; the one or two that it only touches go to a
 * bounce buffer.
 *
 *   1  read the wanted granules from the data shards' drives, first what memory holds already; a drive that must seek
 * is told so by a hint while the others are read, so that they all seek at once 2  where a granule is missing or wrong,
 * read the same column of other shards until k are good, and rebuild it 3  copy what bounced
 *
 * Bytes are given to the caller only if each came from a granule that verified or was rebuilt from k that did.
 */
#include <errno.h>
#include <limits.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/layout.h"

struct stripe_read {
    struct data *data;
    struct erasure_set *set;
    const struct blob_pin *pin;
    struct segment *segment;
    uint64_t number;
    uint64_t disk;  /* where the stripe begins in the segment's files */
    uint32_t shard; /* bytes of a shard */
    unsigned columns;
    uint32_t begin, end; /* the bytes of the stripe that are asked for */
    uint8_t *out;        /* where they go */
    uint8_t *bounce;     /* NULL until needed; from scraps */
    unsigned bounced;
    uint8_t *spare;                          /* NULL until needed; from stripes: granules that only serve to rebuild */
    uint8_t *at[DRIVE_SET_MAX][COLUMNS_MAX]; /* where a granule is or will be; valid for bits of want and good */
    uint32_t want[DRIVE_SET_MAX];            /* by shard: bitmap of columns that the caller gets */
    uint32_t tried[DRIVE_SET_MAX];
    uint32_t good[DRIVE_SET_MAX];
    uint32_t lost; /* places whose drive answers, but without the right bytes */
    bool rotten;   /* one of them with wrong bytes */
    bool degraded;
};

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
        read->bounce = pool_get(read->data->scraps);
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

/* ---- granules of one shard ---- */

static unsigned shard_place(const struct stripe_read *read, unsigned shard)
{
    return place_of_shard(read->pin->record.first, shard, read->set->n);
}

/* Checks the granules of columns [lo, hi) of which the first bytes of len were read. */
static void shard_verify(struct stripe_read *read, unsigned shard, unsigned lo, unsigned hi, const uint8_t *sums,
                         size_t len)
{
    unsigned place = shard_place(read, shard);

    for (unsigned c = lo; c < hi; c++, sums += GRANULE_SUM) {
        uint32_t size = column_length(read->shard, c);

        if (len < size + GRANULE_SUM) {
            read->lost |= 1u << place;
            return;
        }
        len -= size + GRANULE_SUM;
        if (xxh3(read->at[shard][c], size, granule_seed(read->pin->id, read->number, shard, c)) == get_le64(sums)) {
            read->good[shard] |= 1u << c;
            continue;
        }
        read->lost |= 1u << place;
        read->rotten = true;
        atomic_fetch_add(&read->data->bitrot_found, 1);
        drive_set_note(read->set->drives, place, DRIVE_BITROT, 0);
    }
}

static struct drive_file *shard_file(struct stripe_read *read, unsigned shard)
{
    unsigned place = shard_place(read, shard);
    int error = 0;

    if (!(read->pin->record.held >> place & 1))
        return NULL;
    struct drive_file *file = segment_file(read->segment, place, &error);
    if (!file && error != -ENODEV && !(lacks_get(read->set, read->segment->id) >> place & 1))
        read->lost |= 1u << place;
    return file;
}

/* Reads columns [lo, hi) to where at[] says, and checks them. -EAGAIN when cached_only and not all are in memory; then
 * a hint makes the drive fetch them. */
static int shard_read(struct stripe_read *read, unsigned shard, unsigned lo, unsigned hi, bool cached_only)
{
    struct drive_file *file = shard_file(read, shard);
    uint8_t sums[COLUMNS_MAX * GRANULE_SUM];
    struct iovec iov[2 * COLUMNS_MAX];
    uint64_t off = read->disk + (uint64_t)lo * (GRANULE + GRANULE_SUM);
    size_t len = 0;
    int count = 0;

    if (!file)
        return -EIO;
    for (unsigned c = lo; c < hi; c++) {
        uint32_t size = column_length(read->shard, c);

        iov[count++] = (struct iovec){read->at[shard][c], size};
        iov[count++] = (struct iovec){sums + (c - lo) * GRANULE_SUM, GRANULE_SUM};
        len += size + GRANULE_SUM;
    }
    ssize_t n = drive_read(file, iov, count, off, cached_only);
    if (cached_only && (n == -EAGAIN || (n >= 0 && (size_t)n < len))) {
        drive_will_need(file, off, len);
        return -EAGAIN;
    }
    place_note(read->set, shard_place(read, shard), false, n < 0 ? (int)n : 0);
    if (n < 0)
        read->lost |= 1u << shard_place(read, shard);
    else
        shard_verify(read, shard, lo, hi, sums, (size_t)n);
    return 0;
}

/* Reads the wanted columns of a data shard: they are a run. */
static int shard_read_wanted(struct stripe_read *read, unsigned shard, bool cached_only)
{
    uint32_t want = read->want[shard];
    unsigned lo = (unsigned)__builtin_ctz(want), hi = 32u - (unsigned)__builtin_clz(want);

    return shard_read(read, shard, lo, hi, cached_only);
}

static void stripe_read_wanted(struct stripe_read *read)
{
    uint32_t again = 0;

    for (unsigned s = 0; s < read->set->k; s++) {
        if (!read->want[s])
            continue;
        read->tried[s] = read->want[s];
        if (shard_read_wanted(read, s, true) == -EAGAIN)
            again |= 1u << s;
    }
    for (; again; again &= again - 1)
        (void)shard_read_wanted(read, (unsigned)__builtin_ctz(again), false);
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

/* Of the columns given, those that have fewer good shards than it takes. */
static uint32_t columns_short(const struct stripe_read *read, uint32_t columns)
{
    uint32_t result = 0;

    for (; columns; columns &= columns - 1) {
        unsigned c = (unsigned)__builtin_ctz(columns);

        if ((unsigned)__builtin_popcount(column_shards(read->good, read->set->n, c)) < read->set->k)
            result |= 1u << c;
    }
    return result;
}

/* Reads more columns of a shard, run by run, into the spare buffer. */
static void shard_read_spare(struct stripe_read *read, unsigned shard, uint32_t columns)
{
    read->tried[shard] |= columns;
    while (columns) {
        unsigned lo = (unsigned)__builtin_ctz(columns), hi = lo;

        for (; hi < 32 && columns >> hi & 1; hi++) {
            read->at[shard][hi] = read->spare + (size_t)shard * read->shard + (size_t)hi * GRANULE;
            columns &= ~(1u << hi);
        }
        (void)shard_read(read, shard, lo, hi, false);
    }
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
    read->spare = pool_get(read->data->stripes);
    if (!read->spare)
        return -ENOMEM;
    for (unsigned s = 0; s < read->set->n; s++) {
        uint32_t columns = columns_short(read, missing) & ~read->tried[s];

        if (columns)
            shard_read_spare(read, s, columns);
    }
    if (columns_short(read, missing))
        return read->rotten ? CAIRN_EBITROT : -EIO;
    columns_rebuild(read, missing, &plan);
    return 0;
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
    memset(read->want, 0, sizeof(*read) - offsetof(struct stripe_read, want));
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
    pool_put(read.data->scraps, read.bounce);
    pool_put(read.data->stripes, read.spare);
    if (read.lost && !pin->background)
        keeper_heal(read.data, pin->id, read.lost);
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

/* All granules of the shards that the places have of a stripe. Returns the places where one is not good. */
static int stripe_verify(const struct blob_pin *pin, struct segment *segment, uint64_t number, uint32_t places,
                         uint32_t *bad)
{
    struct stripe_read read;

    stripe_read_init(&read, pin, segment, number);
    read.spare = pool_get(read.data->stripes);
    if (!read.spare)
        return -ENOMEM;
    uint32_t all = read.columns == 32 ? UINT32_MAX : (1u << read.columns) - 1;
    for (; places; places &= places - 1) {
        unsigned place = (unsigned)__builtin_ctz(places), shard = shard_of_place(pin->record.first, place, read.set->n);

        shard_read_spare(&read, shard, all);
        if (read.good[shard] != all)
            *bad |= 1u << place;
    }
    pool_put(read.data->stripes, read.spare);
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
