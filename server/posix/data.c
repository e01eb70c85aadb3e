/*
 * Bulk bytes of one file, past the compounds: GET reads a range of one snapshot, PUT writes one in one change.
 */
#include <stdlib.h>

#include "server/posix/compound.h"
#include "server/s3/s3_error.h"

/* 0, or the S3 error for a query that is not what this request takes. */
static int take_query(const struct http_request *request, uint32_t need, uint32_t may, struct posix_stream *ret_stream)
{
    *ret_stream = (struct posix_stream){0};
    for (size_t i = 0; i < request->query.count; i++) {
        const struct uri_pair *pair = &request->query.pairs[i];
        if (span_is(pair->name, "cairn") || span_starts(pair->name, SPAN_LIT("X-Amz-")))
            continue;
        if (posix_query_take(pair->name, pair->value, ret_stream) < 0)
            return S3_INVALID_ARGUMENT;
    }
    return (ret_stream->given & need) == need && !(ret_stream->given & ~(need | may)) ? 0 : S3_INVALID_ARGUMENT;
}

/* Trouble with the session is told in the dialect, for the client mends it. */
static int refuse(struct posix *posix, struct http_request *request, uint64_t sequence, int code)
{
    struct buf reply = BUF_INIT;
    int rc = posix_refuse(posix, sequence, code, &reply);
    if (rc == 0)
        rc = posix_send(request, &reply);
    buf_release(&reply);
    return rc;
}

/* ================================================================ GET */

struct snapshot {
    struct body_reader *reader;
    uint64_t version, size;
};

static int open_snapshot(struct ns_txn *txn, const struct posix_stream *stream, struct snapshot *ret_snapshot)
{
    struct inode inode;
    int rc = ns_inode(txn, stream->ino, &inode);
    if (rc < 0)
        return rc;
    if (inode.type != INODE_FILE)
        return -ESTALE;
    uint64_t off = stream->off < inode.size ? stream->off : inode.size;
    ret_snapshot->version = inode.version;
    ret_snapshot->size = inode.size;
    return body_reader_new(txn, &inode, off, stream->len, &ret_snapshot->reader);
}

static int take_snapshot(struct posix *posix, const struct posix_stream *stream, struct snapshot *ret_snapshot)
{
    struct ns_txn *txn;
    http_seat_leave();
    int rc = ns_view_begin(posix->ns, &txn);
    http_seat_take();
    if (rc < 0)
        return rc;
    rc = open_snapshot(txn, stream, ret_snapshot);
    ns_view_end(&txn);
    return rc;
}

/* The next bytes, as many as the buffer takes. */
static ptrdiff_t read_bytes(struct body_reader *reader, char *buffer)
{
    size_t len = 0;
    ptrdiff_t got;
    http_seat_leave();
    while ((got = body_read(reader, buffer + len, STREAM_BUFFER - len)) > 0 && len + (size_t)got < STREAM_BUFFER)
        len += (size_t)got;
    http_seat_take();
    return got < 0 ? got : (ptrdiff_t)len + got;
}

/* got: bytes that are in the buffer. */
static int send_bytes(struct http_request *request, struct body_reader *reader, char *buffer, ptrdiff_t got)
{
    struct span bytes;
    int rc = 0;
    if (body_reader_inline(reader, &bytes))
        return bytes.len ? http_reply_send(request, bytes.ptr, bytes.len) : 0;
    for (; got > 0 && rc == 0; got = rc < 0 ? rc : read_bytes(reader, buffer))
        rc = http_reply_send(request, buffer, (size_t)got);
    return (int)got;
}

