/*
 * Moving a blob: read, verified and rebuilt where needed → written through an ordinary writer under its own id → one
 * mutation puts 'B' on the new place and frees the old one, if the blob still lies there. Readers of the old place hold
 * pins, as always. A crash before the mutation leaves an uncommitted writer's range.
 *
 * Compaction moves blobs to empty a segment, healing to have all shards of one again. Neither may lose redundancy by
 * it: the caller says on how many drives the copy must be.
 */
#ifndef CAIRN_DATA_MOVE_H
#define CAIRN_DATA_MOVE_H

#include "objstore/data/data.h"

/* Reads all of it into the writer. The pace may be NULL. 0; -ECANCELED when the pace says so; errors of reading, which
 * set pin->unreadable when too few shards are good, and of writing. */
int blob_copy(struct blob_pin *pin, struct blob_writer *writer, const struct data_pace *pace);
/* Writes a blob anew, elsewhere, if it still lies where the pin holds it. -EAGAIN when fewer than least drives take it:
 * then it stays. -ESTALE, -ECANCELED, and errors of reading and writing. */
int blob_move(struct blob_pin *pin, unsigned least, const struct data_pace *pace);

#endif
