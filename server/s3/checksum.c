#include "server/s3/checksum.h"

#include <stdio.h>

const struct checksum_algorithm checksum_algorithms[CHECKSUM_ALGORITHMS] = {
    {HASH_CRC32, "CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", true, true},
    {HASH_CRC32C, "CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", true, true},
    {HASH_CRC64NVME, "CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", true, false},
    {HASH_MD5, "MD5", "x-amz-checksum-md5", "ChecksumMD5", false, true},
    {HASH_SHA1, "SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", false, true},
    {HASH_SHA256, "SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", false, true},
    {HASH_SHA512, "SHA512", "x-amz-checksum-sha512", "ChecksumSHA512", false, true},
    {HASH_XXH64, "XXHASH64", "x-amz-checksum-xxhash64", "ChecksumXXHASH64", false, true},
    {HASH_XXH3, "XXHASH3", "x-amz-checksum-xxhash3", "ChecksumXXHASH3", false, true},
    {HASH_XXH128, "XXHASH128", "x-amz-checksum-xxhash128", "ChecksumXXHASH128", false, true},
};

#define HEADER_PREFIX "x-amz-checksum-"

const struct checksum_algorithm *checksum_by_name(struct span name)
{
    for (size_t i = 0; i < CHECKSUM_ALGORITHMS; i++)
        if (span_eq_nocase(name, span_cstr(checksum_algorithms[i].name)))
            return &checksum_algorithms[i];
    return NULL;
}

const struct checksum_algorithm *checksum_by_hash(enum hash_kind hash)
{
    for (size_t i = 0; i < CHECKSUM_ALGORITHMS; i++)
        if (checksum_algorithms[i].hash == hash)
            return &checksum_algorithms[i];
    return NULL;
}

const struct checksum_algorithm *checksum_by_header(struct span header)
{
    for (size_t i = 0; i < CHECKSUM_ALGORITHMS; i++)
        if (span_eq_nocase(header, span_cstr(checksum_algorithms[i].header)))
            return &checksum_algorithms[i];
    return NULL;
}

void checksum_text(enum hash_kind hash, const uint8_t *digest, uint32_t parts, char ret_text[CHECKSUM_TEXT_MAX])
{
    base64_encode(digest, hash_size(hash), ret_text);
    if (parts) {
        size_t len = strlen(ret_text);
        snprintf(ret_text + len, CHECKSUM_TEXT_MAX - len, "-%u", parts);
    }
}

int checksum_parse(enum hash_kind hash, struct span text, uint8_t ret_digest[HASH_MAX])
{
    return base64_decode(text, ret_digest, HASH_MAX) == (ptrdiff_t)hash_size(hash) ? 0 : -EINVAL;
}

/* A CRC's digest is its value, big-endian. */
static uint64_t crc_value(const uint8_t *digest, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | digest[i];
    return value;
}

int checksum_combine(enum hash_kind hash, const uint8_t *a, const uint8_t *b, uint64_t len_b,
                     uint8_t ret_digest[HASH_MAX])
{
    const struct checksum_algorithm *algorithm = checksum_by_hash(hash);
    size_t size = hash_size(hash);
    if (!algorithm || !algorithm->full_object)
        return -EINVAL;
    uint64_t crc = crc_combine(hash, crc_value(a, size), crc_value(b, size), len_b);
    for (size_t i = size; i-- > 0; crc >>= 8)
        ret_digest[i] = (uint8_t)crc;
    return 0;
}

/* ---- what a request claims ---- */

static int read_content_md5(struct s3_call *call, struct checksum_claim *claim)
{
    struct span text = s3_header(call, "content-md5");
    if (!text.ptr)
        return 0;
    if (base64_decode(text, claim->md5, sizeof(claim->md5)) != sizeof(claim->md5)) {
        s3_error_extra(&call->detail, "Content-MD5", text);
        return s3_fail(call, S3_INVALID_DIGEST, "The Content-MD5 you specified was invalid.");
    }
    claim->has_md5 = true;
    return 0;
}

/* x-amz-checksum-… that tell no digest. */
static bool is_about_checksums(struct span header)
{
    return span_eq_nocase(header, SPAN_LIT(HEADER_PREFIX "algorithm")) ||
           span_eq_nocase(header, SPAN_LIT(HEADER_PREFIX "type")) ||
           span_eq_nocase(header, SPAN_LIT(HEADER_PREFIX "mode"));
}

