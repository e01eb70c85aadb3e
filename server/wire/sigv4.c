/*
 * Canonical request, string to sign, keys and chains. No allocation but from the arena, and one HMAC per request
 * when the key is cached: this runs for every request of the server.
 */
#include "server/wire/sigv4_priv.h"

#include <stdio.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"

#define SECRET_MAX 256

const char *sigv4_status_text(enum sigv4_status status)
{
    static const char *const texts[] = {
#define X(name, text) [name] = text,
        SIGV4_STATUSES(X)
#undef X
    };
    return texts[status];
}

/* ---- text in the making: its owner reserved enough ---- */

static void add(char **p, struct span s)
{
    if (s.len > 0)
        memcpy(*p, s.ptr, s.len);
    *p += s.len;
}

static void add_line(char **p, struct span s)
{
    add(p, s);
    *(*p)++ = '\n';
}

/* ---- canonical query ---- */

struct encoded_pair {
    struct span name, value;
};

static int pair_cmp(const struct encoded_pair *a, const struct encoded_pair *b, enum sigv4_order order)
{
    int by_name = span_cmp(a->name, b->name);
    return by_name != 0 || order == SIGV4_BY_NAME ? by_name : span_cmp(a->value, b->value);
}

/* By insertion: clients send few parameters, and most send them in order. */
static void insert_sorted(struct encoded_pair *pairs, size_t count, struct encoded_pair pair, enum sigv4_order order)
{
    size_t at = count;
    for (; at > 0 && pair_cmp(&pairs[at - 1], &pair, order) > 0; at--)
        pairs[at] = pairs[at - 1];
    pairs[at] = pair;
}

static struct span encode_at(char **p, struct span s)
{
    struct span text = span_make(*p, uri_encode(s, URI_QUERY, *p));
    *p += text.len;
    return text;
}

static size_t query_text_max(const struct uri_query *query)
{
    size_t len = 1;
    for (size_t i = 0; i < query->count; i++)
        len += 3 * (query->pairs[i].name.len + query->pairs[i].value.len) + 2;
    return len;
}

/* What is sorted is the encoded text, in which an encoded byte stands as '%', before every letter. */
int sigv4_canonical_query(const struct uri_query *query, enum sigv4_order order, struct arena *a, struct span *ret_text)
{
    static const struct uri_query none = {0};
    if (query == NULL)
        query = &none;
    size_t max = query_text_max(query), count = 0;
    struct encoded_pair *pairs = arena_zalloc(a, query->count, sizeof(*pairs));
    char *encoded = arena_alloc(a, max), *text = arena_alloc(a, max), *p = text;
    if (pairs == NULL || encoded == NULL || text == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < query->count; i++) {
        if (span_is(query->pairs[i].name, "X-Amz-Signature"))
            continue;
        struct span name = encode_at(&encoded, query->pairs[i].name);
        insert_sorted(pairs, count++, (struct encoded_pair){name, encode_at(&encoded, query->pairs[i].value)}, order);
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *p++ = '&';
        add(&p, pairs[i].name);
        *p++ = '=';
        add(&p, pairs[i].value);
    }
    *p = '\0';
    *ret_text = span_make(text, (size_t)(p - text));
    return 0;
}

/* ---- canonical headers ---- */

/* Runs of blanks inside a value count as one. */
static void add_value(char **p, struct span value)
{
    bool blank = false;
    value = span_trim(value);
    for (size_t i = 0; i < value.len; i++) {
        bool is_blank = value.ptr[i] == ' ' || value.ptr[i] == '\t';
        if (!is_blank)
            *(*p)++ = value.ptr[i];
        else if (!blank)
            *(*p)++ = ' ';
        blank = is_blank;
    }
}

/* "name:value[,value…]\n" with the values of all headers of that name, in the order received. */
static void add_header(char **p, const struct sigv4_request *r, struct span name)
{
    bool first = true;
    add(p, name);
    *(*p)++ = ':';
    if (span_is(name, "host")) {
        add_value(p, r->host);
        *(*p)++ = '\n';
        return;
    }
    for (size_t i = 0; i < r->header_count; i++) {
        if (r->headers[i].name.len != name.len || !span_eq_nocase(r->headers[i].name, name))
            continue;
        if (!first)
            *(*p)++ = ',';
        first = false;
        add_value(p, r->headers[i].value);
    }
    *(*p)++ = '\n';
}

