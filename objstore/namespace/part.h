/*
 * Records of parts: of an upload, where each has a body of its own ('V'), and of the object that it became, where each
 * has its place in the object's body ('Q').
 */
#ifndef CAIRN_NAMESPACE_PART_H
#define CAIRN_NAMESPACE_PART_H

#include "objstore/namespace/format.h"
#include "objstore/namespace/namespace.h"

struct part {
    struct ns_part face;   /* attrs are a part of the record */
    uint64_t body, blocks; /* TAG_PART: the number of its body, and the bytes stored in it */
    uint64_t off;          /* TAG_PARTS: in the object */
};

/* off + size is at most INT64_MAX. CAIRN_ECORRUPT, CAIRN_EFORMAT. */
int part_decode(struct span key, struct span value, struct part *ret_part);
/* id is an upload's (TAG_PART) or an object's inode (TAG_PARTS). -ENOENT. */
int part_get(struct ns_txn *txn, enum ns_tag tag, uint64_t id, uint32_t number, struct part *ret_part);
/* In a mutation: stores it under its number. */
int part_put(struct ns_txn *txn, enum ns_tag tag, uint64_t id, const struct part *part);

#endif
