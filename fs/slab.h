/*
 * Slab: the memory for bytes that are written and not yet stored. One mapping made at the start and divided into slots
 * of two sizes, so that a write never waits for the allocator: under memory pressure the kernel may wait for this very
 * mount to give pages up. Any thread; does not block.
 */
#ifndef CAIRN_FS_SLAB_H
#define CAIRN_FS_SLAB_H

#include <stddef.h>
#include <stdint.h>

enum slab_class { SLAB_SMALL, SLAB_LARGE, SLAB_CLASSES };

#define SLAB_SMALL_SIZE (32u << 10) /* most files of a source tree fit */
#define SLAB_LARGE_SIZE (4u << 20)  /* what one request stores of a file written in sequence */

struct slab;

/* bytes in all (16 MiB at least), a quarter of them in small slots. 0, -ENOMEM. */
int slab_new(uint64_t bytes, struct slab **ret_slab);
/* All slots must be back. Accepts NULL. */
void slab_free(struct slab **slab);
/* A slot, contents undefined; NULL when all of the class are taken. */
char *slab_get(struct slab *slab, enum slab_class class);
void slab_put(struct slab *slab, enum slab_class class, char *slot);
size_t slab_slot_size(enum slab_class class);
/* Slots of the class that are free now. */
size_t slab_idle(struct slab *slab, enum slab_class class);

#endif
