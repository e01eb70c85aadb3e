#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>

#include "server/posix/posix_priv.h"
#include "tests/support/posix_bed.h"

static struct posix_bed bed;
static struct posix_client client;

static void setup(void)
{
    posix_bed_init(&bed);
    client_init(&client, &bed, 1);
}

static void teardown(void)
{
    client_release(&client);
    posix_bed_release(&bed);
}

TestSuite(posix_sessions, .init = setup, .fini = teardown, .timeout = 60);

static struct posix_op make(const char *name, uint64_t handle)
{
    return (struct posix_op){.code = POSIX_CREATE,
                             .ino = bed.bucket,
                             .name = span_cstr(name),
                             .mode = 0600,
                             .flags = POSIX_CREATE_EXCL,
                             .handle = handle};
}

static struct posix_op remove_op(const char *name)
{
    return (struct posix_op){.code = POSIX_UNLINK, .ino = bed.bucket, .name = span_cstr(name)};
}

static int getattr(uint64_t ino, struct posix_result *ret_result)
{
    return client_do(&client, (struct posix_op){.code = POSIX_GETATTR, .ino = ino}, ret_result);
}

static struct posix_counts counts(void)
{
    struct posix_counts got;
    posix_count(bed.posix, &got);
    return got;
}

static int reclaim(uint64_t handle, uint64_t ino, struct posix_result *ret_result)
{
    struct buf list = BUF_INIT;
    if (handle)
        posix_handle_add(&list, handle, ino);
    struct posix_op op = {.code = POSIX_SESSION_RECLAIM, .flags = POSIX_RECLAIM_DONE, .data = buf_span(&list)};
    int rc = client_do(&client, op, ret_result);
    buf_release(&list);
    return rc;
}

/* ---- exactly once ---- */

Test(posix_sessions, a_repeated_change_is_answered_from_the_record)
{
    struct posix_result r, again;
    cr_assert_eq(client_do(&client, make("f", 0), &r), 0);
    cr_expect_eq(client.got.flags, 0);
    cr_assert_eq(client_send_again(&client), 0);
    cr_expect_eq(client.got.flags, POSIX_REPLAYED);
    cr_assert_eq(client_next(&client, &again), 0);
    cr_expect(memcmp(&r.attr, &again.attr, sizeof(r.attr)) == 0 && again.flags == POSIX_CREATED);
}

Test(posix_sessions, a_repeated_failure_is_the_same_failure)
{
    struct posix_result r;
    cr_assert_eq(client_do(&client, make("f", 0), &r), 0);
    cr_assert_eq(client_do(&client, make("f", 0), &r), -EEXIST);
    struct buf kept = client.request;
    client.request = BUF_INIT;
    client.head.slot = 1;
    cr_assert_eq(client_do(&client, remove_op("f"), &r), 0);
    buf_release(&client.request);
    client.request = kept;
    cr_assert_eq(client_send_again(&client), 0);
    cr_expect_eq(client_next(&client, &r), -EEXIST);
}

Test(posix_sessions, a_repeated_change_is_answered_after_a_restart)
{
    struct posix_result r, again;
    client_begin(&client);
    client_add(&client, make("f", 0));
    client_add(&client, (struct posix_op){.code = POSIX_FSYNC});
    cr_assert_eq(client_send(&client), 0);
    uint64_t instance = client.got.instance;
    cr_assert_eq(client_next(&client, &r), 0);
    struct buf kept = client.request;
    client.request = BUF_INIT;

    posix_bed_restart(&bed);
    cr_expect_eq(counts().adopted, 1);
    cr_expect_eq(getattr(r.attr.ino, &again), -EREMCHG);
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_SESSION_HEARTBEAT}, &again), -EREMCHG);
    cr_expect_eq(reclaim(0, 0, &again), 0);
    cr_expect_eq(counts().adopted, 0);
    cr_expect_neq(client.got.instance, instance);
    buf_release(&client.request);
    client.request = kept;
    cr_assert_eq(client_send_again(&client), 0);
    cr_expect_eq(client.got.flags, POSIX_REPLAYED);
    cr_expect_neq(client.got.instance, instance);
    cr_assert_eq(client_next(&client, &again), 0);
    cr_expect(memcmp(&r.attr, &again.attr, sizeof(r.attr)) == 0);
}

