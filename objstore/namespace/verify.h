/*
 * Verification, inside: what one run has gathered.
 */
#ifndef CAIRN_NAMESPACE_VERIFY_H
#define CAIRN_NAMESPACE_VERIFY_H

#include "objstore/namespace/dentry.h"
#include "objstore/namespace/format.h"
#include "objstore/namespace/inode.h"

struct verify {
    struct ns_txn *txn;
    ns_report *report;
    void *arg;
    int64_t findings;
    uint64_t inodes;  /* 'I' records */
    uint64_t entries; /* that walks of the directories gave, less those that there are */
    uint64_t upload_records;
    uint64_t greatest;  /* number seen */
    struct buf links;   /* struct links: each inode and the names it should have, by ino */
    struct buf names;   /* uint64_t: the inode of each entry */
    struct buf bodies;  /* uint64_t: of inodes and parts */
    struct buf uploads; /* uint64_t: of entries */
    struct buf garbage; /* uint64_t */
    struct buf blobs;   /* uint64_t: of each extent */
};

struct links {
    uint64_t ino;
    uint64_t names;
};

/* ---- findings.c ---- */

void verify_finding(struct verify *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An error that is a finding: 0; any other one: itself. */
int verify_damage(struct verify *v, int r, const char *what, uint64_t number);
/* Calls fn for each record of tag, the number in its key split off. What can't be read is a finding. */
typedef int verify_record(struct verify *v, uint64_t id, struct span key, struct span value);
int verify_each(struct verify *v, enum ns_tag tag, verify_record *fn);
void verify_number(struct verify *v, uint64_t number);

/* Vectors of uint64_t. */
int numbers_add(struct buf *numbers, uint64_t number);
void numbers_sort(struct buf *numbers);
bool numbers_have(const struct buf *sorted, uint64_t number);
size_t numbers_count(const struct buf *numbers);
static inline uint64_t numbers_at(const struct buf *numbers, size_t i)
{
    return ((const uint64_t *)(const void *)numbers->ptr)[i];
}

/* ---- verify_inodes.c ---- */

/* The inodes, their directories and extents, one after the other. */
int verify_inodes(struct verify *v);

#endif
