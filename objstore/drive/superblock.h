/* Superblock: reading and writing the identity of a drive (format.h). */
#ifndef CAIRN_DRIVE_SUPERBLOCK_H
#define CAIRN_DRIVE_SUPERBLOCK_H

#include "objstore/drive/drive.h"
#include "objstore/drive/format.h"

/* 0 with a superblock whose every field is within its bounds; -ENOENT; CAIRN_EBADSUPER; CAIRN_EFORMAT (an unknown version); -EIO … */
int superblock_read(struct drive *drive, struct superblock *ret_super);
/* Fills in magic, version and checksum, and replaces the drive's superblock; it is durable after. */
int superblock_write(struct drive *drive, const struct superblock *super);
/* Same deployment, and the same idea of how it is laid out. */
bool superblock_same_deployment(const struct superblock *a, const struct superblock *b);
/* … and of the same set. */
bool superblock_same_set(const struct superblock *a, const struct superblock *b);
/* … of which newest is the newest list: the drive of super is in it, or was replaced. */
bool superblock_is_listed(const struct superblock *super, const struct superblock *newest);
/* A random UUID, version 4 of RFC 9562. */
void uuid_new(uint8_t ret_uuid[UUID_SIZE]);

#endif
