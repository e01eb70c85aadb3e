/*
 * Request heads through the whole verification, by header and by query; and whatever head parses, once signed by our
 * client, passes our own verification.
 */
#include "objstore/base/clock.h"
#include "server/wire/sigv4.h"
#include "tests/fuzz/fuzz.h"

#define NOW (1369353600 * NS_PER_SEC) /* 2013-05-24 */

static const struct sigv4_key *key_of_examples(void)
{
    static struct sigv4_key key;
    static bool known;
    if (!known)
        FUZZ_CHECK(sigv4_key_derive(SPAN_LIT("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), SPAN_LIT("20130524"),
                                    SPAN_LIT("us-east-1"), SPAN_LIT("s3"), &key) == 0);
    known = true;
    return &key;
}

static void verify(const struct sigv4_auth *auth, struct sigv4_request *request, const struct http_head *head,
                   struct arena *a)
{
    struct span detail;
    struct sigv4_proof proof;
    request->payload_hash = sigv4_payload_of(auth, head, request->query);
    sigv4_payload_kind(request->payload_hash);
    enum sigv4_status status = sigv4_check(auth, request, SPAN_EMPTY, SPAN_LIT("s3"), NOW, &detail);
    FUZZ_CHECK(sigv4_status_text(status) != NULL);
    status = sigv4_verify(auth, request, key_of_examples(), a, &proof);
    FUZZ_CHECK(status == SIGV4_OK || status == SIGV4_MISMATCH);
    FUZZ_CHECK(strlen(proof.signature) == SIGV4_SIGNATURE_SIZE - 1);
}

static void sign_and_verify(struct sigv4_request request, struct arena *a)
{
    const struct span timestamp = SPAN_LIT("20130524T000000Z");
    static struct http_head stated;
    struct sigv4_signer signer;
    struct sigv4_auth auth;
    struct sigv4_proof proof;
    struct span authorization, query;
    request.payload_hash = SPAN_LIT(SIGV4_UNSIGNED_PAYLOAD);
    FUZZ_CHECK(sigv4_signer_init(SPAN_LIT("AKIAIOSFODNN7EXAMPLE"), SPAN_LIT("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                                 SPAN_LIT("us-east-1"), SPAN_LIT("s3"), NOW, &signer) == 0);
    FUZZ_CHECK(sigv4_sign(&signer, &request, timestamp, a, &authorization, NULL) == 0);
    stated.headers[0] = (struct http_header){SPAN_LIT("Authorization"), authorization};
    stated.headers[1] = (struct http_header){SPAN_LIT("X-Amz-Date"), timestamp};
    stated.header_count = 2;
    FUZZ_CHECK(sigv4_parse_header(&stated, NOW, &auth) == SIGV4_OK);
    FUZZ_CHECK(sigv4_verify(&auth, &request, key_of_examples(), a, &proof) == SIGV4_OK);

    FUZZ_CHECK(sigv4_presign(&signer, &request, timestamp, 60, SPAN_EMPTY, a, &query) == 0);
    struct uri_query pairs;
    if (sigv4_in_query(request.query) || uri_query_parse(query, a, &pairs) < 0 ||
        sigv4_parse_query(&pairs, &auth) != SIGV4_OK)
        return; /* the request had X-Amz- parameters of its own, or too many */
    request.query = &pairs;
    FUZZ_CHECK(sigv4_verify(&auth, &request, key_of_examples(), a, &proof) == SIGV4_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_head head;
    struct arena a = ARENA_INIT;
    struct uri_query query;
    struct sigv4_auth auth;
    size_t scanned = 0;
    if (http_request_parse(span_make(data, size), &scanned, &head) > 0 &&
        uri_query_parse(head.query, &a, &query) == 0) {
        struct sigv4_request request = {
            .method = head.method,
            .path = head.path,
            .query = &query,
            .headers = head.headers,
            .header_count = head.header_count,
            .host = head.host,
        };
        if (sigv4_parse_header(&head, NOW, &auth) == SIGV4_OK)
            verify(&auth, &request, &head, &a);
        if (sigv4_parse_query(&query, &auth) == SIGV4_OK)
            verify(&auth, &request, &head, &a);
        sign_and_verify(request, &a);
    }
    arena_release(&a);
    return 0;
}
