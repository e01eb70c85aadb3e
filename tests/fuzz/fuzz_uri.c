/* What is encoded decodes to itself; the other readers of URIs stay within their input. */
#include "objstore/base/errors.h"
#include "server/wire/sigv4_priv.h"
#include "server/wire/uri.h"
#include "tests/fuzz/fuzz.h"

static void check_round_trip(struct span s, enum uri_part part, struct arena *a)
{
    char *encoded = arena_alloc(a, 3 * s.len);
    struct span back;
    size_t len = uri_encode(s, part, encoded);
    FUZZ_CHECK(len == uri_encoded_len(s, part));
    FUZZ_CHECK(uri_decode_dup(span_make(encoded, len), part, a, &back) == 0);
    FUZZ_CHECK(span_eq(s, back));
}

/* A canonical query is a fixed point: read again, it gives itself. */
static void check_query(struct span raw, enum sigv4_order order, struct arena *a)
{
    struct uri_query query, again;
    struct span canonical, canonical_again;
    if (uri_query_parse(raw, a, &query) < 0)
        return;
    FUZZ_CHECK(sigv4_canonical_query(&query, order, a, &canonical) == 0);
    FUZZ_CHECK(uri_query_parse(canonical, a, &again) == 0);
    FUZZ_CHECK(sigv4_canonical_query(&again, order, a, &canonical_again) == 0);
    FUZZ_CHECK(span_eq(canonical, canonical_again));
}

static void check_names(struct span s, struct arena *a)
{
    const struct span domains[] = {SPAN_LIT("a.b"), SPAN_LIT("s3.example.com")};
    struct span bucket, key, version;
    if (uri_split_path(s, a, &bucket, &key) == 0)
        FUZZ_CHECK(bucket.len + key.len < s.len);
    if (uri_copy_source(s, a, &bucket, &key, &version) == 0)
        FUZZ_CHECK(bucket.len > 0 && key.len > 0);
    bucket = uri_bucket_of_host(s, domains, 2);
    FUZZ_CHECK(bucket.ptr == NULL || bucket.len < s.len);
    FUZZ_CHECK(uri_host_name(s).len <= s.len);
    FUZZ_CHECK(uri_host_port(s) <= 65535);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = span_make(data, size);
    struct arena a = ARENA_INIT;
    check_round_trip(s, URI_PATH, &a);
    check_round_trip(s, URI_QUERY, &a);
    check_query(s, SIGV4_BY_NAME_AND_VALUE, &a);
    check_query(s, SIGV4_BY_NAME, &a);
    check_names(s, &a);
    arena_release(&a);
    return 0;
}
