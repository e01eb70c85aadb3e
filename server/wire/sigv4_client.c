/*
 * The client's side of SigV4.
 */
#include "server/wire/sigv4_priv.h"

#include <stdio.h>

#include "objstore/base/errors.h"

int sigv4_signer_init(struct span access_key, struct span secret, struct span region, struct span service,
                      int64_t now_ns, struct sigv4_signer *ret_signer)
{
    struct sigv4_signer signer = {0};
    char today[DATE_BASIC_SIZE];
    if (access_key.len > SIGV4_ACCESS_KEY_MAX)
        return CAIRN_ETOOBIG;
    if (access_key.len > 0)
        memcpy(signer.access_key, access_key.ptr, access_key.len);
    date_format_basic(now_ns, today);
    memcpy(signer.date, today, sizeof(signer.date) - 1);
    int len = snprintf(signer.scope, sizeof(signer.scope), "%s/" SPAN_FMT "/" SPAN_FMT "/" SIGV4_TERMINATOR,
                       signer.date, SPAN_ARG(region), SPAN_ARG(service));
    if (len >= (int)sizeof(signer.scope))
        return CAIRN_ETOOBIG;
    int rc = sigv4_key_derive(secret, span_cstr(signer.date), region, service, &signer.key);
    if (rc == 0)
        *ret_signer = signer;
    explicit_bzero(&signer, sizeof(signer));
    return rc;
}

bool sigv4_signer_stale(const struct sigv4_signer *signer, int64_t now_ns)
{
    char today[DATE_BASIC_SIZE];
    date_format_basic(now_ns, today);
    return memcmp(today, signer->date, sizeof(signer->date) - 1) != 0;
}

static bool is_of_day(const struct sigv4_signer *signer, struct span timestamp)
{
    return timestamp.len == DATE_BASIC_SIZE - 1 && span_starts(timestamp, span_cstr(signer->date));
}

static int name_cmp_nocase(struct span a, struct span b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < shorter; i++) {
        int ca = a.ptr[i] >= 'A' && a.ptr[i] <= 'Z' ? a.ptr[i] | 0x20 : (unsigned char)a.ptr[i];
        int cb = b.ptr[i] >= 'A' && b.ptr[i] <= 'Z' ? b.ptr[i] | 0x20 : (unsigned char)b.ptr[i];
        if (ca != cb)
            return ca - cb;
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* Into names, which is sorted without case, unless the name is there already. */
static size_t insert_name(struct span *names, size_t count, struct span name)
{
    size_t at = count;
    while (at > 0 && name_cmp_nocase(names[at - 1], name) > 0)
        at--;
    if (at > 0 && name_cmp_nocase(names[at - 1], name) == 0)
        return count;
    memmove(names + at + 1, names + at, (count - at) * sizeof(*names));
    names[at] = name;
    return count + 1;
}

/* "host;x-amz-date": host and every header of the request, in lower case. */
static int signed_headers_of(const struct sigv4_request *r, struct arena *a, struct span *ret_list)
{
    struct span *names = arena_zalloc(a, r->header_count + 1, sizeof(*names));
    size_t count = 0, len = sizeof("host");
    if (names == NULL)
        return -ENOMEM;
    count = insert_name(names, count, SPAN_LIT("host"));
    for (size_t i = 0; i < r->header_count; i++) {
        count = insert_name(names, count, r->headers[i].name);
        len += r->headers[i].name.len + 1;
    }
    char *text = arena_alloc(a, len), *p = text;
    if (text == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < names[i].len; j++) {
            char c = names[i].ptr[j];
            *p++ = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        }
        *p++ = ';';
    }
    *ret_list = span_make(text, (size_t)(p - text) - 1);
    return 0;
}

int sigv4_sign(const struct sigv4_signer *signer, const struct sigv4_request *request, struct span timestamp,
               struct arena *a, struct span *ret_authorization, struct sigv4_chain *ret_chain)
{
    struct span query, signed_headers;
    struct sigv4_proof proof;
    if (!is_of_day(signer, timestamp))
        return -EINVAL;
    int rc = sigv4_canonical_query(request->query, SIGV4_BY_NAME_AND_VALUE, a, &query);
    if (rc == 0)
        rc = signed_headers_of(request, a, &signed_headers);
    if (rc == 0)
        rc = sigv4_signature(request, query, signed_headers, timestamp, span_cstr(signer->scope), &signer->key, a,
                             &proof);
    if (rc < 0)
        return rc;

