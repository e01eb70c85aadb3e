/*
 * Reclaiming freed extents. 'F' was written by the mutation that freed the blob, or moved it; then:
 *
 *   1  a batch of 'F' records is read in one snapshot, of commit c
 *   2  no snapshot before c is left: who could still find these blobs has either pinned them by now or never will
 *   3  pinned ones are left for a later pass; the others' ranges are punched on each drive, and the files synced
 *   4  'F', 'L' and, unless the blob only moved, 'B' and 'H' are deleted in one mutation; with its last 'L' a sealed
 *      segment's 'S'
 *   5  once that is durable, the files of a segment without 'S' are removed
 *
 * A crash before 4 leaves 'F', and the next start does it again. A crash between 4 and 5 leaves files without a record,
 * which the next start removes. A drive that is away in 3 is recorded in the segment as stale, and punched when it is
 * back. Step 3 is skipped where step 4 will remove the whole segment.
 */
#ifndef CAIRN_DATA_RECLAIM_H
#define CAIRN_DATA_RECLAIM_H

struct data;

/* One walk over the 'F' records; the keeper's. 0, or the last error; goes on after errors. CAIRN_EQUORUM while the
 * index only reads. */
int reclaim_pass(struct data *data);

#endif
