#include "objstore/base/hash.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct vector {
    enum hash_kind kind;
    const char *text;
    const char *digest;
};

/* RFC 1321, FIPS 180-4, RFC 3720; the check values of the CRC catalogue; xxHash's own of nothing and "abc". */
static const struct vector vectors[] = {
    {HASH_MD5, "", "d41d8cd98f00b204e9800998ecf8427e"},
    {HASH_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72"},
    {HASH_MD5, "message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
    {HASH_SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
    {HASH_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {HASH_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {HASH_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {HASH_SHA512, "abc",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
    {HASH_XXH64, "", "ef46db3751d8e999"},
    {HASH_XXH64, "abc", "44bc2cf5ad770999"},
    {HASH_XXH3, "", "2d06800538d394c2"},
    {HASH_XXH3, "abc", "78af5f94892f3950"},
    {HASH_XXH128, "", "99aa06d3014798d86001c324468d497f"},
    {HASH_XXH128, "abc", "06b05ab6733a618578af5f94892f3950"},
    {HASH_CRC32, "", "00000000"},
    {HASH_CRC32, "123456789", "cbf43926"},
    {HASH_CRC32C, "", "00000000"},
    {HASH_CRC32C, "123456789", "e3069283"},
    {HASH_CRC64NVME, "", "0000000000000000"},
    {HASH_CRC64NVME, "123456789", "ae8b14860a799888"},
};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void expect_digest(const struct vector *v, const uint8_t *digest)
{
    char text[2 * HASH_MAX + 1];
    hex_encode(digest, hash_size(v->kind), text);
    cr_expect_str_eq(text, v->digest, "kind %d of \"%s\" is %s", (int)v->kind, v->text, text);
}

Test(hash, published_vectors_hold)
{
    uint8_t digest[HASH_MAX];
    for (size_t i = 0; i < COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        cr_assert_eq(hash_once(v->kind, v->text, strlen(v->text), digest), 0);
        expect_digest(v, digest);

        struct hash *h;
        cr_assert_eq(hash_new(v->kind, &h), 0);
        for (int round = 0; round < 2; round++) { /* a final starts over */
            for (const char *c = v->text; *c; c++)
                hash_update(h, c, 1);
            hash_final(h, digest);
            expect_digest(v, digest);
        }
        hash_free(&h);
        cr_assert_null(h);
        hash_free(&h);
    }
}

Test(hash, no_kind_is_refused)
{
    struct hash *h;
    uint8_t digest[HASH_MAX];
    cr_assert_eq(hash_size(HASH_NONE), 0);
    cr_assert_eq(hash_new(HASH_NONE, &h), -EINVAL);
    cr_assert_eq(hash_once(HASH_NONE, "", 0, digest), -EINVAL);
}

Test(hash, any_split_gives_the_digest_of_the_whole)
{
    enum { SIZE = 9000 };
    static uint8_t bytes[SIZE];
    random_bytes(bytes, SIZE);
    for (int kind = HASH_MD5; kind < HASH_KINDS; kind++) {
        uint8_t whole[HASH_MAX], split[HASH_MAX];
        cr_assert_eq(hash_once((enum hash_kind)kind, bytes, SIZE, whole), 0);
        struct hash *h;
        cr_assert_eq(hash_new((enum hash_kind)kind, &h), 0);
        for (int round = 0; round < 200; round++) {
            for (size_t at = 0, now; at < SIZE; at += now) {
                now = (size_t)rand() % 700;
                if (now > SIZE - at)
                    now = SIZE - at;
                hash_update(h, bytes + at, now);
            }
            hash_final(h, split);
            cr_assert_arr_eq(split, whole, hash_size((enum hash_kind)kind), "kind %d", kind);
        }
        hash_free(&h);
    }
}

struct mac_vector {
    const char *key, *message, *mac;
};

/* RFC 4231 cases 1, 2, 6 in hex, and the empty key. */
static const struct mac_vector macs[] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
};

static void *check_macs(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT(macs); i++) {
        uint8_t key[256], message[256], mac[32];
        char text[65];
        size_t key_len = strlen(macs[i].key) / 2, message_len = strlen(macs[i].message) / 2;
        cr_assert_eq(hex_decode(span_cstr(macs[i].key), key, key_len), 0);
        cr_assert_eq(hex_decode(span_cstr(macs[i].message), message, message_len), 0);
        cr_assert_eq(hmac_sha256(span_make(key, key_len), span_make(message, message_len), mac), 0);
        hex_encode(mac, sizeof(mac), text);
        cr_expect_str_eq(text, macs[i].mac, "case %zu is %s", i, text);
    }
    return NULL;
}

Test(hash, hmac_agrees_with_rfc_4231)
{
    check_macs(NULL);
    check_macs(NULL);
}

Test(hash, threads_do_not_share_contexts)
{
    pthread_t threads[8];
    for (size_t i = 0; i < COUNT(threads); i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, check_macs, NULL), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
}

Test(hash, xxh3_is_keyed_and_the_published_one)
{
    cr_expect_eq(xxh3("", 0, 0), 0x2d06800538d394c2ULL);
    cr_expect_neq(xxh3("abc", 3, 1), xxh3("abc", 3, 2));
}
