/*
 * The reaper: a thread that works the backlog off. First what gives space back, orphans and garbage, then tidying.
 */
#ifndef CAIRN_NAMESPACE_REAPER_H
#define CAIRN_NAMESPACE_REAPER_H

struct ns;

int reaper_start(struct ns *ns);
/* Accepts a namespace whose reaper was not started. */
void reaper_stop(struct ns *ns);

#endif
