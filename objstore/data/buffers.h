/* The buffers that bulk bytes pass through. Any thread. */
#ifndef CAIRN_DATA_BUFFERS_H
#define CAIRN_DATA_BUFFERS_H

#include "objstore/base/pool.h"

#define SCRAP_SIZE (256u << 10)

struct buffers {
    struct pool *stripes; /* for a whole stripe with parity and checksums, of the widest set */
    struct pool *scraps;  /* SCRAP_SIZE bytes */
};

/* 0, -ENOMEM; wants releasing in any case. */
int buffers_init(struct buffers *buffers, size_t stripe);
/* All are back. */
void buffers_release(struct buffers *buffers);
/* The smaller kind that has so many bytes: at most a stripe. */
struct pool *buffers_for(const struct buffers *buffers, size_t bytes);

#endif
