/*
 * Read-ahead: what a sequential reader will want next, fetched in parallel pieces while it works on what it has. It
 * matters most where the kernel's own read-ahead is small (a mount without root can't raise it).
 *
 * Memory is bounded: a fixed number of slots for the whole mount, each of one piece. A piece is given up when it has
 * been read to its end, when its file changes, or for a newer one.
 */
#ifndef CAIRN_FS_READAHEAD_H
#define CAIRN_FS_READAHEAD_H

#include "fs/fs.h"
#include "fs/readahead_policy.h"

#define READAHEAD_PIECE (1u << 20) /* bytes of a piece; pieces lie at multiples of it */
#define READAHEAD_PIECES_MAX 3     /* pieces that one read of the kernel's touches */

struct readahead;
struct piece;

/* window: bytes of one reader; memory is four of them. 0, -ENOMEM, -EAGAIN. */
int readahead_new(struct fs *fs, uint64_t window, struct readahead **ret_readahead);
/* Accepts NULL. */
void readahead_free(struct readahead **readahead);

/* Starts fetching what is not there of [from, to), cut at size. Does not block. */
void readahead_start(struct readahead *ra, uint64_t ino, uint64_t from, uint64_t to, uint64_t size);

/* Bytes of a file that were fetched; held until given back. */
struct readahead_hold {
    struct piece *slots[READAHEAD_PIECES_MAX];
    struct iovec parts[READAHEAD_PIECES_MAX];
    int count;
};
/* When all of [off, off + len) is there, or on its way (which is waited for): true; short at the end of the file. */
bool readahead_take(struct readahead *ra, uint64_t ino, uint64_t off, size_t len, struct readahead_hold *ret_hold);
void readahead_give(struct readahead *ra, struct readahead_hold *hold);
/* The file has changed. Does not block. */
void readahead_drop(struct readahead *ra, uint64_t ino);

#endif
