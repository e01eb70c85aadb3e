/*
 * S3's checksums: which algorithms there are, what a request states and wants, and how parts' checksums become an
 * object's. https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
 *
 * Every new object has one: the client's, or CRC64NVME when it sends none. FULL_OBJECT is the digest of the bytes;
 * COMPOSITE is the digest of the parts' digests, shown with "-N" behind it.
 */
#ifndef CAIRN_S3_CHECKSUM_H
#define CAIRN_S3_CHECKSUM_H

#include "server/s3/call.h"

struct checksum_algorithm {
    enum hash_kind hash;
    const char *name;    /* "CRC32C" */
    const char *header;  /* "x-amz-checksum-crc32c" */
    const char *element; /* "ChecksumCRC32C" */
    bool full_object;    /* a multipart upload may have it so … */
    bool composite;      /* … or so */
};
#define CHECKSUM_ALGORITHMS 10
extern const struct checksum_algorithm checksum_algorithms[CHECKSUM_ALGORITHMS];

/* NULL when there is none. Names compare without case. */
const struct checksum_algorithm *checksum_by_name(struct span name);
const struct checksum_algorithm *checksum_by_hash(enum hash_kind hash);
/* Of a header or trailer name. */
const struct checksum_algorithm *checksum_by_header(struct span header);

#define CHECKSUM_DEFAULT HASH_CRC64NVME
#define CHECKSUM_TEXT_MAX 96 /* base64 of the longest digest, "-10000" and a NUL */
/* parts 0: a full-object one. */
void checksum_text(enum hash_kind hash, const uint8_t *digest, uint32_t parts, char ret_text[CHECKSUM_TEXT_MAX]);
/* The digest in base64, exactly as long as the algorithm's. 0 or -EINVAL. */
int checksum_parse(enum hash_kind hash, struct span text, uint8_t ret_digest[HASH_MAX]);

/* The algorithm that a header names (x-amz-checksum-algorithm), NULL without the header. InvalidRequest. */
int checksum_algorithm_read(struct s3_call *call, const char *header, const struct checksum_algorithm **ret_algorithm);
/* The one x-amz-checksum-… header with a digest; *ret_algorithm is NULL without one. InvalidRequest when there are
 * several, or one of an algorithm that is not known: what is not verified must not pass for it. */
int checksum_header_find(struct s3_call *call, const struct checksum_algorithm **ret_algorithm, struct span *ret_text);
/* InvalidRequest: the header's value is no digest. */
int checksum_bad_header(struct s3_call *call, const char *header);

/* What a request says of its body's checksums. */
struct checksum_claim {
    enum hash_kind hash; /* HASH_NONE: nothing stated */
    bool in_trailer;     /* the value comes after the body */
    uint8_t digest[HASH_MAX];
    bool has_md5;
    uint8_t md5[16]; /* Content-MD5 */
};
/* Reads Content-MD5, x-amz-checksum-*, x-amz-trailer and x-amz-sdk-checksum-algorithm. 0, InvalidDigest,
 * InvalidRequest. */
int checksum_claim_read(struct s3_call *call, struct checksum_claim *ret_claim);
/* After the body's end: is what was computed what was claimed? digest is of claim->hash; md5 may be NULL when has_md5
 * is false. 0; BadDigest; InvalidRequest or MalformedTrailerError for a trailer without a value. */
int checksum_claim_verify(struct s3_call *call, struct checksum_claim *claim, const uint8_t *digest,
                          const uint8_t md5[16]);

/* The digest of A followed by B, of their digests and B's length: CRCs only, -EINVAL for the others. */
int checksum_combine(enum hash_kind hash, const uint8_t *a, const uint8_t *b, uint64_t len_b,
                     uint8_t ret_digest[HASH_MAX]);

/* Adds to packed attributes; parts tells COMPOSITE from FULL_OBJECT as in checksum_text. */
int checksum_add_attr(struct buf *attrs, enum hash_kind hash, const uint8_t *digest, bool composite);
/* A checksum among packed attributes; digest empty for an upload's mere choice of algorithm. */
struct checksum_found {
    const struct checksum_algorithm *algorithm;
    struct span digest;
    bool composite;
};
/* The first one whose digest is empty or as long as its algorithm's; false when there is none. */
bool checksum_find(struct span attrs, struct checksum_found *ret_found);
/* Whether its digest is this one, of the same algorithm; one without a digest is none. */
bool checksum_is(const struct checksum_found *found, const uint8_t *digest);

/* x-amz-checksum-…: and x-amz-checksum-type, from an object's attributes. */
int checksum_reply_headers(struct s3_call *call, struct span attrs, uint32_t parts);
/* The same of one part; the type is its object's. */
int checksum_reply_part_headers(struct s3_call *call, struct span part_attrs, struct span object_attrs);
/* <ChecksumX> and <ChecksumType>, likewise. */
void checksum_xml(struct buf *xml, struct span attrs, uint32_t parts);
/* <ChecksumX> alone, of a part. */
void checksum_part_xml(struct buf *xml, struct span attrs);

#endif
