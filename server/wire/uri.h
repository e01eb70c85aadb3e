/*
 * S3's URIs: percent-encoding as SigV4 has it, queries, bucket and key of a request.
 * Two decodings differ in '+': in a query it stands for a blank, in a path for itself. Signatures are always computed
 * from what was decoded, encoded anew, so it does not matter how a client wrote it.
 */
#ifndef CAIRN_WIRE_URI_H
#define CAIRN_WIRE_URI_H

#include "objstore/base/arena.h"
#include "objstore/base/span.h"

#define URI_PAIRS_MAX 256 /* parameters in a query */

enum uri_part { URI_PATH, URI_QUERY };

/* Decodes into ret (room for s.len bytes; may be s itself). Its length, or CAIRN_ESYNTAX for a '%' without two hex
 * digits. Any byte may result, NUL too. */
ptrdiff_t uri_decode(struct span s, enum uri_part part, char *ret);
/* The same into the arena, NUL-terminated. 0, CAIRN_ESYNTAX, -ENOMEM. */
int uri_decode_dup(struct span s, enum uri_part part, struct arena *a, struct span *ret);

/* S3's encoding: A-Z a-z 0-9 - . _ ~ stand, all else is %XX in capitals; '/' stands in URI_PATH. ret takes up to
 * 3 * s.len bytes, no NUL; the length written. It is also what encoding-type=url asks of a listing. */
size_t uri_encode(struct span s, enum uri_part part, char *ret);
size_t uri_encoded_len(struct span s, enum uri_part part);
int uri_encode_buf(struct span s, enum uri_part part, struct buf *b);

struct uri_pair {
    struct span name, value; /* decoded; value.ptr is never NULL */
    bool has_value;          /* false for "acl", true for "acl=" */
};

struct uri_query {
    struct uri_pair *pairs; /* in the order received */
    size_t count;
};

/* Splits a raw query (without the '?'; may be empty or NULL) at '&' and decodes it; empty fields are left out. What
 * it points to lives in the arena. 0, CAIRN_ESYNTAX, CAIRN_ETOOBIG (over URI_PAIRS_MAX), -ENOMEM. */
int uri_query_parse(struct span raw, struct arena *a, struct uri_query *ret_query);
/* The first pair of that exact name (case counts), or NULL. */
const struct uri_pair *uri_query_find(const struct uri_query *query, const char *name);
/* Its value; .ptr is NULL when the name is absent. */
struct span uri_query_get(const struct uri_query *query, const char *name);
static inline bool uri_query_has(const struct uri_query *query, const char *name)
{
    return uri_query_find(query, name) != NULL;
}

/*
 * Bucket and key of a raw path. Path style: "/bucket/key/with/slashes" ("/" gives neither, "/bucket" and "/bucket/"
 * an empty key). With bucket_of_host (virtual-host style) the whole path is the key.
 * Both are decoded into the arena, NUL-terminated, unchecked but for the encoding: see name_is_bucket() and
 * span_is_utf8(). 0, CAIRN_ESYNTAX, -ENOMEM.
 */
int uri_split_path(struct span raw_path, struct arena *a, struct span *ret_bucket, struct span *ret_key);
int uri_key_of_path(struct span raw_path, struct arena *a, struct span *ret_key);

/* The bucket in a Host "bucket.domain[:port]" for one of the domains (without port, no case); a part of host.
 * .ptr is NULL when the host names none: path style then. */
struct span uri_bucket_of_host(struct span host, const struct span *domains, size_t domain_count);
/* A host without its ":port"; brackets of an IPv6 address stay. */
struct span uri_host_name(struct span host);
/* The port of a host, or 0 when there is none or it is no number up to 65535. */
unsigned uri_host_port(struct span host);

/* x-amz-copy-source: "[/]bucket/key[?versionId=ID]", bucket and key percent-encoded. ret_version.ptr is NULL without
 * one. 0, CAIRN_ESYNTAX, -ENOMEM. */
int uri_copy_source(struct span header, struct arena *a, struct span *ret_bucket, struct span *ret_key,
                    struct span *ret_version);

#endif
