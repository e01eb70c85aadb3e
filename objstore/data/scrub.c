/*
 * Verifying what nobody reads: every shard of a blob, parity too. What is wrong is queued to be healed, like what a
 * read finds.
 */
#include <errno.h>

#include "objstore/base/errors.h"
#include "objstore/data/data.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/layout.h"
#include "objstore/data/pin.h"
#include "objstore/data/record.h"
#include "objstore/data/verify.h"

struct finding {
    uint64_t id;
    uint32_t places;
};

static int record_finding(struct index_txn *txn, void *arg)
{
    const struct finding *finding = arg;
    struct blob_record blob;
    int r = blob_get(txn, finding->id, &blob);

    if (r == -ENOENT || (r == 0 && blob.refs == 0))
        return 0;
    return r < 0 ? r : heal_put(txn, finding->id, finding->places);
}

/* Pins the first blob from *from on; *from becomes what follows it. -ENOENT at the end; 0 without a pin: that one can't
 * be pinned. */
static int scrub_pin(struct data *data, uint64_t *from, struct blob_pin **ret_pin)
{
    struct index_txn *txn = NULL;
    uint64_t id = UINT64_MAX;
    uint32_t refs;
    int r = index_read_begin(data->index, &txn);

    if (r < 0)
        return r;
    r = blob_next(txn, *from, &id, &refs);
    if (id == UINT64_MAX) { /* not even which blob comes next */
        index_read_end(&txn);
        return r;
    }
    *from = id + 1;
    if (r == 0 && refs > 0)
        r = blob_pin(txn, data, id, ret_pin);
    index_read_end(&txn);
    return r == CAIRN_ECORRUPT ? 0 : r;
}

/* The places that should have a shard, and one to look at. */
static uint32_t places_to_look(struct data *data, const struct blob_record *record, uint32_t *ret_lacking)
{
    struct erasure_set *set = &data->sets[record->set];
    uint32_t all = places_all(set), lacks = lacks_get(&set->lacks, record->segment);

    *ret_lacking = all & ~record->held & ~lacks;
    return record->held & ~lacks & drive_set_online(set->drives);
}

static int scrub_blob(struct blob_pin *pin, const struct data_pace *pace, struct data_scrubbed *scrubbed)
{
    struct finding finding = {.id = pin->id};
    uint32_t lacking, places = places_to_look(pin->data, &pin->record, &lacking);
    int r = blob_verify(pin, places, pace, &finding.places);

    if (r < 0)
        return r;
    scrubbed->bytes = (uint64_t)__builtin_popcount(places) * extent_length(pin->record.length, pin->record.data);
    scrubbed->wrong = (unsigned)__builtin_popcount(finding.places);
    finding.places |= lacking;
    if (finding.places == 0)
        return 0;
    r = index_apply(pin->data->index, record_finding, &finding, INDEX_APPLIED);
    if (r >= 0)
        damage_tell(&pin->data->damage);
    return r < 0 ? r : 0;
}

int data_scrub(struct data *data, uint64_t *from, const struct data_pace *pace, struct data_scrubbed *ret_scrubbed)
{
    struct blob_pin *pin = NULL;
    uint64_t next = *from;
    int r = scrub_pin(data, &next, &pin);

    *ret_scrubbed = (struct data_scrubbed){0};
    if (r == -ENOENT)
        return 0;
    if (r == 0 && pin) {
        pin->background = true;
        r = scrub_blob(pin, pace, ret_scrubbed);
    }
    blob_unpin(&pin);
    if (r < 0)
        return r;
    *from = next;
    return 1;
}

int data_stored(struct data *data, uint64_t *ret_bytes)
{
    struct index_txn *txn = NULL;
    struct index_cursor cursor;
    struct segment_record record;
    struct span key, value;
    char tag = TAG_SEGMENT;
    uint64_t id, bytes = 0;
    int r = index_read_begin(data->index, &txn);

    if (r < 0)
        return r;
    r = index_cursor_open(txn, &cursor);
    if (r == 0) {
        r = index_cursor_seek(&cursor, span_make(&tag, 1), &key, &value);
        for (; r == 0 && key_parse_id(key, TAG_SEGMENT, &id); r = index_cursor_next(&cursor, &key, &value))
            if (segment_parse(value, &record) == 0 && record.set < data->set_count)
                bytes += record.live * data->sets[record.set].n;
        index_cursor_close(&cursor);
    }
    index_read_end(&txn);
    if (r < 0 && r != -ENOENT)
        return r;
    *ret_bytes = bytes;
    return 0;
}
