/*
 * A request to its row in the table of operations. The first line is a method and a level (s, b or o), the second a
 * query; the rest are names of headers. A query means the same in whatever order it is written, and a parameter that
 * names a sub-resource never falls through to a plain operation.
 */
#include "server/s3/ops.h"
#include "server/s3/s3_error.h"
#include "tests/fuzz/fuzz.h"

struct routed {
    int rc;
    const struct s3_op *op;
};

static struct routed route(const struct http_head *head, const struct uri_query *query, enum s3_level level)
{
    struct routed r = {.op = NULL};
    r.rc = s3_route(head, query, level, &r.op);
    FUZZ_CHECK(r.rc == 0 ? r.op != NULL : s3_error_row(r.rc)->status >= 400);
    return r;
}

static void reverse(struct uri_query *query)
{
    for (size_t i = 0; i < query->count / 2; i++) {
        struct uri_pair pair = query->pairs[i];
        query->pairs[i] = query->pairs[query->count - 1 - i];
        query->pairs[query->count - 1 - i] = pair;
    }
}

/* partNumber and id are plain parameters of some reads, too. */
static bool names_sub_resource(struct span name)
{
    if (span_is(name, "partNumber") || span_is(name, "id"))
        return false;
    for (size_t i = 0; i < s3_op_count; i++)
        for (int j = 0; j < 2; j++)
            if (s3_ops[i].query[j] && span_is(name, s3_ops[i].query[j]))
                return true;
    return false;
}

static void check_plain(const struct s3_op *op, const struct uri_query *query)
{
    for (size_t i = 0; i < query->count && !op->query[0]; i++)
        FUZZ_CHECK(!names_sub_resource(query->pairs[i].name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_head head;
    static const char levels[] = "sbo";
    struct span input = span_make(data, size), line = span_cut(&input, '\n');
    struct span raw = span_cut(&input, '\n');
    struct arena a = ARENA_INIT;
    struct uri_query query;
    head = (struct http_head){.method = span_cut(&line, ' ')};
    const char *level = line.len ? memchr(levels, line.ptr[0], 3) : NULL;
    while (input.ptr && head.header_count < HTTP_HEADERS_MAX)
        head.headers[head.header_count++] = (struct http_header){span_cut(&input, '\n'), SPAN_LIT("v")};
    if (level && uri_query_parse(raw, &a, &query) == 0) {
        struct routed first = route(&head, &query, (enum s3_level)(level - levels));
        if (first.rc == 0)
            check_plain(first.op, &query);
        reverse(&query);
        struct routed again = route(&head, &query, (enum s3_level)(level - levels));
        FUZZ_CHECK((first.rc == 0) == (again.rc == 0) && first.op == again.op);
    }
    arena_release(&a);
    return 0;
}
