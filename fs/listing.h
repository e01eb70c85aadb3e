/*
 * Listing: one open directory. Entries have positions, counted from LISTING_FIRST on, which stay the same as long as
 * the directory is open and is not rewound, so telldir and seekdir work while others change it. Pages of entries are
 * fetched as they are wanted, and kept up to a limit; a page that was given up is fetched again by the name before it.
 */
#ifndef CAIRN_FS_LISTING_H
#define CAIRN_FS_LISTING_H

#include "fs/fs.h"

#define LISTING_FIRST 2u         /* positions 0 and 1 are "." and ".." */
#define LISTING_PAGE (1u << 20)  /* bytes of entries asked for at once */
#define LISTING_KEEP (16u << 20) /* bytes of pages kept: about 100,000 entries with attributes */

struct listing;

/* inode's reference goes over to the listing. */
int listing_new(struct fs *fs, struct inode *inode, struct listing **ret_listing);
void listing_free(struct listing **listing);
/* Another holder, who gives it back with listing_free: whoever works on it beyond its reply, since the kernel may close
 * the directory as soon as it has that. */
struct listing *listing_ref(struct listing *listing);
uint64_t listing_ino(const struct listing *listing);
/* Held while entries are used. */
void listing_lock(struct listing *listing);
void listing_unlock(struct listing *listing);
/* From the start again, with what is there now. */
void listing_rewind(struct listing *listing);
/* The entry at *position, or the next one behind it: 1, with *position set and spans that live until the next call; 0
 * at the end. attrs: with attributes, where the page is not there yet. *ret_since: changes_now() when its page was
 * asked for. */
int listing_entry(struct listing *listing, uint64_t *position, bool attrs, struct posix_entry *ret_entry,
                  uint64_t *ret_since);
/* The directory above, for "..". */
int listing_parent(struct listing *listing, uint64_t *ret_ino);

#endif
