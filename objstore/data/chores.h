/*
 * Chores: what is left to the keeper (keeper.h), and what wakes it. Any thread adds to it; only the keeper takes.
 *
 * Work is done in passes. A pass begins when something was freed or somebody waits for one; what is freed meanwhile
 * belongs to the next.
 */
#ifndef CAIRN_DATA_CHORES_H
#define CAIRN_DATA_CHORES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct segment;

#define CHORES_FOUND 256 /* what does not fit is found again by the next read */

/* Shards of a blob that a reader found to be lost. */
struct found {
    uint64_t blob;
    uint32_t places;
};

struct chores {
    pthread_mutex_t lock; /* guards what follows; innermost */
    pthread_cond_t change;
    bool stop, woken;
    uint64_t passes_wanted, passes_done;
    int pass_result;
    struct segment *settle; /* retired, without open reservations; holds a reference to each */
    struct found found[CHORES_FOUND];
    unsigned found_count;
};

/* They begin woken, by what the last process left. */
void chores_init(struct chores *chores);
/* The keeper has ended. Segments that are still to be settled are left to the next start. */
void chores_release(struct chores *chores);

/* There is something to reclaim. Does not block. arg is the struct chores: for a mutation's callback too. */
void chores_wake(void *arg);
/* A segment is to be settled. Takes over the caller's reference. */
void chores_settle(struct chores *chores, struct segment *segment);
/* A reader found shards of a blob to be lost: it is to be queued. */
void chores_heal(struct chores *chores, uint64_t blob, uint32_t places);
/* Waits for a pass that began after this call, and returns how it went. */
int chores_pass(struct chores *chores);

/* ---- for the keeper ---- */

struct work {
    bool stop;              /* this is the last pass */
    uint64_t passes;        /* of those that were wanted, this one is the last */
    struct segment *settle; /* linked by settle_next; the caller owns the references */
    struct found found[CHORES_FOUND];
    unsigned found_count;
};

/* Waits for something to do, though not for ever: what failed or was held back is tried again. Takes all of it. */
void chores_take(struct chores *chores, struct work *ret_work);
/* A segment could not be settled: it is part of the next pass, which it does not hasten. Takes over the reference. */
void chores_settle_later(struct chores *chores, struct segment *segment);
/* The pass is over: who waited for it gets the result. */
void chores_done(struct chores *chores, const struct work *work, int result);
/* Waits for up to ns. True when there is no time for what can wait: somebody waits for a pass, or the keeper is to end.
 */
bool chores_pause(struct chores *chores, int64_t ns);
bool chores_is_woken(struct chores *chores);
/* The keeper ends after a last pass. */
void chores_stop(struct chores *chores);

#endif
