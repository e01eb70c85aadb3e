#include "server/auth/body_stages.h"

#include <stddef.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "server/http/body.h"

static ptrdiff_t read_below(struct http_body *body, void *ret_bytes, size_t len)
{
    return body->below->read(body->below, ret_bytes, len);
}

/* ---- the hash of the whole ---- */

struct sha256_stage {
    struct http_body body;
    struct hash *hash;
    uint8_t stated[HASH_MAX];
};

static ptrdiff_t sha256_read(struct http_body *body, void *ret_bytes, size_t len)
{
    struct sha256_stage *stage = (struct sha256_stage *)body;
    uint8_t digest[HASH_MAX];
    ptrdiff_t n = read_below(body, ret_bytes, len);
    if (n > 0)
        hash_update(stage->hash, ret_bytes, (size_t)n);
    if (n != 0)
        return n;
    hash_final(stage->hash, digest);
    return memcmp(digest, stage->stated, hash_size(HASH_SHA256)) == 0 ? 0 : CAIRN_EDIGEST;
}

static void sha256_release(void *arg)
{
    struct sha256_stage *stage = arg;
    hash_free(&stage->hash);
}

int body_stage_sha256(struct http_request *request, struct span hex)
{
    struct sha256_stage *stage = arena_zalloc(&request->arena, 1, sizeof *stage);
    if (!stage || hex_decode(hex, stage->stated, hash_size(HASH_SHA256)) < 0)
        return stage ? -EINVAL : -ENOMEM;
    int r = hash_new(HASH_SHA256, &stage->hash);
    if (r < 0)
        return r;
    if ((r = http_defer(request, sha256_release, stage)) < 0) {
        sha256_release(stage);
        return r;
    }
    stage->body.read = sha256_read;
    http_body_push(request, &stage->body);
    return 0;
}

/* ---- aws-chunked ---- */

struct chunked_stage {
    struct http_body body;
    struct aws_chunked decoder;
    bool ended;
};

/* Decodes what stands in bytes in place: data only ever moves to the front. The data's length, or an error. */
static ptrdiff_t decode_in_place(struct chunked_stage *stage, char *bytes, size_t len)
{
    struct span input = span_make(bytes, len), data;
    size_t out = 0;
    while (!stage->ended) {
        int step = aws_chunked_next(&stage->decoder, &input, &data);
        if (step < 0)
            return step;
        if (step == DECODE_MORE)
            break;
        stage->ended = step == DECODE_END;
        if (stage->ended)
            break;
        memmove(bytes + out, data.ptr, data.len);
        out += data.len;
    }
    return stage->ended && input.len > 0 ? CAIRN_ESYNTAX : (ptrdiff_t)out;
}

static ptrdiff_t chunked_end(struct chunked_stage *stage)
{
    int r = stage->ended ? 0 : aws_chunked_finish(&stage->decoder);
    stage->ended = true;
    return r;
}

static ptrdiff_t chunked_read(struct http_body *body, void *ret_bytes, size_t len)
{
    struct chunked_stage *stage = (struct chunked_stage *)body;
    for (;;) {
        ptrdiff_t n = read_below(body, ret_bytes, len);
        if (n < 0)
            return n;
        if (n == 0)
            return chunked_end(stage);
        n = stage->ended ? CAIRN_ESYNTAX : decode_in_place(stage, ret_bytes, (size_t)n);
        if (n != 0)
            return n;
    }
}

static bool chunked_trailer(struct http_body *body, const char *name, struct span *ret_value)
{
    struct span value = aws_chunked_trailer(&((struct chunked_stage *)body)->decoder, name);
    if (!value.ptr)
        return false;
    *ret_value = value;
    return true;
}

static void chunked_release(void *arg)
{
    struct chunked_stage *stage = arg;
    aws_chunked_release(&stage->decoder);
}

int body_stage_aws_chunked(struct http_request *request, enum sigv4_payload kind, const struct sigv4_chain *chain,
                           uint64_t decoded_length)
{
    struct chunked_stage *stage = arena_zalloc(&request->arena, 1, sizeof *stage);
    if (!stage)
        return -ENOMEM;
    struct span announced = http_head_get(&request->head, "x-amz-trailer");
    int r = aws_chunked_init(&stage->decoder, kind, chain, decoded_length, announced);
    if (r < 0)
        return r;
    if ((r = http_defer(request, chunked_release, stage)) < 0) {
        chunked_release(stage);
        return r;
    }
    stage->body.read = chunked_read;
    stage->body.trailer = chunked_trailer;
    request->content_length = decoded_length;
    request->has_length = true;
    http_body_push(request, &stage->body);
    return 0;
}
