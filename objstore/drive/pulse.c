#include "objstore/drive/pulse.h"

#include <stdbool.h>
#include <stdlib.h>

#define USUAL_WEIGHT 8 /* of the past, against the newest */

static const int64_t floors[PULSE_KINDS] = {
    [PULSE_READ] = PULSE_READ_FLOOR,
    [PULSE_WRITE] = PULSE_WRITE_FLOOR,
    [PULSE_SYNC] = PULSE_WRITE_FLOOR,
};

struct pulse_group *pulse_group_new(unsigned enough)
{
    struct pulse_group *group = calloc(1, sizeof(*group));

    if (!group)
        return NULL;
    group->refs = 1;
    group->enough = enough;
    pthread_mutex_init(&group->lock, NULL);
    return group;
}

struct pulse_group *pulse_group_ref(struct pulse_group *group)
{
    atomic_fetch_add(&group->refs, 1);
    return group;
}

void pulse_group_unref(struct pulse_group **group)
{
    struct pulse_group *g = *group;

    *group = NULL;
    if (!g || atomic_fetch_sub(&g->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&g->lock);
    free(g);
}

void pulse_join(struct pulse_group *group, unsigned place)
{
    atomic_fetch_or(&group->members, 1u << place);
}

void pulse_leave(struct pulse_group *group, unsigned place)
{
    pthread_mutex_lock(&group->lock);
    atomic_fetch_and(&group->members, ~(1u << place));
    atomic_fetch_and(&group->slow, ~(1u << place));
    pthread_mutex_unlock(&group->lock);
}

/* ---- operations ---- */

int pulse_begin(struct pulse_group *group, unsigned place, enum pulse_kind kind, int64_t now)
{
    struct pulse *pulse = &group->places[place];

    for (int i = 0; i < PULSE_SLOTS; i++) {
        int64_t none = 0;

        if (atomic_load_explicit(&pulse->began[kind][i], memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&pulse->began[kind][i], &none, now))
            return i;
    }
    return -1;
}

/* Two that end at once may lose one of them for the average: it is one. */
void pulse_end(struct pulse_group *group, unsigned place, enum pulse_kind kind, int slot, int64_t now)
{
    struct pulse *pulse = &group->places[place];

    if (slot < 0)
        return;
    int64_t took = now - atomic_exchange(&pulse->began[kind][slot], 0);
    int64_t usual = atomic_load_explicit(&pulse->usual[kind], memory_order_relaxed);
    atomic_store_explicit(&pulse->usual[kind], usual ? usual + (took - usual) / USUAL_WEIGHT : took,
                          memory_order_relaxed);
}

void pulse_left(struct pulse_group *group, unsigned place, int by)
{
    atomic_fetch_add(&group->places[place].left, (unsigned)by);
}

/* ---- judging; the caller holds the lock ---- */

/* How long ago the oldest operation of a kind began; 0 when there is none. */
static int64_t pulse_age(struct pulse *pulse, enum pulse_kind kind, int64_t now)
{
    int64_t age = 0;

    for (int i = 0; i < PULSE_SLOTS; i++) {
        int64_t began = atomic_load_explicit(&pulse->began[kind][i], memory_order_relaxed);

        if (began != 0 && now - began > age)
            age = now - began;
    }
    return age;
}

/* The k-th best figure among the peers that do well; INT64_MAX when there are fewer. */
static int64_t peers_figure(struct pulse_group *group, unsigned place, enum pulse_kind kind, int64_t now)
{
    uint32_t peers = group->members & ~group->slow & ~(1u << place);
    int64_t best[DRIVE_SET_MAX];
    unsigned count = 0;

    for (; peers; peers &= peers - 1) {
        struct pulse *peer = &group->places[__builtin_ctz(peers)];
        int64_t usual = peer->usual[kind], age = pulse_age(peer, kind, now), figure = age > usual ? age : usual;
        unsigned at = count++;

        for (; at > 0 && best[at - 1] > figure; at--)
            best[at] = best[at - 1];
        best[at] = figure;
    }
    return count < group->enough ? INT64_MAX : best[group->enough - 1];
}

static bool is_over_limit(struct pulse_group *group, unsigned place, int64_t now)
{
    for (enum pulse_kind kind = 0; kind < PULSE_KINDS; kind++) {
        int64_t age = pulse_age(&group->places[place], kind, now);

        if (age <= floors[kind])
            continue;
        int64_t figure = peers_figure(group, place, kind, now);
        if (figure < INT64_MAX / PULSE_TIMES && age > PULSE_TIMES * figure)
            return true;
    }
    return false;
}

static bool is_hanging(struct pulse *pulse, int64_t now)
{
    if (atomic_load(&pulse->left) > 0)
        return true;
    for (enum pulse_kind kind = 0; kind < PULSE_KINDS; kind++)
        if (pulse_age(pulse, kind, now) > floors[kind])
            return true;
    return false;
}

static void become_slow(struct pulse_group *group, unsigned place, int64_t now)
{
    struct pulse *pulse = &group->places[place];
    bool again = pulse->good_since != 0 && now - pulse->good_since < PULSE_FORGIVE;
    int64_t rest = again ? 2 * pulse->rest : PULSE_REST_MIN;

    pulse->rest = rest < PULSE_REST_MAX ? rest : PULSE_REST_MAX;
    pulse->slow_since = now;
    pulse->rest_until = now + pulse->rest;
    atomic_fetch_add(&group->times_slow[place], 1);
    atomic_fetch_or(&group->slow, 1u << place);
}

/* While something hangs, the rest has not begun. */
static void stay_or_return(struct pulse_group *group, unsigned place, int64_t now)
{
    struct pulse *pulse = &group->places[place];

    if (is_hanging(pulse, now)) {
        pulse->rest_until = now + pulse->rest;
    } else if (now >= pulse->rest_until) {
        pulse->good_since = now;
        atomic_fetch_and(&group->slow, ~(1u << place));
    }
}

uint32_t pulse_slow(struct pulse_group *group, int64_t now)
{
    if (atomic_load_explicit(&group->slow, memory_order_relaxed) == 0)
        return 0;
    pthread_mutex_lock(&group->lock);
    for (uint32_t left = group->slow; left; left &= left - 1)
        stay_or_return(group, (unsigned)__builtin_ctz(left), now);
    uint32_t slow = group->slow;
    pthread_mutex_unlock(&group->lock);
    return slow;
}

/* Many may wait: one of them looks for all. */
static bool is_time_to_look(struct pulse_group *group, int64_t now)
{
    int64_t looked = atomic_load(&group->looked);

    return now - looked >= PULSE_LOOK && atomic_compare_exchange_strong(&group->looked, &looked, now);
}

uint32_t pulse_look(struct pulse_group *group, int64_t now)
{
    if (!is_time_to_look(group, now))
        return pulse_slow(group, now);
    pthread_mutex_lock(&group->lock);
    for (uint32_t left = group->members & ~group->slow; left; left &= left - 1)
        if (is_over_limit(group, (unsigned)__builtin_ctz(left), now))
            become_slow(group, (unsigned)__builtin_ctz(left), now);
    pthread_mutex_unlock(&group->lock);
    return pulse_slow(group, now);
}
