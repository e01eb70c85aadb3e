#include "server/s3/checksum.h"
#include "server/s3/handlers.h"
#include "server/s3/headers.h"

#include "objstore/base/clock.h"
#include "server/wire/date.h"
#include "server/wire/range.h"

#include <stdio.h>

/*
 * GetObject and HeadObject: one view finds the object, judges the conditions, writes the headers and opens a reader;
 * the bytes then stream with no transaction open, from the snapshot that the view saw. What can't be read to its end as
 * it was stored cuts the connection: a client never takes wrong or half bytes for the object.
 */
struct get_job {
    struct s3_call *call;
    struct inode inode;
    int status; /* 200, 206, 304 */
    uint64_t off, len;
    uint32_t part; /* partNumber, or 0 */
    struct ns_part part_info;
    struct body_reader *reader;
};

static int read_part_number(struct s3_call *call, uint32_t *ret_part)
{
    struct span text = s3_query(call, "partNumber");
    uint64_t value = 0;
    if (text.ptr && (span_to_u64(text, &value) < 0 || value < 1 || value > NS_PART_MAX))
        return s3_bad_argument(call, "partNumber", text,
                               "Part number must be an integer between 1 and 10000, inclusive");
    if (text.ptr && s3_header(call, "range").ptr)
        return s3_fail(call, S3_INVALID_REQUEST, "Cannot specify both Range header and partNumber query parameter");
    *ret_part = (uint32_t)value;
    return 0;
}

/* response-… parameters are for those who signed them. */
static int check_overrides(struct s3_call *call)
{
    const struct uri_query *query = &call->request->query;
    for (size_t i = 0; i < query->count; i++)
        if (span_starts(query->pairs[i].name, SPAN_LIT("response-")) && !call->request->identity)
            return s3_fail(call, S3_INVALID_REQUEST,
                           "Request specific response headers cannot be used for anonymous GET requests.");
    return 0;
}

static int judge_conditions(struct get_job *job, struct span etag)
{
    struct cond cond;
    cond_read(&job->call->request->head, job->call->request->now, &cond);
    switch (cond_check_read(&cond, etag, job->inode.mtime)) {
    case COND_OK:
        return 0;
    case COND_NOT_MODIFIED:
        job->status = 304;
        return 0;
    default:
        return CAIRN_EPRECONDITION;
    }
}

/* If-Range: the range counts only while the object is the one the client knows. */
static bool range_is_current(struct get_job *job, struct span etag)
{
    struct span known = s3_header(job->call, "if-range");
    int64_t time;
    if (!known.ptr)
        return true;
    if (date_parse_http(known, job->call->request->now, &time) == 0)
        return time / NS_PER_SEC == job->inode.mtime / NS_PER_SEC;
    return etag_in_list(known, etag, true);
}

static int choose_range(struct get_job *job, struct span etag)
{
    struct span header = range_is_current(job, etag) ? s3_header(job->call, "range") : SPAN_EMPTY;
    switch (range_resolve(header, job->inode.size, &job->off, &job->len)) {
    case RANGE_WHOLE:
        return 0;
    case RANGE_PART:
        job->status = 206;
        return 0;
    default:
        s3_error_extra(&job->call->detail, "RangeRequested", header);
        s3_error_extra(&job->call->detail, "ActualObjectSize",
                       arena_printf(&job->call->request->arena, "%llu", (unsigned long long)job->inode.size));
        http_reply_header_fmt(job->call->request, "Content-Range", "bytes */%llu", (unsigned long long)job->inode.size);
        return CAIRN_EBADRANGE;
    }
}

static int choose_part(struct get_job *job, struct ns_txn *txn)
{
    int ret = ns_object_part(txn, &job->inode, job->part, &job->off, &job->part_info);
    if (ret == CAIRN_EBADPART)
        return S3_INVALID_PART_NUMBER;
    job->len = job->part_info.size;
    if (ret == 0 && job->inode.size)
        job->status = 206;
    return ret;
}

static int reply_range(struct get_job *job)
{
    struct http_request *request = job->call->request;
    char text[RANGE_CONTENT_SIZE];
    if (job->status != 206)
        return 0;
    range_format_content(job->off, job->len, job->inode.size, text);
    return http_reply_header(request, "Content-Range", span_cstr(text));
}

/* Checksums are of the whole, or of the part asked for: a range has none. */
static int reply_checksums(struct get_job *job)
{
    if (!span_eq_nocase(s3_header(job->call, "x-amz-checksum-mode"), SPAN_LIT("ENABLED")))
        return 0;
    if (job->part && (job->inode.flags & INODE_ETAG_PARTS))
        return checksum_reply_part_headers(job->call, job->part_info.attrs, job->inode.attrs);
    return job->status == 206 && !job->part ? 0 : checksum_reply_headers(job->call, job->inode.attrs, job->inode.parts);
}

/* What the mount made and S3 has no word for. */
static int reply_type(struct get_job *job)
{
    static const char *const names[] = {
        [INODE_SYMLINK] = "symlink", [INODE_FIFO] = "fifo",   [INODE_SOCKET] = "socket",
        [INODE_CHAR] = "char",       [INODE_BLOCK] = "block",
    };
    if (job->inode.type >= sizeof(names) / sizeof(*names) || !names[job->inode.type])
        return 0;
    return http_reply_header(job->call->request, "x-cairn-type", span_cstr(names[job->inode.type]));
}

