/* Which drives of a set are slow: time is made up, operations are only said to be. */
#include <criterion/criterion.h>

#include "objstore/drive/pulse.h"

#define SEC NS_PER_SEC

static struct pulse_group *group;

static void setup(void)
{
    group = pulse_group_new(2); /* of four, two may fail */
    cr_assert_not_null(group);
    for (unsigned place = 0; place < 4; place++)
        pulse_join(group, place);
}

static void teardown(void)
{
    pulse_group_unref(&group);
}

TestSuite(drive_pulse, .init = setup, .fini = teardown);

static int begin(unsigned place, enum pulse_kind kind, int64_t now)
{
    int slot = pulse_begin(group, place, kind, now);

    cr_assert_geq(slot, 0);
    return slot;
}

/* Operations that take so long, one after the other. */
static void work(unsigned place, enum pulse_kind kind, int64_t from, int64_t took, int count)
{
    for (int i = 0; i < count; i++)
        pulse_end(group, place, kind, begin(place, kind, from + i * took), from + (i + 1) * took);
}

Test(drive_pulse, one_that_hangs_is_slow)
{
    begin(1, PULSE_READ, 10 * SEC);
    cr_assert_eq(pulse_look(group, 10 * SEC + PULSE_READ_FLOOR), 0);
    cr_assert_eq(pulse_look(group, 10 * SEC + PULSE_READ_FLOOR + PULSE_LOOK), 1u << 1);
    cr_assert_eq(pulse_slow(group, 20 * SEC), 1u << 1, "as long as it hangs");
    cr_assert_eq(group->times_slow[1], 1);
}

Test(drive_pulse, writes_have_more_time)
{
    begin(2, PULSE_SYNC, 10 * SEC);
    cr_assert_eq(pulse_look(group, 11 * SEC), 0);
    cr_assert_eq(pulse_look(group, 10 * SEC + PULSE_WRITE_FLOOR + PULSE_LOOK), 1u << 2);
}

Test(drive_pulse, where_all_take_long_none_is_slow)
{
    for (unsigned place = 0; place < 4; place++)
        work(place, PULSE_READ, 0, SEC, 40);
    begin(0, PULSE_READ, 100 * SEC);
    cr_assert_eq(pulse_look(group, 107 * SEC), 0, "eight times what its peers take");
    cr_assert_eq(pulse_look(group, 109 * SEC), 1);
}

Test(drive_pulse, where_all_hang_none_is_slow)
{
    for (unsigned place = 0; place < 4; place++)
        begin(place, PULSE_SYNC, 10 * SEC);
    cr_assert_eq(pulse_look(group, 100 * SEC), 0);
}

Test(drive_pulse, no_more_are_slow_than_may_fail)
{
    begin(0, PULSE_READ, 10 * SEC);
    begin(3, PULSE_READ, 10 * SEC);
    cr_assert_eq(pulse_look(group, 12 * SEC), 1u | 1u << 3);
    begin(1, PULSE_READ, 12 * SEC);
    cr_assert_eq(pulse_look(group, 40 * SEC), 1u | 1u << 3, "there are not two others that do well");
}

Test(drive_pulse, without_enough_peers_none_is_slow)
{
    pulse_leave(group, 2);
    pulse_leave(group, 3);
    begin(0, PULSE_READ, 10 * SEC);
    cr_assert_eq(pulse_look(group, 100 * SEC), 0);
}

Test(drive_pulse, a_slow_drive_comes_back_after_a_rest)
{
    int slot = begin(1, PULSE_READ, 10 * SEC);

    cr_assert_eq(pulse_look(group, 20 * SEC), 1u << 1);
    pulse_end(group, 1, PULSE_READ, slot, 30 * SEC);
    cr_assert_eq(pulse_slow(group, 20 * SEC + PULSE_REST_MIN / 2), 1u << 1);
    cr_assert_eq(pulse_slow(group, 31 * SEC), 0);
    cr_assert_eq(pulse_look(group, 32 * SEC), 0);
}

Test(drive_pulse, the_rest_begins_when_nothing_hangs_any_more)
{
    int slot = begin(1, PULSE_READ, 10 * SEC);

    cr_assert_eq(pulse_look(group, 20 * SEC), 1u << 1);
    cr_assert_eq(pulse_look(group, 30 * SEC), 1u << 1);
    pulse_end(group, 1, PULSE_READ, slot, 30 * SEC);
    cr_assert_eq(pulse_slow(group, 30 * SEC + PULSE_REST_MIN - 1), 1u << 1);
    cr_assert_eq(pulse_slow(group, 30 * SEC + PULSE_REST_MIN), 0);
}

Test(drive_pulse, what_was_left_behind_keeps_it_slow)
{
    int slot = begin(1, PULSE_READ, 10 * SEC);

    pulse_left(group, 1, 1);
    cr_assert_eq(pulse_look(group, 20 * SEC), 1u << 1);
    pulse_end(group, 1, PULSE_READ, slot, 20 * SEC);
    cr_assert_eq(pulse_slow(group, 100 * SEC), 1u << 1);
    pulse_left(group, 1, -1);
    cr_assert_eq(pulse_slow(group, 100 * SEC + PULSE_REST_MIN), 0);
}

/* Hangs for a while and rests; returns how long that took. */
static int64_t rest_after(unsigned place, int64_t now)
{
    int slot = begin(place, PULSE_READ, now);
    int64_t end = now + SEC, at = end;

    cr_assert_eq(pulse_look(group, end), 1u << place);
    pulse_end(group, place, PULSE_READ, slot, end);
    while (pulse_slow(group, at))
        at += SEC / 10;
    return at - end;
}

Test(drive_pulse, one_that_hangs_again_and_again_rests_longer)
{
    int64_t now = 10 * SEC, last = 0;

    for (int i = 0; i < 8; i++) {
        int64_t rest = rest_after(1, now);

        cr_assert(rest > last || rest == PULSE_REST_MAX);
        last = rest;
        now += rest + 2 * SEC;
    }
    cr_assert_eq(last, PULSE_REST_MAX);
    cr_assert_eq(rest_after(1, now + 2 * PULSE_FORGIVE), PULSE_REST_MIN, "that is long ago");
}

Test(drive_pulse, more_in_flight_than_is_known_does_no_harm)
{
    int slots[PULSE_SLOTS + 10];

    for (int i = 0; i < PULSE_SLOTS + 10; i++)
        slots[i] = pulse_begin(group, 0, PULSE_READ, SEC);
    cr_assert_eq(slots[PULSE_SLOTS], -1);
    for (int i = 0; i < PULSE_SLOTS + 10; i++)
        pulse_end(group, 0, PULSE_READ, slots[i], 2 * SEC);
    cr_assert_eq(pulse_look(group, 100 * SEC), 0);
}
