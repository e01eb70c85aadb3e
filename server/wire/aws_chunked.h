/*
 * The aws-chunked content encoding, in which S3 clients stream signed bodies and trailing checksums:
 *
 *     size in hex[;chunk-signature=64 hex]CRLF  bytes CRLF  …  0[;chunk-signature=…]CRLF  trailers CRLF
 *
 * Decoded without copying and in constant memory. Data comes out before its chunk's signature can be checked, so
 * nothing of a body may be committed before DECODE_END.
 *
 * Clients differ in how they end a trailer line: most write CRLF, some LF CRLF as an example of AWS's has it; both are
 * read. AWS refuses signed chunks under 8 KiB but the last; we take any size.
 */
#ifndef CAIRN_WIRE_AWS_CHUNKED_H
#define CAIRN_WIRE_AWS_CHUNKED_H

#include "objstore/base/hash.h"
#include "server/wire/http_chunked.h"
#include "server/wire/sigv4.h"

#define AWS_CHUNK_MAX (5ull << 30) /* as a whole body */
#define AWS_CHUNK_LINE_MAX 256     /* size, signature and any other extension */
#define AWS_TRAILERS_MAX 8         /* trailer fields, without x-amz-trailer-signature */
#define AWS_TRAILER_BYTES_MAX 2048

/* A decoder: embedded by its owner, initialised once, released once, not moved between. All but the trailers is its
 * own. */
struct aws_chunked {
    struct http_header trailers[AWS_TRAILERS_MAX]; /* complete after DECODE_END; point into text */
    size_t trailer_count;

    int state;
    enum sigv4_payload kind;
    struct sigv4_chain chain;
    struct hash *hash; /* of the current chunk; NULL when chunks are unsigned */
    uint64_t left;     /* bytes to come of the current chunk */
    uint64_t to_come;  /* of the whole decoded body */
    bool last;         /* the current chunk is the empty one */
    bool trailer_signed;
    struct span announced;             /* value of x-amz-trailer */
    char stated[SIGV4_SIGNATURE_SIZE]; /* the signature that the client states for the current chunk or the trailers */
    char line[AWS_CHUNK_LINE_MAX];
    size_t line_len;
    char text[AWS_TRAILER_BYTES_MAX]; /* "name:value\n" of each trailer, as it is signed */
    size_t text_len;
};

/*
 * kind is one of the three streaming ones; chain is of the verified request (NULL for unsigned chunks); decoded_length
 * is x-amz-decoded-content-length; announced is x-amz-trailer, .ptr NULL without one, and must live as long as the
 * decoder. 0, -ENOMEM, -EINVAL for another kind. On success aws_chunked_release() is due.
 */
int aws_chunked_init(struct aws_chunked *d, enum sigv4_payload kind, const struct sigv4_chain *chain,
                     uint64_t decoded_length, struct span announced);
/* Accepts a zeroed decoder, and leaves one. */
void aws_chunked_release(struct aws_chunked *d);

/*
 * Takes bytes off the front of *input: an enum decode_step (see http_chunked.h; never DECODE_DATA with no bytes), or
 *   CAIRN_ESYNTAX     not the framing above                              InvalidChunkSizeError, IncompleteBody (400)
 *   CAIRN_ETOOBIG     over a limit above                                 InvalidChunkSizeError (400)
 *   CAIRN_ESIGNATURE  a chunk's or the trailers' signature is wrong      SignatureDoesNotMatch (403)
 *   -EMSGSIZE         more or fewer bytes than x-amz-decoded-content-length   IncompleteBody (400)
 *   -EBADMSG          trailers other than x-amz-trailer announced, or repeated MalformedTrailerError (400)
 *   -ENOMEM
 * and the same error again at any later call.
 */
int aws_chunked_next(struct aws_chunked *d, struct span *input, struct span *ret_data);
/* To be called when the message's bytes are all passed in without DECODE_END: 0 when the body is complete all the same
 * (a client that ended its last trailer with LF CRLF only), else as aws_chunked_next. */
int aws_chunked_finish(struct aws_chunked *d);
/* A trailer's value, name in lower case; .ptr is NULL when it is absent. After DECODE_END. */
struct span aws_chunked_trailer(const struct aws_chunked *d, const char *name);

/*
 * The client's side. Bytes of the whole encoded body, for Content-Length: length bytes in chunks of chunk_size (the
 * last one shorter) and one trailer "name:value" (both lengths 0 without one).
 */
uint64_t aws_chunked_length(enum sigv4_payload kind, uint64_t length, uint64_t chunk_size, size_t trailer_name_len,
                            size_t trailer_value_len);
/* Appends the head of a chunk of data (not empty) to b; data and "\r\n" are to be sent after it. chain advances (NULL
 * for unsigned chunks). 0 or an error of buf or hash. */
int aws_chunked_put(enum sigv4_payload kind, struct sigv4_chain *chain, struct span data, struct buf *b);
/* Appends the empty chunk and the trailer (names empty: none). */
int aws_chunked_end(enum sigv4_payload kind, struct sigv4_chain *chain, struct span trailer_name,
                    struct span trailer_value, struct buf *b);

#endif
