/*
 * Fault injection: a drive around a drive that fails as told, for tests of everything above.
 * Any thread, as any drive.
 */
#ifndef CAIRN_DRIVE_FAULT_H
#define CAIRN_DRIVE_FAULT_H

#include "objstore/drive/drive.h"

enum fault_op {
    FAULT_READ = 1,
    FAULT_WRITE = 2,
    FAULT_SYNC = 4,    /* of a file */
    FAULT_OPEN = 8,    /* of files, creating too */
    FAULT_NAMES = 16,  /* mkdir, rename, unlink, sync_folder */
    FAULT_RESERVE = 32,
    FAULT_PUNCH = 64,
    FAULT_ALL = 127
};

enum fault_kind {
    FAULT_ERROR, /* fails with the rule's error; nothing happened */
    FAULT_TORN,  /* a write lands by half, then fails with the rule's error */
    FAULT_FLIP,  /* a read or write succeeds with one bit wrong */
    FAULT_GONE,  /* this operation and all after it fail with -ENODEV */
    FAULT_COLD,  /* a read that does not wait finds nothing in memory; others are as ever */
    FAULT_HANG   /* cold, and what waits hangs until fault_release or fault_clear, then goes on */
};

struct fault_rule {
    unsigned        ops;   /* which operations it counts */
    enum fault_kind kind;
    int             error; /* negative errno */
    uint64_t        after; /* lets so many of them pass … */
    uint64_t        count; /* … and then hits so many; 0: all */
};

#define FAULT_RULES_MAX 8

/* Wraps; owns inner from then on. -ENOMEM, and then inner is still the caller's. */
int fault_drive_new(struct drive *inner, struct drive **ret_drive);
/* Adds a rule; the first that hits decides. Asserts that there is room. */
void fault_add(struct drive *drive, const struct fault_rule *rule);
/* Forgets all rules, and FAULT_GONE; what hangs goes on. */
void fault_clear(struct drive *drive);
/* What hangs goes on; the rules stay. */
void fault_release(struct drive *drive);
/* Operations that hang just now. */
unsigned fault_hanging(struct drive *drive);
/* Operations seen so far of the kinds in ops. */
uint64_t fault_seen(struct drive *drive, unsigned ops);
/* Everything fails with -ENODEV from now on. */
void fault_gone(struct drive *drive);
/* Takes back what was not synced when the power went: bytes written or punched, lengths, names made. seed 0: all of it; else
 * each with even chance, as a real disk may have written any part. Then everything fails as after fault_gone. The undo
 * records are in memory from fault_track on. -EIO when the inner drive fails. */
void fault_track(struct drive *drive);
int  fault_power_cut(struct drive *drive, uint64_t seed);

#endif
