/*
 * Extents: the map of a body from file offsets to bytes. Records of one body are sorted and don't overlap; what none
 * covers is a hole. An extent's bytes lie in its record (inline) or are a range of a blob, of which it holds one
 * reference.
 *
 * Bodies are told by a number that is the inode's at first; who empties a large file gives it a new one and leaves the
 * old to the reaper. Of the inode only body and blocks matter here; the caller puts it.
 */
#ifndef CAIRN_NAMESPACE_EXTENT_H
#define CAIRN_NAMESPACE_EXTENT_H

#include "objstore/namespace/namespace.h"

struct extent {
    uint64_t off, len; /* in the file */
    struct span bytes; /* inline; .ptr is NULL for a blob's */
    uint64_t blob, blob_off;
};

/* A record's key and value; off + len is at most INT64_MAX, bytes.len at most NS_INLINE_MAX. CAIRN_ECORRUPT,
 * CAIRN_EFORMAT. */
int extent_decode(struct span key, struct span value, struct extent *ret_extent);
/* The first extent of body that ends after off. -ENOENT. */
int extent_seek(struct index_cursor *cursor, uint64_t body, uint64_t off, struct extent *ret_extent);
int extent_next(struct index_cursor *cursor, uint64_t body, struct extent *ret_extent);

/* In a mutation */

/* Makes [from, to) a hole. */
int extents_clear(struct ns_txn *txn, struct inode *inode, uint64_t from, uint64_t to);
/* Covers a hole with bytes, at most NS_INLINE_MAX; neighbours that are inline grow together with it up to
 * NS_INLINE_MAX. */
int extents_add_inline(struct ns_txn *txn, struct inode *inode, uint64_t off, struct span bytes);
/* Covers a hole with a range of a blob; takes over one reference that the caller has added. */
int extents_add_blob(struct ns_txn *txn, struct inode *inode, const struct extent *extent);
/* Covers the hole [to_off, to_off + len) of to with what body from has at from_off: shares the blobs. from may be to's
 * when the ranges don't overlap. */
int extents_share(struct ns_txn *txn, uint64_t from, uint64_t from_off, uint64_t len, struct inode *to,
                  uint64_t to_off);
/* Moves all extents of body from behind by in to; the place is a hole. CAIRN_ECORRUPT: from is to's own body. */
int extents_move(struct ns_txn *txn, uint64_t from, struct inode *to, uint64_t by);

#endif
