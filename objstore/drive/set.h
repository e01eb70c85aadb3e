/*
 * Drives of a deployment, as erasure sets.
 *
 * n drives are divided into equal sets of the largest size up to 16 that divides n (12 → one set of 12; 20 → two of 10;
 * 32 → two of 16). A prime n over 16 would give sets of one drive without parity, so a fresh deployment of more than 16 drives whose
 * largest divisor up to 16 is under 4 is refused.
 *
 * A drive says in its superblock (format.h) which deployment and set it belongs to, its place there, and who its neighbours are. So
 * drives may be named in any order. What opening makes of each folder:
 *
 *   its folder is                          then
 *   a drive of this deployment             is put in its place
 *   empty, and so are all the others       the deployment is formatted
 *   missing, unreadable                    its place stays empty (MISSING, -ENOENT …): a degraded set
 *   empty, others are formatted            its place stays empty (MISSING, -ENODATA) until drives_replace, if it is clear that it replaces
 *                                          a drive: every other folder is a drive of this deployment or empty too, none was left out, and
 *                                          it is no mount point without its file system (all drives are mount points, or off the root's file system, and it is not)
 *   its superblock is damaged              its place stays empty (MISSING, CAIRN_EBADSUPER)
 *   not empty, without a superblock        refused, -EEXIST when formatting, CAIRN_EFOREIGN beside formatted drives
 *   of another deployment, a duplicate     refused, CAIRN_EFOREIGN
 *   a drive that was replaced              refused, CAIRN_EFOREIGN
 *
 * Opening succeeds while every set has k drives. Layout of a drive: superblock, index/ (replica of the index), data/ (segments).
 */
#ifndef CAIRN_DRIVE_SET_H
#define CAIRN_DRIVE_SET_H

#include "objstore/base/span.h"
#include "objstore/drive/drive.h"

#define DRIVES_MAX         4096 /* of a deployment: 256 sets of 16 */
#define DRIVE_SET_MAX      16
#define DRIVE_UUID_TEXT    37   /* 8-4-4-4-12 hex digits and a NUL */
#define DRIVE_INDEX_FOLDER "index"
#define DRIVE_DATA_FOLDER  "data"

struct drives;
struct drive_set;

struct drives_options {
    const char *const *paths;  /* folders; borrowed until drives_open returns */
    size_t             count;  /* 1 … DRIVES_MAX */
    int                parity; /* -1: by set size; else 0 … size/2. Heeded when formatting only */
    /* Opens one folder; NULL: drive_dir_open. For decorators. */
    int (*open)(void *arg, const char *path, struct drive **ret_drive);
    void *open_arg;
};

/* Opens, or formats when every folder is empty (missing ones are made). Locks each drive against other processes. On failure ret_message
 * says what is wrong and which folder; on success it holds a line for every drive that is not online, or nothing.
 * 0; -EINVAL (number of drives, parity); -ENOENT … when formatting; -EBUSY (in use, or named twice); -EEXIST; CAIRN_EFOREIGN; CAIRN_EBADSUPER;
 * CAIRN_EFORMAT; CAIRN_EQUORUM (fewer than k drives of a set); -EIO; -ENOMEM. */
int drives_open(const struct drives_options *options, struct drives **ret_drives, struct buf *ret_message);
/* Accepts NULL. */
void drives_close(struct drives **drives);
size_t drives_set_count(const struct drives *drives);
/* The sets in order; the array lives as the drives do. */
struct drive_set *const *drives_sets(const struct drives *drives);
/* This open formatted them: nothing was ever stored. */
bool drives_formatted(const struct drives *drives);
/* UUID of the deployment as text. */
void drives_id(const struct drives *drives, char ret_text[DRIVE_UUID_TEXT]);
/* How many empty folders may take the place of a drive that is gone. */
size_t drives_replacements(const struct drives *drives);
/* Formats them into those places (replace.c has the order) and puts them online; one that can't be formatted stays MISSING. To be called
 * once at most, before the sets are in use, and when what the others hold is known to be enough. ret_message gets a line for each. 0, -ENOMEM. */
int drives_replace(struct drives *drives, struct buf *ret_message);
/* The folders of the index replicas, R = min(n, 2m+1) of the first set: ret_paths[i] lives as the drives do, and is NULL where the drive
 * is not online. Returns R. */
size_t drives_index_paths(const struct drives *drives, const char *ret_paths[DRIVE_SET_MAX]);

/* ---- one set ---- */

unsigned drive_set_size(const struct drive_set *set);   /* n */
unsigned drive_set_data(const struct drive_set *set);   /* k */
unsigned drive_set_parity(const struct drive_set *set); /* m */
/* Drives that must have a shard before a write counts: k, or k+1 where k = m. */
unsigned drive_set_quorum(const struct drive_set *set);
/* The drive at a place, or NULL when it is missing or faulty. It lives as the set does. Any thread. */
struct drive *drive_set_get(const struct drive_set *set, unsigned place);
/* Bitmap of the places with a drive that answers: not faulty, and not slow (pulse.h). One that is slow is still given by drive_set_get; its
 * operations answer -ETIMEDOUT (bounded.h). Any thread, cheap. */
uint32_t drive_set_online(const struct drive_set *set);
/* The same, after looking at all that is in flight: for those who wait for a drive by other means than its operations, now and then. */
uint32_t drive_set_look(const struct drive_set *set);

/* Total and free bytes of the drive at a place. Of a file system that several drives of the deployment share, each has its equal
 * part, so that sums are right and none is promised twice. May block shortly. -ENODEV; errors of statvfs. */
int drive_set_space(const struct drive_set *set, unsigned place, struct drive_space *ret_space);

enum drive_event {
    DRIVE_GOOD,        /* an operation on the disk succeeded */
    DRIVE_READ_ERROR,  /* … failed with something other than a full disk */
    DRIVE_WRITE_ERROR,
    DRIVE_BITROT,      /* a checksum did not match */
    DRIVE_EVENTS
};
/* Counts. After DRIVE_FAULTY_AFTER errors with no success between them the drive is faulty until the next start, so that a dead
 * one does not slow every request; but never below k drives. Any thread, cheap. */
#define DRIVE_FAULTY_AFTER 32
void drive_set_note(struct drive_set *set, unsigned place, enum drive_event event, int error);

enum drive_state { DRIVE_ONLINE, DRIVE_SLOW, DRIVE_FAULTY, DRIVE_MISSING };

struct drive_status {
    const char      *path;  /* lives as the set; "" when the folder of a missing drive is not known */
    char             id[DRIVE_UUID_TEXT];
    enum drive_state state;
    int              error; /* why it is slow (-ETIMEDOUT), faulty or missing; 0 otherwise */
    uint64_t         total, free; /* as drive_set_space; 0 when it does not answer */
    uint64_t         counts[DRIVE_EVENTS]; /* DRIVE_GOOD is not counted */
    uint64_t         times_slow; /* how often it became slow since start */
};
/* May block shortly on statvfs. */
void drive_set_status(struct drive_set *set, unsigned place, struct drive_status *ret_status);

#endif