static int several_checksums(struct s3_call *call)
{
    return s3_fail(call, S3_INVALID_REQUEST,
                   "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
}

int checksum_bad_header(struct s3_call *call, const char *header)
{
    return s3_fail(call, S3_INVALID_REQUEST, "Value for %s header is invalid.", header);
}

int checksum_header_find(struct s3_call *call, const struct checksum_algorithm **ret_algorithm, struct span *ret_text)
{
    const struct http_head *head = &call->request->head;
    const struct span prefix = SPAN_LIT(HEADER_PREFIX);
    *ret_algorithm = NULL;
    for (size_t i = 0; i < head->header_count; i++) {
        struct span name = head->headers[i].name;
        if (!span_eq_nocase(span_head(name, prefix.len), prefix) || is_about_checksums(name))
            continue;
        if (*ret_algorithm)
            return several_checksums(call);
        *ret_algorithm = checksum_by_header(name);
        *ret_text = head->headers[i].value;
        if (!*ret_algorithm)
            return s3_fail(call, S3_INVALID_REQUEST,
                           "The algorithm type you specified in x-amz-checksum- header is invalid.");
    }
    return 0;
}

static int no_such_algorithm(struct s3_call *call)
{
    struct buf names = BUF_INIT;
    for (size_t i = 0; i < CHECKSUM_ALGORITHMS; i++) {
        buf_add_cstr(&names, i ? ", " : "");
        buf_add_cstr(&names, checksum_algorithms[i].name);
    }
    int ret = s3_fail(call, S3_INVALID_REQUEST,
                      "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
                      "[" SPAN_FMT "]",
                      SPAN_ARG(buf_span(&names)));
    buf_release(&names);
    return ret;
}

int checksum_algorithm_read(struct s3_call *call, const char *header, const struct checksum_algorithm **ret_algorithm)
{
    struct span name = s3_header(call, header);
    *ret_algorithm = name.ptr ? checksum_by_name(name) : NULL;
    return name.ptr && !*ret_algorithm ? no_such_algorithm(call) : 0;
}

static int read_checksum_header(struct s3_call *call, struct checksum_claim *claim)
{
    const struct checksum_algorithm *algorithm;
    struct span text;
    int ret = checksum_header_find(call, &algorithm, &text);
    if (ret < 0 || !algorithm)
        return ret;
    if (checksum_parse(algorithm->hash, text, claim->digest) < 0)
        return checksum_bad_header(call, algorithm->header);
    claim->hash = algorithm->hash;
    return 0;
}

static int read_trailer_name(struct s3_call *call, struct checksum_claim *claim)
{
    struct span name = s3_header(call, "x-amz-trailer");
    if (!name.ptr)
        return 0;
    const struct checksum_algorithm *algorithm = checksum_by_header(name);
    if (!algorithm)
        return s3_fail(call, S3_INVALID_REQUEST, "The value specified in the x-amz-trailer header is not supported");
    if (claim->hash != HASH_NONE)
        return several_checksums(call);
    claim->hash = algorithm->hash;
    claim->in_trailer = true;
    return 0;
}

static int check_sdk_algorithm(struct s3_call *call, const struct checksum_claim *claim)
{
    const struct checksum_algorithm *algorithm;
    int ret = checksum_algorithm_read(call, "x-amz-sdk-checksum-algorithm", &algorithm);
    if (ret < 0 || !algorithm)
        return ret;
    if (claim->hash == HASH_NONE && !claim->has_md5)
        return s3_fail(call, S3_INVALID_REQUEST,
                       "x-amz-sdk-checksum-algorithm specified, but no corresponding "
                       "x-amz-checksum-* or x-amz-trailer headers were found.");
    if (claim->hash != HASH_NONE && claim->hash != algorithm->hash)
        return checksum_bad_header(call, "x-amz-sdk-checksum-algorithm");
    return 0;
}

int checksum_claim_read(struct s3_call *call, struct checksum_claim *ret_claim)
{
    struct checksum_claim claim = {0};
    int ret = read_content_md5(call, &claim);
    if (ret == 0)
        ret = read_checksum_header(call, &claim);
    if (ret == 0)
        ret = read_trailer_name(call, &claim);
    if (ret == 0)
        ret = check_sdk_algorithm(call, &claim);
    if (ret == 0)
        *ret_claim = claim;
    return ret;
}

static int read_trailer_value(struct s3_call *call, struct checksum_claim *claim)
{
    const struct checksum_algorithm *algorithm = checksum_by_hash(claim->hash);
    struct span text;
    if (!http_body_trailer(call->request, algorithm->header, &text))
        return S3_MALFORMED_TRAILER;
    if (checksum_parse(claim->hash, text, claim->digest) < 0)
        return s3_fail(call, S3_INVALID_REQUEST, "Value for %s trailing header is invalid.", algorithm->header);
    return 0;
}

int checksum_claim_verify(struct s3_call *call, struct checksum_claim *claim, const uint8_t *digest,
                          const uint8_t md5[16])
{
    int ret = claim->in_trailer ? read_trailer_value(call, claim) : 0;
    if (ret < 0)
        return ret;
    if (claim->has_md5 && memcmp(md5, claim->md5, sizeof(claim->md5)) != 0) {
        char text[CHECKSUM_TEXT_MAX];
        base64_encode(md5, 16, text);
        s3_error_extra(&call->detail, "ExpectedDigest", s3_header(call, "content-md5"));
        s3_error_extra(&call->detail, "CalculatedDigest", arena_dup(&call->request->arena, span_cstr(text)));
        return s3_fail(call, S3_BAD_DIGEST, "The Content-MD5 you specified did not match what we received.");
    }
    if (claim->hash != HASH_NONE && memcmp(digest, claim->digest, hash_size(claim->hash)) != 0)
        return s3_fail(call, S3_BAD_DIGEST, "The %s you specified did not match the calculated checksum.",
                       checksum_by_hash(claim->hash)->name);
    return 0;
}

/* ---- among packed attributes ---- */

int checksum_add_attr(struct buf *attrs, enum hash_kind hash, const uint8_t *digest, bool composite)
{
    char name = (char)hash;
    return attrs_add(attrs, composite ? ATTR_CHECKSUM_COMPOSITE : ATTR_CHECKSUM, span_make(&name, 1),
                     span_make(digest, digest ? hash_size(hash) : 0));
}

static bool is_checksum(const struct attr *attr, struct checksum_found *ret_found)
{
    if ((attr->tag != ATTR_CHECKSUM && attr->tag != ATTR_CHECKSUM_COMPOSITE) || attr->name.len != 1)
        return false;
    const struct checksum_algorithm *algorithm = checksum_by_hash((enum hash_kind)(uint8_t)attr->name.ptr[0]);
    if (!algorithm || (attr->value.len && attr->value.len != hash_size(algorithm->hash)))
        return false;
    *ret_found = (struct checksum_found){algorithm, attr->value, attr->tag == ATTR_CHECKSUM_COMPOSITE};
    return true;
}

bool checksum_find(struct span attrs, struct checksum_found *ret_found)
{
    struct attr attr;
    while (attrs_next(&attrs, &attr) > 0)
        if (is_checksum(&attr, ret_found))
            return true;
    return false;
}

bool checksum_is(const struct checksum_found *found, const uint8_t *digest)
{
    return found->algorithm && found->digest.len == hash_size(found->algorithm->hash) &&
           memcmp(found->digest.ptr, digest, found->digest.len) == 0;
}

static bool find_digest(struct span attrs, uint32_t parts, struct checksum_found *found,
                        char ret_text[CHECKSUM_TEXT_MAX])
{
    if (!checksum_find(attrs, found) || !found->digest.len)
        return false;
    checksum_text(found->algorithm->hash, (const uint8_t *)found->digest.ptr, found->composite ? parts : 0, ret_text);
    return true;
}

static const char *type_of(const struct checksum_found *found)
{
    return found->composite ? "COMPOSITE" : "FULL_OBJECT";
}

int checksum_reply_headers(struct s3_call *call, struct span attrs, uint32_t parts)
{
    struct checksum_found found;
    char text[CHECKSUM_TEXT_MAX];
    if (!find_digest(attrs, parts, &found, text))
        return 0;
    int ret = http_reply_header(call->request, found.algorithm->header, span_cstr(text));
    return ret < 0 ? ret : http_reply_header(call->request, "x-amz-checksum-type", span_cstr(type_of(&found)));
}

int checksum_reply_part_headers(struct s3_call *call, struct span part_attrs, struct span object_attrs)
{
    struct checksum_found part, object;
    char text[CHECKSUM_TEXT_MAX];
    if (!find_digest(part_attrs, 0, &part, text) || !checksum_find(object_attrs, &object))
        return 0;
    int ret = http_reply_header(call->request, part.algorithm->header, span_cstr(text));
    return ret < 0 ? ret : http_reply_header(call->request, "x-amz-checksum-type", span_cstr(type_of(&object)));
}

void checksum_xml(struct buf *xml, struct span attrs, uint32_t parts)
{
    struct checksum_found found;
    char text[CHECKSUM_TEXT_MAX];
    if (!find_digest(attrs, parts, &found, text))
        return;
    xml_cstr(xml, found.algorithm->element, text);
    xml_cstr(xml, "ChecksumType", type_of(&found));
}

void checksum_part_xml(struct buf *xml, struct span attrs)
{
    struct checksum_found found;
    char text[CHECKSUM_TEXT_MAX];
    if (find_digest(attrs, 0, &found, text))
        xml_cstr(xml, found.algorithm->element, text);
}
