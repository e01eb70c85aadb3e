/*
 * The client's side of aws-chunked.
 */
#include "server/wire/aws_chunked.h"

#include "objstore/base/errors.h"

#define CHUNK_SIGNATURE ";chunk-signature="
#define TRAILER_SIGNATURE "x-amz-trailer-signature:"
#define CRLF 2
#define HEX_SIGNATURE 64

static bool is_signed(enum sigv4_payload kind)
{
    return kind == SIGV4_PAYLOAD_STREAM_SIGNED || kind == SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER;
}

static uint64_t chunk_length(enum sigv4_payload kind, uint64_t size)
{
    uint64_t digits = 1;
    for (uint64_t rest = size >> 4; rest > 0; rest >>= 4)
        digits++;
    uint64_t extension = is_signed(kind) ? sizeof(CHUNK_SIGNATURE) - 1 + HEX_SIGNATURE : 0;
    return digits + extension + CRLF + size + (size > 0 ? CRLF : 0);
}

uint64_t aws_chunked_length(enum sigv4_payload kind, uint64_t length, uint64_t chunk_size, size_t trailer_name_len,
                            size_t trailer_value_len)
{
    uint64_t total = length / chunk_size * chunk_length(kind, chunk_size);
    if (length % chunk_size > 0)
        total += chunk_length(kind, length % chunk_size);
    total += chunk_length(kind, 0) + CRLF;
    if (trailer_name_len > 0)
        total += trailer_name_len + 1 + trailer_value_len + CRLF;
    if (kind == SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER)
        total += sizeof(TRAILER_SIGNATURE) - 1 + HEX_SIGNATURE + CRLF;
    return total;
}

static int put_head(enum sigv4_payload kind, struct sigv4_chain *chain, struct span data, struct buf *b)
{
    buf_printf(b, "%zx", data.len);
    if (is_signed(kind)) {
        uint8_t digest[32];
        int rc = hash_once(HASH_SHA256, data.ptr, data.len, digest);
        if (rc == 0)
            rc = sigv4_chain_chunk(chain, digest);
        if (rc < 0)
            return rc;
        buf_printf(b, CHUNK_SIGNATURE "%s", chain->previous);
    }
    buf_add(b, "\r\n", CRLF);
    return b->failed;
}

int aws_chunked_put(enum sigv4_payload kind, struct sigv4_chain *chain, struct span data, struct buf *b)
{
    return data.len == 0 ? -EINVAL : put_head(kind, chain, data, b);
}

static int put_trailer_signature(struct sigv4_chain *chain, struct span name, struct span value, struct buf *b)
{
    struct buf signed_text = BUF_INIT;
    uint8_t digest[32];
    if (name.len > 0)
        buf_printf(&signed_text, SPAN_FMT ":" SPAN_FMT "\n", SPAN_ARG(name), SPAN_ARG(value));
    int rc = signed_text.failed;
    if (rc == 0)
        rc = hash_once(HASH_SHA256, signed_text.ptr, signed_text.len, digest);
    if (rc == 0)
        rc = sigv4_chain_trailer(chain, digest);
    buf_release(&signed_text);
    if (rc == 0)
        buf_printf(b, TRAILER_SIGNATURE "%s\r\n", chain->previous);
    return rc;
}

int aws_chunked_end(enum sigv4_payload kind, struct sigv4_chain *chain, struct span trailer_name,
                    struct span trailer_value, struct buf *b)
{
    int rc = put_head(kind, chain, SPAN_EMPTY, b);
    if (rc == 0 && trailer_name.len > 0)
        buf_printf(b, SPAN_FMT ":" SPAN_FMT "\r\n", SPAN_ARG(trailer_name), SPAN_ARG(trailer_value));
    if (rc == 0 && kind == SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER)
        rc = put_trailer_signature(chain, trailer_name, trailer_value, b);
    if (rc < 0)
        return rc;
    buf_add(b, "\r\n", CRLF);
    return b->failed;
}
