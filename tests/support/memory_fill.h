/* What memory_store.h says that a store is filled with. */
#ifndef CAIRN_TESTS_MEMORY_FILL_H
#define CAIRN_TESTS_MEMORY_FILL_H

#include "tests/support/memory_store.h"

/* Ends the process with a word when something does not hold. */
void memory_must(bool holds, const char *what);
/* Through the layers: the store is open. */
void memory_fill(struct memory_store *store, bool crashed);
/* Records of what is under way, as a crash would leave them: it is closed. */
void memory_fill_raw(struct memory_store *store);

#endif
