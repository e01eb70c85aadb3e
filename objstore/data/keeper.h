/* The keeper: the data layer's one background thread, which does the chores. */
#ifndef CAIRN_DATA_KEEPER_H
#define CAIRN_DATA_KEEPER_H

struct data;

/* 0, or why there is no thread. */
int keeper_start(struct data *data);
/* Ends it after a last pass. */
void keeper_stop(struct data *data);

#endif
