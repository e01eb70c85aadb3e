/*
 * Orphans: inodes whose last name went while somebody held them (hold.h). A record 'O' tells so after a restart.
 */
#ifndef CAIRN_NAMESPACE_ORPHAN_H
#define CAIRN_NAMESPACE_ORPHAN_H

struct ns;

/* Reaps what its last holder has given up since the last pass; for the reaper. 0 or the last error: those are kept. */
int orphans_pass(struct ns *ns);

#endif