Test(posix_sessions, an_older_sequence_is_refused_also_after_a_restart)
{
    struct posix_result r;
    client.head.sequence = 9;
    cr_assert_eq(client_do(&client, make("f", 0), &r), 0);
    client.head.sequence = 8;
    cr_expect_eq(client_do(&client, make("g", 0), &r), -EALREADY);
    client.head.sequence = 0;
    cr_expect_eq(client_do(&client, make("g", 0), &r), -EALREADY);
    posix_bed_restart(&bed);
    cr_assert_eq(reclaim(0, 0, &r), 0);
    client.head.sequence = 8;
    cr_expect_eq(client_do(&client, make("g", 0), &r), -EALREADY);
    client.head.sequence = 10;
    cr_expect_eq(client_do(&client, make("g", 0), &r), 0);
}

Test(posix_sessions, slots_do_not_know_of_each_other)
{
    struct posix_result r;
    for (uint16_t slot = 0; slot < POSIX_SLOTS; slot++) {
        client.head.slot = slot;
        client.head.sequence = 1;
        cr_expect_eq(client_do(&client, make(slot ? "g" : "f", 0), &r), slot > 1 ? -EEXIST : 0);
    }
    client.head.slot = POSIX_SLOTS;
    cr_expect_eq(client_do(&client, make("h", 0), &r), -EBADSLT);
    client.head.slot = POSIX_SLOT_NONE;
    cr_expect_eq(client_do(&client, make("h", 0), &r), -EBADSLT);
    cr_expect_eq(getattr(bed.bucket, &r), 0);
}

/* ---- a commit that fails ---- */

/* Answered, and taken back. */
static void lose(struct posix_op op, struct posix_result *ret_result)
{
    uint64_t mark = ns_mark(store_ns(bed.store));
    posix_bed_fail(&bed, true);
    cr_assert_eq(client_do(&client, op, ret_result), 0);
    cr_assert_lt(ns_flush_since(store_ns(bed.store), &mark), 0);
    posix_bed_fail(&bed, false);
}

Test(posix_sessions, a_failed_commit_is_to_a_session_what_a_restart_is)
{
    struct posix_result r, claimed;
    cr_assert_eq(client_do(&client, make("kept", 0), &r), 0);
    uint64_t kept = client.got.commit, instance = client.got.instance;
    cr_assert_eq(ns_flush(store_ns(bed.store)), 0);
    lose(make("lost", 5), &r);
    uint64_t lost = client.got.commit;
    cr_expect_gt(lost, kept);

    cr_expect_eq(getattr(bed.bucket, &claimed), -EREMCHG);
    cr_expect_eq(client_do(&client, make("f", 0), &claimed), -EREMCHG);
    cr_assert_eq(reclaim(5, r.attr.ino, &claimed), 0);
    cr_expect_eq(claimed.value, kept);
    uint64_t handle;
    struct span rest = claimed.data;
    cr_expect(posix_lost_next(&rest, &handle) == 1 && handle == 5);
    cr_expect_neq(client.got.instance, instance);

    cr_expect_eq(getattr(r.attr.ino, &claimed), -ESTALE);
    cr_assert_eq(client_do(&client, make("lost", 0), &claimed), 0);
    cr_expect_gt(client.got.commit, lost);
    cr_expect_eq(reclaim(0, 0, &claimed), 0);
    cr_expect_gt(claimed.value, lost);
}

Test(posix_sessions, what_survived_is_told_also_after_two_restarts)
{
    struct posix_result r;
    cr_assert_eq(client_do(&client, make("f", 0), &r), 0);
    uint64_t last = client.got.commit;
    posix_bed_restart(&bed);
    posix_bed_restart(&bed);
    cr_assert_eq(reclaim(0, 0, &r), 0);
    cr_expect_eq(r.value, last);
}

static uint64_t inodes(void)
{
    struct ns_statfs statfs;
    cr_assert_eq(ns_statfs(store_ns(bed.store), &statfs), 0);
    return statfs.inodes;
}

