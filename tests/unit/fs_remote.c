/* A mount's session against a server that does as a script says: what is repeated, and what not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/remote_priv.h"
#include "objstore/base/clock.h"
#include "tests/support/peer.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define TAKE PEER_DO(PEER_TAKE)
#define END PEER_DO(PEER_END)

/* Replies as they are on the wire. */
static struct buf opened, root, made, stale, reclaimed, restarted, behind;
static const char unavailable[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";

static void encode_by(struct buf *out, uint64_t instance, uint16_t status, const struct posix_result *result)
{
    struct buf body = BUF_INIT;
    posix_reply_begin(&body, &(struct posix_reply){.instance = instance, .status = status, .commit = 5});
    if (status == 0)
        posix_result_add(&body, result);
    posix_reply_end(&body);
    buf_printf(out, "HTTP/1.1 200 OK\r\nContent-Type: " POSIX_CONTENT_TYPE "\r\nContent-Length: %zu\r\n\r\n", body.len);
    buf_add_span(out, buf_span(&body));
    buf_release(&body);
}

static void encode(struct buf *out, uint16_t status, const struct posix_result *result)
{
    encode_by(out, 7, status, result);
}

static void init(void)
{
    struct posix_attr attr = {.ino = 5, .mode = 0755, .nlink = 2, .type = POSIX_DIR};
    encode(&opened, 0, &(struct posix_result){.code = POSIX_SESSION_OPEN, .value = 3, .count = 60000});
    encode(&root, 0, &(struct posix_result){.code = POSIX_GETROOT, .attr = attr});
    encode(&made, 0, &(struct posix_result){.code = POSIX_MKDIR, .attr = attr});
    encode(&reclaimed, 0, &(struct posix_result){.code = POSIX_SESSION_RECLAIM});
    encode_by(&behind, 8, 0, &(struct posix_result){.code = POSIX_SESSION_RECLAIM, .value = 4});
    encode(&stale, posix_status(-ESTALE), NULL);
    encode(&restarted, posix_status(-EREMCHG), NULL);
}

static void fini(void)
{
    struct buf *const all[] = {&opened, &root, &made, &stale, &reclaimed, &restarted, &behind};
    for (size_t i = 0; i < COUNT(all); i++)
        buf_release(all[i]);
}

TestSuite(fs_remote, .init = init, .fini = fini);

/* What becomes of a MKDIR whose tries are answered so, in a mount with that script. */
static int run(const struct peer_step *script, unsigned *ret_requests)
{
    struct peer peer;
    struct remote *remote;
    struct posix_attr attr;
    struct remote_call call = {0};
    struct posix_result result;
    struct posix_op op = {.code = POSIX_MKDIR, .ino = 5, .name = SPAN_LIT("d"), .mode = 0755};
    peer_start(&peer, PEER_TCP, script);
    struct remote_options options = {
        .client = {.endpoint = peer.endpoint, .access_key = "remote", .secret = "not-a-secret"}, .bucket = "b"};
    cr_assert_eq(remote_open(&options, &remote, &attr), 0);
    int r = remote_one(remote, &call, &op, &result);
    *ret_requests = peer.requests - 2; /* without those of remote_open */
    remote_call_release(&call);
    remote_close(&remote);
    peer_stop(&peer);
    return r;
}

#define SEND_BUF(b)                                                                                                    \
    {                                                                                                                  \
        PEER_SEND, (b).ptr, (b).len                                                                                    \
    }
#define BEGIN TAKE, SEND_BUF(opened), TAKE, SEND_BUF(root)
#define RECLAIM TAKE, SEND_BUF(reclaimed), TAKE, SEND_BUF(reclaimed)
#define RENEW TAKE, SEND_BUF(stale), TAKE, SEND_BUF(opened), RECLAIM
#define RESTART TAKE, SEND_BUF(restarted), RECLAIM
#define CLOSE TAKE, SEND_BUF(reclaimed), END

Test(fs_remote, a_change_is_repeated_until_it_is_answered)
{
    const struct peer_step script[] = {BEGIN,
                                       TAKE,
                                       PEER_DO(PEER_RESET),
                                       TAKE,
                                       PEER_TEXT(PEER_SEND, unavailable),
                                       TAKE,
                                       PEER_DO(PEER_CLOSE),
                                       TAKE,
                                       SEND_BUF(made),
                                       CLOSE};
    unsigned requests;
    cr_expect_eq(run(script, &requests), 0);
    cr_expect_eq(requests, 4);
}

Test(fs_remote, a_restarted_server_is_told_what_is_open)
{
    const struct peer_step script[] = {BEGIN, RESTART, TAKE, SEND_BUF(made), CLOSE};
    unsigned requests;
    cr_expect_eq(run(script, &requests), 0);
    cr_expect_eq(requests, 4);
}

Test(fs_remote, a_session_that_does_not_stay_mended_is_mended_without_hurry)
{
    const struct peer_step script[] = {BEGIN, RESTART, RESTART, RESTART, RESTART, TAKE, SEND_BUF(made), CLOSE};
    unsigned requests;
    int64_t begun = clock_mono_ns();
    cr_expect_eq(run(script, &requests), 0);
    cr_expect_eq(requests, 13);
    cr_expect_geq(clock_mono_ns() - begun, (10 + 20 + 40) * NS_PER_MS, "the first at once, then pauses that grow");
}

Test(fs_remote, a_change_that_never_ran_is_made_in_a_new_session)
{
    const struct peer_step script[] = {BEGIN, RENEW, TAKE, SEND_BUF(made), CLOSE};
    unsigned requests;
    cr_expect_eq(run(script, &requests), 0);
    cr_expect_eq(requests, 5);
}

Test(fs_remote, a_change_that_may_have_run_is_not_made_again_in_a_new_session)
{
    const struct peer_step broken[] = {BEGIN, TAKE, PEER_DO(PEER_RESET), RENEW, CLOSE};
    const struct peer_step failed[] = {BEGIN, TAKE, PEER_TEXT(PEER_SEND, unavailable), RENEW, CLOSE};
    const struct peer_step *const scripts[] = {broken, failed};
    for (size_t i = 0; i < COUNT(scripts); i++) {
        unsigned requests;
        cr_expect_eq(run(scripts[i], &requests), -EIO);
        cr_expect_eq(requests, 5);
    }
}

static void count_all(const struct remote_event *event, void *arg)
{
    *(unsigned *)arg += event->kind == POSIX_FRAME_ALL;
}

Test(fs_remote, a_session_that_goes_on_in_another_life_knows_what_is_lost)
{
    const struct peer_step script[] = {BEGIN,
                                       TAKE,
                                       SEND_BUF(made),
                                       TAKE,
                                       SEND_BUF(restarted),
                                       TAKE,
                                       SEND_BUF(behind),
                                       TAKE,
                                       SEND_BUF(behind),
                                       TAKE,
                                       SEND_BUF(made),
                                       CLOSE};
    struct peer peer;
    struct remote *remote;
    struct posix_attr attr;
    struct remote_call call = {0};
    struct posix_result result;
    struct posix_op op = {.code = POSIX_MKDIR, .ino = 5, .name = SPAN_LIT("d"), .mode = 0755};
    unsigned all = 0;
    peer_start(&peer, PEER_TCP, script);
    struct remote_options options = {
        .client = {.endpoint = peer.endpoint, .access_key = "remote", .secret = "not-a-secret"}, .bucket = "b"};
    cr_assert_eq(remote_open(&options, &remote, &attr), 0);
    remote->on_event = count_all;
    remote->on_event_arg = &all;
    cr_assert_eq(remote_one(remote, &call, &op, &result), 0);
    struct remote_stamp first = call.stamp;
    cr_expect(first.instance == 7 && first.commit == 5);
    cr_expect_eq(remote_fate(remote, first), REMOTE_PENDING);
    cr_assert_eq(remote_one(remote, &call, &op, &result), 0);
    cr_expect_eq(remote_fate(remote, first), REMOTE_LOST);
    cr_expect_eq(remote_fate(remote, (struct remote_stamp){7, 4}), REMOTE_DURABLE);
    cr_expect_eq(remote_fate(remote, (struct remote_stamp){8, 1}), REMOTE_PENDING);
    cr_expect_eq(remote_fate(remote, (struct remote_stamp){6, 1}), REMOTE_UNKNOWN);
    cr_expect_eq(all, 1);
    remote_call_release(&call);
    remote_close(&remote);
    peer_stop(&peer);
}
