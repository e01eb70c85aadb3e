/*
 * Where a request names its bucket and key: in the path, in the host, in x-amz-copy-source.
 */
#include "objstore/base/errors.h"
#include "server/wire/uri.h"

int uri_key_of_path(struct span raw_path, struct arena *a, struct span *ret_key)
{
    if (raw_path.len == 0 || raw_path.ptr[0] != '/')
        return CAIRN_ESYNTAX;
    return uri_decode_dup(span_from(raw_path, 1), URI_PATH, a, ret_key);
}

int uri_split_path(struct span raw_path, struct arena *a, struct span *ret_bucket, struct span *ret_key)
{
    if (raw_path.len == 0 || raw_path.ptr[0] != '/')
        return CAIRN_ESYNTAX;
    struct span raw_key = span_from(raw_path, 1), key;
    struct span raw_bucket = span_cut(&raw_key, '/'), bucket;
    int rc = uri_decode_dup(raw_bucket, URI_PATH, a, &bucket);
    if (rc == 0)
        rc = uri_decode_dup(raw_key, URI_PATH, a, &key);
    if (rc < 0)
        return rc;
    *ret_bucket = bucket;
    *ret_key = key;
    return 0;
}

/* Where the ":port" of host begins, or its length. */
static size_t host_name_len(struct span host)
{
    ptrdiff_t from = host.len > 0 && host.ptr[0] == '[' ? span_find(host, ']', 0) : 0;
    ptrdiff_t colon = span_find(host, ':', from < 0 ? 0 : (size_t)from);
    return colon < 0 ? host.len : (size_t)colon;
}

struct span uri_host_name(struct span host)
{
    return span_head(host, host_name_len(host));
}

unsigned uri_host_port(struct span host)
{
    uint64_t port;
    if (span_to_u64(span_from(host, host_name_len(host) + 1), &port) < 0 || port > 65535)
        return 0;
    return (unsigned)port;
}

/* Whether name is the domain (*ret_bucket empty), or ends with "." and the domain. */
static bool under_domain(struct span name, struct span domain, struct span *ret_bucket)
{
    if (name.len < domain.len || !span_eq_nocase(span_from(name, name.len - domain.len), domain))
        return false;
    struct span rest = span_head(name, name.len - domain.len);
    if (rest.len > 0 && rest.ptr[rest.len - 1] != '.')
        return false;
    *ret_bucket = span_head(rest, rest.len > 0 ? rest.len - 1 : 0);
    return true;
}

/* The longest domain counts: with example.com and s3.example.com, the host s3.example.com is not a bucket "s3". */
struct span uri_bucket_of_host(struct span host, const struct span *domains, size_t domain_count)
{
    struct span name = uri_host_name(host), bucket = SPAN_EMPTY;
    size_t longest = 0;
    for (size_t i = 0; i < domain_count; i++) {
        struct span found;
        if (domains[i].len > longest && under_domain(name, domains[i], &found)) {
            longest = domains[i].len;
            bucket = found;
        }
    }
    return bucket.len > 0 ? bucket : SPAN_EMPTY;
}

int uri_copy_source(struct span header, struct arena *a, struct span *ret_bucket, struct span *ret_key,
                    struct span *ret_version)
{
    const struct span mark = SPAN_LIT("versionId=");
    struct span raw_query = header, version = SPAN_EMPTY, bucket, key;
    struct span path = span_cut(&raw_query, '?');
    if (path.len > 0 && path.ptr[0] == '/')
        path = span_from(path, 1);
    struct span raw_key = path;
    struct span raw_bucket = span_cut(&raw_key, '/');
    if (raw_bucket.len == 0 || raw_key.len == 0 || (raw_query.ptr != NULL && !span_starts(raw_query, mark)))
        return CAIRN_ESYNTAX;

    int rc = uri_decode_dup(raw_bucket, URI_PATH, a, &bucket);
    if (rc == 0)
        rc = uri_decode_dup(raw_key, URI_PATH, a, &key);
    if (rc == 0 && raw_query.ptr != NULL)
        rc = uri_decode_dup(span_from(raw_query, mark.len), URI_QUERY, a, &version);
    if (rc < 0)
        return rc;
    *ret_bucket = bucket;
    *ret_key = key;
    *ret_version = version;
    return 0;
}
