/*
 * Requests made valid: a head that somebody has written (or a fuzzer damaged) is sent anew with what a client adds to
 * it last, so that it gets past authentication.
 */
#ifndef CAIRN_TESTS_SIGNING_H
#define CAIRN_TESTS_SIGNING_H

#include "objstore/base/span.h"

#define SIGNING_USER "AKIAIOSFODNN7EXAMPLE"
#define SIGNING_PASSWORD "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

enum signing_mode {
    SIGNING_HEADER,  /* an Authorization header; the body as it is, its hash signed when none is stated */
    SIGNING_QUERY,   /* a presigned URL */
    SIGNING_CHUNKS,  /* the body in signed chunks */
    SIGNING_TRAILER, /* … in unsigned ones, with the trailer that x-amz-trailer names */
    SIGNING_MODES
};

/* Appends the request to out: its head's fields in their order, without those that are made here (Authorization,
 * X-Amz-Date, Content-Length, Connection: close), and its body. False when bytes don't begin with a head. */
bool signing_make(struct span bytes, enum signing_mode mode, struct buf *out);

#endif
