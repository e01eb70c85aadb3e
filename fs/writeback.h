/*
 * Write-back: bytes written to a file wait here, merged, until they are sent to the server: when a run of them has
 * filled its slot, when they are half a second old, when memory for them is short, and all of them at flush and fsync.
 * fs/README.md follows a byte through it.
 *
 * Lock order: an inode's lock, then write-back's own. None is held while something is sent.
 */
#ifndef CAIRN_FS_WRITEBACK_H
#define CAIRN_FS_WRITEBACK_H

#include "fs/dirty.h"
#include "fs/fs.h"

struct writeback;

/* bytes: memory for what is dirty. Starts the threads that send. 0, -ENOMEM, -EAGAIN. */
int writeback_new(struct fs *fs, uint64_t bytes, struct writeback **ret_writeback);
/* Sends what is left, for as long as fs->give_up allows, and logs what had to be dropped. Accepts NULL. */
void writeback_free(struct writeback **writeback);
/* For inodes_on_free. */
void writeback_forget(struct inode *inode);

/* Takes the bytes in; waits while memory for them is taken up. 0; -EINTR; -ENOMEM. A failure may leave a part of them
 * written. */
int writeback_write(struct fs *fs, struct inode *inode, uint64_t off, const char *bytes, size_t len);

/* Stores all that is dirty of the inode, then runs op (may be NULL) after it, in the same round trip where that is
 * possible; durable: answers when that and all before is on stable storage. 0; op's error or that of sending, which is
 * also kept for writeback_error(); -EINTR: it goes on in the background. ret_result: op's, without data; may be NULL
 * without op. */
int writeback_flush(struct fs *fs, struct inode *inode, const struct posix_op *op, bool durable,
                    struct posix_result *ret_result);
/* A change of the inode, or of the names in it, was answered, not durable, and left the inode so; its lock is held. A
 * durable flush that finds a change lost with its server answers -EIO. writeback_flush calls it itself. */
void unsynced_add(struct fs *fs, struct inode *inode, struct remote_stamp stamp, const struct posix_attr *attr);
/* Whether there is anything to flush. */
bool writeback_dirty(struct inode *inode);

/* Copies what is dirty of the range into out; as dirty_overlay(), 0 gaps when all of it is. *ret_size: where the file
 * ends at least, by what is dirty (0: nothing is). */
int writeback_overlay(struct inode *inode, uint64_t off, size_t len, char *out, struct gap ret_gaps[DIRTY_GAPS_MAX],
                      uint64_t *ret_size);
/* Puts what is not stored yet into attributes from the server, which are about to be shown: size, times, and what was
 * deferred. The inode's lock is held. */
bool writeback_show(struct inode *inode, struct posix_attr *attr);

/* A SETATTR of a young file, one that this mount has made and of which nothing was sent yet, can wait and go with its
 * bytes: an archive's extraction sets owner, mode and times of every file. True: it waits, *ret_attr is what the server
 * has (for writeback_show). */
bool writeback_defer(struct fs *fs, struct inode *inode, const struct posix_op *op, struct posix_attr *ret_attr);

/* Errors of sending are kept with the inode and told once, by fsync or close, to every handle that was open then. */
struct errors_seen {
    uint64_t told;    /* how many of the inode's errors the handle knows of */
    uint64_t early;   /* the one that writes were refused for last … */
    unsigned refused; /* … and how often */
};
/* At open. */
void writeback_error_begin(struct inode *inode, struct errors_seen *ret_seen);
/* 0 or the error, which is told with that. */
int writeback_error(struct inode *inode, struct errors_seen *seen);
/* For a write: the error, of which fsync or close have yet to tell, for two writes: the kernel tells of the first one
 * with a short count only, when it is in the middle of a longer write. Then writes are taken in again. */
int writeback_error_early(struct inode *inode, struct errors_seen *seen);

#endif
