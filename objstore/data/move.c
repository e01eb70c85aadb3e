#include "objstore/data/move.h"

#include <errno.h>

#include "objstore/base/errors.h"
#include "objstore/data/commit.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/pin.h"
#include "objstore/data/writer.h"

struct move {
    struct blob_writer *writer;
    uint64_t segment, offset;
};

static int record_move(struct index_txn *txn, void *arg)
{
    struct move *move = arg;

    return blob_move_commit(txn, move->writer, move->segment, move->offset);
}

static bool pace_pause(const struct data_pace *pace, uint64_t bytes)
{
    return pace && pace->pause(pace->arg, bytes);
}

int blob_copy(struct blob_pin *pin, struct blob_writer *writer, const struct data_pace *pace)
{
    uint64_t length = blob_pin_length(pin);
    void *buffer = pool_get(pin->data->buffers.scraps);
    int r = buffer ? 0 : -ENOMEM;

    for (uint64_t off = 0; r == 0 && off < length;) {
        size_t n = length - off < SCRAP_SIZE ? (size_t)(length - off) : SCRAP_SIZE;

        r = blob_read(pin, off, buffer, n);
        pin->unreadable = r == CAIRN_EBITROT || r == -EIO;
        if (r == 0)
            r = blob_write(writer, buffer, n);
        off += n;
        if (r == 0 && pace_pause(pace, n))
            r = -ECANCELED;
    }
    pool_put(pin->data->buffers.scraps, buffer);
    return r;
}

/* -EAGAIN when too few drives have, or would get, the copy. */
static int writer_reaches(struct blob_writer *writer, unsigned least)
{
    return (unsigned)__builtin_popcount(blob_writer_places(writer)) < least ? -EAGAIN : 0;
}

int blob_move(struct blob_pin *pin, unsigned least, const struct data_pace *pace)
{
    struct data *data = pin->data;
    struct move move = {.segment = pin->record.segment, .offset = pin->record.offset};
    int r = blob_writer_new_for(data, pin->record.set, pin->id, pin->record.length, &move.writer);

    if (r == 0)
        r = writer_reaches(move.writer, least);
    if (r == 0)
        r = blob_copy(pin, move.writer, pace);
    if (r == 0)
        r = blob_writer_finish(move.writer);
    if (r == 0)
        r = writer_reaches(move.writer, least);
    if (r == 0)
        r = index_apply(data->index, record_move, &move, INDEX_DURABLE);
    blob_writer_free(&move.writer);
    return r;
}
