/*
 * Directory entries as records: (directory, name) → inode. The name of a directory ends in '/', so entries sort as S3's
 * keys do.
 *
 * An index key is at most 511 bytes, a name may have over 1024. A name of NAME_CHUNK bytes or more is therefore
 * chained: the record with its first NAME_CHUNK bytes leads to a node, and the node's records hold the rest, which may
 * be empty. Order is kept, since all names with that beginning are in that node. Only this file knows.
 */
#ifndef CAIRN_NAMESPACE_DENTRY_H
#define CAIRN_NAMESPACE_DENTRY_H

#include "objstore/namespace/namespace.h"

#define NAME_CHUNK 480
#define DENTRY_NAME_MAX 1088 /* a key of 1024 bytes and what an upload adds to it: upload.c */
#define DENTRY_LEVELS (DENTRY_NAME_MAX / NAME_CHUNK + 1)

struct dentry {
    uint64_t ino;
    uint8_t type;  /* enum inode_type, DENTRY_UPLOAD */
    uint8_t flags; /* DENTRY_SHADOWED */
};

/* name: 0 … DENTRY_NAME_MAX bytes. 0, with a type that fits the name; -ENOENT; CAIRN_ECORRUPT, CAIRN_EFORMAT; the
 * index's. */
int dentry_get(struct ns_txn *txn, uint64_t dir, struct span name, struct dentry *ret_dentry);
/* Replaces. */
int dentry_put(struct ns_txn *txn, uint64_t dir, struct span name, const struct dentry *dentry);
int dentry_delete(struct ns_txn *txn, uint64_t dir, struct span name);
/* Whether the directory has no entry: 1 or 0. */
int dentry_none(struct ns_txn *txn, uint64_t dir);

/* Reads the entries of one directory in order. A change in the same mutation makes it unusable until the next seek. */
struct dentry_cursor {
    struct ns_txn *txn;
    struct index_cursor index;
    int depth; /* level[0 … depth] lead to where it stands */
    struct {
        uint64_t node;
        size_t name_len; /* of the full name, when this node's rest begins */
    } level[DENTRY_LEVELS];
    char name[DENTRY_NAME_MAX];
};

int dentry_cursor_open(struct ns_txn *txn, struct dentry_cursor *ret_cursor);
void dentry_cursor_close(struct dentry_cursor *cursor);
/* The first entry of dir at or after name / the one that follows. The name lives until the cursor moves or the mutation
 * changes something. -ENOENT at the end. */
int dentry_seek(struct dentry_cursor *cursor, uint64_t dir, struct span name, struct span *ret_name,
                struct dentry *ret_dentry);
int dentry_next(struct dentry_cursor *cursor, struct span *ret_name, struct dentry *ret_dentry);

/* A record's value, for who walks all records. */
int dentry_decode(struct span value, struct dentry *ret_dentry);

#endif
