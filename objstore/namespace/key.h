/*
 * Keys as paths of the tree, and the one way a new object comes into it.
 */
#ifndef CAIRN_NAMESPACE_KEY_H
#define CAIRN_NAMESPACE_KEY_H

#include "objstore/namespace/entry.h"

/* A key taken apart: the directories that exist on its way, and the entry at its end. */
struct key_path {
    struct span key;
    size_t depth; /* dirs[0 … depth] exist; dirs[0] is the bucket */
    uint64_t dirs[NS_KEY_MAX + 1];
    uint16_t ends[NS_KEY_MAX + 1]; /* dirs[i] is the directory key[0 … ends[i]) */
    size_t leaf;                   /* where the last component begins */
    bool found;
    struct dentry dentry; /* when found */
};

/* 0 whether the entry is found or not; CAIRN_EKEYTOOLONG; CAIRN_EBADNAME (empty, or a NUL in it). */
int key_resolve(struct ns_txn *txn, uint64_t bucket, struct span key, struct key_path *ret_path);

/* In a mutation: makes the directories that are missing on the way to the leaf, implicit ones. dir is the inode of the
 * deepest that exists; then the leaf's, with all but its new entry: inode_dir_changed is to follow. */
int key_dirs_make(struct ns_txn *txn, struct key_path *path, struct inode *dir);

/* Where the body of a new object comes from. */
struct body_source {
    struct body_writer *writer;
    bool copied; /* [from_off, from_off + length) of from */
    struct inode from;
    uint64_t from_off, length;
    const struct ns_upload *upload; /* its parts numbers[0 … count) */
    const uint32_t *numbers;
    size_t count;
};

/* Puts a new object under key: checks all, then writes. */
int key_put(struct ns_txn *txn, uint64_t bucket, struct span key, const struct ns_put *put,
            const struct body_source *source, struct inode *ret_inode);

#endif
