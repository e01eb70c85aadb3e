/*
 * What is done for the files that ask to be tidied (tidy.h).
 */
#ifndef CAIRN_NAMESPACE_TIDIER_H
#define CAIRN_NAMESPACE_TIDIER_H

struct ns;

/* Tidies the files that ask for it, until the reaper is to end. 0, or the last error, of a file that is left as it is.
 * Blocks on the drives. */
int tidier_pass(struct ns *ns);

#endif
