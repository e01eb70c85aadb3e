/*
 * Byte ranges (RFC 9110 14), as S3 reads them.
 */
#ifndef CAIRN_WIRE_RANGE_H
#define CAIRN_WIRE_RANGE_H

#include "objstore/base/span.h"

enum range_kind {
    RANGE_WHOLE,        /* no range, or one to be ignored: other units, malformed, several; 200 */
    RANGE_PART,         /* 206 */
    RANGE_UNSATISFIABLE /* 416 InvalidRange */
};

/* What Range asks of size bytes. header .ptr NULL: none. Off and length are set in all cases, to the whole for
 * RANGE_WHOLE and to 0, 0 for RANGE_UNSATISFIABLE. */
enum range_kind range_resolve(struct span header, uint64_t size, uint64_t *ret_off, uint64_t *ret_len);

/* x-amz-copy-source-range: exactly "bytes=first-last" within size bytes. 0; CAIRN_ESYNTAX (InvalidArgument);
 * CAIRN_EBADRANGE when last is not within the source (InvalidRange). */
int range_copy_source(struct span header, uint64_t size, uint64_t *ret_off, uint64_t *ret_len);

/* "bytes first-last/total" of a response's Content-Range (the client's side). 0, CAIRN_ESYNTAX; *ret_total is
 * UINT64_MAX for "*". */
int range_parse_content(struct span header, uint64_t *ret_off, uint64_t *ret_len, uint64_t *ret_total);

/* "bytes 0-9/100" and a NUL. len is not 0. */
#define RANGE_CONTENT_SIZE 72
void range_format_content(uint64_t off, uint64_t len, uint64_t total, char ret[RANGE_CONTENT_SIZE]);

#endif
