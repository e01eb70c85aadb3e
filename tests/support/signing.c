#include "tests/support/signing.h"

#include <stdio.h>

#include "objstore/base/clock.h"
#include "objstore/base/hash.h"
#include "server/wire/aws_chunked.h"
#include "tests/support/memory_fill.h"

#define CHUNK 8192
#define MADE_MAX 8 /* fields that are added */
#define MUST(condition) memory_must(condition, #condition)

struct making {
    struct http_head head; /* as it was written */
    struct http_head sent;
    struct uri_query query;
    struct span body;
    struct span raw_query;
    struct arena arena;
    char timestamp[DATE_BASIC_SIZE];
    char hash[65], length[24], decoded[24];
    struct span payload; /* x-amz-content-sha256 */
    struct sigv4_chain chain;
};

static bool is_made(struct span name)
{
    static const char *const names[] = {"authorization", "x-amz-date", "content-length", "connection",
                                        "x-amz-decoded-content-length"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (span_eq_nocase(name, span_cstr(names[i])))
            return true;
    return false;
}

static void add_field(struct http_head *head, struct span name, struct span value)
{
    if (head->header_count < HTTP_HEADERS_MAX)
        head->headers[head->header_count++] = (struct http_header){name, value};
}

/* ---- what is sent ---- */

static struct span trailer_name(const struct making *m)
{
    return http_head_get(&m->head, "x-amz-trailer");
}

/* A checksum of the right length for most, of the right value for none but an empty body. */
static const struct span trailer_value = SPAN_LIT("AAAAAA==");

static struct span choose_payload(struct making *m, enum signing_mode mode)
{
    struct span stated = http_head_get(&m->head, "x-amz-content-sha256");
    uint8_t digest[HASH_MAX];
    if (mode == SIGNING_CHUNKS)
        return SPAN_LIT("STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    if (mode == SIGNING_TRAILER)
        return SPAN_LIT("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    if (stated.len || mode == SIGNING_QUERY)
        return stated;
    MUST(hash_once(HASH_SHA256, m->body.ptr, m->body.len, digest) == 0);
    hex_encode(digest, 32, m->hash);
    return span_cstr(m->hash);
}

static enum sigv4_payload kind_of(enum signing_mode mode)
{
    return mode == SIGNING_CHUNKS ? SIGV4_PAYLOAD_STREAM_SIGNED : SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER;
}

static uint64_t sent_length(const struct making *m, enum signing_mode mode)
{
    struct span name = mode == SIGNING_TRAILER ? trailer_name(m) : SPAN_EMPTY;
    if (mode < SIGNING_CHUNKS)
        return m->body.len;
    return aws_chunked_length(kind_of(mode), m->body.len, CHUNK, name.len, name.len ? trailer_value.len : 0);
}

static void choose_fields(struct making *m, enum signing_mode mode)
{
    for (size_t i = 0; i < m->head.header_count && i < HTTP_HEADERS_MAX - MADE_MAX; i++)
        if (!is_made(m->head.headers[i].name) && !span_eq_nocase(m->head.headers[i].name, SPAN_LIT("host")) &&
            !span_eq_nocase(m->head.headers[i].name, SPAN_LIT("x-amz-content-sha256")))
            add_field(&m->sent, m->head.headers[i].name, m->head.headers[i].value);
    if (m->payload.len)
        add_field(&m->sent, SPAN_LIT("x-amz-content-sha256"), m->payload);
    if (mode != SIGNING_QUERY)
        add_field(&m->sent, SPAN_LIT("x-amz-date"), span_cstr(m->timestamp));
    if (mode >= SIGNING_CHUNKS)
        add_field(&m->sent, SPAN_LIT("x-amz-decoded-content-length"), span_cstr(m->decoded));
    bool has_body = m->body.len > 0 || span_is(m->head.method, "PUT") || span_is(m->head.method, "POST");
    if (!m->head.chunked && has_body)
        add_field(&m->sent, SPAN_LIT("Content-Length"), span_cstr(m->length));
    add_field(&m->sent, SPAN_LIT("Connection"), SPAN_LIT("close"));
}

static bool sign(struct making *m, enum signing_mode mode)
{
    struct sigv4_signer signer;
    struct span authorization;
    struct sigv4_request request = {.method = m->head.method,
                                    .path = m->head.path,
                                    .query = &m->query,
                                    .headers = m->sent.headers,
                                    .header_count = m->sent.header_count,
                                    .host = m->head.host,
                                    .payload_hash = m->payload.len ? m->payload : SPAN_LIT(SIGV4_UNSIGNED_PAYLOAD)};
    MUST(sigv4_signer_init(SPAN_LIT(SIGNING_USER), SPAN_LIT(SIGNING_PASSWORD), SPAN_LIT("us-east-1"), SPAN_LIT("s3"),
                           clock_real_ns(), &signer) == 0);
    if (mode == SIGNING_QUERY)
        return sigv4_presign(&signer, &request, span_cstr(m->timestamp), 900, SPAN_EMPTY, &m->arena, &m->raw_query) ==
               0;
    if (sigv4_sign(&signer, &request, span_cstr(m->timestamp), &m->arena, &authorization, &m->chain) < 0)
        return false;
    add_field(&m->sent, SPAN_LIT("Authorization"), authorization);
    return true;
}

/* ---- as bytes ---- */

static void write_head(const struct making *m, struct buf *out)
{
    buf_printf(out, SPAN_FMT " " SPAN_FMT, SPAN_ARG(m->head.method), SPAN_ARG(m->head.path));
    if (m->raw_query.len)
        buf_printf(out, "?" SPAN_FMT, SPAN_ARG(m->raw_query));
    buf_printf(out, " HTTP/1.1\r\nHost: " SPAN_FMT "\r\n", SPAN_ARG(m->head.host));
    for (size_t i = 0; i < m->sent.header_count; i++)
        buf_printf(out, SPAN_FMT ": " SPAN_FMT "\r\n", SPAN_ARG(m->sent.headers[i].name),
                   SPAN_ARG(m->sent.headers[i].value));
    buf_add_cstr(out, "\r\n");
}

static void write_chunks(struct making *m, enum signing_mode mode, struct buf *out)
{
    struct sigv4_chain *chain = mode == SIGNING_CHUNKS ? &m->chain : NULL;
    struct span rest = m->body, name = mode == SIGNING_TRAILER ? trailer_name(m) : SPAN_EMPTY;
    while (rest.len > 0) {
        struct span data = span_head(rest, CHUNK);
        MUST(aws_chunked_put(kind_of(mode), chain, data, out) == 0);
        buf_add_span(out, data);
        buf_add_cstr(out, "\r\n");
        rest = span_from(rest, data.len);
    }
    MUST(aws_chunked_end(kind_of(mode), chain, name, name.len ? trailer_value : SPAN_EMPTY, out) == 0);
}

static bool make(struct making *m, enum signing_mode mode, struct buf *out)
{
    if (uri_query_parse(m->head.query, &m->arena, &m->query) < 0 || m->query.count > URI_PAIRS_MAX - 8)
        return false;
    date_format_basic(clock_real_ns(), m->timestamp);
    m->raw_query = m->head.query;
    m->payload = choose_payload(m, mode);
    snprintf(m->length, sizeof(m->length), "%llu", (unsigned long long)sent_length(m, mode));
    snprintf(m->decoded, sizeof(m->decoded), "%zu", m->body.len);
    choose_fields(m, mode);
    if (!sign(m, mode))
        return false;
    write_head(m, out);
    if (mode < SIGNING_CHUNKS)
        buf_add_span(out, m->body);
    else
        write_chunks(m, mode, out);
    return true;
}

bool signing_make(struct span bytes, enum signing_mode mode, struct buf *out)
{
    static struct making m;
    size_t scanned = 0;
    m = (struct making){.arena = ARENA_INIT};
    ssize_t used = http_request_parse(bytes, &scanned, &m.head);
    if (used <= 0)
        return false;
    m.body = span_from(bytes, (size_t)used);
    bool made = make(&m, mode, out);
    arena_release(&m.arena);
    return made && !out->failed;
}