/* The first bytes are read before the reply begins, while an error can still be told. */
static int send_snapshot(struct posix *posix, struct http_request *request, const struct snapshot *snapshot,
                         char *buffer)
{
    struct span bytes;
    ptrdiff_t got = body_reader_inline(snapshot->reader, &bytes) ? 0 : read_bytes(snapshot->reader, buffer);
    if (got < 0)
        return refuse(posix, request, 0, (int)got);
    int rc = http_reply_header_fmt(request, POSIX_HEADER_VERSION, "%llu", (unsigned long long)snapshot->version);
    if (rc == 0)
        rc = http_reply_header_fmt(request, POSIX_HEADER_SIZE, "%llu", (unsigned long long)snapshot->size);
    if (rc == 0)
        rc = http_reply_header(request, "content-type", SPAN_LIT("application/octet-stream"));
    if (rc == 0)
        rc = http_reply_begin(request, 200, body_reader_length(snapshot->reader));
    if (rc == 0)
        rc = send_bytes(request, snapshot->reader, buffer, got);
    return rc == 0 ? http_reply_end(request) : rc;
}

/* Reading needs no reclaim: a file without a name is kept meanwhile. */
int posix_data_get(struct posix *posix, const struct posix_caller *caller, struct http_request *request)
{
    struct posix_stream stream;
    struct session *session = NULL;
    struct snapshot snapshot = {0};
    int rc = take_query(request, POSIX_GIVEN_GET, 0, &stream);
    if (rc < 0 || stream.off == POSIX_OFF_END)
        return S3_INVALID_ARGUMENT;
    rc = posix_session_get(posix, stream.session, stream.generation, caller, true, &session);
    if (rc < 0)
        return refuse(posix, request, 0, rc);
    char *buffer = pool_get(posix->buffers);
    rc = buffer ? take_snapshot(posix, &stream, &snapshot) : -ENOMEM;
    if (rc == 0)
        rc = send_snapshot(posix, request, &snapshot, buffer);
    pool_put(posix->buffers, buffer);
    body_reader_free(&snapshot.reader);
    posix_session_put(posix, &session);
    return rc;
}

/* ================================================================ PUT */

/* The body, read to its verified end. */
static int receive(struct posix *posix, struct http_request *request, struct body_writer *writer)
{
    char *buffer = pool_get(posix->buffers);
    ptrdiff_t got = buffer ? 1 : -ENOMEM;
    while (got > 0) {
        got = http_body_read(request, buffer, STREAM_BUFFER);
        if (got <= 0)
            break;
        http_seat_leave();
        int rc = body_write(writer, buffer, (size_t)got);
        http_seat_take();
        if (rc < 0)
            got = rc;
    }
    pool_put(posix->buffers, buffer);
    if (got < 0)
        return (int)got;
    http_seat_leave();
    int rc = body_writer_finish(writer);
    http_seat_take();
    return rc;
}

/* A body is there, of a known length that is allowed: else the error is HTTP's to tell. */
static int check_length(const struct http_request *request)
{
    if (!request->has_length)
        return S3_MISSING_CONTENT_LENGTH;
    return request->content_length > BODY_MAX ? S3_ENTITY_TOO_LARGE : 0;
}

/* The PUT as the compound that it is: one WRITE, and an FSYNC behind it. */
static int as_compound(struct compound *c, const struct posix_stream *stream)
{
    c->count = stream->sync ? 2 : 1;
    c->ops = arena_zalloc(&c->arena, 2, sizeof(*c->ops));
    c->bodies = arena_zalloc(&c->arena, 2, sizeof(*c->bodies));
    if (!c->ops || !c->bodies)
        return -ENOMEM;
    bool end = stream->off == POSIX_OFF_END;
    c->ops[0] = (struct posix_op){.code = POSIX_WRITE, .ino = stream->ino, .off = end ? 0 : stream->off};
    c->ops[0].flags = end ? POSIX_WRITE_END : 0;
    c->ops[1] = (struct posix_op){.code = POSIX_FSYNC};
    c->class = POSIX_CHANGES;
    c->reply_max = POSIX_REPLY_HEAD + 2 * POSIX_RESULT_SMALL;
    c->head.sequence = stream->sequence;
    c->head.slot = (uint16_t)stream->slot;
    return 0;
}

