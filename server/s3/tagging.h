/*
 * Packed attributes, taken over from one object to the next.
 */
#ifndef CAIRN_S3_TAGGING_H
#define CAIRN_S3_TAGGING_H

#include "server/s3/call.h"

typedef bool attrs_keeps(const struct attr *attr);
/* Appends those attributes of from that keeps() answers true for. 0, CAIRN_ECORRUPT, or the errors of attrs_add. */
int attrs_copy(struct span from, attrs_keeps *keeps, struct buf *to);

#endif
