/*
 * What the index stores beside its callers' records, in every replica.
 *
 * A record is its key and its value followed by a check: the low 4 bytes of XXH3(value, seed XXH3(key)), little-endian.
 * LMDB has no checksums of its own; so a flipped bit in a value, or a value under a wrong key, never passes for data.
 *
 * The record under INDEX_META_KEY says what the replica is and how far it has come. Integers are little-endian.
 */
#ifndef CAIRN_INDEX_FORMAT_H
#define CAIRN_INDEX_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define INDEX_CHECK_LEN 4u

#define INDEX_META_KEY "\0meta" /* sorts before all others: tag byte 0 is ours */
#define INDEX_META_KEY_LEN 5u
#define INDEX_META_MAGIC "CAIRNIDX"
#define INDEX_META_VERSION 1u

struct index_meta_record {
    char magic[8];
    uint32_t version;
    uint32_t zero;
    uint8_t uuid[16];  /* of the index: the same in all its replicas */
    uint64_t promised; /* no epoch up to this one may begin any more */
    uint64_t epoch;    /* in which the last commit was made; 0: created, nothing committed yet */
    uint64_t sequence; /* of the last commit */
};

/* A put or delete in a batch's redo: this, the key, and what is stored under it. */
struct index_redo_head {
    uint32_t key_len;
    uint32_t stored_len; /* 0: a delete, since a stored value has its check at least */
};

/* An entry of a replica's trail: this, then the redo of one commit. */
struct index_trail_head {
    char magic[8];
    uint64_t epoch;
    uint64_t sequence;
    uint64_t previous; /* check of the entry before it, so that an old one can't stand in for one that was lost */
    uint64_t len;      /* of the redo */
    uint64_t check;    /* XXH3 of the redo, seed XXH3 of the fields above */
};

#define INDEX_TRAIL_MAGIC "CAIRNTR2"

_Static_assert(sizeof(struct index_redo_head) == 8, "on-disk layout");
_Static_assert(sizeof(struct index_trail_head) == 48, "on-disk layout");
_Static_assert(sizeof(struct index_meta_record) == 56, "on-disk layout");
_Static_assert(offsetof(struct index_meta_record, promised) == 32, "on-disk layout");

#endif
