#include <criterion/criterion.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "server/wire/uri.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct arena arena;

static void release(void)
{
    arena_release(&arena);
}

TestSuite(uri, .fini = release);

Test(uri, decoding_is_strict)
{
    char out[32];
    cr_expect_eq(uri_decode(SPAN_LIT("a%20b+%2b%2F"), URI_PATH, out), 6);
    cr_expect_eq(memcmp(out, "a b++/", 6), 0);
    cr_expect_eq(uri_decode(SPAN_LIT("a+b"), URI_QUERY, out), 3);
    cr_expect_eq(memcmp(out, "a b", 3), 0);
    cr_expect_eq(uri_decode(SPAN_LIT("%00"), URI_PATH, out), 1);
    static const char *const bad[] = {"%", "%4", "a%", "%zz", "%4g", "%+1", "%%41"};
    for (size_t i = 0; i < COUNT(bad); i++)
        cr_expect_eq(uri_decode(span_cstr(bad[i]), URI_PATH, out), CAIRN_ESYNTAX, "%s", bad[i]);
}

Test(uri, encoding_keeps_unreserved)
{
    char out[64];
    struct span s = SPAN_LIT("aZ09-._~/ +*\xc3\xbc");
    size_t len = uri_encode(s, URI_PATH, out);
    cr_expect(span_is(span_make(out, len), "aZ09-._~/%20%2B%2A%C3%BC"));
    cr_expect_eq(len, uri_encoded_len(s, URI_PATH));
    struct buf b = BUF_INIT;
    cr_expect_eq(uri_encode_buf(s, URI_QUERY, &b), 0);
    cr_expect(span_is(buf_span(&b), "aZ09-._~%2F%20%2B%2A%C3%BC"));
    buf_release(&b);
}

Test(uri, query_is_split_and_decoded)
{
    struct uri_query q;
    cr_assert_eq(uri_query_parse(SPAN_LIT("acl&prefix=a+b%2Bc&&x==&=v&prefix=2"), &arena, &q), 0);
    cr_expect_eq(q.count, 5);
    cr_expect(uri_query_has(&q, "acl") && !uri_query_has(&q, "ACL"));
    cr_expect_not(uri_query_find(&q, "acl")->has_value);
    cr_expect(uri_query_get(&q, "acl").ptr != NULL);
    cr_expect(uri_query_get(&q, "absent").ptr == NULL);
    cr_expect(span_is(uri_query_get(&q, "prefix"), "a b+c"));
    cr_expect(span_is(uri_query_get(&q, "x"), "="));
    cr_expect(span_is(uri_query_get(&q, ""), "v"));

    cr_expect_eq(uri_query_parse(SPAN_EMPTY, &arena, &q), 0);
    cr_expect_eq(q.count, 0);
    cr_expect_eq(uri_query_parse(SPAN_LIT("a=%"), &arena, &q), CAIRN_ESYNTAX);
    char many[2 * URI_PAIRS_MAX + 2];
    memset(many, '&', sizeof(many));
    for (size_t i = 0; i < sizeof(many); i += 2)
        many[i] = 'a';
    cr_expect_eq(uri_query_parse(span_make(many, sizeof(many)), &arena, &q), CAIRN_ETOOBIG);
    cr_expect_eq(uri_query_parse(span_make(many, sizeof(many) - 2), &arena, &q), 0);
}

Test(uri, path_gives_bucket_and_key)
{
    static const struct {
        const char *path, *bucket, *key;
    } rows[] = {
        {"/", "", ""},
        {"/bucket", "bucket", ""},
        {"/bucket/", "bucket", ""},
        {"/bucket/a/b%2Fc+d%20e/", "bucket", "a/b/c+d e/"},
        {"/bucket//x", "bucket", "/x"},
        {"//x", "", "x"},
        {"/b%2Fc/d", "b/c", "d"},
    };
    struct span bucket, key;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cr_expect_eq(uri_split_path(span_cstr(rows[i].path), &arena, &bucket, &key), 0);
        cr_expect(span_is(bucket, rows[i].bucket) && span_is(key, rows[i].key), "%s", rows[i].path);
    }
    cr_expect_eq(uri_split_path(SPAN_LIT("*"), &arena, &bucket, &key), CAIRN_ESYNTAX);
    cr_expect_eq(uri_split_path(SPAN_LIT("/b/%zz"), &arena, &bucket, &key), CAIRN_ESYNTAX);
    cr_expect_eq(uri_key_of_path(SPAN_LIT("/a/b%20c"), &arena, &key), 0);
    cr_expect(span_is(key, "a/b c"));
}

Test(uri, host_gives_bucket)
{
    const struct span domains[] = {SPAN_LIT("example.com"), SPAN_LIT("s3.example.com")};
    static const struct {
        const char *host, *bucket;
    } rows[] = {
        {"b.example.com", "b"},   {"b.example.com:9000", "b"}, {"a.b.S3.Example.COM", "a.b"}, {"example.com", NULL},
        {"s3.example.com", NULL}, {"bexample.com", NULL},      {"other.org", NULL},           {"", NULL},
        {".example.com", NULL},   {"[::1]:9000", NULL},        {"127.0.0.1:9000", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct span bucket = uri_bucket_of_host(span_cstr(rows[i].host), domains, 2);
        cr_expect_eq(bucket.ptr == NULL, rows[i].bucket == NULL, "%s", rows[i].host);
        if (rows[i].bucket != NULL)
            cr_expect(span_is(bucket, rows[i].bucket), "%s", rows[i].host);
    }
    cr_expect(span_is(uri_host_name(SPAN_LIT("[::1]:9000")), "[::1]"));
    cr_expect_eq(uri_host_port(SPAN_LIT("[::1]:9000")), 9000);
    cr_expect_eq(uri_host_port(SPAN_LIT("[::1]")), 0);
    cr_expect_eq(uri_host_port(SPAN_LIT("a:65536")), 0);
}

Test(uri, copy_source_is_taken_apart)
{
    struct span bucket, key, version;
    cr_assert_eq(uri_copy_source(SPAN_LIT("/b/k%20%3Fx/y+z?versionId=v%2F1"), &arena, &bucket, &key, &version), 0);
    cr_expect(span_is(bucket, "b") && span_is(key, "k ?x/y+z") && span_is(version, "v/1"));
    cr_assert_eq(uri_copy_source(SPAN_LIT("b/k"), &arena, &bucket, &key, &version), 0);
    cr_expect(version.ptr == NULL);
    static const char *const bad[] = {"", "/", "b", "b/", "/b", "b/k?x=1", "b/%q"};
    for (size_t i = 0; i < COUNT(bad); i++)
        cr_expect_eq(uri_copy_source(span_cstr(bad[i]), &arena, &bucket, &key, &version), CAIRN_ESYNTAX, "%s", bad[i]);
}
