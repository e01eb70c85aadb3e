/*
 * Names: the directory entries that the kernel may have in its cache, so that all of them can be taken back when push
 * has lost track. Positive ones live as long as their inode here; negative ones (a name that does not exist) until
 * the time runs out for which the kernel was told to believe them. Any thread.
 */
#ifndef CAIRN_FS_NAMES_H
#define CAIRN_FS_NAMES_H

#include "fs/inode.h"

#define NAMES_NEGATIVE_MAX 65536 /* past that the kernel is told not to keep what does not exist */

struct names;

/* One name, as names_list() copies it. */
struct name_copy {
    uint64_t dir;
    uint16_t len;
    char name[POSIX_NAME_MAX];
};

int names_new(struct names **ret_names);
void names_free(struct names **names);
/* The kernel is about to learn that name in dir is inode. -ENOMEM: then it must not keep it. */
int names_note(struct names *names, uint64_t dir, struct span name, struct inode *inode);
/* The kernel is about to learn that there is no such name, for ttl_ns. -ENOSPC, -ENOMEM: then it must not keep it. */
int names_note_absent(struct names *names, uint64_t dir, struct span name, int64_t ttl_ns);
/* The kernel has dropped it (unlink, rename). Answers its inode, 0 for what is not known. */
uint64_t names_drop(struct names *names, uint64_t dir, struct span name);
/* The kernel has moved one name to another, or swapped them. Answers the inodes of both names before, 0 for what is not
 * known. */
void names_move(struct names *names, uint64_t dir, struct span name, uint64_t dir2, struct span name2, bool swap,
                uint64_t ret_inos[2]);
/* All names of an inode that goes. */
void names_drop_inode(struct names *names, struct inode *inode);
/* Copies up to cap names from *at on (0 at first); the number given, 0 at the end. */
size_t names_list(struct names *names, size_t *at, struct name_copy *ret_names, size_t cap);

#endif
