/* Writers as the layer itself has them; data.h has the calls of its users. */
#ifndef CAIRN_DATA_WRITER_H
#define CAIRN_DATA_WRITER_H

#include "objstore/data/data.h"

struct blob_pin;
struct erasure_set;
struct reservation;
struct segment;

/* As blob_writer_new, for the blob with this id in this set: a second copy of it, which blob_move_commit then makes the
 * only one. */
int blob_writer_new_for(struct data *data, size_t set, uint64_t id, uint64_t length, struct blob_writer **ret_writer);
/* A writer that gives a blob's shards back to some drives, in the place that the blob has: that of the segment given,
 * which is borrowed and out of the table. Its caller syncs and publishes; the writer is never committed. 0, -ENOMEM. */
int blob_writer_new_at(struct segment *aside, const struct blob_pin *pin, uint32_t places,
                       struct blob_writer **ret_writer);
/* All bytes were given: waits until they are written. Returns the places that have all of them; ret_error gets an error
 * of the others. */
uint32_t blob_writer_drain(struct blob_writer *writer, int *ret_error);
/* The places that have all of what was written so far. */
uint32_t blob_writer_places(struct blob_writer *writer);

/* What a mutation needs to know of a finished writer. */
struct blob_place {
    struct data *data;
    struct erasure_set *set;
    struct reservation *reservation; /* the writer's */
    uint64_t id, length;
    unsigned first; /* the place of shard 0 */
    uint32_t held;  /* bitmap of the places that have their shard */
};
/* False before it is finished. */
bool blob_writer_place(const struct blob_writer *writer, struct blob_place *ret_place);

#endif
