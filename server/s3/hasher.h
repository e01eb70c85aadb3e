/*
 * Hasher: several digests of one stream, computed beside the I/O on the same bytes.
 *
 * MD5 runs slower than a drive or a network, so for a long body a thread of its own hashes one buffer while the caller
 * writes it to the store and fills the next. A short body is hashed in place: a thread would cost more than it saves.
 */
#ifndef CAIRN_S3_HASHER_H
#define CAIRN_S3_HASHER_H

#include "objstore/base/hash.h"

#define HASHER_MAX 3                  /* digests of one stream: MD5, the object's checksum, the client's */
#define HASHER_THREAD_FROM (1u << 20) /* bytes of a stream from which a thread pays */

struct hasher;

/* kinds[] without HASH_NONE and without repetition. 0, -ENOMEM; without a thread to be had it hashes in place. */
int hasher_new(const enum hash_kind *kinds, size_t count, uint64_t stream_length, struct hasher **ret_hasher);
/* Waits for the bytes given before, and takes these: they must stand until the next call of any function here. */
void hasher_feed(struct hasher *hasher, const void *bytes, size_t len);
/* Waits until no bytes are in use any more. */
void hasher_wait(struct hasher *hasher);
/* The digest of all bytes of the kind at this place of kinds[]. Each once, after the last feed. */
void hasher_final(struct hasher *hasher, size_t which, uint8_t ret_digest[HASH_MAX]);
/* Ends the thread. Accepts NULL. */
void hasher_free(struct hasher **hasher);

#endif
