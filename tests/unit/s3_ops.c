#include <criterion/criterion.h>
#include <stdio.h>

#include "server/s3/ops.h"
#include "server/s3/s3_error.h"

/* Routes "METHOD query" as a request for level; header may name one that is set. */
static int route(const char *method, const char *raw_query, const char *header, enum s3_level level,
                 const struct s3_op **ret_op)
{
    struct arena arena = ARENA_INIT;
    struct uri_query query;
    struct http_head head = {.method = span_cstr(method)};
    if (header)
        head.headers[head.header_count++] = (struct http_header){span_cstr(header), SPAN_LIT("x")};
    cr_assert_eq(uri_query_parse(span_cstr(raw_query), &arena, &query), 0);
    int ret = s3_route(&head, &query, level, ret_op);
    arena_release(&arena);
    return ret;
}

Test(s3_ops, every_operation_is_reached_by_what_its_row_names)
{
    for (size_t i = 0; i < s3_op_count; i++) {
        const struct s3_op *row = &s3_ops[i], *op = NULL;
        char query[128] = "";
        for (int q = 0; q < 2 && row->query[q]; q++)
            snprintf(query + strlen(query), sizeof(query) - strlen(query), "&%s=2", row->query[q]);
        cr_assert_eq(route(row->method, query, row->header, row->level, &op), 0, "%s", row->name);
        cr_expect_eq(op, row, "%s was taken for %s", row->name, op->name);
    }
}

Test(s3_ops, every_row_is_whole)
{
    for (size_t i = 0; i < s3_op_count; i++) {
        const struct s3_op *row = &s3_ops[i];
        cr_expect(row->name && row->method && row->action && row->handler, "%zu", i);
        cr_expect_neq(strchr(row->action, ':'), NULL, "%s", row->name);
        cr_expect(row->query[0] || !row->query[1], "%s", row->name);
        cr_expect(!(row->answer || row->document) || (row->flags & S3_OP_CONFIG), "%s", row->name);
    }
}

Test(s3_ops, a_query_never_falls_through_to_a_plain_operation)
{
    static const struct {
        const char *method, *query;
        enum s3_level level;
        int error;
    } rows[] = {
        {"GET", "nosuchthing", S3_BUCKET, S3_NOT_IMPLEMENTED},
        {"GET", "nosuchthing=", S3_OBJECT, S3_NOT_IMPLEMENTED},
        {"PUT", "nosuchthing=1", S3_OBJECT, S3_NOT_IMPLEMENTED},
        {"PUT", "nosuchthing", S3_BUCKET, S3_NOT_IMPLEMENTED},
        {"DELETE", "nosuchthing=1", S3_OBJECT, S3_NOT_IMPLEMENTED},
        {"PUT", "partNumber=1", S3_OBJECT, S3_METHOD_NOT_ALLOWED},
        {"PUT", "uploadId=1", S3_OBJECT, S3_METHOD_NOT_ALLOWED},
        {"PUT", "uploads", S3_OBJECT, S3_METHOD_NOT_ALLOWED},
        {"DELETE", "uploads", S3_OBJECT, S3_METHOD_NOT_ALLOWED},
        {"DELETE", "acl", S3_OBJECT, S3_METHOD_NOT_ALLOWED},
        {"HEAD", "acl", S3_BUCKET, S3_METHOD_NOT_ALLOWED},
        {"DELETE", "versioning", S3_BUCKET, S3_METHOD_NOT_ALLOWED},
        {"GET", "versions", S3_OBJECT, S3_METHOD_NOT_ALLOWED},
        {"GET", "acl&tagging", S3_OBJECT, S3_INVALID_ARGUMENT},
        {"PUT", "acl&tagging", S3_OBJECT, S3_INVALID_ARGUMENT},
        {"POST", "uploads&uploadId=1", S3_OBJECT, S3_INVALID_ARGUMENT},
        {"POST", "", S3_OBJECT, S3_METHOD_NOT_ALLOWED},
        {"PATCH", "", S3_OBJECT, S3_METHOD_NOT_ALLOWED},
        {"PUT", "", S3_SERVICE, S3_METHOD_NOT_ALLOWED},
        {"get", "", S3_OBJECT, S3_METHOD_NOT_ALLOWED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct s3_op *op = NULL;
        int ret = route(rows[i].method, rows[i].query, NULL, rows[i].level, &op);
        cr_expect_eq(ret, rows[i].error, "%s ?%s: %s", rows[i].method, rows[i].query,
                     ret < 0 ? s3_error_row(ret)->code : op->name);
    }
}

Test(s3_ops, parameters_that_are_no_sub_resource_do_not_matter)
{
    static const struct {
        const char *method, *query, *name;
        enum s3_level level;
    } rows[] = {
        {"GET", "x-id=GetObject", "GetObject", S3_OBJECT},
        {"PUT", "x-id=PutObject", "PutObject", S3_OBJECT},
        {"PUT", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0", "PutObject", S3_OBJECT},
        {"GET", "partNumber=1", "GetObject", S3_OBJECT},
        {"HEAD", "partNumber=1&versionId=null", "HeadObject", S3_OBJECT},
        {"GET", "response-content-type=a", "GetObject", S3_OBJECT},
        {"GET", "foo=bar", "GetObject", S3_OBJECT},
        {"GET", "prefix=&delimiter=&marker=", "ListObjects", S3_BUCKET},
        {"GET", "list-type=2&prefix=&start-after=", "ListObjectsV2", S3_BUCKET},
        {"GET", "location=", "GetBucketLocation", S3_BUCKET},
        {"DELETE", "versionId=null", "DeleteObject", S3_OBJECT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct s3_op *op = NULL;
        cr_assert_eq(route(rows[i].method, rows[i].query, NULL, rows[i].level, &op), 0, "?%s", rows[i].query);
        cr_expect_str_eq(op->name, rows[i].name);
    }
}

static void expect_methods(const char *raw_query, enum s3_level level, const char *want)
{
    struct arena arena = ARENA_INIT;
    struct uri_query query;
    char methods[S3_ALLOW_MAX];
    cr_assert_eq(uri_query_parse(span_cstr(raw_query), &arena, &query), 0);
    s3_route_methods(&query, level, methods);
    cr_expect_str_eq(methods, want, "?%s: %s", raw_query, methods);
    arena_release(&arena);
}

Test(s3_ops, what_a_resource_allows_is_known)
{
    expect_methods("", S3_SERVICE, "GET");
    expect_methods("", S3_BUCKET, "GET, PUT, HEAD, DELETE, POST, OPTIONS");
    expect_methods("", S3_OBJECT, "GET, HEAD, PUT, DELETE, OPTIONS");
    expect_methods("partNumber=1", S3_OBJECT, "GET, HEAD, PUT, DELETE, OPTIONS");
    expect_methods("acl", S3_OBJECT, "GET, PUT");
    expect_methods("uploads", S3_OBJECT, "POST");
    expect_methods("uploadId=1", S3_OBJECT, "POST, DELETE, GET");
    expect_methods("uploadId=1&partNumber=1", S3_OBJECT, "PUT, POST, DELETE, GET");
}

Test(s3_ops, a_copy_is_told_by_its_header)
{
    const struct s3_op *op = NULL;
    cr_assert_eq(route("PUT", "", "X-Amz-Copy-Source", S3_OBJECT, &op), 0);
    cr_expect_str_eq(op->name, "CopyObject");
    cr_assert_eq(route("PUT", "uploadId=a&partNumber=1", "x-amz-copy-source", S3_OBJECT, &op), 0);
    cr_expect_str_eq(op->name, "UploadPartCopy");
}
