#include "fs/remote_priv.h"

/* The query of a data request under the session of this moment: in ret_pairs, over memory of out. */
#define DATA_PAIRS_MAX 12

static int stream_query(struct remote *remote, const char *kind, struct posix_stream *stream, struct arena *a,
                        struct uri_query *ret_query, uint64_t *ret_epoch)
{
    struct session session = session_current(remote);
    memcpy(stream->session, session.id, sizeof stream->session);
    stream->generation = session.generation;
    stream->given |= POSIX_GIVEN_SESSION | POSIX_GIVEN_GENERATION;
    *ret_epoch = session.epoch;
    struct buf text = BUF_INIT;
    int r = posix_query_add(&text, kind, stream);
    if (r == 0)
        r = uri_query_parse(buf_span(&text), a, ret_query);
    buf_release(&text);
    return r;
}

/* A reply in the dialect where bytes were wanted tells of trouble with the session. 0: mended, send again. */
static int dialect_trouble(struct remote *remote, struct span body, uint64_t epoch)
{
    struct posix_reply reply;
    struct span results;
    if (posix_reply_decode(body, &reply, &results) < 0)
        return -EPROTO;
    return reply.status ? session_mend(remote, reply.status, epoch) : -EPROTO;
}

/* ---- reading ---- */

struct fill {
    char *at;
    size_t room, filled;
    struct buf trouble; /* a reply in the dialect, which came instead of bytes */
};

static size_t fill_take(const struct s3_response *response, const void *bytes, size_t len, void *arg)
{
    struct fill *f = arg;
    if (response_is_dialect(response))
        return buf_add(&f->trouble, bytes, len) == 0 ? len : 0;
    if (len > f->room - f->filled)
        return 0;
    memcpy(f->at + f->filled, bytes, len);
    f->filled += len;
    return len;
}

static int header_u64(const struct s3_response *response, const char *name, uint64_t *ret_value)
{
    return span_to_u64(http_head_get(&response->head, name), ret_value) < 0 ? -EPROTO : 0;
}

static int read_once(struct remote *remote, struct posix_stream *stream, struct fill *fill,
                     struct s3_response *response, uint64_t *ret_version, uint64_t *ret_size)
{
    struct arena a = ARENA_INIT;
    struct uri_query query;
    uint64_t epoch;
    fill->filled = 0;
    buf_clear(&fill->trouble);
    int r = stream_query(remote, "data", stream, &a, &query, &epoch);
    if (r == 0) {
        struct s3_request request = {.method = "GET",
                                     .path = remote->path,
                                     .query = query.pairs,
                                     .query_count = query.count,
                                     .sink = fill_take,
                                     .sink_arg = fill};
        r = remote_transfer(remote, &request, response);
    }
    arena_release(&a);
    if (r == 0 && response_is_dialect(response)) {
        r = dialect_trouble(remote, buf_span(&fill->trouble), epoch);
        return r < 0 ? r : -EAGAIN;
    }
    if (r == 0)
        r = header_u64(response, POSIX_HEADER_VERSION, ret_version);
    return r < 0 ? r : header_u64(response, POSIX_HEADER_SIZE, ret_size);
}

ptrdiff_t remote_read(struct remote *remote, uint64_t ino, uint64_t off, void *ret_bytes, size_t len,
                      uint64_t *ret_version, uint64_t *ret_size)
{
    struct posix_stream stream = {
        .given = POSIX_GIVEN_INO | POSIX_GIVEN_OFF | POSIX_GIVEN_LEN, .ino = ino, .off = off, .len = len};
    struct fill fill = {.at = ret_bytes, .room = len};
    struct s3_response response = S3_RESPONSE_INIT;
    struct attempt attempt = attempt_begin(remote);
    int r;
    do
        r = read_once(remote, &stream, &fill, &response, ret_version, ret_size);
    while (r < 0 && (r = attempt_again(remote, &attempt, r)) == 0 && (r = -EAGAIN));
    s3_response_release(&response);
    buf_release(&fill.trouble);
    if (r < 0)
        return r == -ENXIO ? -ESTALE : r;
    return (ptrdiff_t)fill.filled;
}

/* ---- writing ---- */

static int write_once(struct remote *remote, struct posix_stream *stream, struct span bytes,
                      struct s3_response *response, struct posix_result *ret_result, struct posix_reply *ret_reply,
                      uint64_t *ret_epoch)
{
    struct arena a = ARENA_INIT;
    struct uri_query query;
    int r = stream_query(remote, "data", stream, &a, &query, ret_epoch);
    if (r == 0) {
        struct s3_request request = {.method = "PUT",
                                     .path = remote->path,
                                     .query = query.pairs,
                                     .query_count = query.count,
                                     .body = bytes,
                                     .unsigned_payload = true};
        r = remote_transfer(remote, &request, response);
    }
    arena_release(&a);
    if (r < 0)
        return r;
    struct span results;
    if (posix_reply_decode(buf_span(&response->body), ret_reply, &results) < 0)
        return -EPROTO;
    if (ret_reply->status != 0)
        return 0;
    return posix_result_next(&results, ret_result) == 1 ? 0 : -EPROTO;
}

static int write_until_answered(struct remote *remote, struct posix_stream *stream, struct slot *slot,
                                struct span bytes, struct s3_response *response, struct remote_written *ret_written)
{
    struct attempt attempt = attempt_begin(remote);
    struct posix_result result;
    for (;;) {
        struct posix_reply reply = {0};
        uint64_t epoch = 0;
        stream->slot = slot->number;
        stream->sequence = slot->sequence;
        int r = write_once(remote, stream, bytes, response, &result, &reply, &epoch);
        if (r == 0 && reply.status == 0) {
            *ret_written = (struct remote_written){result.value, reply.instance, result.attr};
            return posix_status_code(result.status);
        }
        if (r == 0) {
            r = session_mend(remote, reply.status, epoch);
            bool renewed = session_current(remote).epoch != epoch;
            if (r == 0 && renewed && attempt.unknown && stream->off == POSIX_OFF_END)
                return -EIO; /* it may have been appended already; bytes at an offset may be written twice */
            if (r == 0 && renewed)
                slot_renumber(remote, slot);
        }
        if (r < 0 && (r = attempt_again(remote, &attempt, r)) < 0)
            return r == -ENXIO ? -ESTALE : r;
    }
}

int remote_write(struct remote *remote, uint64_t ino, uint64_t off, const void *bytes, size_t len, bool durable,
                 struct remote_written *ret_written)
{
    struct slot slot;
    int r = slot_take(remote, &slot);
    if (r < 0)
        return r;
    struct posix_stream stream = {
        .given = POSIX_GIVEN_INO | POSIX_GIVEN_OFF | POSIX_GIVEN_SLOT | POSIX_GIVEN_SEQUENCE, .ino = ino, .off = off};
    if (durable) {
        stream.given |= POSIX_GIVEN_SYNC;
        stream.sync = 1;
    }
    struct s3_response response = S3_RESPONSE_INIT;
    r = write_until_answered(remote, &stream, &slot, span_make(bytes, len), &response, ret_written);
    slot_give(remote, &slot);
    s3_response_release(&response);
    return r;
}
