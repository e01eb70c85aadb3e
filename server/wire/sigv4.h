/*
 * AWS Signature Version 4 as S3 has it: the server verifies, the client signs, with the same functions.
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html)
 *
 * A server goes: parse (header, query or form) -> look the access key up -> sigv4_check() (what needs no secret) ->
 * sigv4_key_derive() or a cached key -> sigv4_verify(), once per host candidate. A body in signed chunks continues
 * with a sigv4_chain in aws_chunked.h.
 *
 * The canonical URI is the raw path decoded and encoded once, neither "//" nor ".." folded; the canonical query comes
 * from decoded pairs, encoded and sorted. Time is a parameter. Any thread; memory comes from the caller's arena.
 */
#ifndef CAIRN_WIRE_SIGV4_H
#define CAIRN_WIRE_SIGV4_H

#include "objstore/base/arena.h"
#include "server/wire/date.h"
#include "server/wire/http_head.h"
#include "server/wire/uri.h"

#define SIGV4_ALGORITHM "AWS4-HMAC-SHA256"
#define SIGV4_KEY_SIZE 32
#define SIGV4_SIGNATURE_SIZE 65  /* 64 lower-case hex digits and a NUL */
#define SIGV4_SCOPE_MAX 160      /* "20130524/us-east-1/s3/aws4_request"; regions and services are short */
#define SIGV4_ACCESS_KEY_MAX 128 /* as IAM limits it */
#define SIGV4_SIGNED_HEADERS_MAX HTTP_HEADERS_MAX
#define SIGV4_EXPIRES_MAX 604800           /* seconds: a presigned URL lives seven days at most */
#define SIGV4_SKEW_NS (900 * 1000000000LL) /* 15 minutes either way */

/*
 * What a check found, and the S3 error that AWS gives for it. "Malformed" is AuthorizationHeaderMalformed for a header
 * and AuthorizationQueryParametersError for a presigned query, both 400.
 */
/* clang-format off */
#define SIGV4_STATUSES(X)                                                                                     \
    X(SIGV4_OK,              "the signature matches")                              /* - */                     \
    X(SIGV4_NOMEM,           "out of memory")                                      /* InternalError */         \
    X(SIGV4_NOT_V4,          "the authorization mechanism is not AWS4-HMAC-SHA256") /* InvalidRequest 400 */   \
    X(SIGV4_MALFORMED,       "the authorization is malformed")                     /* Malformed */             \
    X(SIGV4_NO_DATE,         "a valid date is missing")                            /* AccessDenied 403 */      \
    X(SIGV4_SCOPE_DATE,      "the credential's date is not the request's")         /* Malformed */             \
    X(SIGV4_SCOPE_REGION,    "the credential's region is wrong")                   /* Malformed */             \
    X(SIGV4_SCOPE_SERVICE,   "the credential's service is wrong")                  /* Malformed */             \
    X(SIGV4_BAD_EXPIRES,     "X-Amz-Expires is not between 1 and 604800")          /* Malformed */             \
    X(SIGV4_UNSIGNED_HEADER, "a header that must be signed is not")                /* AccessDenied 403 */      \
    X(SIGV4_MISSING_HEADER,  "a signed header is missing")                         /* SignatureDoesNotMatch */ \
    X(SIGV4_SKEWED,          "the request's time is too far from the server's")    /* RequestTimeTooSkewed */  \
    X(SIGV4_NOT_YET,         "the request is not yet valid")                       /* AccessDenied 403 */      \
    X(SIGV4_EXPIRED,         "the request has expired")                            /* AccessDenied 403 */      \
    X(SIGV4_MISMATCH,        "the signature does not match")                       /* SignatureDoesNotMatch 403 */
/* clang-format on */

enum sigv4_status {
#define X(name, text) name,
    SIGV4_STATUSES(X)
#undef X
};

/* A static, lower-case text. */
const char *sigv4_status_text(enum sigv4_status status);

enum sigv4_source { SIGV4_HEADER, SIGV4_QUERY, SIGV4_FORM };