Test(posix_sessions, a_nameless_file_whose_end_was_taken_back_ends_again)
{
    struct posix_result r;
    uint64_t before = inodes();
    cr_assert_eq(client_do(&client, make("f", 5), &r), 0);
    cr_assert_eq(client_do(&client, remove_op("f"), &r), 0);
    cr_assert_eq(ns_flush(store_ns(bed.store)), 0);
    cr_assert_eq(inodes(), before + 1);
    uint64_t mark = ns_mark(store_ns(bed.store));
    posix_bed_fail(&bed, true);
    cr_assert_eq(client_do(&client, (struct posix_op){.code = POSIX_RELEASE, .handle = 5}, &r), 0);
    while (ns_flush_since(store_ns(bed.store), &mark) == 0) /* until the reaper has come to it */
        sched_yield();
    posix_bed_fail(&bed, false);
    while (inodes() != before)
        posix_sessions_tend(bed.posix);
}

/* ---- who ---- */

Test(posix_sessions, opening_again_gives_the_same_session)
{
    struct posix_result r;
    uint64_t generation = client.head.generation;
    struct posix_op open = {.code = POSIX_SESSION_OPEN, .name = SPAN_LIT("x"), .count = 1};
    cr_assert_eq(client_do(&client, open, &r), 0);
    cr_expect(r.value == generation && r.flags == 0 && r.count == 60000);
    cr_expect_eq(counts().sessions, 1);
    memset(client.head.session, 2, POSIX_SESSION_ID);
    cr_assert_eq(client_do(&client, open, &r), 0);
    cr_expect(r.value != generation && r.flags == POSIX_OPENED_ANEW && r.count == POSIX_LEASE_MIN_MS);
    cr_expect_eq(counts().sessions, 2);
}

Test(posix_sessions, strangers_and_other_generations_are_refused)
{
    struct posix_result r;
    client.head.generation++;
    cr_expect_eq(getattr(bed.bucket, &r), -ESTALE);
    client.head.generation = 0;
    cr_expect_eq(getattr(bed.bucket, &r), -ESTALE);
    client.head.generation--;
    client.head.session[0]++;
    cr_expect_eq(getattr(bed.bucket, &r), -ESTALE);

    struct posix_client other;
    client_init(&other, &bed, 2);
    struct posix_op op = {.code = POSIX_GETATTR, .ino = bed.bucket};
    other.access_key = SPAN_LIT("another");
    cr_expect_eq(client_do(&other, op, &r), -EACCES);
    cr_expect_eq(client_do(&other, (struct posix_op){.code = POSIX_SESSION_OPEN}, &r), -EACCES);
    other.access_key = SPAN_LIT("key");
    other.bucket = SPAN_EMPTY;
    cr_expect_eq(client_do(&other, op, &r), -EACCES);
    other.bucket = SPAN_LIT("box");
    cr_expect_eq(client_do(&other, op, &r), 0);
    client_release(&other);
}

/* ---- the end ---- */

static void let_leases_pass(void)
{
    clock_shift_ns(61 * NS_PER_SEC);
    posix_sessions_tend(bed.posix);
}

Test(posix_sessions, a_lease_that_passed_fences_the_session)
{
    struct posix_result r;
    cr_assert_eq(client_do(&client, make("f", 1), &r), 0);
    cr_expect_eq(counts().handles, 1);
    let_leases_pass();
    cr_expect_eq(getattr(bed.bucket, &r), -ESTALE);
    cr_expect_eq(client_do(&client, make("g", 0), &r), -ESTALE);
    cr_expect_eq(client_send_again(&client), -ESTALE);
    cr_expect(counts().sessions == 0 && counts().handles == 0);
    posix_bed_restart(&bed);
    cr_expect_eq(counts().sessions, 0);
}

