/*
 * Authorizations as clients state them, and all checks that need no secret.
 */
#include "server/wire/sigv4_priv.h"

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"

bool sigv4_in_header(struct span authorization)
{
    return span_starts(authorization, SPAN_LIT(SIGV4_ALGORITHM));
}

bool sigv4_in_query(const struct uri_query *query)
{
    return uri_query_has(query, "X-Amz-Algorithm") || uri_query_has(query, "X-Amz-Credential") ||
           uri_query_has(query, "X-Amz-Signature") || uri_query_has(query, "AWSAccessKeyId");
}

/* ---- parts ---- */

/* Cuts at the last c: returns what follows it, and leaves what stands before in *s; .ptr is NULL without a c. */
static struct span cut_last(struct span *s, char c)
{
    size_t i = s->len;
    while (i > 0 && s->ptr[i - 1] != c)
        i--;
    if (i == 0)
        return SPAN_EMPTY;
    struct span tail = span_from(*s, i);
    *s = span_head(*s, i - 1);
    return tail;
}

/* "access key/20130524/us-east-1/s3/aws4_request"; from its end, since an access key may hold '/'. */
static bool parse_credential(struct span text, struct sigv4_auth *auth)
{
    struct span rest = text;
    struct span terminator = cut_last(&rest, '/');
    auth->service = cut_last(&rest, '/');
    auth->region = cut_last(&rest, '/');
    auth->date = cut_last(&rest, '/');
    auth->access_key = rest;
    if (auth->date.len != 8 || auth->service.len == 0 || !span_is(terminator, SIGV4_TERMINATOR) || rest.len == 0 ||
        rest.len > SIGV4_ACCESS_KEY_MAX)
        return false;
    auth->scope = span_from(text, rest.len + 1);
    return auth->scope.len < SIGV4_SCOPE_MAX;
}

static bool is_lower_hex(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return true;
}

static bool is_signature(struct span s)
{
    return s.len == SIGV4_SIGNATURE_SIZE - 1 && is_lower_hex(s);
}

static bool is_lower_name(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] == ':' || (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z'))
            return false;
    return s.len > 0;
}

/* Lower-case names, in order and each once: so no header can be counted twice. */
static bool is_signed_list(struct span list)
{
    struct span before = SPAN_EMPTY;
    while (list.ptr != NULL) {
        struct span name = span_cut(&list, ';');
        if (!is_lower_name(name) || span_cmp(before, name) >= 0)
            return false;
        before = name;
    }
    return before.len > 0;
}

static bool signed_list_has(struct span list, struct span name)
{
    while (list.ptr != NULL)
        if (span_eq_nocase(span_cut(&list, ';'), name))
            return true;
    return false;
}

static bool parse_basic_time(struct span text, struct sigv4_auth *auth)
{
    if (date_parse_basic(text, &auth->time_ns) < 0)
        return false;
    memcpy(auth->timestamp, text.ptr, DATE_BASIC_SIZE - 1);
    auth->timestamp[DATE_BASIC_SIZE - 1] = '\0';
    return true;
}

/* x-amz-date, else Date, which may have any of HTTP's forms. */
static bool parse_header_time(const struct http_head *head, int64_t now_ns, struct sigv4_auth *auth)
{
    struct span amz_date = http_head_get(head, "x-amz-date");
    if (amz_date.ptr != NULL)
        return parse_basic_time(amz_date, auth);
    struct span date = http_head_get(head, "date");
    if (date.ptr == NULL)
        return false;
    if (parse_basic_time(date, auth))
        return true;
    if (date_parse_http(date, now_ns, &auth->time_ns) < 0)
        return false;
    date_format_basic(auth->time_ns, auth->timestamp);
    return true;
}

/* ---- the three carriers ---- */

/* Takes "Name=value" of the Authorization header; each name is known and comes once. */
static bool take_field(struct span field, struct span *credential, struct sigv4_auth *auth)
{
    struct span value = span_trim(field);
    struct span name = span_cut(&value, '=');
    struct span *to = span_is(name, "Credential")      ? credential
                      : span_is(name, "SignedHeaders") ? &auth->signed_headers
                      : span_is(name, "Signature")     ? &auth->signature
                                                       : NULL;
    if (to == NULL || value.len == 0 || to->ptr != NULL)
        return false;
    *to = value;
    return true;
}