static size_t headers_text_max(const struct sigv4_request *r, struct span signed_headers)
{
    size_t len = 2 * signed_headers.len + r->host.len + 2; /* "a;b" becomes "a:\nb:\n" */
    for (size_t i = 0; i < r->header_count; i++)
        len += r->headers[i].value.len + 1;
    return len;
}

/* ---- canonical request, string to sign ---- */

/* Decoded and encoded anew, so that it does not matter what a client chose to encode. A path that does not decode is
 * taken as it stands; whoever routes the request refuses it. */
static int add_path(char **p, struct span path, struct arena *a)
{
    struct span decoded;
    int rc = uri_decode_dup(path, URI_PATH, a, &decoded);
    if (rc == -ENOMEM)
        return rc;
    if (rc < 0)
        add(p, path);
    else
        *p += uri_encode(decoded, URI_PATH, *p);
    *(*p)++ = '\n';
    return 0;
}

static int canonical_request(const struct sigv4_request *r, struct span query, struct span signed_headers,
                             struct arena *a, struct span *ret_text)
{
    size_t max = r->method.len + 3 * r->path.len + query.len + headers_text_max(r, signed_headers) +
                 signed_headers.len + r->payload_hash.len + 8;
    char *text = arena_alloc(a, max), *p = text;
    if (text == NULL)
        return -ENOMEM;
    add_line(&p, r->method);
    if (add_path(&p, r->path, a) < 0)
        return -ENOMEM;
    add_line(&p, query);
    for (struct span rest = signed_headers; rest.ptr != NULL;)
        add_header(&p, r, span_cut(&rest, ';'));
    *p++ = '\n';
    add_line(&p, signed_headers);
    add(&p, r->payload_hash);
    *p = '\0';
    *ret_text = span_make(text, (size_t)(p - text));
    return 0;
}

int sigv4_signature(const struct sigv4_request *request, struct span canonical_query, struct span signed_headers,
                    struct span timestamp, struct span scope, const struct sigv4_key *key, struct arena *a,
                    struct sigv4_proof *ret_proof)
{
    struct sigv4_proof proof;
    uint8_t digest[32];
    char hex[65];
    int rc = canonical_request(request, canonical_query, signed_headers, a, &proof.canonical_request);
    if (rc == 0)
        rc = hash_once(HASH_SHA256, proof.canonical_request.ptr, proof.canonical_request.len, digest);
    if (rc < 0)
        return rc;
    hex_encode(digest, sizeof(digest), hex);

    size_t max = sizeof(SIGV4_ALGORITHM) + timestamp.len + 1 + scope.len + 1 + sizeof(hex);
    char *text = arena_alloc(a, max), *p = text;
    if (text == NULL)
        return -ENOMEM;
    add_line(&p, SPAN_LIT(SIGV4_ALGORITHM));
    add_line(&p, timestamp);
    add_line(&p, scope);
    add(&p, span_make(hex, sizeof(hex)));
    proof.string_to_sign = span_make(text, (size_t)(p - text) - 1);

    rc = hmac_sha256(span_make(key->bytes, SIGV4_KEY_SIZE), proof.string_to_sign, digest);
    if (rc < 0)
        return rc;
    hex_encode(digest, sizeof(digest), proof.signature);
    *ret_proof = proof;
    return 0;
}

/* ---- verification ---- */

static bool signature_is(struct span stated, const char computed[SIGV4_SIGNATURE_SIZE])
{
    return stated.len == SIGV4_SIGNATURE_SIZE - 1 && equal_constant_time(stated.ptr, computed, stated.len);
}

static enum sigv4_status verify_query(const struct sigv4_auth *auth, const struct sigv4_request *request,
                                      struct span query, const struct sigv4_key *key, struct arena *a,
                                      struct sigv4_proof *ret_proof)
{
    if (sigv4_signature(request, query, auth->signed_headers, span_cstr(auth->timestamp), auth->scope, key, a,
                        ret_proof) < 0)
        return SIGV4_NOMEM;
    return signature_is(auth->signature, ret_proof->signature) ? SIGV4_OK : SIGV4_MISMATCH;
}