/* An authorization as the client stated it, not verified. Spans point into what was parsed. */
struct sigv4_auth {
    enum sigv4_source source;
    struct span access_key;
    struct span scope; /* "20130524/us-east-1/s3/aws4_request" */
    struct span date;  /* its fields */
    struct span region;
    struct span service;
    struct span signed_headers;      /* "host;range;x-amz-date": lower-case, sorted, distinct; empty for a form */
    struct span signature;           /* 64 lower-case hex digits */
    char timestamp[DATE_BASIC_SIZE]; /* the request's time as it is signed */
    int64_t time_ns;
    int64_t expires_s; /* of a presigned query */
};

/* Whether a request claims to be signed: by header with V4, by query with V4 or with V2 (which "aws s3 presign" of
 * CLI version 1 still makes for us-east-1; sigv4_parse_query() answers SIGV4_NOT_V4). A request with an Authorization
 * header of another scheme is not anonymous either: sigv4_parse_header() answers SIGV4_NOT_V4. */
bool sigv4_in_header(struct span authorization);
bool sigv4_in_query(const struct uri_query *query);

/* "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…" with the time of x-amz-date, else Date. now_ns only
 * resolves two-digit years. SIGV4_OK, _NOT_V4, _MALFORMED, _NO_DATE. An access key may hold '/'. */
enum sigv4_status sigv4_parse_header(const struct http_head *head, int64_t now_ns, struct sigv4_auth *ret_auth);
/* X-Amz-Algorithm, -Credential, -Date, -Expires, -SignedHeaders, -Signature, each once. Also _BAD_EXPIRES. */
enum sigv4_status sigv4_parse_query(const struct uri_query *query, struct sigv4_auth *ret_auth);
/* The fields of a POST form: x-amz-algorithm, x-amz-credential, x-amz-date, x-amz-signature. */
enum sigv4_status sigv4_parse_form(struct span algorithm, struct span credential, struct span date,
                                   struct span signature, struct sigv4_auth *ret_auth);

/* What is signed. Nothing is copied; all of it must live during a call. */
struct sigv4_request {
    struct span method;
    struct span path;              /* raw, as on the request line */
    const struct uri_query *query; /* decoded; X-Amz-Signature in it is passed over. NULL: none */
    const struct http_header *headers;
    size_t header_count;
    struct span host;         /* is signed as the value of host, whatever the Host header says */
    struct span payload_hash; /* 64 hex digits or one of the words below */
};

/* The values of x-amz-content-sha256. */
#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"
#define SIGV4_STREAMING_SIGNED "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
#define SIGV4_STREAMING_SIGNED_TRAILER "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
#define SIGV4_STREAMING_UNSIGNED_TRAILER "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
#define SIGV4_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

enum sigv4_payload {
    SIGV4_PAYLOAD_INVALID, /* none of these, or one we do not offer (ECDSA, events) */
    SIGV4_PAYLOAD_HASH,    /* the SHA-256 of the body, in hex: the reader of the body compares */
    SIGV4_PAYLOAD_UNSIGNED,
    SIGV4_PAYLOAD_STREAM_SIGNED, /* the last three are aws-chunked bodies */
    SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER,
    SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER
};
enum sigv4_payload sigv4_payload_kind(struct span payload_hash);

/* The payload hash that a request signs: x-amz-content-sha256 from the headers (or from the query of a presigned one,
 * which may lack it: UNSIGNED-PAYLOAD then). .ptr is NULL when a header-signed request lacks it, which AWS refuses
 * (InvalidRequest). curl --aws-sigv4 before version 8 lacks it and signs SIGV4_EMPTY_SHA256, for any body: taking that
 * in its place is safe for a request without a body, and for no other. */
struct span sigv4_payload_of(const struct sigv4_auth *auth, const struct http_head *head,
                             const struct uri_query *query);

/*
 * All that needs no secret: scope, time, and that host and every x-amz-* header of the request are signed.
 * region .ptr NULL accepts any region. *ret_detail (may be NULL) is set to the offending header's name for
 * _UNSIGNED_HEADER and _MISSING_HEADER, to the region or service stated for the scopes, else empty.
 */
enum sigv4_status sigv4_check(const struct sigv4_auth *auth, const struct sigv4_request *request, struct span region,
                              struct span service, int64_t now_ns, struct span *ret_detail);

