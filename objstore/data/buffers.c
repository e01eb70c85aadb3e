#include "objstore/data/buffers.h"

#define STRIPES_KEPT 8
#define SCRAPS_KEPT 64

int buffers_init(struct buffers *buffers, size_t stripe)
{
    int r = pool_new(stripe, STRIPES_KEPT, &buffers->stripes);

    return r < 0 ? r : pool_new(SCRAP_SIZE, SCRAPS_KEPT, &buffers->scraps);
}

void buffers_release(struct buffers *buffers)
{
    pool_free(&buffers->stripes);
    pool_free(&buffers->scraps);
}

struct pool *buffers_for(const struct buffers *buffers, size_t bytes)
{
    return bytes <= SCRAP_SIZE ? buffers->scraps : buffers->stripes;
}