Test(posix_sessions, a_server_that_did_not_run_ends_no_lease)
{
    struct posix_result r;
    cr_assert_eq(client_do(&client, make("f", 1), &r), 0);
    clock_shift_ns(3600 * NS_PER_SEC);
    posix_sessions_excuse(bed.posix, 3600 * NS_PER_SEC);
    posix_sessions_tend(bed.posix);
    cr_expect_eq(counts().handles, 1);
    cr_expect_eq(getattr(bed.bucket, &r), 0);
    let_leases_pass();
    cr_expect_eq(getattr(bed.bucket, &r), -ESTALE);
}

Test(posix_sessions, every_request_renews_the_lease)
{
    struct posix_result r;
    for (int i = 0; i < 5; i++) {
        clock_shift_ns(40 * NS_PER_SEC);
        posix_sessions_tend(bed.posix);
        struct posix_op op = {.code = i % 2 ? POSIX_STATFS : POSIX_SESSION_HEARTBEAT};
        cr_expect_eq(client_do(&client, op, &r), 0);
    }
}

Test(posix_sessions, closing_forgets_everything_and_may_be_repeated)
{
    struct posix_result r;
    cr_assert_eq(client_do(&client, make("f", 1), &r), 0);
    cr_assert_eq(client_do(&client, (struct posix_op){.code = POSIX_SESSION_CLOSE}, &r), 0);
    cr_expect_eq(client_send_again(&client), 0);
    cr_expect_eq(counts().sessions, 0);
    cr_expect_eq(getattr(bed.bucket, &r), -ESTALE);
    /* The same id again: what the former session left counts for nothing. */
    client_release(&client);
    client_init(&client, &bed, 1);
    cr_expect_eq(client_do(&client, make("g", 0), &r), 0);
    cr_expect_eq(client.got.flags, 0);
}

/* ---- handles ---- */

Test(posix_sessions, an_open_file_outlives_its_name)
{
    struct posix_result r;
    cr_assert_eq(client_do(&client, make("f", 7), &r), 0);
    uint64_t ino = r.attr.ino;
    cr_assert_eq(client_do(&client, remove_op("f"), &r), 0);
    struct posix_op write = {.code = POSIX_WRITE, .ino = ino, .data = SPAN_LIT("still")};
    cr_expect_eq(client_do(&client, write, &r), 0);
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_OPEN, .ino = ino, .handle = 8}, &r), 0);
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_RELEASE, .handle = 7}, &r), 0);
    cr_expect_eq(getattr(ino, &r), 0);
    cr_expect_eq(r.attr.nlink, 0);
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_RELEASE, .handle = 8}, &r), 0);
    cr_expect_eq(counts().handles, 0);
    while (getattr(ino, &r) == 0)
        sched_yield(); /* the reaper takes it */
    cr_expect_eq(getattr(ino, &r), -ESTALE);
}

Test(posix_sessions, opening_and_releasing_may_be_repeated)
{
    struct posix_result r;
    cr_assert_eq(client_do(&client, make("f", 7), &r), 0);
    uint64_t ino = r.attr.ino;
    struct posix_op open = {.code = POSIX_OPEN, .ino = ino, .handle = 8};
    for (int i = 0; i < 3; i++)
        cr_expect_eq(client_do(&client, open, &r), 0);
    cr_expect_eq(client_send_again(&client), 0);
    cr_expect_eq(counts().handles, 2);
    for (int i = 0; i < 2; i++)
        cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_RELEASE, .handle = 8}, &r), 0);
    cr_expect_eq(client_send_again(&client), 0);
    cr_expect_eq(counts().handles, 1);
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_OPEN, .ino = ino}, &r), -EINVAL);
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_OPEN, .ino = 1u << 30, .handle = 9}, &r), -ESTALE);
    cr_expect_eq(counts().handles, 1);
}

Test(posix_sessions, an_overtaken_open_does_not_open)
{
    struct posix_result r;
    cr_assert_eq(client_do(&client, make("f", 0), &r), 0);
    client.head.sequence = 20;
    cr_assert_eq(client_do(&client, (struct posix_op){.code = POSIX_OPEN, .ino = r.attr.ino, .handle = 8}, &r), 0);
    uint64_t ino = r.attr.ino;
    cr_assert_eq(client_do(&client, (struct posix_op){.code = POSIX_RELEASE, .handle = 8}, &r), 0);
    client.head.sequence = 20;
    cr_expect_eq(client_do(&client, (struct posix_op){.code = POSIX_OPEN, .ino = ino, .handle = 8}, &r), -EALREADY);
    cr_expect_eq(counts().handles, 0);
}

