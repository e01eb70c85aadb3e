/* The POSIX dialect: what decodes, encodes to the same bytes again; the first byte chooses what is read. */
#include "server/wire/posix.h"
#include "tests/fuzz/fuzz.h"

static void check_request(struct span input)
{
    struct posix_request request, again;
    struct posix_op op;
    struct buf out = BUF_INIT;
    struct span rest, rest_again;
    int rc;
    bool whole = true;
    if (posix_request_decode(input, &request, &rest) < 0)
        return;
    FUZZ_CHECK(request.count <= POSIX_OPS_MAX);
    posix_request_begin(&out, &request);
    while ((rc = posix_op_next(&rest, &op)) == 1 || rc == -ENOSYS) {
        whole = whole && rc == 1;
        if (rc == 1)
            FUZZ_CHECK(posix_op_add(&out, &op) == 0);
    }
    if (whole && rc == 0)
        FUZZ_CHECK(span_eq(buf_span(&out), input));
    FUZZ_CHECK(posix_request_decode(buf_span(&out), &again, &rest_again) == 0);
    buf_release(&out);
}

static void check_reply(struct span input)
{
    struct posix_reply reply;
    struct posix_result result;
    struct span rest;
    if (posix_reply_decode(input, &reply, &rest) < 0)
        return;
    while (posix_result_next(&rest, &result) == 1)
        FUZZ_CHECK(result.status == 0 || result.data.len == 0);
}

static void check_entries(struct span input)
{
    struct posix_entry entry;
    struct buf out = BUF_INIT;
    struct span rest = input;
    size_t taken = 0;
    while (posix_entry_next(&rest, &entry) == 1) {
        FUZZ_CHECK(posix_entry_add(&out, &entry) == 0);
        taken = input.len - rest.len;
    }
    FUZZ_CHECK(span_eq(buf_span(&out), span_head(input, taken)));
    buf_release(&out);
}

static void check_frames(struct span input)
{
    struct posix_frame frame;
    struct span rest = input;
    while (posix_frame_next(&rest, &frame) == 1)
        FUZZ_CHECK(frame.kind >= POSIX_FRAME_ALIVE && frame.kind <= POSIX_FRAME_ALL);
}

static void check_lists(struct span input)
{
    uint64_t handle, ino;
    struct span rest = input;
    while (posix_handle_next(&rest, &handle, &ino) == 1)
        ;
    rest = input;
    while (posix_lost_next(&rest, &handle) == 1)
        ;
}

static void check_query(struct span input)
{
    struct posix_stream stream = {0}, again = {0};
    struct buf out = BUF_INIT;
    while (input.ptr) {
        struct span value = span_cut(&input, '&');
        struct span name = span_cut(&value, '=');
        posix_query_take(name, value, &stream);
    }
    FUZZ_CHECK(posix_query_add(&out, "data", &stream) == 0);
    struct span rest = buf_span(&out);
    while (rest.ptr) {
        struct span value = span_cut(&rest, '&');
        struct span name = span_cut(&value, '=');
        FUZZ_CHECK(span_is(name, "cairn") || posix_query_take(name, value, &again) == 0);
    }
    FUZZ_CHECK(stream.given == again.given && stream.ino == again.ino && stream.off == again.off);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const checks[])(struct span) = {check_request, check_reply, check_entries,
                                                  check_frames,  check_lists, check_query};
    if (size == 0)
        return 0;
    checks[data[0] % (sizeof(checks) / sizeof(checks[0]))](span_make(data + 1, size - 1));
    return 0;
}
