#include "server/s3/handlers.h"
#include "server/s3/headers.h"
#include "server/wire/xml_in.h"

/* The bucket, and the object where the request names one. */
static int target_exists(struct s3_call *call)
{
    struct ns_txn *txn;
    struct inode bucket, object;
    int ret = s3_view_begin(call, &txn);
    if (ret < 0)
        return ret;
    ret = s3_find_bucket(call, txn, &bucket);
    if (ret == 0 && call->key.len)
        ret = ns_key_find(txn, bucket.ino, call->key, &object);
    ns_view_end(&txn);
    return ret;
}

/* The configurations that a bucket here does not have: reads answer as S3 does for an unconfigured bucket, removing one
 * succeeds, and setting one is refused, so that nobody takes it for being in force. */
int s3_config_answer(struct s3_call *call)
{
    struct buf xml = BUF_INIT;
    int ret = target_exists(call);
    if (ret < 0)
        return ret;
    if (call->op->answer)
        return call->op->answer;
    if (!call->op->document)
        return s3_reply_empty(call, 204);
    buf_add_cstr(&xml, XML_DECLARATION);
    buf_add_cstr(&xml, call->op->document);
    return s3_reply_xml(call, &xml);
}

int s3_not_implemented(struct s3_call *call)
{
    return s3_fail(call, S3_NOT_IMPLEMENTED, "%s is not implemented.", call->op->name);
}

/* ---- ACLs: everything belongs to the owner, who has full control ---- */

int s3_get_acl(struct s3_call *call)
{
    const struct s3_options *options = &call->s3->options;
    struct buf xml = BUF_INIT;
    int ret = target_exists(call);
    if (ret < 0)
        return ret;
    xml_begin(&xml, "AccessControlPolicy", XML_S3_NS);
    s3_xml_owner(call->s3, &xml, "Owner");
    xml_open(&xml, "AccessControlList");
    xml_open(&xml, "Grant");
    xml_open_with(&xml, "Grantee",
                  "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"");
    xml_span(&xml, "ID", options->owner_id);
    xml_span(&xml, "DisplayName", options->owner_name);
    xml_close(&xml, "Grantee");
    xml_cstr(&xml, "Permission", "FULL_CONTROL");
    xml_close(&xml, "Grant");
    xml_close(&xml, "AccessControlList");
    xml_close(&xml, "AccessControlPolicy");
    return s3_reply_xml(call, &xml);
}

/* A document that grants what stands anyway: full control to the owner, nothing less and nothing to others. */
static int check_acl_document(struct s3_call *call)
{
    const struct xml_node *policy;
    int ret = s3_read_xml(call, "AccessControlPolicy", S3_DIGESTS_OF_BODY, &policy);
    if (ret < 0 || !policy)
        return ret < 0 ? ret : S3_MISSING_SECURITY_HEADER;
    const struct xml_node *list = xml_child(policy, "AccessControlList"), *grant = xml_child(list, "Grant");
    if (!list || !grant)
        return list ? S3_ACL_NOT_SUPPORTED : S3_MALFORMED_ACL;
    for (; grant; grant = xml_again(grant)) {
        const struct xml_node *grantee = xml_child(grant, "Grantee");
        if (!span_is(xml_child_text(grant, "Permission"), "FULL_CONTROL") ||
            !span_eq(xml_child_text(grantee, "ID"), call->s3->options.owner_id))
            return S3_ACL_NOT_SUPPORTED;
    }
    return 0;
}

/* The ACL that stands anyway may be set, canned or as a document, since clients put back what they read; any other is
 * what a bucket with ACLs disabled refuses. */
int s3_put_acl(struct s3_call *call)
{
    int ret = headers_check_write(call);
    if (ret == 0)
        ret = target_exists(call);
    if (ret == 0 && !s3_header(call, "x-amz-acl").ptr)
        ret = check_acl_document(call);
    return ret < 0 ? ret : s3_reply_empty(call, 200);
}
