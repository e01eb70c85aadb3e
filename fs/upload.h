/*
 * Upload: one batch of dirty bytes on its way to the server, with what goes along in the same round trip.
 */
#ifndef CAIRN_FS_UPLOAD_H
#define CAIRN_FS_UPLOAD_H

#include "fs/dirty.h"
#include "fs/fs.h"

/* What is to follow the bytes. */
struct upload_tail {
    const struct posix_op *op;   /* may be NULL */
    struct posix_result *result; /* op's; may be NULL without op */
    bool durable;
    int error;                 /* op's own error: what went before it stands */
    struct remote_stamp stamp; /* when it ran */
};

struct upload {
    struct batch batch;        /* may be empty */
    bool last;                 /* nothing else is to be sent: set and tail may go along */
    struct posix_op set;       /* a SETATTR behind the bytes; valid 0: none */
    struct upload_tail *tail;  /* may be NULL */
    uint64_t since;            /* changes_now() when it was taken */
    struct remote_stamp stamp; /* when it was stored */

    struct posix_attr attr; /* after it */
    size_t stored;          /* changes of the contents that were made */
    bool folded;            /* tail went along */
};

/* Whether the batch goes as a stream, which nothing can go along with. */
bool upload_is_stream(const struct upload *u);
/* Sends the batch. 0; -EINTR: it is not known what was done, and it can be sent again; another error: the batch failed.
 * The error of tail's operation is in tail->error instead. */
int upload_send(struct fs *fs, uint64_t ino, struct upload *u);
/* Runs the tail without bytes before it. 0, or the error of sending; op's is in tail->error. */
int upload_tail_alone(struct fs *fs, struct upload_tail *tail);

#endif
