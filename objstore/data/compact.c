/*
 * Compaction: when little of a shared segment lives, its blobs are written anew elsewhere, and it goes as a whole with
 * the last of them. Punching has given most of its space back before; this gives back pages that small blobs share, and
 * descriptors.
 *
 * Moving a blob: read, verified and rebuilt where needed → written through an ordinary writer under its own id → one
 * mutation puts 'B' on the new place and frees the old one, if the blob still lies there. Readers of the old place hold
 * pins, as always. A crash before the mutation leaves an uncommitted writer's range.
 */
#include <errno.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/record.h"

#define LIVE_SHARE 4 /* worth it when at most one byte in so many lives */
#define BATCH 64
#define RATE (64u << 20) /* bytes a second, so that it never crowds out requests */

struct victim {
    uint64_t segment;
    int count;
    struct {
        uint64_t offset, blob, length;
    } blobs[BATCH];
};

/* ---- moving one blob ---- */

struct move {
    struct blob_writer *writer;
    uint64_t segment, offset;
};

static int record_move(struct index_txn *txn, void *arg)
{
    struct move *move = arg;

    return blob_move_commit(txn, move->writer, move->segment, move->offset);
}

static int blob_copy(struct blob_pin *pin, struct blob_writer *writer)
{
    uint64_t length = blob_pin_length(pin);
    void *buffer = pool_get(pin->data->scraps);
    int r = buffer ? 0 : -ENOMEM;

    for (uint64_t off = 0; r == 0 && off < length;) {
        size_t n = length - off < SCRAP_SIZE ? (size_t)(length - off) : SCRAP_SIZE;

        r = blob_read(pin, off, buffer, n);
        if (r == 0)
            r = blob_write(writer, buffer, n);
        off += n;
    }
    pool_put(pin->data->scraps, buffer);
    return r;
}

/* -ESTALE when the blob lies elsewhere by now, or was freed. */
static int pin_at(struct data *data, uint64_t id, uint64_t segment, uint64_t offset, struct blob_pin **ret_pin)
{
    struct index_txn *txn = NULL;
    struct blob_record blob;
    int r = index_read_begin(data->index, &txn);

    if (r < 0)
        return r;
    r = blob_get(txn, id, &blob);
    if (r == -ENOENT || (r == 0 && (blob.refs == 0 || blob.segment != segment || blob.offset != offset)))
        r = -ESTALE;
    if (r == 0)
        r = blob_pin(txn, data, id, ret_pin);
    index_read_end(&txn);
    return r;
}

int blob_move(struct data *data, uint64_t id, uint64_t segment, uint64_t offset)
{
    struct move move = {.segment = segment, .offset = offset};
    struct blob_pin *pin = NULL;
    int r = pin_at(data, id, segment, offset, &pin);

    if (r == 0)
        r = blob_writer_new_for(&data->sets[pin->record.set], id, pin->record.length, &move.writer);
    if (r == 0)
        r = blob_copy(pin, move.writer);
    if (r == 0)
        r = blob_writer_finish(move.writer);
    if (r == 0)
        r = index_apply(data->index, record_move, &move, INDEX_DURABLE);
    blob_writer_free(&move.writer);
    blob_unpin(&pin);
    return r;
}

/* ---- choosing a segment ---- */

static bool segment_is_worth(const struct segment_record *record)
{
    return record->state == SEGMENT_SEALED && record->live > 0 && record->live <= record->size / LIVE_SHARE;
}

/* The first segment from id on that is worth it. -ENOENT at the end. */
static int victim_segment(struct index_cursor *cursor, uint64_t from, uint64_t *ret_segment)
{
    struct record_key start = key_id(TAG_SEGMENT, from);
    struct segment_record record;
    struct span key, value;
    int r = index_cursor_seek(cursor, key_span(&start), &key, &value);

    while (r == 0 && key_parse_id(key, TAG_SEGMENT, ret_segment)) {
        if (segment_parse(value, &record) == 0 && segment_is_worth(&record))
            return 0;
        r = index_cursor_next(cursor, &key, &value);
    }
    return r < 0 ? r : -ENOENT;
}

static int victim_blobs(struct index_cursor *cursor, struct victim *victim)
{
    struct record_key start = key_place(TAG_EXTENT, victim->segment, 0);
    struct extent_record extent;
    struct span key, value;
    uint64_t segment, offset;
    int r = index_cursor_seek(cursor, key_span(&start), &key, &value);

    victim->count = 0;
    while (r == 0 && victim->count < BATCH && key_parse_place(key, TAG_EXTENT, &segment, &offset) &&
           segment == victim->segment) {
        if (extent_parse(value, &extent) == 0) {
            victim->blobs[victim->count].offset = offset;
            victim->blobs[victim->count].blob = extent.blob;
            victim->blobs[victim->count++].length = extent.length;
        }
        r = index_cursor_next(cursor, &key, &value);
    }
    return r < 0 && r != -ENOENT ? r : 0;
}

static int victim_find(struct data *data, uint64_t from, struct victim *ret_victim)
{
    struct index_txn *txn = NULL;
    struct index_cursor cursor;
    int r = index_read_begin(data->index, &txn);

    if (r < 0)
        return r;
    r = index_cursor_open(txn, &cursor);
    if (r == 0) {
        r = victim_segment(&cursor, from, &ret_victim->segment);
        if (r == 0)
            r = victim_blobs(&cursor, ret_victim);
        index_cursor_close(&cursor);
    }
    index_read_end(&txn);
    return r;
}

int compact_step(struct data *data, uint64_t *from)
{
    struct victim victim;
    int r = victim_find(data, *from, &victim);

    if (r < 0) {
        *from = 0;
        return r == -ENOENT ? 0 : r;
    }
    *from = victim.segment + 1;
    for (int i = 0; i < victim.count; i++) {
        r = blob_move(data, victim.blobs[i].blob, victim.segment, victim.blobs[i].offset);
        if (r == -ENOSPC || r == CAIRN_EQUORUM)
            return r;
        if (keeper_pause(data, (int64_t)(victim.blobs[i].length * NS_PER_SEC / RATE)))
            break;
    }
    return 1;
}
