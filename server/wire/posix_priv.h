/*
 * The POSIX dialect's codec, inside: which fields an operation and its result have, and reading bytes with every length
 * checked.
 */
#ifndef CAIRN_WIRE_POSIX_PRIV_H
#define CAIRN_WIRE_POSIX_PRIV_H

#include "server/wire/posix.h"

#define POSIX_REQUEST_MAGIC 0x504e5243u /* "CRNP" */
#define POSIX_REPLY_MAGIC 0x524e5243u   /* "CRNR" */
#define POSIX_REQUEST_HEAD 48u
#define POSIX_ITEM_HEAD 8u /* code, marks or status, length */

/* Arguments, in their order on the wire. */
enum {
    A_INO = 1 << 0,
    A_INO2 = 1 << 1,
    A_HANDLE = 1 << 2,
    A_OFF = 1 << 3,
    A_OFF2 = 1 << 4,
    A_LEN = 1 << 5,
    A_SIZE = 1 << 6,
    A_RDEV = 1 << 7,
    A_ATIME = 1 << 8,
    A_MTIME = 1 << 9,
    A_CTIME = 1 << 10,
    A_VALID = 1 << 11,
    A_FLAGS = 1 << 12,
    A_COUNT = 1 << 13,
    A_TYPE = 1 << 14,
    A_MODE = 1 << 15,
    A_UID = 1 << 16,
    A_GID = 1 << 17,
    A_NAME = 1 << 18,
    A_NAME2 = 1 << 19,
    A_DATA = 1 << 20
};

/* Fields of a result, likewise. */
enum {
    R_VALUE = 1 << 0,
    R_EVENTS = 1 << 1,
    R_TOTAL = 1 << 2,
    R_FREE = 1 << 3,
    R_INODES = 1 << 4,
    R_FLAGS = 1 << 5,
    R_COUNT = 1 << 6,
    R_ATTR = 1 << 7,
    R_DATA = 1 << 8 /* the last, so that it can be filled in later */
};

struct posix_row {
    const char *name;
    enum posix_class class;
    uint32_t arguments, result; /* A_…, R_… */
};

/* NULL when there is no such operation. */
const struct posix_row *posix_row(uint16_t code);

/* Fields in and out: of *op or *result, those of mask. put: the errors of buf_add, CAIRN_ETOOBIG for a field over its
 * limit. take: false when the bytes don't fill the fields exactly. */
int posix_put_arguments(struct buf *out, uint32_t mask, const struct posix_op *op);
int posix_put_result(struct buf *out, uint32_t mask, const struct posix_result *result);
bool posix_take_arguments(struct span bytes, uint32_t mask, struct posix_op *ret_op);
bool posix_take_result(struct span bytes, uint32_t mask, struct posix_result *ret_result);
size_t posix_result_fixed(uint32_t mask); /* bytes of the fields of mask, with empty data */

int posix_put_u16(struct buf *out, uint16_t v);
int posix_put_u32(struct buf *out, uint32_t v);
int posix_put_u64(struct buf *out, uint64_t v);
int posix_put_name(struct buf *out, struct span name); /* u16 length and bytes */
int posix_put_data(struct buf *out, struct span data); /* u32 length and bytes */
int posix_put_attr(struct buf *out, const struct posix_attr *attr);

/* A reader goes bad at the first read past its end, and gives zeros from then on: one check at the end. */
struct posix_reader {
    struct span rest;
    bool bad;
};
uint16_t posix_take_u16(struct posix_reader *r);
uint32_t posix_take_u32(struct posix_reader *r);
uint64_t posix_take_u64(struct posix_reader *r);
struct span posix_take_bytes(struct posix_reader *r, size_t len);
struct span posix_take_name(struct posix_reader *r);
struct span posix_take_data(struct posix_reader *r);
void posix_take_attr(struct posix_reader *r, struct posix_attr *ret_attr);

#endif