enum sigv4_status sigv4_parse_header(const struct http_head *head, int64_t now_ns, struct sigv4_auth *ret_auth)
{
    struct sigv4_auth auth = {.source = SIGV4_HEADER};
    struct span fields = http_head_get(head, "authorization"), credential = SPAN_EMPTY;
    if (!span_is(span_cut(&fields, ' '), SIGV4_ALGORITHM))
        return SIGV4_NOT_V4;
    while (fields.ptr != NULL)
        if (!take_field(span_cut(&fields, ','), &credential, &auth))
            return SIGV4_MALFORMED;
    if (!parse_credential(credential, &auth) || !is_signed_list(auth.signed_headers) || !is_signature(auth.signature))
        return SIGV4_MALFORMED;
    if (!parse_header_time(head, now_ns, &auth))
        return SIGV4_NO_DATE;
    *ret_auth = auth;
    return SIGV4_OK;
}

/* The value of a parameter that must be there exactly once; .ptr is NULL else. */
static struct span query_once(const struct uri_query *query, const char *name)
{
    struct span wanted = span_cstr(name), value = SPAN_EMPTY;
    for (size_t i = 0; i < query->count; i++) {
        if (!span_eq(query->pairs[i].name, wanted))
            continue;
        if (value.ptr != NULL)
            return SPAN_EMPTY;
        value = query->pairs[i].value;
    }
    return value;
}

static enum sigv4_status parse_expires(struct span text, int64_t *ret_seconds)
{
    uint64_t seconds;
    if (text.ptr == NULL)
        return SIGV4_MALFORMED;
    if (span_to_u64(text, &seconds) < 0 || seconds < 1 || seconds > SIGV4_EXPIRES_MAX)
        return SIGV4_BAD_EXPIRES;
    *ret_seconds = (int64_t)seconds;
    return SIGV4_OK;
}

enum sigv4_status sigv4_parse_query(const struct uri_query *query, struct sigv4_auth *ret_auth)
{
    struct sigv4_auth auth = {.source = SIGV4_QUERY};
    if (!span_is(query_once(query, "X-Amz-Algorithm"), SIGV4_ALGORITHM))
        return SIGV4_NOT_V4;
    auth.signed_headers = query_once(query, "X-Amz-SignedHeaders");
    auth.signature = query_once(query, "X-Amz-Signature");
    if (!parse_credential(query_once(query, "X-Amz-Credential"), &auth) || !is_signed_list(auth.signed_headers) ||
        !is_signature(auth.signature))
        return SIGV4_MALFORMED;
    if (!parse_basic_time(query_once(query, "X-Amz-Date"), &auth))
        return SIGV4_NO_DATE;
    enum sigv4_status status = parse_expires(query_once(query, "X-Amz-Expires"), &auth.expires_s);
    if (status == SIGV4_OK)
        *ret_auth = auth;
    return status;
}

enum sigv4_status sigv4_parse_form(struct span algorithm, struct span credential, struct span date,
                                   struct span signature, struct sigv4_auth *ret_auth)
{
    struct sigv4_auth auth = {.source = SIGV4_FORM, .signature = signature};
    if (!span_is(algorithm, SIGV4_ALGORITHM))
        return SIGV4_NOT_V4;
    if (!parse_credential(credential, &auth) || !is_signature(signature))
        return SIGV4_MALFORMED;
    if (!parse_basic_time(date, &auth))
        return SIGV4_NO_DATE;
    *ret_auth = auth;
    return SIGV4_OK;
}

/* ---- payload ---- */

