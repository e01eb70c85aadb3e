/*
 * Compaction: when little of a shared segment lives, its blobs are written anew elsewhere, and it goes as a whole with
 * the last of them. Punching has given most of its space back before; this gives back pages that small blobs share, and
 * descriptors.
 */
#ifndef CAIRN_DATA_COMPACT_H
#define CAIRN_DATA_COMPACT_H

#include <stdint.h>

struct data;

/* Moves the blobs of the first segment from id *from on that is mostly dead, and *from behind it; the keeper's. It
 * holds itself back, and ends when the keeper has something urgent. 1; 0 when there is none, and *from is 0 for another
 * round; negative on errors. */
int compact_step(struct data *data, uint64_t *from);

#endif
