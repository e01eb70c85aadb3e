/*
 * Digests by OpenSSL, CRCs by crc.c, XXH by libxxhash, one interface. Algorithms are fetched once for the process,
 * since a fetch costs more than a small digest; one-shot calls use contexts that each thread keeps until it ends, for
 * the same reason.
 */
#include "objstore/base/hash.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>
#ifdef __x86_64__
#include <xxh_x86dispatch.h> /* picks AVX2 or AVX-512 at run time; plain xxhash.h would stay with SSE2 */
#else
#include <xxhash.h>
#endif

enum family { CRC, MD, XXH };

struct kind_row {
    size_t size;
    enum family family;
    const char *openssl; /* MD: its name there */
};

static const struct kind_row kinds[HASH_KINDS] = {
    [HASH_NONE] = {0, CRC, NULL},       [HASH_MD5] = {16, MD, "MD5"},       [HASH_SHA1] = {20, MD, "SHA1"},
    [HASH_SHA256] = {32, MD, "SHA256"}, [HASH_SHA512] = {64, MD, "SHA512"}, [HASH_CRC32] = {4, CRC, NULL},
    [HASH_CRC32C] = {4, CRC, NULL},     [HASH_CRC64NVME] = {8, CRC, NULL},  [HASH_XXH64] = {8, XXH, NULL},
    [HASH_XXH3] = {8, XXH, NULL},       [HASH_XXH128] = {16, XXH, NULL},
};

struct hash {
    enum hash_kind kind;
    uint64_t crc;         /* CRC */
    EVP_MD_CTX *md;       /* MD */
    XXH64_state_t *xxh64; /* HASH_XXH64 */
    XXH3_state_t *xxh3;   /* the other two of XXH */
};

/* What one thread keeps. */
struct contexts {
    EVP_MD_CTX *md[HASH_KINDS];
    EVP_MAC_CTX *hmac_sha256;
};

static EVP_MD *digests[HASH_KINDS];
static EVP_MAC *hmac;
static pthread_key_t contexts_key;
static pthread_once_t start_once = PTHREAD_ONCE_INIT;
static __thread struct contexts *contexts;

static void contexts_free(void *arg)
{
    struct contexts *c = arg;
    for (int kind = 0; kind < HASH_KINDS; kind++)
        EVP_MD_CTX_free(c->md[kind]);
    EVP_MAC_CTX_free(c->hmac_sha256);
    free(c);
    contexts = NULL;
}

static void start(void)
{
    for (int kind = 0; kind < HASH_KINDS; kind++)
        if (kinds[kind].openssl)
            digests[kind] = EVP_MD_fetch(NULL, kinds[kind].openssl, NULL);
    hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    int rc = pthread_key_create(&contexts_key, contexts_free);
    assert(rc == 0);
}

static struct contexts *contexts_get(void)
{
    if (contexts)
        return contexts;
    pthread_once(&start_once, start);
    struct contexts *c = calloc(1, sizeof(*c));
    if (c && pthread_setspecific(contexts_key, c) != 0) {
        free(c);
        c = NULL;
    }
    contexts = c;
    return c;
}

size_t hash_size(enum hash_kind kind)
{
    assert(kind < HASH_KINDS);
    return kinds[kind].size;
}

/* A context with an empty digest; NULL when memory is short or OpenSSL was set up without the algorithm. */
static EVP_MD_CTX *md_new(enum hash_kind kind)
{
    pthread_once(&start_once, start);
    EVP_MD_CTX *md = digests[kind] ? EVP_MD_CTX_new() : NULL;
    if (md && !EVP_DigestInit_ex2(md, digests[kind], NULL)) {
        EVP_MD_CTX_free(md);
        md = NULL;
    }
    return md;
}

/* Neither allocates once the context has been used, so they can only fail by misuse. */
static void md_update(EVP_MD_CTX *md, const void *bytes, size_t len)
{
    int ok = EVP_DigestUpdate(md, bytes, len);
    assert(ok);
}

static void md_final(EVP_MD_CTX *md, uint8_t *ret_digest)
{
    int ok = EVP_DigestFinal_ex(md, ret_digest, NULL) && EVP_DigestInit_ex2(md, NULL, NULL);
    assert(ok);
}

static uint64_t crc_step(enum hash_kind kind, uint64_t crc, const void *bytes, size_t len)
{
    switch (kind) {
    case HASH_CRC32:
        return crc32_step((uint32_t)crc, bytes, len);
    case HASH_CRC32C:
        return crc32c_step((uint32_t)crc, bytes, len);
    default:
        return crc64nvme_step(crc, bytes, len);
    }
}

static void crc_put(enum hash_kind kind, uint64_t crc, uint8_t *ret_digest)
{
    if (hash_size(kind) == 4)
        put_be32(ret_digest, (uint32_t)crc);
    else
        put_be64(ret_digest, crc);
}

/* ---- XXH: its calls fail by misuse alone ---- */

static void xxh128_put(XXH128_hash_t value, uint8_t *ret_digest)
{
    put_be64(ret_digest, value.high64);
    put_be64(ret_digest + 8, value.low64);
}

static void xxh_reset(struct hash *h)
{
    if (h->kind == HASH_XXH64)
        (void)XXH64_reset(h->xxh64, 0);
    else if (h->kind == HASH_XXH3)
        (void)XXH3_64bits_reset(h->xxh3);
    else
        (void)XXH3_128bits_reset(h->xxh3);
}