    struct span text = arena_printf(a, SIGV4_ALGORITHM " Credential=%s/%s, SignedHeaders=" SPAN_FMT ", Signature=%s",
                                    signer->access_key, signer->scope, SPAN_ARG(signed_headers), proof.signature);
    if (text.ptr == NULL)
        return -ENOMEM;
    *ret_authorization = text;
    if (ret_chain != NULL) {
        ret_chain->key = signer->key;
        snprintf(ret_chain->timestamp, sizeof(ret_chain->timestamp), SPAN_FMT, SPAN_ARG(timestamp));
        memcpy(ret_chain->scope, signer->scope, sizeof(ret_chain->scope));
        memcpy(ret_chain->previous, proof.signature, sizeof(ret_chain->previous));
    }
    return 0;
}

/* The request's own parameters with those of the signature. */
static int presigned_query(const struct sigv4_signer *signer, const struct sigv4_request *request,
                           struct span timestamp, int64_t expires_s, struct span session_token,
                           struct span signed_headers, struct arena *a, struct uri_query *ret_query)
{
    struct span credential = arena_printf(a, "%s/%s", signer->access_key, signer->scope);
    struct span expires = arena_printf(a, "%lld", (long long)expires_s);
    size_t own = request->query ? request->query->count : 0;
    if (credential.ptr == NULL || expires.ptr == NULL)
        return -ENOMEM;
    const struct uri_pair added[] = {
        {SPAN_LIT("X-Amz-Algorithm"), SPAN_LIT(SIGV4_ALGORITHM), true},
        {SPAN_LIT("X-Amz-Credential"), credential, true},
        {SPAN_LIT("X-Amz-Date"), timestamp, true},
        {SPAN_LIT("X-Amz-Expires"), expires, true},
        {SPAN_LIT("X-Amz-SignedHeaders"), signed_headers, true},
        {SPAN_LIT("X-Amz-Security-Token"), session_token, true}, /* the last: it may be left out */
    };
    size_t added_count = sizeof(added) / sizeof(added[0]) - (session_token.len == 0);
    struct uri_pair *pairs = arena_zalloc(a, own + added_count, sizeof(*pairs));
    if (pairs == NULL)
        return -ENOMEM;
    if (own > 0)
        memcpy(pairs, request->query->pairs, own * sizeof(*pairs));
    memcpy(pairs + own, added, added_count * sizeof(*pairs));
    *ret_query = (struct uri_query){pairs, own + added_count};
    return 0;
}

int sigv4_presign(const struct sigv4_signer *signer, const struct sigv4_request *request, struct span timestamp,
                  int64_t expires_s, struct span session_token, struct arena *a, struct span *ret_query)
{
    struct uri_query query;
    struct span signed_headers, canonical_query;
    struct sigv4_proof proof;
    if (!is_of_day(signer, timestamp) || expires_s < 1 || expires_s > SIGV4_EXPIRES_MAX)
        return -EINVAL;
    int rc = signed_headers_of(request, a, &signed_headers);
    if (rc == 0)
        rc = presigned_query(signer, request, timestamp, expires_s, session_token, signed_headers, a, &query);
    if (rc == 0)
        rc = sigv4_canonical_query(&query, SIGV4_BY_NAME_AND_VALUE, a, &canonical_query);
    if (rc == 0)
        rc = sigv4_signature(request, canonical_query, signed_headers, timestamp, span_cstr(signer->scope),
                             &signer->key, a, &proof);
    if (rc < 0)
        return rc;
    struct span text = arena_printf(a, SPAN_FMT "&X-Amz-Signature=%s", SPAN_ARG(canonical_query), proof.signature);
    if (text.ptr == NULL)
        return -ENOMEM;
    *ret_query = text;
    return 0;
}
