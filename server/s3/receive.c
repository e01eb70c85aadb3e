#include "server/s3/receive.h"

#include "server/s3/hasher.h"

int s3_receive_check(struct s3_call *call, struct checksum_claim *ret_claim)
{
    const struct http_request *request = call->request;
    if (!request->has_length) { /* S3 wants to know what it is about to get, and says so in this way */
        s3_error_extra(&call->detail, "Header", SPAN_LIT("Transfer-Encoding"));
        return s3_fail(call, S3_NOT_IMPLEMENTED, "A header you provided implies functionality that is not implemented");
    }
    bool stated = request->head.content_length >= 0 || request->head.chunked; /* HTTP reads neither as no body */
    if (!stated)
        return S3_MISSING_CONTENT_LENGTH;
    if (request->content_length > S3_BODY_MAX) {
        struct arena *arena = &call->request->arena;
        s3_error_extra(&call->detail, "ProposedSize",
                       arena_printf(arena, "%llu", (unsigned long long)request->content_length));
        s3_error_extra(&call->detail, "MaxSizeAllowed", arena_printf(arena, "%llu", S3_BODY_MAX));
        return S3_ENTITY_TOO_LARGE;
    }
    return checksum_claim_read(call, ret_claim);
}

/* The digests to compute, each once: MD5 is the first, and the others' places are told. */
struct plan {
    enum hash_kind kinds[HASHER_MAX];
    size_t count;
    size_t stored, claimed; /* places in kinds; 0 for no claim */
};

static size_t plan_add(struct plan *plan, enum hash_kind kind)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->kinds[i] == kind)
            return i;
    plan->kinds[plan->count] = kind;
    return plan->count++;
}

static struct plan make_plan(const struct checksum_claim *claim, enum hash_kind want)
{
    struct plan plan = {.kinds = {HASH_MD5}, .count = 1};
    if (want == HASH_NONE)
        want = claim->hash != HASH_NONE ? claim->hash : CHECKSUM_DEFAULT;
    plan.stored = plan_add(&plan, want);
    if (claim->hash != HASH_NONE)
        plan.claimed = plan_add(&plan, claim->hash);
    return plan;
}

/* Bytes until buffer is full or the body has ended: what is short of cap is the end, verified. */
static ptrdiff_t fill(struct http_request *request, char *buffer, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ptrdiff_t got = http_body_read(request, buffer + len, cap - len);
        if (got < 0)
            return got;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ptrdiff_t)len;
}

static int store(struct body_writer *writer, const void *bytes, size_t len)
{
    http_seat_leave();
    int ret = body_write(writer, bytes, len);
    http_seat_take();
    return ret;
}

/* Two buffers take turns: while the hasher has one in hand, the other is filled. */
static int stream(struct s3_call *call, struct hasher *hasher, struct body_writer *writer, char *const buffers[2])
{
    for (unsigned turn = 0;; turn ^= 1) {
        ptrdiff_t len = fill(call->request, buffers[turn], S3_BUFFER);
        if (len <= 0)
            return (int)len;
        hasher_feed(hasher, buffers[turn], (size_t)len);
        int ret = store(writer, buffers[turn], (size_t)len);
        if (ret < 0 || (size_t)len < S3_BUFFER)
            return ret;
    }
}

static int receive_long(struct s3_call *call, struct hasher *hasher, struct body_writer *writer)
{
    struct pool *pool = call->s3->buffers;
    char *buffers[2] = {pool_get(pool), pool_get(pool)};
    int ret = buffers[0] && buffers[1] ? stream(call, hasher, writer, buffers) : -ENOMEM;
    hasher_wait(hasher); /* it may still read a buffer */
    pool_put(pool, buffers[0]);
    pool_put(pool, buffers[1]);
    return ret;
}

/* A body that goes to the index: neither the pool nor the seat are worth it. */
static int receive_short(struct s3_call *call, struct hasher *hasher, struct body_writer *writer)
{
    char buffer[NS_INLINE_MAX + 1]; /* one more, so that the end is seen */
    ptrdiff_t len = fill(call->request, buffer, sizeof(buffer));
    if (len <= 0)
        return (int)len;
    hasher_feed(hasher, buffer, (size_t)len);
    return body_write(writer, buffer, (size_t)len);
}

static int receive_all(struct s3_call *call, struct hasher *hasher, struct body_writer *writer)
{
    bool is_short = call->request->content_length <= NS_INLINE_MAX;
    return (is_short ? receive_short : receive_long)(call, hasher, writer);
}

/* Digests, and whether they are what the client claims; only then is the body worth being made durable. */
static int conclude(struct s3_call *call, struct checksum_claim *claim, const struct plan *plan, struct hasher *hasher,
                    struct s3_body *body)
{
    uint8_t digests[HASHER_MAX][HASH_MAX];
    for (size_t i = 0; i < plan->count; i++)
        hasher_final(hasher, i, digests[i]);
    memcpy(body->md5, digests[0], sizeof(body->md5));
    body->hash = plan->kinds[plan->stored];
    memcpy(body->digest, digests[plan->stored], HASH_MAX);
    body->claimed = claim->hash;
    memcpy(body->claimed_digest, digests[plan->claimed], HASH_MAX);
    int ret = checksum_claim_verify(call, claim, digests[plan->claimed], digests[0]);
    if (ret < 0)
        return ret;
    http_seat_leave();
    ret = body_writer_finish(body->writer);
    http_seat_take();
    return ret;
}

int s3_receive(struct s3_call *call, struct checksum_claim *claim, enum hash_kind want, struct s3_body *ret_body)
{
    struct plan plan = make_plan(claim, want);
    struct s3_body body = {.length = call->request->content_length};
    struct hasher *hasher = NULL;
    int ret = hasher_new(plan.kinds, plan.count, body.length, &hasher);
    if (ret == 0)
        ret = body_writer_new(call->s3->ns, body.length, &body.writer);
    if (ret == 0)
        ret = receive_all(call, hasher, body.writer);
    if (ret == 0)
        ret = conclude(call, claim, &plan, hasher, &body);
    hasher_free(&hasher);
    if (ret < 0)
        s3_body_release(&body);
    else
        *ret_body = body;
    return ret;
}

void s3_body_release(struct s3_body *body)
{
    body_writer_free(&body->writer);
}
