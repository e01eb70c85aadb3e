/*
 * Hashes: incremental digests under one interface, and XXH3 for what is stored.
 * CRCs and the XXH family (seed 0) are given big-endian, as S3 encodes them; CRC-64/NVME is reflected, polynomial
 * 0xad93d23594c93659.
 */
#ifndef CAIRN_BASE_HASH_H
#define CAIRN_BASE_HASH_H

#include "objstore/base/span.h"

enum hash_kind {
    HASH_NONE = 0,
    HASH_MD5,
    HASH_SHA1,
    HASH_SHA256,
    HASH_CRC32,
    HASH_CRC32C,
    HASH_CRC64NVME,
    HASH_SHA512,
    HASH_XXH64,
    HASH_XXH3, /* 64 bits */
    HASH_XXH128,
    HASH_KINDS /* the numbers are stored with objects: new ones come last */
};

#define HASH_MAX 64 /* bytes of the longest digest, SHA-512 */

struct hash; /* one running digest; one thread at a time */

/* Bytes of a digest of this kind; 0 for HASH_NONE. */
size_t hash_size(enum hash_kind kind);
/* 0, -EINVAL for HASH_NONE; -ENOMEM, also when OpenSSL was set up without the algorithm. */
int hash_new(enum hash_kind kind, struct hash **ret_hash);
void hash_update(struct hash *h, const void *bytes, size_t len);
/* Writes hash_size() bytes and starts over with an empty digest. */
void hash_final(struct hash *h, uint8_t *ret_digest);
/* Accepts NULL. */
void hash_free(struct hash **h);

/* The digest of len bytes in one call; -EINVAL for HASH_NONE, -ENOMEM. The cheap way for small inputs. */
int hash_once(enum hash_kind kind, const void *bytes, size_t len, uint8_t *ret_digest);
/* HMAC-SHA256, 32 bytes out. 0 or -ENOMEM. */
int hmac_sha256(struct span key, struct span message, uint8_t ret_mac[32]);
/* Raw CRC steps, for combining: start with 0, feed the value back. */
uint32_t crc32_step(uint32_t crc, const void *bytes, size_t len);
uint32_t crc32c_step(uint32_t crc, const void *bytes, size_t len);
uint64_t crc64nvme_step(uint64_t crc, const void *bytes, size_t len);
/* The CRC of A followed by B from crc(A), crc(B) and len(B): S3's FULL_OBJECT checksum of a multipart upload. */
uint64_t crc_combine(enum hash_kind kind, uint64_t crc_a, uint64_t crc_b, uint64_t len_b);

/* XXH3, 64 bits, little-endian when stored. By the widest vectors the processor has, unlike libxxhash's own name. */
uint64_t xxh3(const void *bytes, size_t len, uint64_t seed);

/* Compares in time that depends on len only. */
bool equal_constant_time(const void *a, const void *b, size_t len);
/* len bytes from the kernel's generator; never fails (it waits for entropy at boot). */
void random_bytes(void *ret_bytes, size_t len);

/* Lower-case hex: 2 * len characters and a NUL. */
void hex_encode(const void *bytes, size_t len, char *ret_text);
/* -EINVAL when text is not exactly 2 * len hex digits. */
int hex_decode(struct span text, void *ret_bytes, size_t len);
/* Standard base64 with padding. ret_text takes 4 * ((len + 2) / 3) characters and a NUL. */
void base64_encode(const void *bytes, size_t len, char *ret_text);
/* Strict: padding required, no blanks. Bytes written, or -EINVAL also when they are more than cap. */
ptrdiff_t base64_decode(struct span text, void *ret_bytes, size_t cap);

#endif
