/*
 * A drive around a drive, so that one that hangs is to its callers one that fails: an operation answers -ETIMEDOUT as soon as the drive is
 * found to be slow (pulse.h), and at once while it is.
 *
 * What blocks runs on a thread of the drive, and a caller who leaves does not take it back: it may still happen, much later. What that means:
 *
 *   operation left behind        when it ends after all
 *   read                         it has read a byte into memory of its own; the caller's was never given to the disk
 *   open                         the file is closed; one that was created is removed, before the drive counts as good again
 *   names, reserve, punch, sync  it has happened; callers only use each name and each range once
 *   write, sync by DRIVE_WAIT    are not left here: they run on the caller's thread, which only a drive's own should be
 */
#ifndef CAIRN_DRIVE_BOUNDED_H
#define CAIRN_DRIVE_BOUNDED_H

#include "objstore/drive/pulse.h"

/* Wraps the drive at a place of the set whose pulses are in group, and joins it there; owns inner from then on. -ENOMEM, -EAGAIN, and then
 * inner is still the caller's. Freeing it waits a little for what is in flight; what does not come back keeps what it needs. */
int bounded_drive_new(struct drive *inner, struct pulse_group *group, unsigned place, struct drive **ret_drive);

#endif
