#include <criterion/criterion.h>

#include "server/s3/checksum.h"
#include "server/s3/hasher.h"
#include "server/s3/headers.h"

Test(s3_checksum, algorithms_are_found_by_name_hash_and_header)
{
    for (size_t i = 0; i < CHECKSUM_ALGORITHMS; i++) {
        const struct checksum_algorithm *row = &checksum_algorithms[i];
        cr_expect_eq(checksum_by_name(span_cstr(row->name)), row);
        cr_expect_eq(checksum_by_header(span_cstr(row->header)), row);
        cr_expect_eq(checksum_by_hash(row->hash), row);
        cr_expect(row->full_object || row->composite);
    }
    cr_expect_eq(checksum_by_name(SPAN_LIT("MD4")), NULL);
    cr_expect_eq(checksum_by_hash(HASH_NONE), NULL);
}

Test(s3_checksum, text_goes_out_as_it_comes_in)
{
    uint8_t digest[HASH_MAX];
    char text[CHECKSUM_TEXT_MAX];
    for (size_t i = 0; i < CHECKSUM_ALGORITHMS; i++) {
        uint8_t back[HASH_MAX] = {0};
        enum hash_kind hash = checksum_algorithms[i].hash;
        cr_assert_eq(hash_once(hash, "abc", 3, digest), 0);
        checksum_text(hash, digest, 0, text);
        cr_expect_eq(checksum_parse(hash, span_cstr(text), back), 0);
        cr_expect_eq(memcmp(back, digest, hash_size(hash)), 0);
        checksum_text(hash, digest, 10000, text);
        cr_expect(span_ends(span_cstr(text), SPAN_LIT("=-10000")) || hash == HASH_CRC64NVME, "%s", text);
        cr_expect_lt(checksum_parse(hash, span_cstr(text), back), 0, "a composite one is no digest");
    }
    cr_expect_lt(checksum_parse(HASH_CRC32, SPAN_LIT("AAAAAAA="), digest), 0, "five bytes are no CRC32");
    cr_expect_lt(checksum_parse(HASH_CRC32, SPAN_LIT(""), digest), 0);
}

Test(s3_checksum, crcs_of_parts_combine_to_that_of_the_whole)
{
    static const enum hash_kind kinds[] = {HASH_CRC32, HASH_CRC32C, HASH_CRC64NVME};
    for (size_t i = 0; i < 3; i++) {
        uint8_t a[HASH_MAX], b[HASH_MAX], whole[HASH_MAX], combined[HASH_MAX];
        hash_once(kinds[i], "hello ", 6, a);
        hash_once(kinds[i], "world", 5, b);
        hash_once(kinds[i], "hello world", 11, whole);
        cr_assert_eq(checksum_combine(kinds[i], a, b, 5, combined), 0);
        cr_expect_eq(memcmp(combined, whole, hash_size(kinds[i])), 0);
        hash_once(kinds[i], "", 0, b);
        cr_assert_eq(checksum_combine(kinds[i], a, b, 0, combined), 0);
        cr_expect_eq(memcmp(combined, a, hash_size(kinds[i])), 0);
    }
    uint8_t any[HASH_MAX] = {0}, out[HASH_MAX];
    cr_expect_lt(checksum_combine(HASH_SHA256, any, any, 1, out), 0);
}

Test(s3_checksum, an_attribute_is_found_again_with_its_type)
{
    struct buf attrs = BUF_INIT;
    struct checksum_found found;
    uint8_t digest[HASH_MAX];
    hash_once(HASH_SHA1, "x", 1, digest);
    cr_expect_not(checksum_find(buf_span(&attrs), &found));
    attrs_add(&attrs, ATTR_META, SPAN_LIT("a"), SPAN_LIT("b"));
    checksum_add_attr(&attrs, HASH_SHA1, digest, true);
    cr_assert(checksum_find(buf_span(&attrs), &found));
    cr_expect_eq(found.algorithm->hash, HASH_SHA1);
    cr_expect(found.composite);
    cr_expect_eq(found.digest.len, 20);
    buf_release(&attrs);
}

