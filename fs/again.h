/*
 * Again: the second try of a call whose file went between the look at its name and the call itself.
 *
 * When an open, a stat or another call on a path meets ESTALE, the kernel walks the path once more, asks for every
 * name, and does it to what is there now; a second ESTALE goes to the program, which no local filesystem does to it.
 * Where a file is replaced all the time (rename over it, PUT) that happens. So what a thread looks up after it was told
 * ESTALE is held for a moment.
 *
 * Threads are told apart by the number that the kernel gives with each request. Any thread.
 */
#ifndef CAIRN_FS_AGAIN_H
#define CAIRN_FS_AGAIN_H

#include "fs/fs.h"

#define AGAIN_THREADS 64 /* that try again at once; past that the oldest has to do without */

struct again;

int again_new(struct again **ret_again);
void again_free(struct again **again);
/* The request is answered ESTALE. */
void again_begin(struct fs *fs, fuse_req_t req);
/* For a look at a name: the handle that is to hold what is found, 0 for none. It is given back later by itself. */
uint64_t again_handle(struct fs *fs, fuse_req_t req);

#endif
