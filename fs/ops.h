/*
 * The kernel's requests. A handler runs on a thread of the session's loop to its end; it asks the server, brings our
 * tables up to date, and replies. Each ops_*.c has the handlers of one kind and puts them into the table.
 */
#ifndef CAIRN_FS_OPS_H
#define CAIRN_FS_OPS_H

#include "fs/fs.h"
#include "fs/listing.h"
#include "fs/readahead.h"
#include "fs/writeback.h"

/* An open file: fuse_file_info.fh. */
struct handle {
    struct opened opened; /* first, so that it is its handle */
    struct inode *inode;
    uint64_t number;      /* the server's handle */
    pthread_mutex_t lock; /* guards what follows */
    struct readahead_policy policy;
    struct errors_seen errors; /* inode's lock */
    uint64_t size;             /* of the file, when last heard of: where read-ahead ends */
    struct span whole;         /* all bytes of a small file, until they are read; .ptr NULL: none */
    uint64_t whole_time;       /* changes_now() when they were asked for */
};

/* ---- whole.c: a small file's bytes come along with its open ---- */

#define WHOLE_MAX (64u << 10) /* bytes of such a file; one round trip in two is saved up to there */
#define WHOLE_COUNT_MAX 512   /* files that have their bytes waiting, of the whole mount */

/* Whether the open should ask for them: the file is known to be small, and the kernel has none of it. */
bool whole_wanted(struct fs *fs, struct inode *inode, const struct fuse_file_info *fi);
/* They have come, with attr; without memory for them they are asked for again when they are read. */
void whole_keep(struct fs *fs, struct handle *h, struct span bytes, const struct posix_attr *attr, uint64_t since);
/* Answers a read with them, once, if they are there and still true. False: not answered. */
bool whole_reply(fuse_req_t req, struct handle *h, uint64_t off, size_t len);
void whole_drop(struct fs *fs, struct handle *h);

/* ---- privileges.c: set-user-ID, set-group-ID and capabilities go when a file's bytes change. The kernel sees to it,
 * but not where an open truncates, nor where a write goes past its page cache ---- */

#define PRIVILEGES_CAPABILITY "security.capability"

/* The mode that a file with attr has after the caller has changed its bytes. */
uint32_t privileges_after_write(fuse_req_t req, const struct posix_attr *attr);
/* Before such a write. */
int privileges_drop(fuse_req_t req, struct inode *inode);

/* Puts handlers into the table. */
void ops_look(struct fuse_lowlevel_ops *ops);  /* lookup, getattr, setattr, forget, readlink, statfs */
void ops_names(struct fuse_lowlevel_ops *ops); /* mkdir, mknod, symlink, link, unlink, rmdir, rename */
void ops_dir(struct fuse_lowlevel_ops *ops);   /* opendir, readdir, readdirplus, releasedir, fsyncdir */
void ops_open(struct fuse_lowlevel_ops *ops);  /* open, create, flush, release, fsync */
void ops_data(struct fuse_lowlevel_ops *ops);  /* read, write, lseek, fallocate, copy_file_range */
void ops_xattr(struct fuse_lowlevel_ops *ops);

/* ---- replies and what comes before and after them (reply.c) ---- */

/* Names over the limit are answered here: false, with ENAMETOOLONG. */
bool name_fits(fuse_req_t req, const char *name);
/* Begins, for a name in a directory. False: answered. */
bool request_begin_name(struct request *r, fuse_req_t req, const char *name);

/* Fills in what the kernel is to keep of an inode under a name, and counts the lookup. *ret_inode has a reference.
 * -ENOMEM. */
int entry_fill(struct request *r, uint64_t dir, struct span name, const struct posix_attr *attr, double name_valid,
               double attr_valid, struct fuse_entry_param *ret_entry, struct inode **ret_inode);
/* The kernel did not take it. */
void entry_undo(struct fs *fs, uint64_t ino);
/* Something has changed between the look at our tables and the reply: the kernel is told again. After the reply. */
void entry_recheck(struct request *r, uint64_t dir, struct span name, uint64_t ino);

/* The reply to a lookup, and to an operation that made a name. */
void reply_found(struct request *r, uint64_t dir, struct span name, const struct posix_attr *attr);
void reply_absent(struct request *r, uint64_t dir, struct span name);
void reply_made(struct request *r, uint64_t dir, struct span name, const struct posix_attr *attr,
                const struct posix_attr *dir_attr);
/* Runs an operation that changes names, and looks at the directories it changes (dir2 0: one) in the same round trip:
 * the kernel asks for their attributes next. dirs: these; unset when the operation fails. */
int run_change(struct request *r, const struct posix_op *op, uint64_t dir, uint64_t dir2,
               struct posix_result *ret_result, struct posix_attr ret_dirs[2]);
/* An operation of ours has changed a name of a directory; made: the name exists now; attr: the directory's after that
 * (NULL: not known). Answers for how long the kernel may keep the name, as it was before our own change. */
double name_changed(struct request *r, uint64_t dir, struct span name, bool made, const struct posix_attr *attr);
/* Likewise for the directory alone; made: a name that it has now, or an empty span. */
void dir_changed(struct request *r, uint64_t dir, struct span made, const struct posix_attr *attr);
/* Attributes of an inode, as they are to be shown, learned by a look since r->since. */
void reply_attr(struct request *r, struct inode *inode, const struct posix_attr *attr);

/* The reference of a known inode, or an answer of ESTALE or ENOMEM and NULL. */
struct inode *inode_of(fuse_req_t req, fuse_ino_t node);

#endif