enum sigv4_status sigv4_verify(const struct sigv4_auth *auth, const struct sigv4_request *request,
                               const struct sigv4_key *key, struct arena *a, struct sigv4_proof *ret_proof)
{
    struct span query, as_given;
    struct sigv4_proof other;
    if (sigv4_canonical_query(request->query, SIGV4_BY_NAME_AND_VALUE, a, &query) < 0)
        return SIGV4_NOMEM;
    enum sigv4_status status = verify_query(auth, request, query, key, a, ret_proof);
    if (status != SIGV4_MISMATCH)
        return status;
    if (sigv4_canonical_query(request->query, SIGV4_BY_NAME, a, &as_given) < 0)
        return SIGV4_NOMEM;
    if (span_eq(as_given, query))
        return SIGV4_MISMATCH;
    status = verify_query(auth, request, as_given, key, a, &other);
    if (status == SIGV4_OK)
        *ret_proof = other; /* else the first says how it should have been */
    return status;
}

int sigv4_sign_policy(const struct sigv4_key *key, struct span policy_base64, char ret_signature[SIGV4_SIGNATURE_SIZE])
{
    uint8_t mac[32];
    int rc = hmac_sha256(span_make(key->bytes, SIGV4_KEY_SIZE), policy_base64, mac);
    if (rc < 0)
        return rc;
    hex_encode(mac, sizeof(mac), ret_signature);
    return 0;
}

enum sigv4_status sigv4_verify_form(const struct sigv4_auth *auth, struct span policy_base64,
                                    const struct sigv4_key *key)
{
    char signature[SIGV4_SIGNATURE_SIZE];
    if (sigv4_sign_policy(key, policy_base64, signature) < 0)
        return SIGV4_NOMEM;
    return signature_is(auth->signature, signature) ? SIGV4_OK : SIGV4_MISMATCH;
}

/* ---- keys ---- */

int sigv4_key_derive(struct span secret, struct span date, struct span region, struct span service,
                     struct sigv4_key *ret_key)
{
    char first[4 + SECRET_MAX] = "AWS4";
    uint8_t key[32];
    const struct span steps[] = {date, region, service, SPAN_LIT(SIGV4_TERMINATOR)};
    if (secret.len > SECRET_MAX)
        return CAIRN_ETOOBIG;
    if (secret.len > 0)
        memcpy(first + 4, secret.ptr, secret.len);

    struct span by = span_make(first, 4 + secret.len);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(steps) / sizeof(steps[0]); i++) {
        uint8_t next[32];
        rc = hmac_sha256(by, steps[i], next);
        memcpy(key, next, sizeof(key));
        by = span_make(key, sizeof(key));
    }
    if (rc == 0)
        memcpy(ret_key->bytes, key, sizeof(key));
    explicit_bzero(first, sizeof(first));
    explicit_bzero(key, sizeof(key));
    return rc;
}

/* ---- streamed bodies ---- */

static void copy_text(char *to, size_t cap, struct span from)
{
    struct span part = span_head(from, cap - 1);
    if (part.len > 0)
        memcpy(to, part.ptr, part.len);
    to[part.len] = '\0';
}

void sigv4_chain_begin(const struct sigv4_auth *auth, const struct sigv4_key *key, struct sigv4_chain *ret_chain)
{
    ret_chain->key = *key;
    copy_text(ret_chain->timestamp, sizeof(ret_chain->timestamp), span_cstr(auth->timestamp));
    copy_text(ret_chain->scope, sizeof(ret_chain->scope), auth->scope);
    copy_text(ret_chain->previous, sizeof(ret_chain->previous), auth->signature);
}

static int chain_step(struct sigv4_chain *chain, const char *algorithm, const char *middle, const uint8_t sha256[32])
{
    char text[512], hex[65];
    uint8_t mac[32];
    hex_encode(sha256, 32, hex);
    int len = snprintf(text, sizeof(text), "%s\n%s\n%s\n%s\n%s%s", algorithm, chain->timestamp, chain->scope,
                       chain->previous, middle, hex);
    int rc = hmac_sha256(span_make(chain->key.bytes, SIGV4_KEY_SIZE), span_make(text, (size_t)len), mac);
    if (rc == 0)
        hex_encode(mac, sizeof(mac), chain->previous);
    return rc;
}

int sigv4_chain_chunk(struct sigv4_chain *chain, const uint8_t sha256[32])
{
    return chain_step(chain, SIGV4_ALGORITHM "-PAYLOAD", SIGV4_EMPTY_SHA256 "\n", sha256);
}

int sigv4_chain_trailer(struct sigv4_chain *chain, const uint8_t sha256[32])
{
    return chain_step(chain, SIGV4_ALGORITHM "-TRAILER", "", sha256);
}