enum sigv4_payload sigv4_payload_kind(struct span payload_hash)
{
    static const struct {
        const char *word;
        enum sigv4_payload kind;
    } table[] = {
        {SIGV4_UNSIGNED_PAYLOAD, SIGV4_PAYLOAD_UNSIGNED},
        {SIGV4_STREAMING_SIGNED, SIGV4_PAYLOAD_STREAM_SIGNED},
        {SIGV4_STREAMING_SIGNED_TRAILER, SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER},
        {SIGV4_STREAMING_UNSIGNED_TRAILER, SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (span_is(payload_hash, table[i].word))
            return table[i].kind;
    return is_signature(payload_hash) ? SIGV4_PAYLOAD_HASH : SIGV4_PAYLOAD_INVALID;
}

struct span sigv4_payload_of(const struct sigv4_auth *auth, const struct http_head *head, const struct uri_query *query)
{
    struct span header = http_head_get(head, "x-amz-content-sha256");
    if (header.ptr != NULL || auth->source != SIGV4_QUERY)
        return header;
    struct span parameter = uri_query_get(query, "X-Amz-Content-Sha256");
    return parameter.ptr != NULL ? parameter : SPAN_LIT(SIGV4_UNSIGNED_PAYLOAD);
}

/* ---- checks ---- */

static bool request_has_header(const struct sigv4_request *r, struct span name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (span_eq_nocase(r->headers[i].name, name))
            return true;
    return false;
}

/* CloudFront adds x-amz-cf-id behind the client's back; it means nothing to S3. */
static bool must_be_signed(struct span name)
{
    const struct span prefix = SPAN_LIT("x-amz-");
    return name.len > prefix.len && span_eq_nocase(span_head(name, prefix.len), prefix) &&
           !span_eq_nocase(name, SPAN_LIT("x-amz-cf-id"));
}

static enum sigv4_status check_headers(const struct sigv4_auth *auth, const struct sigv4_request *r,
                                       struct span *ret_detail)
{
    *ret_detail = SPAN_LIT("host");
    if (!signed_list_has(auth->signed_headers, *ret_detail))
        return SIGV4_UNSIGNED_HEADER;
    for (size_t i = 0; i < r->header_count; i++) {
        *ret_detail = r->headers[i].name;
        if (must_be_signed(*ret_detail) && !signed_list_has(auth->signed_headers, *ret_detail))
            return SIGV4_UNSIGNED_HEADER;
    }
    for (struct span rest = auth->signed_headers; rest.ptr != NULL;) {
        *ret_detail = span_cut(&rest, ';');
        if (!span_is(*ret_detail, "host") && !request_has_header(r, *ret_detail))
            return SIGV4_MISSING_HEADER;
    }
    return SIGV4_OK;
}

static enum sigv4_status check_scope(const struct sigv4_auth *auth, struct span region, struct span service,
                                     struct span *ret_detail)
{
    *ret_detail = auth->date;
    if (!span_eq(auth->date, span_make(auth->timestamp, 8)))
        return SIGV4_SCOPE_DATE;
    *ret_detail = auth->region;
    if (region.ptr != NULL && !span_eq(auth->region, region))
        return SIGV4_SCOPE_REGION;
    *ret_detail = auth->service;
    return span_eq(auth->service, service) ? SIGV4_OK : SIGV4_SCOPE_SERVICE;
}

/* A form is bounded by its policy's expiration, which whoever reads the policy looks at. */
static enum sigv4_status check_time(const struct sigv4_auth *auth, int64_t now_ns)
{
    switch (auth->source) {
    case SIGV4_HEADER:
        return auth->time_ns < now_ns - SIGV4_SKEW_NS || auth->time_ns > now_ns + SIGV4_SKEW_NS ? SIGV4_SKEWED
                                                                                                : SIGV4_OK;
    case SIGV4_QUERY:
        if (auth->time_ns > now_ns + SIGV4_SKEW_NS)
            return SIGV4_NOT_YET;
        return auth->time_ns < now_ns - auth->expires_s * NS_PER_SEC ? SIGV4_EXPIRED : SIGV4_OK;
    case SIGV4_FORM:
        break;
    }
    return SIGV4_OK;
}

enum sigv4_status sigv4_check(const struct sigv4_auth *auth, const struct sigv4_request *request, struct span region,
                              struct span service, int64_t now_ns, struct span *ret_detail)
{
    struct span detail = SPAN_EMPTY;
    enum sigv4_status status = check_scope(auth, region, service, &detail);
    if (status == SIGV4_OK) {
        detail = SPAN_EMPTY;
        status = check_time(auth, now_ns);
    }
    if (status == SIGV4_OK && auth->source != SIGV4_FORM)
        status = check_headers(auth, request, &detail);
    if (ret_detail != NULL)
        *ret_detail = status == SIGV4_OK ? SPAN_EMPTY : detail;
    return status;
}
