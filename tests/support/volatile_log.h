/*
 * What a file system without power loses: the undo log of a folder on whose files somebody works. What is about to be
 * changed is noted; a sync of a file forgets the notes of its bytes and its size, a sync of a folder those of its
 * names. The cut plays what is left backwards, all of it or, as a disk with a volatile cache may have written any part,
 * what a lottery decides.
 *
 * As strict as POSIX allows: a file's sync says nothing of its name, a name's nothing of the file; no order between
 * files or between folders. As friendly as journals are: within a folder names survive in order, a rename is atomic, a
 * sync of a file's data covers its size. Bytes written survive by sectors in any order, a sector whole.
 *
 * The folder has below it tree/ (what is worked on) and graves/ (files without a name, that may come back). Paths are
 * relative to tree/, "" is itself; files are known by an open descriptor. What can't be noted aborts: a test's disk
 * must not forget. Any thread; only the cut wants to be alone.
 */
#ifndef CAIRN_TESTS_VOLATILE_LOG_H
#define CAIRN_TESTS_VOLATILE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct volatile_log;

/* Makes tree/ and graves/ where they lack. */
struct volatile_log *volatile_log_new(const char *folder);
/* All that is not synced stays as it is. */
void volatile_log_free(struct volatile_log **log);
/* The descriptor of tree/, borrowed. */
int volatile_log_tree(const struct volatile_log *log);

/* Before a change: the bytes of a range are to change; the size is to. fd need not be writable. */
void volatile_log_bytes(struct volatile_log *log, int fd, uint64_t off, uint64_t len);
void volatile_log_size(struct volatile_log *log, int fd, uint64_t size);
/* After it: a file or folder appeared at path. */
void volatile_log_made(struct volatile_log *log, const char *path);
/* These do the change, of files only: 0 or negative errno. A rename stays in its folder (-EXDEV). */
int volatile_log_remove(struct volatile_log *log, const char *path);
int volatile_log_rename(struct volatile_log *log, const char *from, const char *to);

/* How far the log has come, and, once a sync has taken its time: what was noted up to there is durable. */
uint64_t volatile_log_mark(struct volatile_log *log);
void volatile_log_sync_file(struct volatile_log *log, int fd, uint64_t mark);
void volatile_log_sync_folder(struct volatile_log *log, const char *folder, uint64_t mark);
/* Of a file only its size and the pages of a range, as a write to an O_DSYNC descriptor. */
void volatile_log_sync_range(struct volatile_log *log, int fd, uint64_t off, uint64_t len);

/* The power goes. seed 0: nothing survives; else the lottery it begins. Nothing is noted any more. */
void volatile_log_cut(struct volatile_log *log, uint64_t seed);

#endif