static int take_body(struct compound *c, struct http_request *request)
{
    if (request->content_length == 0)
        return 0;
    http_seat_leave();
    int rc = body_writer_new_for(c->posix->ns, c->ops[0].ino, request->content_length, &c->bodies[0]);
    http_seat_take();
    return rc == 0 ? receive(c->posix, request, c->bodies[0]) : rc;
}

/* Whether the error is of the body's transfer, and so HTTP's; the others are told in the dialect. */
static bool is_transfer(int rc)
{
    return rc == CAIRN_ECLOSED || rc == CAIRN_EDEADLINE || rc == CAIRN_ESYNTAX || rc == CAIRN_ESIGNATURE ||
           rc == CAIRN_EDIGEST || rc == CAIRN_ETOOBIG || rc == -EMSGSIZE || rc == -EBADMSG;
}

static int put(struct compound *c, const struct posix_stream *stream, struct http_request *request)
{
    int rc = stream->slot < POSIX_SLOTS ? as_compound(c, stream) : -EBADSLT;
    if (rc == 0)
        rc = posix_session_get(c->posix, stream->session, stream->generation, c->caller, false, &c->session);
    if (rc == 0)
        rc = take_body(c, request);
    if (is_transfer(rc))
        return rc;
    if (rc < 0)
        return refuse(c->posix, request, stream->sequence, rc);
    compound_run(c);
    return posix_send(request, c->reply);
}

int posix_data_put(struct posix *posix, const struct posix_caller *caller, struct http_request *request)
{
    struct buf reply = BUF_INIT;
    struct compound c = {.posix = posix, .caller = caller, .reply = &reply};
    struct posix_stream stream;
    int rc = take_query(request, POSIX_GIVEN_PUT, POSIX_GIVEN_SYNC, &stream);
    if (rc == 0)
        rc = check_length(request);
    if (rc == 0)
        rc = put(&c, &stream, request);
    compound_release(&c);
    buf_release(&reply);
    return rc;
}

/* ================================================================ push */

/* A parked stream and the push that it belongs to: lives until the connection is gone. */
struct parked {
    struct push *push;
    struct http_parked *http;
};

static int parked_send(void *arg, const void *bytes, size_t len)
{
    struct parked *parked = arg;
    return http_parked_send(parked->http, bytes, len);
}

static void parked_close(void *arg)
{
    struct parked *parked = arg;
    http_parked_close(parked->http);
}

static void on_close(void *arg)
{
    struct parked *parked = arg;
    push_detach(parked->push, parked);
    free(parked);
}

static int park(struct posix *posix, struct session *session, struct http_request *request, uint64_t after)
{
    struct parked *parked = calloc(1, sizeof(*parked));
    if (!parked)
        return -ENOMEM;
    parked->push = posix->push;
    int rc = http_reply_header(request, "content-type", SPAN_LIT("application/octet-stream"));
    if (rc == 0)
        rc = http_reply_begin(request, 200, HTTP_LENGTH_UNKNOWN);
    push_lock(posix->push); /* on_close comes from another thread, and waits until the stream is attached */
    if (rc == 0)
        rc = http_park(request, on_close, parked, &parked->http);
    struct push_sink sink = {.send = parked_send, .close = parked_close, .arg = parked};
    if (rc == 0)
        push_attach(posix->push, &session->push, sink, after);
    push_unlock(posix->push);
    if (rc < 0)
        free(parked);
    return rc;
}

int posix_push_get(struct posix *posix, const struct posix_caller *caller, struct http_request *request)
{
    struct posix_stream stream;
    struct session *session = NULL;
    int rc = take_query(request, POSIX_GIVEN_PUSH, 0, &stream);
    if (rc < 0)
        return rc;
    rc = posix_session_get(posix, stream.session, stream.generation, caller, true, &session);
    if (rc < 0)
        return refuse(posix, request, 0, rc);
    rc = park(posix, session, request, stream.after);
    posix_session_put(posix, &session);
    return rc;
}
