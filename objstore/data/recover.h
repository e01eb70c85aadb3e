/*
 * Recovery at open. What the last process left, and what becomes of it:
 *
 *   segments open in the index          settled (settle.h): the ranges of writers that did not commit are given back
 *   sealed segments stale on a drive    their gaps are punched there, now that it is back
 *   segment files without a record      removed: their segment was, or its creation was not completed
 *   copies of files that healing made   removed, as they are not complete
 *   segments without a file on a drive  remembered (lacks.h), for healing: the drive was replaced, or away
 *   'F' records                         left to the keeper's first pass
 *
 * A segment file with an id that was never given out means that the index is older than the drives: the wrong index, or
 * a lost one. Nothing is removed then, and the store does not open.
 */
#ifndef CAIRN_DATA_RECOVER_H
#define CAIRN_DATA_RECOVER_H

struct data;

/* Before anything else runs. 0; CAIRN_ECORRUPT; -ENOMEM; errors of the index. */
int data_recover(struct data *data);

#endif
