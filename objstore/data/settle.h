/*
 * The end of a segment's open life.
 *
 * Order of settling: a commit → gaps punched and the files cut behind the last blob → synced on each drive → recorded
 * as sealed. The commit changes nothing. But the commit of a blob may have failed, and so its range look like a gap,
 * and yet be found by the next start on a replica: until a later one is durable. A crash before the record leaves it
 * open, and the next start settles it again; a drive that is away or fails is recorded as stale, and its gaps are
 * punched when it is back. Without a blob: the record is deleted durably → the files are removed; after a crash between
 * the two, files without a record are removed at the next start.
 */
#ifndef CAIRN_DATA_SETTLE_H
#define CAIRN_DATA_SETTLE_H

#include <stdint.h>

struct erasure_set;
struct segment_record;

/* Ends a segment that is open in the index and takes no more reservations: gives back every byte that no blob has, then
 * records it as sealed; removes it when no blob has any. The same at run time and at recovery. 0, or why it must be
 * tried again. */
int segment_settle(struct erasure_set *set, uint64_t id);

#endif
