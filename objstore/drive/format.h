/*
 * On-disk format of a drive's superblock: the file "superblock" in the drive's folder. Little-endian, fixed size.
 * It is written as "superblock.new", synced, renamed, and the folder synced, so it is there whole or not at all.
 */
#ifndef CAIRN_DRIVE_FORMAT_H
#define CAIRN_DRIVE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define SUPERBLOCK_FILE    "superblock"
#define SUPERBLOCK_TEMP    "superblock.new"
#define SUPERBLOCK_MAGIC   "CAIRNDRV"
#define SUPERBLOCK_VERSION 2 /* 1: the shards of a blob turned with its id */
#define UUID_SIZE          16

/* Formatting writes FORMING to every drive before the first READY. As long as no drive is READY nothing can have been stored,
 * so a format that was cut short starts over; once one is, the others are made READY too. */
enum superblock_state { SUPERBLOCK_FORMING = 1, SUPERBLOCK_READY = 2 };

struct superblock {
    char     magic[8];
    uint32_t version;
    uint32_t state;                     /* enum superblock_state */
    uint8_t  deployment[UUID_SIZE];
    uint8_t  set[UUID_SIZE];
    uint32_t set_count;
    uint32_t set_index;
    uint16_t set_size;                  /* drives of a set, k + m */
    uint16_t parity;                    /* m */
    uint16_t place;                     /* of this drive in its set */
    uint16_t zero;
    uint8_t  drives[16][UUID_SIZE];     /* of the set, by place; its own is drives[place] */
    uint64_t generation;                /* of that list: one more with each drive that was replaced */
    uint8_t  spare[176];                /* zeros */
    uint64_t checksum;                  /* XXH3 of all before, seed 0 */
};

_Static_assert(sizeof(struct superblock) == 512, "on-disk size");
_Static_assert(offsetof(struct superblock, drives) == 64, "on-disk layout");
_Static_assert(offsetof(struct superblock, checksum) == 504, "on-disk layout");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structs are written as they lie in memory");

#endif
