/*
 * When to read ahead, and how far: pure, so that a test can try it on any pattern of reads. One for each open file,
 * guarded by its handle's lock.
 */
#ifndef CAIRN_FS_READAHEAD_POLICY_H
#define CAIRN_FS_READAHEAD_POLICY_H

#include <stddef.h>
#include <stdint.h>

struct readahead_policy {
    uint64_t next;   /* where the run of reads has come to */
    uint64_t run;    /* bytes read in this run */
    uint64_t window; /* bytes to fetch beyond next */
};

/* A read of [off, off + len) has come: what is to be fetched besides, [*ret_from, *ret_to), empty for a reader that
 * jumps about. max: the largest window. */
void readahead_advance(struct readahead_policy *p, uint64_t off, size_t len, uint64_t max, uint64_t *ret_from,
                       uint64_t *ret_to);

#endif
