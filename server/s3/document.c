#include "server/s3/checksum.h"

#include "server/wire/xml_in.h"

/* The digests that the client states of a document are verified, as those of an object are. */
static int verify_document(struct s3_call *call, struct checksum_claim *claim, struct span doc)
{
    uint8_t md5[HASH_MAX], digest[HASH_MAX];
    int ret = hash_once(HASH_MD5, doc.ptr, doc.len, md5);
    if (ret == 0 && claim->hash != HASH_NONE)
        ret = hash_once(claim->hash, doc.ptr, doc.len, digest);
    return ret < 0 ? ret : checksum_claim_verify(call, claim, digest, md5);
}

static int read_verified(struct s3_call *call, struct span *ret_doc)
{
    struct checksum_claim claim;
    int ret = checksum_claim_read(call, &claim);
    if (ret == 0)
        ret = http_body_all(call->request, S3_DOCUMENT_MAX, ret_doc);
    return ret < 0 ? ret : verify_document(call, &claim, *ret_doc);
}

int s3_read_xml(struct s3_call *call, const char *root, enum s3_digests digests, const struct xml_node **ret_root)
{
    struct xml_limits limits = XML_LIMITS;
    struct xml_node *node;
    struct span doc;
    *ret_root = NULL;
    int ret =
        digests == S3_DIGESTS_OF_BODY ? read_verified(call, &doc) : http_body_all(call->request, S3_DOCUMENT_MAX, &doc);
    if (ret < 0 || doc.len == 0)
        return ret;
    ret = xml_parse(doc, &limits, &call->request->arena, &node);
    if (ret == CAIRN_ESYNTAX || (ret == 0 && !span_is(node->name, root)))
        return S3_MALFORMED_XML;
    if (ret == 0)
        *ret_root = node;
    return ret;
}
