/*
 * For tests of the namespace: a store on one drive in a temporary folder, and its calls as single lines. One per test process. What a
 * test does not look at must succeed: these fail the test themselves where they return no error.
 */
#ifndef CAIRN_TESTS_NS_FIXTURE_H
#define CAIRN_TESTS_NS_FIXTURE_H

#include "objstore/namespace/namespace.h"

extern struct ns *nsf_ns;

/* For TestSuite's .init and .fini. The end verifies all records, at once and opened anew. */
void nsf_init(void);
void nsf_fini(void);
/* Closes the store and opens it again, as a restart of the daemon does. */
void nsf_reopen(void);
void nsf_down(void);
void nsf_up(void);
/* What a kill takes back at most: the store closes, and opens with the index as it was when it was kept. */
void nsf_keep(void);
void nsf_take_back(void);
/* The index acts on the file at path from now on ("/dev/full"), with NULL on its own again. */
void nsf_index_files(const char *path);
/* Waits for the reaper, and fails the test on any finding. */
void nsf_verify(void);
uint64_t nsf_inodes(void);

/* ns_apply, INDEX_APPLIED. */
int nsf_apply(ns_mutation *fn, void *arg);
struct ns_txn *nsf_view(void);

/* ---- S3 ---- */
uint64_t nsf_bucket(const char *name); /* creates */
int      nsf_bucket_delete(const char *name);
struct body_writer *nsf_body(struct span bytes); /* finished; to be freed */
int      nsf_put_span(uint64_t bucket, struct span key, struct span body);
int      nsf_put(uint64_t bucket, const char *key, const char *body);
int      nsf_delete_span(uint64_t bucket, struct span key);
int      nsf_delete(uint64_t bucket, const char *key);
int      nsf_find(uint64_t bucket, const char *key, struct inode *ret_inode); /* its attrs are dropped */
int      nsf_set_attrs(uint64_t bucket, const char *key, struct span attrs);
/* The body as a string, until the next call; NULL when there is no such key. */
const char *nsf_get(uint64_t bucket, const char *key);
/* The keys with prefix, each with a ' ' behind it, until the next call. */
const char *nsf_list(uint64_t bucket, const char *prefix);

/* ---- POSIX ---- */
int      nsf_stat(uint64_t dir, const char *name, struct inode *ret_inode);
uint64_t nsf_ino(uint64_t dir, const char *name); /* 0: none */
int      nsf_create(uint64_t dir, const char *name, enum inode_type type, struct inode *ret_inode); /* ret_inode may be NULL */
uint64_t nsf_mkdir(uint64_t dir, const char *name);
uint64_t nsf_mkfile(uint64_t dir, const char *name);
int      nsf_unlink(uint64_t dir, const char *name);
int      nsf_rmdir(uint64_t dir, const char *name);
int      nsf_rename(uint64_t from, const char *from_name, uint64_t to, const char *to_name, uint32_t flags);
int      nsf_link(uint64_t ino, uint64_t dir, const char *name);
int      nsf_write(uint64_t ino, uint64_t off, struct span bytes);
int      nsf_write_body(uint64_t ino, uint64_t off, struct body_writer *body);
int      nsf_truncate(uint64_t ino, uint64_t size);
int      nsf_inode(uint64_t ino, struct inode *ret_inode);
/* Reads all of a file into bytes. */
void     nsf_read(uint64_t ino, struct buf *bytes);
/* The names of a directory, each with a ' ' behind it, a directory's with '/', until the next call. */
const char *nsf_readdir(uint64_t dir);

#endif
