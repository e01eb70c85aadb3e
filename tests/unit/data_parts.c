/* The parts of the data layer that work by themselves: what lacks files, what is pinned, what is left to the keeper. */
#include <criterion/criterion.h>
#include <pthread.h>

#include "objstore/data/chores.h"
#include "objstore/data/damage.h"
#include "objstore/data/lacks.h"
#include "objstore/data/pins.h"

static void count(void *arg)
{
    ++*(unsigned *)arg;
}

Test(data_parts, lacks_are_found_in_order_and_dropped_place_by_place)
{
    struct damage damage;
    struct lacks lacks;
    struct lack lack;
    uint64_t segments = 0, bytes = 0;
    unsigned told = 0;

    damage_init(&damage);
    damage_subscribe(&damage, count, &told);
    lacks_init(&lacks, &damage);
    for (uint64_t id = 200; id > 0; id--) /* more than it has room for at first, and backwards */
        cr_assert_eq(lacks_add(&lacks, id * 10, 100, 1), 0);
    cr_assert_eq(lacks_add(&lacks, 50, 100, 6), 0);
    cr_assert_eq(lacks_add(&lacks, 55, 100, 0), 0);
    cr_assert_eq(told, 201, "not of a segment that lacks nothing");
    cr_assert_eq(lacks_get(&lacks, 50), 7);
    cr_assert_eq(lacks_get(&lacks, 55), 0);
    lacks_sum(&lacks, &segments, &bytes);
    cr_assert_eq(segments, 200);
    cr_assert_eq(bytes, 202 * 100);
    lacks_drop(&lacks, 50, 3);
    cr_assert_eq(lacks_get(&lacks, 50), 4);
    cr_assert(lacks_next(&lacks, 41, &lack));
    cr_assert_eq(lack.segment, 50);
    lacks_drop(&lacks, 50, 4);
    cr_assert(lacks_next(&lacks, 41, &lack));
    cr_assert_eq(lack.segment, 60);
    cr_assert_not(lacks_next(&lacks, 2001, &lack));
    damage_subscribe(&damage, NULL, NULL);
    cr_assert_eq(lacks_add(&lacks, 55, 100, 1), 0);
    cr_assert_eq(told, 201);
    lacks_release(&lacks);
    damage_release(&damage);
}

Test(data_parts, who_unpins_is_asked_to_tell_only_when_a_pin_was_in_the_way)
{
    struct pins pins;
    struct pinned a = {.segment = 7, .offset = 64}, b = a, c = {.segment = 7, .offset = 128};

    pins_init(&pins);
    pins_add(&pins, &a);
    pins_add(&pins, &b);
    pins_add(&pins, &c);
    pins_walk(&pins);
    cr_assert_not(pins_have(&pins, 8, 64));
    cr_assert_not(pins_remove(&pins, &c));
    cr_assert(pins_have(&pins, 7, 64));
    cr_assert(pins_remove(&pins, &a));
    cr_assert(pins_have(&pins, 7, 64), "it is pinned twice");
    cr_assert(pins_remove(&pins, &b));
    pins_walk(&pins);
    cr_assert_not(pins_have(&pins, 7, 64));
    pins_add(&pins, &a);
    cr_assert_not(pins_remove(&pins, &a));
    pins_release(&pins);
}

Test(data_parts, what_readers_find_is_one_chore_for_each_blob_and_bounded)
{
    struct chores chores;
    struct work work = {0};

    chores_init(&chores);
    for (unsigned round = 0; round < 2; round++)
        for (uint64_t blob = 0; blob < CHORES_FOUND + 10; blob++)
            chores_heal(&chores, blob, 1u << round);
    chores_take(&chores, &work);
    cr_assert_eq(work.found_count, CHORES_FOUND);
    cr_assert_eq(work.found[5].blob, 5);
    cr_assert_eq(work.found[5].places, 3);
    chores_heal(&chores, 5, 4);
    chores_take(&chores, &work);
    cr_assert_eq(work.found_count, 1, "those were taken");
    cr_assert_eq(work.found[0].places, 4);
    chores_release(&chores);
}

static void *wait_for_pass(void *arg)
{
    return (void *)(intptr_t)chores_pass(arg);
}

Test(data_parts, a_pass_that_is_waited_for_is_urgent_and_gives_its_result)
{
    struct chores chores;
    struct work work = {0};
    pthread_t waiter;
    void *result;

    chores_init(&chores);
    chores_take(&chores, &work);
    cr_assert_not(chores_pause(&chores, 0));
    cr_assert_eq(pthread_create(&waiter, NULL, wait_for_pass, &chores), 0);
    cr_assert(chores_pause(&chores, INT64_C(60) * 1000000000), "it cuts the pause short");
    chores_done(&chores, &work, -5);
    cr_assert(chores_pause(&chores, 0), "that pass had begun before");
    chores_take(&chores, &work);
    chores_done(&chores, &work, -7);
    pthread_join(waiter, &result);
    cr_assert_eq((intptr_t)result, -7);
    chores_stop(&chores);
    chores_take(&chores, &work);
    cr_assert(work.stop);
    chores_release(&chores);
}