static int reply_identity(struct get_job *job)
{
    char date[DATE_HTTP_SIZE];
    date_format_http(job->inode.mtime, date);
    int ret = s3_reply_etag(job->call, &job->inode);
    return ret < 0 ? ret : http_reply_header(job->call->request, "Last-Modified", span_cstr(date));
}

static int reply_headers(struct get_job *job)
{
    struct http_request *request = job->call->request;
    int ret = reply_identity(job);
    if (ret < 0 || job->status == 304)
        return ret < 0 ? ret : headers_reply_not_modified(job->call, &job->inode);
    ret = http_reply_header(request, "Accept-Ranges", SPAN_LIT("bytes"));
    if (ret == 0)
        ret = headers_reply(job->call, &job->inode);
    if (ret == 0)
        ret = reply_range(job);
    if (ret == 0)
        ret = reply_checksums(job);
    if (ret == 0)
        ret = reply_type(job);
    if (ret == 0 && job->part && (job->inode.flags & INODE_ETAG_PARTS))
        ret = http_reply_header_fmt(request, "x-amz-mp-parts-count", "%u", job->inode.parts);
    return ret;
}

static int open_body(struct get_job *job, struct ns_txn *txn)
{
    if (job->status == 304 || job->len == 0 || span_is(job->call->request->head.method, "HEAD"))
        return 0;
    return body_reader_new(txn, &job->inode, job->off, job->len, &job->reader);
}

static int look_up(struct get_job *job, struct ns_txn *txn)
{
    char etag[INODE_ETAG_MAX];
    int ret = s3_find_object(job->call, txn, &job->inode);
    if (ret < 0)
        return ret;
    inode_etag(&job->inode, etag);
    job->len = job->inode.size;
    ret = judge_conditions(job, span_cstr(etag));
    if (ret == 0 && job->status != 304)
        ret = job->part ? choose_part(job, txn) : choose_range(job, span_cstr(etag));
    if (ret == 0)
        ret = reply_headers(job);
    return ret < 0 ? ret : open_body(job, txn);
}

/* ---- the bytes ---- */

static ptrdiff_t read_unseated(struct body_reader *reader, void *buffer, size_t len)
{
    http_seat_leave();
    ptrdiff_t got = body_read(reader, buffer, len);
    http_seat_take();
    return got;
}

static int stream(struct get_job *job, char *buffer)
{
    struct http_request *request = job->call->request;
    for (uint64_t left = job->len; left > 0;) {
        ptrdiff_t got = read_unseated(job->reader, buffer, left < S3_BUFFER ? (size_t)left : S3_BUFFER);
        if (got <= 0)
            return got < 0 ? (int)got : -EIO;
        int ret = http_reply_send(request, buffer, (size_t)got);
        if (ret < 0)
            return ret;
        left -= (uint64_t)got;
    }
    return http_reply_end(request);
}

/* The first bytes are read before the head is sent, so that what can't be read at all is answered with an error. */
static int send_long(struct get_job *job)
{
    struct http_request *request = job->call->request;
    char *buffer = pool_get(job->call->s3->buffers);
    if (!buffer)
        return -ENOMEM;
    ptrdiff_t got = read_unseated(job->reader, buffer, job->len < S3_BUFFER ? (size_t)job->len : S3_BUFFER);
    int ret = got > 0 ? http_reply_begin(request, job->status, job->len) : got < 0 ? (int)got : -EIO;
    if (ret == 0)
        ret = http_reply_send(request, buffer, (size_t)got);
    if (ret == 0) {
        job->len -= (uint64_t)got;
        ret = stream(job, buffer);
    }
    pool_put(job->call->s3->buffers, buffer);
    return ret;
}

static int send_span(struct get_job *job, struct span bytes)
{
    struct http_request *request = job->call->request;
    int ret = http_reply_begin(request, job->status, job->len);
    if (ret == 0 && bytes.len)
        ret = http_reply_send(request, bytes.ptr, bytes.len);
    return ret < 0 ? ret : http_reply_end(request);
}

static int send_body(struct get_job *job)
{
    struct span bytes;
    if (!job->reader)
        return send_span(job, SPAN_EMPTY);
    if (body_reader_inline(job->reader, &bytes))
        return send_span(job, bytes);
    return send_long(job);
}

int s3_get_object(struct s3_call *call)
{
    struct get_job job = {.call = call, .status = 200};
    struct ns_txn *txn;
    int ret = s3_check_version_id(call, s3_query(call, "versionId"));
    if (ret == 0)
        ret = check_overrides(call);
    if (ret == 0)
        ret = headers_check_read(call);
    if (ret == 0)
        ret = read_part_number(call, &job.part);
    if (ret == 0)
        ret = s3_view_begin(call, &txn);
    if (ret < 0)
        return ret;
    ret = look_up(&job, txn);
    ns_view_end(&txn);
    if (ret == 0)
        ret = send_body(&job);
    body_reader_free(&job.reader);
    return ret;
}
