/*
 * The mount's reader of replies: whole or in pieces, the same comes of the same bytes, and no more than was sent. The
 * first byte says what was asked, the others are what comes; then the peer closes.
 */
#include "fs/s3/reply.h"
#include "tests/fuzz/fuzz.h"

struct outcome {
    int result;
    struct s3_response response;
    struct buf sunk;
    char placed[256];
    size_t placed_len;
};

static size_t sink(const struct s3_response *response, const void *bytes, size_t len, void *arg)
{
    struct outcome *o = arg;
    FUZZ_CHECK(response->status / 100 == 2 && len > 0);
    buf_add(&o->sunk, bytes, len);
    return len;
}

static void *place(const struct s3_response *response, size_t len, void *arg)
{
    struct outcome *o = arg;
    FUZZ_CHECK(response->status / 100 == 2 && len > 0 && o->placed_len == 0);
    if (len > sizeof(o->placed))
        return NULL;
    o->placed_len = len;
    return o->placed;
}

/* Until the reply is whole, or an error: at the latest when the peer has closed. */
static void run(char asked, struct span bytes, size_t step, struct outcome *o)
{
    struct s3_request request = {.method = asked == 'H' ? "HEAD" : "GET",
                                 .sink = asked == 'S' ? sink : NULL,
                                 .sink_arg = o,
                                 .place = asked == 'P' ? place : NULL,
                                 .place_arg = o};
    struct reply reply;
    reply_begin(&reply, &request, &o->response);
    while (o->result == 0) {
        void *at;
        size_t room;
        FUZZ_CHECK(reply_room(&reply, &at, &room) == 0 && room > 0);
        struct span piece = span_head(bytes, step < room ? step : room);
        if (piece.len > 0)
            memcpy(at, piece.ptr, piece.len);
        o->result = reply_took(&reply, piece.len);
        FUZZ_CHECK(piece.len > 0 || o->result != 0);
        bytes = span_from(bytes, piece.len);
    }
    FUZZ_CHECK(o->result == 1 || !reply_leaves_open(&reply));
}

static void release(struct outcome *o)
{
    s3_response_release(&o->response);
    buf_release(&o->sunk);
}

static void check_equal(const struct outcome *a, const struct outcome *b, size_t sent)
{
    FUZZ_CHECK(a->result == b->result && a->response.status == b->response.status);
    if (a->result != 1)
        return;
    FUZZ_CHECK(span_eq(buf_span(&a->response.body), buf_span(&b->response.body)));
    FUZZ_CHECK(span_eq(buf_span(&a->sunk), buf_span(&b->sunk)));
    FUZZ_CHECK(a->placed_len == b->placed_len && memcmp(a->placed, b->placed, a->placed_len) == 0);
    FUZZ_CHECK(a->response.body.len + a->sunk.len + a->placed_len <= sent);
    FUZZ_CHECK(a->response.head.header_count == b->response.head.header_count);
    for (size_t i = 0; i < a->response.head.header_count; i++)
        FUZZ_CHECK(span_eq(a->response.head.headers[i].value, b->response.head.headers[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1, 61};
    struct outcome whole = {0};
    if (size == 0)
        return 0;
    struct span bytes = span_make(data + 1, size - 1);
    run((char)data[0], bytes, SIZE_MAX, &whole);
    for (size_t i = size > 2000; i < 2; i++) {
        struct outcome pieces = {0};
        run((char)data[0], bytes, steps[i], &pieces);
        check_equal(&whole, &pieces, bytes.len);
        release(&pieces);
    }
    release(&whole);
    return 0;
}
