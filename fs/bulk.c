#include "fs/remote_priv.h"

/* The query of a data request under that session: in ret_query, over memory of the arena. */
static int stream_query(const struct session *session, struct posix_stream *stream, struct arena *a,
                        struct uri_query *ret_query)
{
    memcpy(stream->session, session->id, sizeof stream->session);
    stream->generation = session->generation;
    stream->given |= POSIX_GIVEN_SESSION | POSIX_GIVEN_GENERATION;
    struct buf text = BUF_INIT;
    int r = posix_query_add(&text, "data", stream);
    if (r == 0)
        r = uri_query_parse(buf_span(&text), a, ret_query);
    buf_release(&text);
    return r;
}

static int stream_send(struct remote *remote, const struct session *session, struct posix_stream *stream,
                       struct s3_request *request, struct s3_response *response)
{
    struct arena a = ARENA_INIT;
    struct uri_query query;
    int r = stream_query(session, stream, &a, &query);
    if (r == 0) {
        request->path = remote->path;
        request->query = query.pairs;
        request->query_count = query.count;
        r = remote_transfer(remote, request, response);
    }
    arena_release(&a);
    return r;
}

/* ---- reading ---- */

/* What the server has read before it begins a reply, and so can still say that it can't. */
#define PIECE (64u << 10)
#define ROUNDS_MAX 8 /* times that a reply is cut while all of its pieces can be read */

struct reading {
    struct remote *remote;
    struct posix_stream stream;
    struct s3_response response;
    char *at;
    size_t room, placed;
    uint64_t version, size;
    bool cut; /* in its body: the server has stopped, or can't read on */
};

static void *reading_place(const struct s3_response *response, size_t len, void *arg)
{
    struct reading *g = arg;
    if (len > g->room || response_is_dialect(response))
        return NULL;
    g->placed = len;
    return g->at;
}

static int header_u64(const struct s3_response *response, const char *name, uint64_t *ret_value)
{
    return span_to_u64(http_head_get(&response->head, name), ret_value) < 0 ? -EPROTO : 0;
}

/* A reply in the dialect where bytes were wanted tells of trouble with the session. */
static int trouble_status(struct span body, uint16_t *ret_status)
{
    struct posix_reply reply;
    struct span results;
    if (posix_reply_decode(body, &reply, &results) < 0 || reply.status == 0)
        return -EPROTO;
    *ret_status = reply.status;
    return 0;
}

/* What was asked for, cut at the size; something between us and the server may have sent it on in chunks. */
static int check_bytes(struct reading *g)
{
    struct span body = buf_span(&g->response.body);
    uint64_t left = g->size > g->stream.off ? g->size - g->stream.off : 0;
    size_t wanted = left < g->room ? left : g->room;
    if (g->placed + body.len != wanted)
        return -EPROTO;
    if (body.len)
        memcpy(g->at, body.ptr, body.len);
    g->placed = wanted;
    return 0;
}

static int read_once(void *arg, const struct session *session, const struct slot *slot, uint16_t *ret_status)
{
    struct reading *g = arg;
    struct s3_request request = {.method = "GET", .place = reading_place, .place_arg = g};
    (void)slot;
    g->placed = 0;
    int r = stream_send(g->remote, session, &g->stream, &request, &g->response);
    if (r == -ECONNRESET && g->response.status == 200 && g->room > PIECE) {
        g->cut = true;
        return -EIO;
    }
    if (r == 0 && response_is_dialect(&g->response))
        return trouble_status(buf_span(&g->response.body), ret_status);
    if (r == 0)
        r = header_u64(&g->response, POSIX_HEADER_VERSION, &g->version);
    if (r == 0)
        r = header_u64(&g->response, POSIX_HEADER_SIZE, &g->size);
    return r < 0 ? r : check_bytes(g);
}

static int read_range(struct reading *g, uint64_t off, char *at, size_t len)
{
    struct slot none = {POSIX_SLOT_NONE, 0};
    g->stream.off = off;
    g->stream.len = g->room = len;
    g->at = at;
    return attempt_until_answered(g->remote, read_once, g, &none, false);
}

/* Whether every piece of the range can be read: 0, or the error of the first that can't. */
static int try_pieces(struct reading *g, uint64_t off, char *at, size_t len)
{
    int r = 0;
    for (size_t done = 0; r == 0 && done < len; done += PIECE)
        r = read_range(g, off + done, at, len - done < PIECE ? len - done : PIECE);
    return r;
}

ptrdiff_t remote_read(struct remote *remote, uint64_t ino, uint64_t off, void *ret_bytes, size_t len,
                      uint64_t *ret_version, uint64_t *ret_size)
{
    struct reading reading = {
        .remote = remote,
        .stream = {.given = POSIX_GIVEN_INO | POSIX_GIVEN_OFF | POSIX_GIVEN_LEN, .ino = ino},
    };
    int r, rounds = 0;
    do {
        reading.cut = false;
        r = read_range(&reading, off, ret_bytes, len);
        if (reading.cut)
            r = try_pieces(&reading, off, ret_bytes, len);
    } while (r == 0 && reading.cut && ++rounds < ROUNDS_MAX);
    s3_response_release(&reading.response);
    if (r < 0 || reading.cut)
        return r < 0 ? r : -EIO;
    *ret_version = reading.version;
    *ret_size = reading.size;
    return (ptrdiff_t)reading.placed;
}

/* ---- writing ---- */

struct writing {
    struct remote *remote;
    struct posix_stream stream;
    struct span bytes;
    struct s3_response response;
    struct remote_stamp stamp;
    struct posix_result result;
};

static int write_once(void *arg, const struct session *session, const struct slot *slot, uint16_t *ret_status)
{
    struct writing *w = arg;
    struct s3_request request = {.method = "PUT", .body = w->bytes, .unsigned_payload = true};
    w->stream.slot = slot->number;
    w->stream.sequence = slot->sequence;
    int r = stream_send(w->remote, session, &w->stream, &request, &w->response);
    if (r < 0)
        return r;
    struct posix_reply reply;
    struct span results;
    if (posix_reply_decode(buf_span(&w->response.body), &reply, &results) < 0)
        return -EPROTO;
    w->stamp = (struct remote_stamp){reply.instance, reply.commit};
    *ret_status = reply.status;
    if (reply.status != 0)
        return 0;
    return posix_result_next(&results, &w->result) == 1 && w->result.code == POSIX_WRITE ? 0 : -EPROTO;
}

int remote_write(struct remote *remote, uint64_t ino, uint64_t off, const void *bytes, size_t len, bool durable,
                 struct remote_written *ret_written)
{
    struct slot slot;
    int r = slot_take(remote, &slot);
    if (r < 0)
        return r;
    struct writing writing = {
        .remote = remote,
        .stream = {.given = POSIX_GIVEN_INO | POSIX_GIVEN_OFF | POSIX_GIVEN_SLOT | POSIX_GIVEN_SEQUENCE,
                   .ino = ino,
                   .off = off},
        .bytes = span_make(bytes, len)};
    if (durable) {
        writing.stream.given |= POSIX_GIVEN_SYNC;
        writing.stream.sync = 1;
    }
    /* Bytes at an offset may be written twice, appended they may not. */
    r = attempt_until_answered(remote, write_once, &writing, &slot, off == POSIX_OFF_END);
    slot_give(remote, &slot);
    if (r == 0)
        r = posix_status_code(writing.result.status);
    if (r == 0)
        *ret_written = (struct remote_written){writing.result.value, writing.stamp, writing.result.attr};
    s3_response_release(&writing.response);
    return r;
}
