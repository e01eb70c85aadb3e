/*
 * Name set: which names a directory may have, as hashes. A directory that this mount has made or has listed to its end
 * is known completely, and then a name that is not in its set does not exist: extracting an archive asks the server for
 * no name. A name is never taken out; one that is gone only costs a question. The owner's lock guards a set.
 */
#ifndef CAIRN_FS_NAMESET_H
#define CAIRN_FS_NAMESET_H

#include "objstore/base/span.h"

#define NAMESET_MAX (1u << 20)           /* names of one directory */
#define NAMESET_BYTES_MAX (128ull << 20) /* of all sets of the process; past that directories stay unknown */

struct nameset; /* NULL stands for an unknown directory in every call */

/* NULL when memory is short or taken up. */
struct nameset *nameset_new(void);
void nameset_free(struct nameset **set);
/* False when it could not be noted: the set says less than the truth now, and must be freed. */
bool nameset_add(struct nameset *set, uint64_t hash);
bool nameset_has(const struct nameset *set, uint64_t hash);

#endif
