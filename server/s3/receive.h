/*
 * Receiving a body: one pass over the bytes that hashes them and writes them to the store, in bounded memory.
 */
#ifndef CAIRN_S3_RECEIVE_H
#define CAIRN_S3_RECEIVE_H

#include "server/s3/checksum.h"

/* A received body, finished and verified, linked to nothing yet. */
struct s3_body {
    struct body_writer *writer;
    uint64_t length;
    uint8_t md5[16];
    enum hash_kind hash; /* the checksum to store: what was asked for, else what the client claimed, else the default */
    uint8_t digest[HASH_MAX];
    enum hash_kind claimed; /* what the client claimed, HASH_NONE for nothing; may be the same */
    uint8_t claimed_digest[HASH_MAX];
};

/* The claims and the length of the request, before anything of its body is read: 411 MissingContentLength,
 * NotImplemented (chunked, without x-amz-decoded-content-length), EntityTooLarge, and checksum_claim_read's. */
int s3_receive_check(struct s3_call *call, struct checksum_claim *ret_claim);
/* Receives the whole body. want: the checksum that the object shall have, or HASH_NONE to leave it to the client. When
 * this answers 0 the body's end was verified by all that the request claims; s3_body_release() is due. */
int s3_receive(struct s3_call *call, struct checksum_claim *claim, enum hash_kind want, struct s3_body *ret_body);
/* Gives back what no mutation has linked. */
void s3_body_release(struct s3_body *body);

#endif
