/*
 * Records of the POSIX dialect in the index. Integers in values are little-endian, the slot in a key is big-endian.
 *
 *   'Z' session id                 → session_record, bucket, access key, name
 *   'R' session id, slot (u16)     → reply_record, its handles, the encoded reply: the slot's last compound that changed
 *                                    something
 */
#ifndef CAIRN_POSIX_FORMAT_H
#define CAIRN_POSIX_FORMAT_H

#include <assert.h>
#include <stdint.h>

#define POSIX_FORMAT 1

enum posix_tag { TAG_SESSION = 'Z', TAG_REPLY = 'R' };

struct session_record {
    uint8_t version;
    uint8_t bucket_len;
    uint8_t access_key_len;
    uint8_t name_len;
    uint32_t lease_ms;
    uint64_t generation;
} __attribute__((packed));
_Static_assert(sizeof(struct session_record) == 16, "on disk");

struct reply_record {
    uint8_t version;
    uint8_t zero;
    uint16_t handles;
    uint32_t zero2;
    uint64_t generation; /* of the session: a record of a former one under the same id counts for nothing */
    uint64_t sequence;
} __attribute__((packed));
_Static_assert(sizeof(struct reply_record) == 24, "on disk");

struct handle_record {
    uint64_t handle;
    uint64_t ino;
} __attribute__((packed));
_Static_assert(sizeof(struct handle_record) == 16, "on disk");

#endif
