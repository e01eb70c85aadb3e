/*
 * What the grammar costs a signed 4 KiB GET: head, query, path and SigV4 against the bare hashes that SigV4 needs
 * (one SHA-256 of the canonical request, one HMAC of the string to sign), in one run on one core.
 */
#include <stdio.h>

#include "objstore/base/clock.h"
#include "objstore/base/hash.h"
#include "server/wire/sigv4.h"

#define ROUNDS 200000
#define NOW (1369353600 * NS_PER_SEC) /* 2013-05-24 */

static const char text[] =
    "GET /bucket/some/key/name-000123 HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nAccept-Encoding: identity\r\n"
    "User-Agent: aws-cli/2.9.19 Python/3.11.2 Linux/6.1 source/x86_64.debian.12 prompt/off command/s3.cp\r\n"
    "X-Amz-Date: 20130524T000000Z\r\nX-Amz-Content-SHA256: " SIGV4_EMPTY_SHA256 "\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
    "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
    "Signature=e72d75644e87cf67fa0ab7c153e5b411d4c82ff301396e1469d1e06b373c3fa3\r\n\r\n";

static int verify(struct arena *a, const struct sigv4_key *key, struct sigv4_proof *ret_proof)
{
    static struct http_head head;
    struct uri_query query;
    struct span bucket, object, detail;
    struct sigv4_auth auth;
    size_t scanned = 0;
    if (http_request_parse(span_make(text, sizeof(text) - 1), &scanned, &head) <= 0 ||
        uri_query_parse(head.query, a, &query) < 0 || uri_split_path(head.path, a, &bucket, &object) < 0 ||
        sigv4_parse_header(&head, NOW, &auth) != SIGV4_OK)
        return -1;
    const struct sigv4_request request = {
        .method = head.method,
        .path = head.path,
        .query = &query,
        .headers = head.headers,
        .header_count = head.header_count,
        .host = head.host,
        .payload_hash = sigv4_payload_of(&auth, &head, &query),
    };
    if (sigv4_check(&auth, &request, SPAN_EMPTY, SPAN_LIT("s3"), NOW, &detail) != SIGV4_OK)
        return -1;
    return sigv4_verify(&auth, &request, key, a, ret_proof) == SIGV4_MISMATCH ? 0 : -1;
}

static double hashes_ns(const struct sigv4_proof *proof, const struct sigv4_key *key)
{
    uint8_t digest[32];
    int64_t start = clock_mono_ns();
    for (int i = 0; i < ROUNDS; i++) {
        hash_once(HASH_SHA256, proof->canonical_request.ptr, proof->canonical_request.len, digest);
        hmac_sha256(span_make(key->bytes, sizeof(key->bytes)), proof->string_to_sign, digest);
    }
    return (double)(clock_mono_ns() - start) / ROUNDS;
}

int main(void)
{
    struct sigv4_key key = {{0}};
    struct sigv4_proof proof;
    struct arena a = ARENA_INIT;
    int64_t start = clock_mono_ns();
    for (int i = 0; i < ROUNDS; i++) {
        arena_reset(&a);
        if (verify(&a, &key, &proof) < 0) {
            fprintf(stderr, "the request does not parse\n");
            return 1;
        }
    }
    double all = (double)(clock_mono_ns() - start) / ROUNDS, bare = hashes_ns(&proof, &key);
    printf("parse and verify %.0f ns, its hashes alone %.0f ns, ratio %.2f; %.0f requests/s per core\n", all, bare,
           all / bare, 1e9 / all);
    arena_release(&a);
    return 0;
}
