/*
 * Records of the namespace in the index. Integers in keys are big-endian, so that keys sort as numbers do; in values
 * they are little-endian. Every value begins with its version. The table of keys is in README.md.
 */
#ifndef CAIRN_NAMESPACE_FORMAT_H
#define CAIRN_NAMESPACE_FORMAT_H

#include <assert.h>
#include <stdint.h>

#define NS_FORMAT 1

enum ns_tag {
    TAG_COUNTERS = 'C', /* → counters_record */
    TAG_EXTENT = 'E',   /* body, offset → extent_record, then the bytes of an inline one */
    TAG_GARBAGE = 'G',  /* id → garbage_record: what is keyed by id is being taken off */
    TAG_INODE = 'I',    /* ino → inode_record, packed attributes */
    TAG_DENTRY = 'N',   /* parent, name → dentry_record */
    TAG_TIDY = 'T',     /* ino → tidy_record: many of its bytes lie in the index, and are to go to blobs */
    TAG_ORPHAN = 'O',   /* ino → orphan_record: no name is left, a holder is */
    TAG_PARTS = 'Q',    /* ino, number → part_record, packed checksums: a part of a completed upload */
    TAG_UPLOAD = 'U',   /* upload → upload_record, key, packed attributes */
    TAG_PART = 'V',     /* upload, number → part_record, packed checksums */
    TAG_XATTR = 'X',    /* ino, name → value, as it is */
};

/* The uploads of a bucket are the entries of a hidden directory, whose number is the bucket's with this bit. Inode
 * numbers count up from 1. */
#define NS_UPLOADS_BIT (1ull << 63)

/* Types of directory entries beyond enum inode_type. */
#define DENTRY_UPLOAD 0x7e /* of a hidden directory of uploads */
#define DENTRY_CHAIN 0x7f  /* a long name goes on in the node that ino names: dentry.h */

#define DENTRY_SHADOWED 0x01 /* an object beside a directory of the same name */

struct dentry_record {
    uint8_t version;
    uint8_t type;
    uint8_t flags;
    uint8_t zero;
    uint64_t ino;
} __attribute__((packed));
_Static_assert(sizeof(struct dentry_record) == 12, "on disk");

struct inode_record {
    uint8_t version;
    uint8_t type;
    uint16_t flags;
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    uint32_t nlink;
    uint32_t parts;
    uint64_t rdev;
    uint64_t size;
    uint64_t blocks;
    int64_t atime;
    int64_t mtime;
    int64_t ctime;
    int64_t btime;
    uint64_t parent;
    uint64_t content_version;
    uint64_t body;
    uint64_t inlined;
    uint64_t tidy_at;
    uint8_t etag[16];
} __attribute__((packed));
_Static_assert(sizeof(struct inode_record) == 136, "on disk");

enum extent_kind { EXTENT_INLINE = 1, EXTENT_BLOB = 2 };

struct extent_head {
    uint8_t version;
    uint8_t kind;
    uint8_t zero[6];
} __attribute__((packed));
_Static_assert(sizeof(struct extent_head) == 8, "on disk");

struct extent_record { /* EXTENT_BLOB; an inline extent is its head and its bytes */
    struct extent_head head;
    uint64_t blob;
    uint64_t blob_off;
    uint64_t len;
} __attribute__((packed));
_Static_assert(sizeof(struct extent_record) == 32, "on disk");

struct counters_record {
    uint8_t version;
    uint8_t zero[7];
    uint64_t next_ino; /* of inodes, bodies, uploads and chain nodes alike; never reused */
    uint64_t inodes;   /* that exist, orphans too */
} __attribute__((packed));
_Static_assert(sizeof(struct counters_record) == 24, "on disk");

struct orphan_record {
    uint8_t version;
} __attribute__((packed));

struct tidy_record {
    uint8_t version;
} __attribute__((packed));

enum garbage_kind {
    GARBAGE_BODY = 1,   /* extents */
    GARBAGE_INODE = 2,  /* extents, extended attributes, boundaries of parts */
    GARBAGE_UPLOAD = 3, /* parts with their bodies */
    GARBAGE_UPLOADS = 4 /* a hidden directory of uploads */
};

struct garbage_record {
    uint8_t version;
    uint8_t kind;
} __attribute__((packed));

struct upload_record {
    uint8_t version;
    uint8_t zero;
    uint16_t key_len;
    uint32_t zero2;
    uint64_t bucket;
    int64_t initiated;
} __attribute__((packed));
_Static_assert(sizeof(struct upload_record) == 24, "on disk");

struct part_record {
    uint8_t version;
    uint8_t zero[7];
    uint64_t body;   /* of an upload's part */
    uint64_t blocks; /* likewise */
    uint64_t off;    /* of an object's part */
    uint64_t size;
    int64_t mtime;
    uint8_t md5[16];
} __attribute__((packed));
_Static_assert(sizeof(struct part_record) == 64, "on disk");

#endif
