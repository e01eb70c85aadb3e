#include "objstore/drive/superblock.h"

#include <errno.h>
#include <string.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"

static uint64_t superblock_checksum(const struct superblock *super)
{
    return xxh3(super, offsetof(struct superblock, checksum), 0);
}

/* The checksum only says that the bytes are ours; what they say is checked too, since arrays are indexed by it. */
static int superblock_check(const struct superblock *super)
{
    if (memcmp(super->magic, SUPERBLOCK_MAGIC, sizeof(super->magic)) != 0 ||
        super->checksum != superblock_checksum(super))
        return CAIRN_EBADSUPER;
    if (super->version != SUPERBLOCK_VERSION)
        return CAIRN_EFORMAT;
    if (super->state != SUPERBLOCK_FORMING && super->state != SUPERBLOCK_READY)
        return CAIRN_EBADSUPER;
    if (super->set_size < 1 || super->set_size > 16 || super->parity > super->set_size / 2)
        return CAIRN_EBADSUPER;
    if (super->place >= super->set_size || super->set_count < 1 || super->set_count > 4096 / super->set_size ||
        super->set_index >= super->set_count)
        return CAIRN_EBADSUPER;
    return 0;
}

int superblock_read(struct drive *drive, struct superblock *ret_super)
{
    struct drive_file *file = NULL;
    struct superblock super;
    struct iovec iov = {&super, sizeof(super)};

    int r = drive_open(drive, SUPERBLOCK_FILE, DRIVE_READ, &file);
    if (r < 0)
        return r;
    ssize_t n = drive_read(file, &iov, 1, 0, DRIVE_WAIT);
    drive_file_close(&file);
    if (n < 0)
        return (int)n;
    if (n != (ssize_t)sizeof(super))
        return CAIRN_EBADSUPER;
    r = superblock_check(&super);
    if (r == 0)
        *ret_super = super;
    return r;
}

int superblock_write(struct drive *drive, const struct superblock *super)
{
    struct drive_file *file = NULL;
    struct superblock sealed = *super;
    struct iovec iov = {&sealed, sizeof(sealed)};

    memcpy(sealed.magic, SUPERBLOCK_MAGIC, sizeof(sealed.magic));
    sealed.version = SUPERBLOCK_VERSION;
    sealed.checksum = superblock_checksum(&sealed);
    int r = drive_unlink(drive, SUPERBLOCK_TEMP);
    if (r < 0 && r != -ENOENT)
        return r;
    r = drive_open(drive, SUPERBLOCK_TEMP, DRIVE_CREATE, &file);
    if (r < 0)
        return r;
    r = drive_write(file, &iov, 1, 0);
    if (r == 0)
        r = drive_file_sync(file, DRIVE_WAIT);
    drive_file_close(&file);
    if (r == 0)
        r = drive_rename(drive, SUPERBLOCK_TEMP, SUPERBLOCK_FILE);
    return r < 0 ? r : drive_sync_folder(drive, "");
}

bool superblock_same_deployment(const struct superblock *a, const struct superblock *b)
{
    return memcmp(a->deployment, b->deployment, UUID_SIZE) == 0 && a->set_count == b->set_count &&
           a->set_size == b->set_size && a->parity == b->parity;
}

bool superblock_same_set(const struct superblock *a, const struct superblock *b)
{
    return superblock_same_deployment(a, b) && a->set_index == b->set_index && memcmp(a->set, b->set, UUID_SIZE) == 0 &&
           (a->generation != b->generation || memcmp(a->drives, b->drives, sizeof(a->drives)) == 0);
}

bool superblock_is_listed(const struct superblock *super, const struct superblock *newest)
{
    return memcmp(super->drives[super->place], newest->drives[super->place], UUID_SIZE) == 0;
}

void uuid_new(uint8_t ret_uuid[UUID_SIZE])
{
    random_bytes(ret_uuid, UUID_SIZE);
    ret_uuid[6] = (uint8_t)((ret_uuid[6] & 0x0f) | 0x40);
    ret_uuid[8] = (uint8_t)((ret_uuid[8] & 0x3f) | 0x80);
}
