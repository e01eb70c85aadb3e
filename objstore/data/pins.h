/*
 * The extents that readers hold, for whoever reclaims. A pin is taken inside a read transaction whose snapshot still
 * has the blob; the reclaimer waits until no such transaction is left, and looks for pins then, so it sees every pin
 * that can ever be. Any thread; nothing blocks.
 */
#ifndef CAIRN_DATA_PINS_H
#define CAIRN_DATA_PINS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PIN_BUCKETS 64

/* An extent that somebody holds; embedded in what that one has. Two may hold the same. */
struct pinned {
    struct pinned *next; /* its bucket's lock */
    uint64_t segment, offset;
};

struct pins {
    struct pin_bucket {
        pthread_mutex_t lock; /* innermost */
        struct pinned *first;
    } buckets[PIN_BUCKETS];
    atomic_bool awaited; /* a freed extent was left since somebody holds it */
};

void pins_init(struct pins *pins);
void pins_release(struct pins *pins);
/* The caller keeps the memory, and its segment and offset as they are, until it is removed. */
void pins_add(struct pins *pins, struct pinned *pinned);
/* True when the reclaimer wants to know. */
bool pins_remove(struct pins *pins, struct pinned *pinned);

/* ---- for the reclaimer ---- */

/* A walk over what was freed begins: it finds out anew which pins are in its way. */
void pins_walk(struct pins *pins);
/* Whether somebody holds the extent; if so, whoever removes a pin from now on is told to say so. */
bool pins_have(struct pins *pins, uint64_t segment, uint64_t offset);

#endif
