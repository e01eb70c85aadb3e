/*
 * What S3 reads from a request's head: metadata that is kept, with the mode, owner and time that other filesystems put
 * there; checksums; tags; the source of a copy; tokens and counts of listings; part numbers; conditions. What is kept
 * can be read back, and a value that the daemon writes it also reads.
 */
#include "server/s3/copy.h"
#include "server/s3/headers.h"
#include "server/s3/list.h"
#include "server/s3/multipart.h"
#include "server/s3/token.h"
#include "tests/fuzz/fuzz.h"

/* ---- packed attributes ---- */

static void check_packed(struct span packed)
{
    struct span rest = packed, value;
    struct attr attr;
    struct buf again = BUF_INIT;
    int rc;
    FUZZ_CHECK(packed.len <= ATTRS_MAX);
    while ((rc = attrs_next(&rest, &attr)) > 0) {
        FUZZ_CHECK(attrs_find(packed, attr.tag, attr.name, &value));
        FUZZ_CHECK(attrs_add(&again, attr.tag, attr.name, attr.value) == 0);
    }
    FUZZ_CHECK(rc == 0 && span_eq(packed, buf_span(&again)));
    buf_release(&again);
}

/* Attributes as they may lie in a damaged record. */
static void check_foreign_attrs(struct span bytes)
{
    struct span rest = bytes;
    struct attr attr;
    struct checksum_found found;
    struct ns_owner owner = {0};
    int64_t mtime = 0;
    while (attrs_next(&rest, &attr) > 0)
        FUZZ_CHECK(attr.name.len + attr.value.len <= bytes.len);
    if (checksum_find(bytes, &found))
        FUZZ_CHECK(found.digest.len == 0 || found.digest.len == hash_size(found.algorithm->hash));
    (void)headers_storage_class(bytes);
    (void)headers_posix(bytes, &owner, &mtime);
}

/* ---- what is kept ---- */

static void check_posix(struct span attrs)
{
    struct ns_owner owner = {.mode = 0644};
    int64_t mtime = 0;
    (void)headers_posix(attrs, &owner, &mtime);
    FUZZ_CHECK(owner.mode <= 07777 && owner.uid != UINT32_MAX && owner.gid != UINT32_MAX);
}

static void check_kept(struct s3_call *call)
{
    struct buf attrs = {.limit = ATTRS_MAX};
    struct span encoding;
    int rc = headers_check_write(call);
    if (rc == 0)
        rc = headers_to_attrs(call, &attrs);
    if (rc == 0)
        rc = headers_placement_to_attrs(call, &attrs);
    if (rc == 0)
        rc = s3_tags_of_header(call, &attrs);
    check_packed(buf_span(&attrs));
    check_posix(buf_span(&attrs));
    if (attrs_find(buf_span(&attrs), ATTR_HEADER, SPAN_LIT("content-encoding"), &encoding))
        FUZZ_CHECK(!http_list_has(encoding, "aws-chunked"));
    buf_release(&attrs);
}

/* ---- checksums ---- */

static void check_claim(struct s3_call *call)
{
    struct checksum_claim claim;
    char text[CHECKSUM_TEXT_MAX];
    uint8_t digest[HASH_MAX];
    if (checksum_claim_read(call, &claim) < 0 || claim.hash == HASH_NONE || claim.in_trailer)
        return;
    checksum_text(claim.hash, claim.digest, 0, text);
    FUZZ_CHECK(checksum_parse(claim.hash, span_cstr(text), digest) == 0);
    FUZZ_CHECK(memcmp(digest, claim.digest, hash_size(claim.hash)) == 0);
}

/* ---- sources and listings ---- */

static void check_source(struct s3_call *call)
{
    struct copy_source source;
    if (copy_source_read(call, &source) < 0)
        return;
    FUZZ_CHECK(source.bucket.len > 0 && source.key.len > 0 && source.key.len <= NS_KEY_MAX);
    FUZZ_CHECK(memchr(source.key.ptr, 0, source.key.len) == NULL);
    cond_check_copy_source(&source.cond, SPAN_LIT("0123456789abcdef"), 0);
}

/* What is behind all keys with a prefix is behind each of them, and nothing lies between. */
static void check_prefix(struct span prefix, struct span delimiter, struct span key, struct arena *a)
{
    char *room = arena_alloc(a, prefix.len + 1);
    struct span behind = list_behind(prefix, room);
    if (behind.ptr)
        FUZZ_CHECK(span_cmp(prefix, behind) < 0 && behind.len <= prefix.len);
    if (!span_starts(key, prefix))
        return;
    struct span common = list_common_prefix(key, prefix, delimiter);
    FUZZ_CHECK(!common.ptr || (span_starts(key, common) && span_ends(common, delimiter) && common.len > prefix.len));
    FUZZ_CHECK(!behind.ptr || span_cmp(key, behind) < 0);
}

static void check_token(struct s3_call *call)
{
    struct buf xml = BUF_INIT;
    struct span entry, again;
    if (token_decode(call, "continuation-token", &entry) < 0 || !entry.ptr)
        return;
    token_xml(call, &xml, "T", entry);
    struct span text = span_from(buf_span(&xml), 3);
    text = span_head(text, text.len - 4);
    struct uri_pair pair = {SPAN_LIT("continuation-token"), text, true};
    call->request->query = (struct uri_query){&pair, 1};
    FUZZ_CHECK(token_decode(call, "continuation-token", &again) == 0 && span_eq(entry, again));
    buf_release(&xml);
}

static void check_listing(struct s3_call *call)
{
    struct list_query query;
    uint32_t part;
    if (list_query_read(call, "max-keys", &query) == 0) {
        FUZZ_CHECK(query.max <= S3_PAGE_MAX);
        check_prefix(query.prefix, query.delimiter, s3_query(call, "marker"), &call->request->arena);
    }
    if (upload_part_number(call, &part) == 0)
        FUZZ_CHECK(part >= 1 && part <= NS_PART_MAX);
    check_token(call);
}

static void check_conditions(struct s3_call *call)
{
    struct cond cond;
    cond_read(&call->request->head, call->request->now, &cond);
    enum cond_result result = cond_check_read(&cond, SPAN_LIT("0123456789abcdef"), 0);
    FUZZ_CHECK(cond_any(&cond) || result == COND_OK);
    if (s3_write_cond(call, &cond) == 0)
        cond_check_write(&cond, SPAN_LIT("0123456789abcdef"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_request request;
    static struct s3 s3 = {.options = {.owner_id = SPAN_LIT("owner"), .account = SPAN_LIT("000000000000")}};
    struct s3_call call = {.s3 = &s3, .request = &request};
    size_t scanned = 0;
    check_foreign_attrs(span_make(data, size));
    if (http_request_parse(span_make(data, size), &scanned, &request.head) <= 0 ||
        uri_query_parse(request.head.query, &request.arena, &request.query) < 0)
        goto out;
    request.identity = &s3; /* somebody: who may do all */
    check_kept(&call);
    check_claim(&call);
    check_source(&call);
    check_conditions(&call);
    check_listing(&call);
out:
    arena_release(&request.arena);
    return 0;
}
