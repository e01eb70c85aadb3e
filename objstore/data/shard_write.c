#include "objstore/data/shard_write.h"

#include <string.h>

#include "objstore/base/hash.h"
#include "objstore/data/layout.h"
#include "objstore/drive/drive.h"

#define WRITEBACK_STRIPES 8 /* a drive is told to begin writing so often, so that the sync at the end is short */

size_t stripe_image_shape(struct stripe_image *image, const struct shard_site *site, uint64_t number)
{
    image->number = number;
    image->length = stripe_length(site->length, number);
    image->shard = shard_length(image->length, site->set->k);
    image->columns = shard_columns(image->shard);
    return (size_t)site->set->n * shard_disk(image->shard);
}

static uint8_t *image_shard(const struct stripe_image *image, unsigned shard)
{
    return image->buffer + (size_t)shard * image->shard;
}

static uint8_t *image_sums(const struct stripe_image *image, const struct shard_site *site, unsigned shard)
{
    return image->buffer + (size_t)site->set->n * image->shard + (size_t)shard * image->columns * GRANULE_SUM;
}

void stripe_image_encode(struct stripe_image *image, const struct shard_site *site)
{
    struct erasure_set *set = site->set;
    uint8_t *shards[DRIVE_SET_MAX];

    memset(image->buffer + image->length, 0, (size_t)set->k * image->shard - image->length);
    for (unsigned i = 0; i < set->n; i++)
        shards[i] = image_shard(image, i);
    ec_encode(set->ec, shards, image->shard);
}

/* The shard of a place as on disk: granule, checksum, granule, checksum … */
static int shard_compose(const struct stripe_image *image, const struct shard_site *site, unsigned place,
                         struct iovec *ret_iov)
{
    unsigned shard = shard_of_place(site->first, place, site->set->n);
    uint8_t *bytes = image_shard(image, shard), *sums = image_sums(image, site, shard);

    for (unsigned c = 0; c < image->columns; c++) {
        uint8_t *granule = bytes + (size_t)c * GRANULE, *sum = sums + (size_t)c * GRANULE_SUM;
        uint32_t len = column_length(image->shard, c);

        put_le64(sum, xxh3(granule, len, granule_seed(site->id, image->number, shard, c)));
        ret_iov[2 * c] = (struct iovec){granule, len};
        ret_iov[2 * c + 1] = (struct iovec){sum, GRANULE_SUM};
    }
    return (int)(2 * image->columns);
}

int shard_write(const struct stripe_image *image, const struct shard_site *site, unsigned place)
{
    struct iovec iov[2 * COLUMNS_MAX];
    uint64_t begin = site->offset + stripe_disk_offset(image->number, site->set->k);
    uint32_t len = shard_disk(image->shard);
    int error = 0;
    struct drive_file *file = segment_file(site->segment, place, &error);

    if (!file)
        return error;
    int r = drive_write(file, iov, shard_compose(image, site, place, iov), begin);
    if (r == 0 && image->number % WRITEBACK_STRIPES == WRITEBACK_STRIPES - 1)
        drive_start_writeback(file, begin - (WRITEBACK_STRIPES - 1) * (uint64_t)len, WRITEBACK_STRIPES * (uint64_t)len);
    return r;
}