/* A signing key: good for one secret, day, region and service; a server caches it by (access key, scope). Wipe it
 * when it goes. */
struct sigv4_key {
    uint8_t bytes[SIGV4_KEY_SIZE];
};
/* 0 or -ENOMEM, CAIRN_ETOOBIG for a secret over 256 bytes. */
int sigv4_key_derive(struct span secret, struct span date, struct span region, struct span service,
                     struct sigv4_key *ret_key);

/* How a signature came about, for the 403's XML (StringToSign, CanonicalRequest). In the arena, NUL-terminated. */
struct sigv4_proof {
    struct span canonical_request;
    struct span string_to_sign;
    char signature[SIGV4_SIGNATURE_SIZE];
};

/* Compares in constant time; expects that sigv4_check() passed. SIGV4_OK, _MISMATCH, _NOMEM. *ret_proof is set on _OK
 * and _MISMATCH. */
enum sigv4_status sigv4_verify(const struct sigv4_auth *auth, const struct sigv4_request *request,
                               const struct sigv4_key *key, struct arena *a, struct sigv4_proof *ret_proof);
/* The form of a POST upload signs its base64 policy alone. SIGV4_OK, _MISMATCH, _NOMEM. */
enum sigv4_status sigv4_verify_form(const struct sigv4_auth *auth, struct span policy_base64,
                                    const struct sigv4_key *key);

/*
 * Signatures of a streamed body: each is computed over the one before, and the first over the request's.
 */
struct sigv4_chain {
    struct sigv4_key key;
    char timestamp[DATE_BASIC_SIZE];
    char scope[SIGV4_SCOPE_MAX];
    char previous[SIGV4_SIGNATURE_SIZE];
};
/* From a verified request. */
void sigv4_chain_begin(const struct sigv4_auth *auth, const struct sigv4_key *key, struct sigv4_chain *ret_chain);
/* The signature of the next chunk, whose data hash to sha256; it becomes the previous one. 0, -ENOMEM. */
int sigv4_chain_chunk(struct sigv4_chain *chain, const uint8_t sha256[32]);
/* The signature of the trailers; sha256 is of "name:value\n" for each of them. 0, -ENOMEM. */
int sigv4_chain_trailer(struct sigv4_chain *chain, const uint8_t sha256[32]);

/*
 * The client's side. One signer per day; a request names all its headers, and all of them are signed, and host.
 */
struct sigv4_signer {
    struct sigv4_key key;
    char access_key[SIGV4_ACCESS_KEY_MAX + 1];
    char scope[SIGV4_SCOPE_MAX];
    char date[9]; /* "20130524" */
};
/* For the day of now_ns. 0, CAIRN_ETOOBIG, -ENOMEM. */
int sigv4_signer_init(struct span access_key, struct span secret, struct span region, struct span service,
                      int64_t now_ns, struct sigv4_signer *ret_signer);
/* Whether the signer's day is over at now_ns: then init it anew. */
bool sigv4_signer_stale(const struct sigv4_signer *signer, int64_t now_ns);

/* Signs a request whose headers hold x-amz-date (timestamp, of the signer's day) and x-amz-content-sha256, and leave
 * out Host. *ret_authorization is the header's value, in the arena; *ret_chain (may be NULL) starts a streamed body.
 * 0, -ENOMEM, -EINVAL for a timestamp of another day. */
int sigv4_sign(const struct sigv4_signer *signer, const struct sigv4_request *request, struct span timestamp,
               struct arena *a, struct span *ret_authorization, struct sigv4_chain *ret_chain);
/* The complete raw query of a presigned URL: the request's own pairs, X-Amz-*, X-Amz-Signature. The request's
 * headers, if any, must then be sent with it. session_token may be empty. 0, -ENOMEM, -EINVAL. */
int sigv4_presign(const struct sigv4_signer *signer, const struct sigv4_request *request, struct span timestamp,
                  int64_t expires_s, struct span session_token, struct arena *a, struct span *ret_query);
/* The signature of a base64 policy, for a POST form. 0, -ENOMEM. */
int sigv4_sign_policy(const struct sigv4_key *key, struct span policy_base64, char ret_signature[SIGV4_SIGNATURE_SIZE]);

#endif