Test(posix_sessions, a_file_without_a_name_outlives_a_restart_when_it_is_reclaimed)
{
    struct posix_result r;
    cr_assert_eq(client_do(&client, make("f", 7), &r), 0);
    uint64_t ino = r.attr.ino;
    cr_assert_eq(client_do(&client, (struct posix_op){.code = POSIX_WRITE, .ino = ino, .data = SPAN_LIT("kept")}, &r),
                 0);
    cr_assert_eq(client_do(&client, remove_op("f"), &r), 0);
    posix_bed_restart(&bed);
    posix_sessions_tend(bed.posix);
    cr_assert_eq(reclaim(7, ino, &r), 0);
    cr_expect_eq(r.data.len, 0);
    posix_sessions_tend(bed.posix);
    cr_assert_eq(client_do(&client, (struct posix_op){.code = POSIX_READ, .ino = ino, .len = 100}, &r), 0);
    cr_expect(span_is(r.data, "kept"));
    cr_expect_eq(counts().handles, 1);
    cr_expect_eq(reclaim(7, ino, &r), 0);
    cr_expect_eq(counts().handles, 1);
}

Test(posix_sessions, what_nobody_reclaims_is_let_go)
{
    struct posix_result r;
    uint64_t lost;
    cr_assert_eq(client_do(&client, make("f", 7), &r), 0);
    uint64_t ino = r.attr.ino;
    cr_assert_eq(client_do(&client, remove_op("f"), &r), 0);
    posix_bed_restart(&bed);
    let_leases_pass();
    client_release(&client);
    client_init(&client, &bed, 2);
    while (getattr(ino, &r) == 0)
        sched_yield();
    cr_expect_eq(getattr(ino, &r), -ESTALE);
    cr_assert_eq(reclaim(7, ino, &r), 0);
    cr_assert_eq(posix_lost_next(&r.data, &lost), 1);
    cr_expect_eq(lost, 7);
}

Test(posix_sessions, a_repeated_create_opens_its_handle_again_after_a_restart)
{
    struct posix_result r;
    client_begin(&client);
    client_add(&client, make("f", 7));
    client_add(&client, (struct posix_op){.code = POSIX_FSYNC});
    cr_assert_eq(client_send(&client), 0);
    struct buf kept = client.request;
    client.request = BUF_INIT;
    posix_bed_restart(&bed);
    cr_assert_eq(reclaim(0, 0, &r), 0);
    cr_expect_eq(counts().handles, 0);
    buf_release(&client.request);
    client.request = kept;
    cr_assert_eq(client_send_again(&client), 0);
    cr_expect_eq(counts().handles, 1);
    cr_assert_eq(client_send_again(&client), 0);
    cr_expect_eq(counts().handles, 1);
}

Test(posix_sessions, a_damaged_list_of_handles_is_refused)
{
    struct posix_result r;
    struct posix_op op = {.code = POSIX_SESSION_RECLAIM, .data = SPAN_LIT("seven b")};
    cr_expect_eq(client_do(&client, op, &r), -EPROTO);
    op.data = SPAN_EMPTY;
    op.flags = 4;
    cr_expect_eq(client_do(&client, op, &r), -EPROTO);
}

Test(posix_sessions, sessions_are_bounded)
{
    struct posix_options options = {.sessions_max = 2};
    struct posix_result r;
    posix_free(&bed.posix);
    cr_assert_eq(posix_new(store_ns(bed.store), store_index(bed.store), &options, &bed.posix), 0);
    cr_assert_eq(reclaim(0, 0, &r), 0);
    struct posix_op open = {.code = POSIX_SESSION_OPEN};
    memset(client.head.session, 2, POSIX_SESSION_ID);
    cr_expect_eq(client_do(&client, open, &r), 0);
    memset(client.head.session, 3, POSIX_SESSION_ID);
    cr_expect_eq(client_do(&client, open, &r), -EUSERS);
}