/* What a damaged record may hold; the bytes behind a digest that is too short are somebody else's. */
Test(s3_checksum, a_digest_of_another_length_is_none)
{
    struct buf attrs = BUF_INIT;
    struct checksum_found found = {0};
    uint8_t digest[HASH_MAX];
    char name = (char)HASH_SHA256;
    hash_once(HASH_SHA256, "x", 1, digest);
    attrs_add(&attrs, ATTR_CHECKSUM, span_make(&name, 1), span_make(digest, 31));
    cr_expect_not(checksum_find(buf_span(&attrs), &found));
    cr_expect_eq(found.algorithm, NULL);
    cr_expect_not(checksum_is(&found, digest));
    checksum_add_attr(&attrs, HASH_SHA256, NULL, false);
    cr_assert(checksum_find(buf_span(&attrs), &found));
    cr_expect_not(checksum_is(&found, digest), "a choice of algorithm has no digest");
    buf_clear(&attrs);
    checksum_add_attr(&attrs, HASH_SHA256, digest, false);
    cr_assert(checksum_find(buf_span(&attrs), &found));
    cr_expect(checksum_is(&found, digest));
    digest[31] ^= 1;
    cr_expect_not(checksum_is(&found, digest));
    buf_release(&attrs);
}

Test(s3_hasher, a_thread_gives_the_digests_that_no_thread_gives)
{
    static const enum hash_kind kinds[] = {HASH_MD5, HASH_CRC64NVME, HASH_SHA256};
    static const uint64_t lengths[] = {0, HASHER_THREAD_FROM};
    char bytes[3][1000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i / 1000][i % 1000] = (char)(i * 7);
    for (size_t l = 0; l < 2; l++) {
        struct hasher *hasher;
        cr_assert_eq(hasher_new(kinds, 3, lengths[l], &hasher), 0);
        for (size_t i = 0; i < 3; i++)
            hasher_feed(hasher, bytes[i], sizeof(bytes[i]));
        for (size_t i = 0; i < 3; i++) {
            uint8_t got[HASH_MAX], want[HASH_MAX];
            hasher_final(hasher, i, got);
            hash_once(kinds[i], bytes, sizeof(bytes), want);
            cr_expect_eq(memcmp(got, want, hash_size(kinds[i])), 0);
        }
        hasher_free(&hasher);
    }
}

/* ---- metadata of other filesystems on S3 ---- */

static bool posix_of(const char *names[][2], size_t count, struct ns_owner *owner, int64_t *mtime)
{
    struct buf attrs = BUF_INIT;
    for (size_t i = 0; i < count; i++)
        attrs_add(&attrs, ATTR_META, span_cstr(names[i][0]), span_cstr(names[i][1]));
    bool found = headers_posix(buf_span(&attrs), owner, mtime);
    buf_release(&attrs);
    return found;
}

Test(s3_posix_meta, the_families_of_metadata_are_told_apart)
{
    struct ns_owner owner = {.mode = 0644};
    int64_t mtime = 0;
    cr_expect(posix_of((const char *[][2]){{"mode", "33261"}, {"uid", "1000"}, {"gid", "100"}, {"mtime", "1700000000"}},
                       4, &owner, &mtime));
    cr_expect_eq(owner.mode, 0755, "s3fs writes st_mode in decimal");
    cr_expect_eq(owner.uid, 1000);
    cr_expect_eq(owner.gid, 100);
    cr_expect_eq(mtime, 1700000000000000000);

    cr_expect(
        posix_of((const char *[][2]){{"mode", "100640"}, {"mtime", "2023-11-14T22:13:20.5Z"}}, 2, &owner, &mtime));
    cr_expect_eq(owner.mode, 0640, "rclone writes it in octal");
    cr_expect_eq(mtime, 1700000000500000000);

    cr_expect(posix_of((const char *[][2]){{"file-permissions", "0100600"}, {"file-mtime", "1700000000000000001ns"}}, 2,
                       &owner, &mtime));
    cr_expect_eq(owner.mode, 0600);
    cr_expect_eq(mtime, 1700000000000000001);

    mtime = 0;
    cr_expect_not(posix_of((const char *[][2]){{"mtime", "1700000000.25"}}, 1, &owner, &mtime));
    cr_expect_eq(mtime, 1700000000250000000, "rclone without --metadata");
}

Test(s3_posix_meta, nonsense_changes_nothing)
{
    struct ns_owner owner = {.mode = 0644, .uid = 7};
    int64_t mtime = 5;
    cr_expect_not(posix_of(
        (const char *[][2]){{"mode", "rwx"}, {"uid", "-1"}, {"gid", "99999999999"}, {"mtime", "99999999999999999999"}},
        4, &owner, &mtime));
    cr_expect_not(posix_of((const char *[][2]){{"mode", "0099"}, {"uid", ""}, {"mtime", "1.x"}}, 3, &owner, &mtime));
    cr_expect_eq(owner.mode, 0644);
    cr_expect_eq(owner.uid, 7);
    cr_expect_eq(mtime, 5);
}