static void xxh_update(struct hash *h, const void *bytes, size_t len)
{
    if (h->kind == HASH_XXH64)
        (void)XXH64_update(h->xxh64, bytes, len);
    else if (h->kind == HASH_XXH3)
        (void)XXH3_64bits_update(h->xxh3, bytes, len);
    else
        (void)XXH3_128bits_update(h->xxh3, bytes, len);
}

static void xxh_final(struct hash *h, uint8_t *ret_digest)
{
    if (h->kind == HASH_XXH64)
        put_be64(ret_digest, XXH64_digest(h->xxh64));
    else if (h->kind == HASH_XXH3)
        put_be64(ret_digest, XXH3_64bits_digest(h->xxh3));
    else
        xxh128_put(XXH3_128bits_digest(h->xxh3), ret_digest);
    xxh_reset(h);
}

static void xxh_once(enum hash_kind kind, const void *bytes, size_t len, uint8_t *ret_digest)
{
    if (kind == HASH_XXH64)
        put_be64(ret_digest, XXH64(bytes, len, 0));
    else if (kind == HASH_XXH3)
        put_be64(ret_digest, XXH3_64bits(bytes, len));
    else
        xxh128_put(XXH3_128bits(bytes, len), ret_digest);
}

/* ---- one interface ---- */

/* The state of an XXH with an empty digest, or -ENOMEM. */
static int xxh_new(struct hash *h)
{
    if (h->kind == HASH_XXH64)
        h->xxh64 = XXH64_createState();
    else
        h->xxh3 = XXH3_createState();
    if (!h->xxh64 && !h->xxh3)
        return -ENOMEM;
    xxh_reset(h);
    return 0;
}

static int md_start(struct hash *h)
{
    h->md = md_new(h->kind);
    return h->md ? 0 : -ENOMEM;
}

int hash_new(enum hash_kind kind, struct hash **ret_hash)
{
    if (hash_size(kind) == 0)
        return -EINVAL;
    struct hash *h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    h->kind = kind;
    enum family family = kinds[kind].family;
    int ret = family == MD ? md_start(h) : family == XXH ? xxh_new(h) : 0;
    if (ret < 0)
        hash_free(&h);
    else
        *ret_hash = h;
    return ret;
}

void hash_update(struct hash *h, const void *bytes, size_t len)
{
    switch (kinds[h->kind].family) {
    case MD:
        md_update(h->md, bytes, len);
        break;
    case XXH:
        xxh_update(h, bytes, len);
        break;
    case CRC:
        h->crc = crc_step(h->kind, h->crc, bytes, len);
        break;
    }
}

void hash_final(struct hash *h, uint8_t *ret_digest)
{
    switch (kinds[h->kind].family) {
    case MD:
        md_final(h->md, ret_digest);
        break;
    case XXH:
        xxh_final(h, ret_digest);
        break;
    case CRC:
        crc_put(h->kind, h->crc, ret_digest);
        h->crc = 0;
        break;
    }
}

void hash_free(struct hash **ref)
{
    struct hash *h = *ref;
    if (!h)
        return;
    EVP_MD_CTX_free(h->md);
    XXH64_freeState(h->xxh64);
    XXH3_freeState(h->xxh3);
    free(h);
    *ref = NULL;
}

static int md_once(enum hash_kind kind, const void *bytes, size_t len, uint8_t *ret_digest)
{
    struct contexts *c = contexts_get();
    if (!c || (!c->md[kind] && !(c->md[kind] = md_new(kind))))
        return -ENOMEM;
    md_update(c->md[kind], bytes, len);
    md_final(c->md[kind], ret_digest);
    return 0;
}

int hash_once(enum hash_kind kind, const void *bytes, size_t len, uint8_t *ret_digest)
{
    if (hash_size(kind) == 0)
        return -EINVAL;
    switch (kinds[kind].family) {
    case MD:
        return md_once(kind, bytes, len, ret_digest);
    case XXH:
        xxh_once(kind, bytes, len, ret_digest);
        break;
    case CRC:
        crc_put(kind, crc_step(kind, 0, bytes, len), ret_digest);
        break;
    }
    return 0;
}

static EVP_MAC_CTX *hmac_new(void)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC_CTX *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    if (mac && !EVP_MAC_CTX_set_params(mac, params)) {
        EVP_MAC_CTX_free(mac);
        mac = NULL;
    }
    return mac;
}

int hmac_sha256(struct span key, struct span message, uint8_t ret_mac[32])
{
    struct contexts *c = contexts_get();
    if (!c || (!c->hmac_sha256 && !(c->hmac_sha256 = hmac_new())))
        return -ENOMEM;
    /* A NULL key would mean the last one again. */
    const char *bytes = key.len ? key.ptr : "";
    EVP_MAC_CTX *mac = c->hmac_sha256;
    if (!EVP_MAC_init(mac, (const uint8_t *)bytes, key.len, NULL) ||
        !EVP_MAC_update(mac, (const uint8_t *)message.ptr, message.len) || !EVP_MAC_final(mac, ret_mac, NULL, 32))
        return -ENOMEM;
    return 0;
}

uint64_t xxh3(const void *bytes, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, len, seed);
}
