/*
 * Notify: what others have changed, told to the kernel by a thread of its own.
 *
 * The kernel may hold a directory's or a page's lock while it waits for a handler, and telling it something takes the
 * same locks: so a handler never does it, and nothing waits for this thread.
 */
#ifndef CAIRN_FS_NOTIFY_H
#define CAIRN_FS_NOTIFY_H

#include "fs/fs.h"

#define NOTIFY_QUEUE_MAX 65536 /* events; past that everything cached is taken back at once */

struct notify;

int notify_new(struct fs *fs, struct notify **ret_notify);
/* Ends the thread, so that nothing more is told to the kernel; what is queued, then and later, is dropped. */
void notify_stop(struct notify *notify);
/* Stops, and frees. Accepts NULL. */
void notify_free(struct notify **notify);
/* remote_on_event: arg is the struct fs. Also brings our own tables up to date. */
void notify_event(const struct remote_event *event, void *arg);

/* The kernel is to forget an inode's attributes; its attributes and the pages of a range (len 0: to the end); a name.
 * Without blocking. */
void notify_attributes(struct notify *notify, uint64_t ino);
void notify_contents(struct notify *notify, uint64_t ino, uint64_t off, uint64_t len);
void notify_name(struct notify *notify, uint64_t dir, struct span name);

/* The attributes at once, by a handler: an open that finds another version must not leave the kernel with the old size.
 * This one call takes no lock that a handler's caller may hold, since it touches neither pages nor names. */
void notify_attributes_now(struct notify *notify, uint64_t ino);

#endif
