/*
 * Errors: one table for the whole project.
 *
 * A call answers 0 or more on success and a negative number on failure. -1 … -4095 is a negative errno; below
 * that stand finer causes, each with an errno as its parent, so that a layer that cares only for errno (FUSE)
 * asks cairn_errno() and a layer that must tell causes apart (S3) reads the code itself.
 * Each edge of the program translates once: LMDB's codes in objstore/index, S3's codes in server/s3, errno in fs.
 */
#ifndef CAIRN_BASE_ERRORS_H
#define CAIRN_BASE_ERRORS_H

#include <errno.h>

/*        name                     number  errno parent   text */
#define CAIRN_ERRORS(X)                                                                                     \
    X(CAIRN_ENOBUCKET,        -5001, ENOENT,    "no such bucket")                                           \
    X(CAIRN_ENOKEY,           -5002, ENOENT,    "no such key")                                              \
    X(CAIRN_ENOUPLOAD,        -5003, ENOENT,    "no such multipart upload")                                 \
    X(CAIRN_EBUCKETEXISTS,    -5004, EEXIST,    "the bucket exists already")                                \
    X(CAIRN_EBUCKETNOTEMPTY,  -5005, ENOTEMPTY, "the bucket is not empty")                                  \
    X(CAIRN_EPRECONDITION,    -5006, EEXIST,    "a precondition of the request does not hold")              \
    X(CAIRN_EKEYTOOLONG,      -5007, ENAMETOOLONG, "the key is longer than 1024 bytes")                     \
    X(CAIRN_EBADPART,         -5008, EINVAL,    "a part is missing or its ETag does not match")             \
    X(CAIRN_EPARTORDER,       -5009, EINVAL,    "the parts are not in ascending order")                     \
    X(CAIRN_EPARTSMALL,       -5010, EINVAL,    "a part that is not the last is under 5 MiB")               \
    X(CAIRN_EBADNAME,         -5011, EINVAL,    "the name is not valid")                                    \
    X(CAIRN_EBADRANGE,        -5012, EINVAL,    "the range is not satisfiable")                             \
    X(CAIRN_EQUORUM,          -5020, EIO,       "too few drives answer for a write")                        \
    X(CAIRN_EBITROT,          -5021, EIO,       "stored bytes do not match their checksum")                 \
    X(CAIRN_EBADSUPER,        -5022, EIO,       "the drive's superblock is damaged")                        \
    X(CAIRN_EFOREIGN,         -5023, EIO,       "the drive belongs to another deployment or set")           \
    X(CAIRN_ECORRUPT,         -5024, EIO,       "an index record is damaged")                               \
    X(CAIRN_EFORMAT,          -5025, EIO,       "the on-disk format is of an unknown version")              \
    X(CAIRN_ESYNTAX,          -5030, EINVAL,    "the bytes do not follow their grammar")                    \
    X(CAIRN_ETOOBIG,          -5031, EFBIG,     "larger than its limit")                                    \
    X(CAIRN_ESIGNATURE,       -5032, EACCES,    "the signature does not match")                             \
    X(CAIRN_EDIGEST,          -5033, EINVAL,    "the content does not match its digest")                    \
    X(CAIRN_ESESSION,         -5040, ESTALE,    "the session is unknown or has expired")                    \
    X(CAIRN_ECLOSED,          -5041, ECONNRESET, "the peer closed the connection")                          \
    X(CAIRN_EDEADLINE,        -5042, ETIMEDOUT, "the deadline passed")

enum cairn_error {
#define X(name, number, parent, text) name = number,
    CAIRN_ERRORS(X)
#undef X
};

/* The positive errno that stands for code: its parent for a finer cause, -code for an errno, 0 for success. */
int cairn_errno(int code);

/* A static, lower-case text for code, never NULL. Any thread. */
const char *cairn_strerror(int code);

/* The name of the code ("CAIRN_ENOKEY", "ENOENT"), static, never NULL; for logs. */
const char *cairn_errname(int code);

#endif
