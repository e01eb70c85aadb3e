/*
 * The chunked transfer coding (RFC 9112 7.1), decoded without copying and in constant memory. Extensions are read
 * over, trailer fields are checked and dropped (S3's trailers travel inside aws-chunked, see aws_chunked.h).
 */
#ifndef CAIRN_WIRE_HTTP_CHUNKED_H
#define CAIRN_WIRE_HTTP_CHUNKED_H

#include "objstore/base/span.h"

#define HTTP_CHUNK_MAX (5ull << 30)   /* bytes of a chunk: no S3 body is larger */
#define HTTP_CHUNK_LINE_MAX 1024      /* bytes of a chunk's size line with its extensions */
#define HTTP_TRAILERS_MAX (8u * 1024) /* bytes of all trailer lines */

/* What a decoder's step found; http_chunked and aws_chunked share it. */
enum decode_step {
    DECODE_MORE = 0, /* the input is used up: call again with what follows */
    DECODE_DATA = 1, /* *ret_data is the next run of the body, a part of the input */
    DECODE_END = 2   /* the body is complete; the input begins with what follows it */
};

/* Embedded by its owner; the fields are the decoder's own. */
struct http_chunked {
    int state;
    uint64_t left; /* bytes still to come of this chunk */
    size_t line;   /* bytes of the current line so far */
    size_t trailers;
    int digits;
};

void http_chunked_init(struct http_chunked *d);

/*
 * Takes bytes off the front of *input. An enum decode_step, or CAIRN_ESYNTAX, CAIRN_ETOOBIG (then the connection is
 * of no more use). Never answers DECODE_DATA with no bytes. After DECODE_END it answers DECODE_END.
 */
int http_chunked_next(struct http_chunked *d, struct span *input, struct span *ret_data);

/* For a writer: chunk head, the bytes, HTTP_CHUNK_TAIL, …, HTTP_CHUNK_LAST. */
#define HTTP_CHUNK_HEAD_MAX 19
#define HTTP_CHUNK_TAIL "\r\n"
#define HTTP_CHUNK_LAST "0\r\n\r\n"
/* Writes "size in hex CR LF" and a NUL; the length without it. size is not 0, since that would end the body. */
size_t http_chunk_head(uint64_t size, char ret_head[HTTP_CHUNK_HEAD_MAX]);

#endif
