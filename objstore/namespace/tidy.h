/*
 * Tidying: bytes of files that have come to the index in small pieces go to blobs.
 *
 * A file that is appended to in small durable steps grows in the index, 8 KiB to a record. From TIDY_MIN bytes on a 'T'
 * record asks for it to be looked through: runs of adjacent inline extents of at least TIDY_RUN bytes are written as
 * one blob, and take their place in a mutation that first finds them unchanged. What is left lies scattered (a
 * database's pages); it is looked at again when it has doubled, and past NS_INLINE_FILE_MAX further small writes become
 * blobs at once: body_writer_new_for. The reaper does it, after garbage (tidier.h).
 */
#ifndef CAIRN_NAMESPACE_TIDY_H
#define CAIRN_NAMESPACE_TIDY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ns_txn;
struct inode;

#define TIDY_MIN (256u << 10)
#define TIDY_RUN (64u << 10)
#define TIDY_HEAVY 1024

/* Files with NS_INLINE_FILE_MAX bytes in the index, each in the slot of its number; a newer one may take the place of
 * an older one. Only a hint. */
struct tidy {
    _Atomic uint64_t heavy[TIDY_HEAVY];
};

bool tidy_is_heavy(struct tidy *tidy, uint64_t ino);
/* In a mutation that has put inode: asks for it to be tidied if that is due. */
int tidy_note(struct ns_txn *txn, const struct inode *inode);

#endif
