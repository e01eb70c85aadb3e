#include "server/s3/ops.h"

#include "server/s3/call.h"
#include "server/s3/handlers.h"
#include "server/s3/s3_error.h"

#include <stdio.h>

/* clang-format off */

#define Q(...) {__VA_ARGS__}
#define NONE   {NULL, NULL}
#define S3_ERR(code)  .flags = S3_OP_CONFIG, .handler = s3_config_answer, .answer = code
#define S3_DOC(xml)   .flags = S3_OP_CONFIG, .handler = s3_config_answer, .document = xml
#define S3_GONE       .flags = S3_OP_CONFIG, .handler = s3_config_answer
#define S3_LACKS      .flags = S3_OP_LACKS,  .handler = s3_not_implemented
#define NS            " xmlns=\"" XML_S3_NS "\""

/* Rows with a sub-resource come before the plain ones of their method and level. */
const struct s3_op s3_ops[] = {
    /* service */
    {"ListBuckets",              "GET",    S3_SERVICE, NONE, NULL, "s3:ListAllMyBuckets", .handler = s3_list_buckets},

    /* bucket: contents */
    {"ListObjectsV2",            "GET",    S3_BUCKET, Q("list-type"), NULL, "s3:ListBucket", .handler = s3_list_objects_v2},
    {"ListObjectVersions",       "GET",    S3_BUCKET, Q("versions"), NULL, "s3:ListBucketVersions", .handler = s3_list_versions},
    {"ListMultipartUploads",     "GET",    S3_BUCKET, Q("uploads"), NULL, "s3:ListBucketMultipartUploads", .handler = s3_list_uploads},
    {"DeleteObjects",            "POST",   S3_BUCKET, Q("delete"), NULL, "s3:DeleteObject", .flags = S3_OP_PER_KEY, .handler = s3_delete_objects},

    /* bucket: configuration */
    {"GetBucketLocation",        "GET",    S3_BUCKET, Q("location"), NULL, "s3:GetBucketLocation", .handler = s3_get_bucket_location},
    {"GetBucketAcl",             "GET",    S3_BUCKET, Q("acl"), NULL, "s3:GetBucketAcl", .handler = s3_get_acl},
    {"PutBucketAcl",             "PUT",    S3_BUCKET, Q("acl"), NULL, "s3:PutBucketAcl", .handler = s3_put_acl},
    {"GetBucketVersioning",      "GET",    S3_BUCKET, Q("versioning"), NULL, "s3:GetBucketVersioning", S3_DOC("<VersioningConfiguration" NS "/>")},
    {"GetBucketRequestPayment",  "GET",    S3_BUCKET, Q("requestPayment"), NULL, "s3:GetBucketRequestPayment",
                                           S3_DOC("<RequestPaymentConfiguration" NS "><Payer>BucketOwner</Payer></RequestPaymentConfiguration>")},
    {"GetBucketLogging",         "GET",    S3_BUCKET, Q("logging"), NULL, "s3:GetBucketLogging", S3_DOC("<BucketLoggingStatus" NS "/>")},
    {"GetBucketNotificationConfiguration", "GET", S3_BUCKET, Q("notification"), NULL, "s3:GetBucketNotification", S3_DOC("<NotificationConfiguration" NS "/>")},
    {"GetBucketAccelerateConfiguration", "GET", S3_BUCKET, Q("accelerate"), NULL, "s3:GetAccelerateConfiguration", S3_DOC("<AccelerateConfiguration" NS "/>")},
    {"GetBucketPolicyStatus",    "GET",    S3_BUCKET, Q("policyStatus"), NULL, "s3:GetBucketPolicyStatus", S3_ERR(S3_NO_SUCH_BUCKET_POLICY)},
    {"GetBucketPolicy",          "GET",    S3_BUCKET, Q("policy"), NULL, "s3:GetBucketPolicy", S3_ERR(S3_NO_SUCH_BUCKET_POLICY)},
    {"GetBucketTagging",         "GET",    S3_BUCKET, Q("tagging"), NULL, "s3:GetBucketTagging", S3_ERR(S3_NO_SUCH_TAG_SET)},
    {"GetBucketLifecycleConfiguration", "GET", S3_BUCKET, Q("lifecycle"), NULL, "s3:GetLifecycleConfiguration", S3_ERR(S3_NO_SUCH_LIFECYCLE)},
    {"GetBucketCors",            "GET",    S3_BUCKET, Q("cors"), NULL, "s3:GetBucketCORS", S3_ERR(S3_NO_SUCH_CORS)},
    {"GetBucketWebsite",         "GET",    S3_BUCKET, Q("website"), NULL, "s3:GetBucketWebsite", S3_ERR(S3_NO_SUCH_WEBSITE)},
    {"GetBucketEncryption",      "GET",    S3_BUCKET, Q("encryption"), NULL, "s3:GetEncryptionConfiguration", S3_ERR(S3_SSE_NOT_FOUND)},
    {"GetObjectLockConfiguration", "GET",  S3_BUCKET, Q("object-lock"), NULL, "s3:GetBucketObjectLockConfiguration", S3_ERR(S3_OBJECT_LOCK_NOT_FOUND)},
    {"GetBucketReplication",     "GET",    S3_BUCKET, Q("replication"), NULL, "s3:GetReplicationConfiguration", S3_ERR(S3_REPLICATION_NOT_FOUND)},
    {"GetPublicAccessBlock",     "GET",    S3_BUCKET, Q("publicAccessBlock"), NULL, "s3:GetBucketPublicAccessBlock", S3_ERR(S3_NO_SUCH_PUBLIC_ACCESS_BLOCK)},
    {"GetBucketOwnershipControls", "GET",  S3_BUCKET, Q("ownershipControls"), NULL, "s3:GetBucketOwnershipControls",
                                           S3_DOC("<OwnershipControls" NS "><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>")},
    {"GetBucketAnalyticsConfiguration", "GET", S3_BUCKET, Q("analytics", "id"), NULL, "s3:GetAnalyticsConfiguration", S3_ERR(S3_NO_SUCH_CONFIGURATION)},
    {"ListBucketAnalyticsConfigurations", "GET", S3_BUCKET, Q("analytics"), NULL, "s3:GetAnalyticsConfiguration",
                                           S3_DOC("<ListBucketAnalyticsConfigurationResult" NS "><IsTruncated>false</IsTruncated></ListBucketAnalyticsConfigurationResult>")},
    {"GetBucketInventoryConfiguration", "GET", S3_BUCKET, Q("inventory", "id"), NULL, "s3:GetInventoryConfiguration", S3_ERR(S3_NO_SUCH_CONFIGURATION)},
    {"ListBucketInventoryConfigurations", "GET", S3_BUCKET, Q("inventory"), NULL, "s3:GetInventoryConfiguration",
                                           S3_DOC("<ListInventoryConfigurationsResult" NS "><IsTruncated>false</IsTruncated></ListInventoryConfigurationsResult>")},
    {"GetBucketMetricsConfiguration", "GET", S3_BUCKET, Q("metrics", "id"), NULL, "s3:GetMetricsConfiguration", S3_ERR(S3_NO_SUCH_CONFIGURATION)},
    {"ListBucketMetricsConfigurations", "GET", S3_BUCKET, Q("metrics"), NULL, "s3:GetMetricsConfiguration",
                                           S3_DOC("<ListMetricsConfigurationsResult" NS "><IsTruncated>false</IsTruncated></ListMetricsConfigurationsResult>")},
    {"GetBucketIntelligentTieringConfiguration", "GET", S3_BUCKET, Q("intelligent-tiering", "id"), NULL, "s3:GetIntelligentTieringConfiguration", S3_ERR(S3_NO_SUCH_CONFIGURATION)},
    {"ListBucketIntelligentTieringConfigurations", "GET", S3_BUCKET, Q("intelligent-tiering"), NULL, "s3:GetIntelligentTieringConfiguration",
                                           S3_DOC("<ListBucketIntelligentTieringConfigurationsOutput" NS "><IsTruncated>false</IsTruncated></ListBucketIntelligentTieringConfigurationsOutput>")},

    {"DeleteBucketPolicy",       "DELETE", S3_BUCKET, Q("policy"), NULL, "s3:DeleteBucketPolicy", S3_GONE},
    {"DeleteBucketTagging",      "DELETE", S3_BUCKET, Q("tagging"), NULL, "s3:PutBucketTagging", S3_GONE},
    {"DeleteBucketLifecycle",    "DELETE", S3_BUCKET, Q("lifecycle"), NULL, "s3:PutLifecycleConfiguration", S3_GONE},
    {"DeleteBucketCors",         "DELETE", S3_BUCKET, Q("cors"), NULL, "s3:PutBucketCORS", S3_GONE},
    {"DeleteBucketWebsite",      "DELETE", S3_BUCKET, Q("website"), NULL, "s3:DeleteBucketWebsite", S3_GONE},
    {"DeleteBucketEncryption",   "DELETE", S3_BUCKET, Q("encryption"), NULL, "s3:PutEncryptionConfiguration", S3_GONE},
    {"DeleteBucketReplication",  "DELETE", S3_BUCKET, Q("replication"), NULL, "s3:PutReplicationConfiguration", S3_GONE},
    {"DeletePublicAccessBlock",  "DELETE", S3_BUCKET, Q("publicAccessBlock"), NULL, "s3:PutBucketPublicAccessBlock", S3_GONE},

    {"PutBucketVersioning",      "PUT",    S3_BUCKET, Q("versioning"), NULL, "s3:PutBucketVersioning", S3_LACKS},
    {"PutBucketRequestPayment",  "PUT",    S3_BUCKET, Q("requestPayment"), NULL, "s3:PutBucketRequestPayment", S3_LACKS},
    {"PutBucketLogging",         "PUT",    S3_BUCKET, Q("logging"), NULL, "s3:PutBucketLogging", S3_LACKS},
    {"PutBucketNotificationConfiguration", "PUT", S3_BUCKET, Q("notification"), NULL, "s3:PutBucketNotification", S3_LACKS},
    {"PutBucketAccelerateConfiguration", "PUT", S3_BUCKET, Q("accelerate"), NULL, "s3:PutAccelerateConfiguration", S3_LACKS},
    {"PutBucketPolicy",          "PUT",    S3_BUCKET, Q("policy"), NULL, "s3:PutBucketPolicy", S3_LACKS},
    {"PutBucketTagging",         "PUT",    S3_BUCKET, Q("tagging"), NULL, "s3:PutBucketTagging", S3_LACKS},
    {"PutBucketLifecycleConfiguration", "PUT", S3_BUCKET, Q("lifecycle"), NULL, "s3:PutLifecycleConfiguration", S3_LACKS},
    {"PutBucketCors",            "PUT",    S3_BUCKET, Q("cors"), NULL, "s3:PutBucketCORS", S3_LACKS},
    {"PutBucketWebsite",         "PUT",    S3_BUCKET, Q("website"), NULL, "s3:PutBucketWebsite", S3_LACKS},
    {"PutBucketEncryption",      "PUT",    S3_BUCKET, Q("encryption"), NULL, "s3:PutEncryptionConfiguration", S3_LACKS},
    {"PutObjectLockConfiguration", "PUT",  S3_BUCKET, Q("object-lock"), NULL, "s3:PutBucketObjectLockConfiguration", S3_ERR(S3_NO_VERSIONING)},
    {"PutBucketReplication",     "PUT",    S3_BUCKET, Q("replication"), NULL, "s3:PutReplicationConfiguration", S3_LACKS},
    {"PutPublicAccessBlock",     "PUT",    S3_BUCKET, Q("publicAccessBlock"), NULL, "s3:PutBucketPublicAccessBlock", S3_LACKS},
    {"PutBucketOwnershipControls", "PUT",  S3_BUCKET, Q("ownershipControls"), NULL, "s3:PutBucketOwnershipControls", S3_LACKS},
    {"DeleteBucketOwnershipControls", "DELETE", S3_BUCKET, Q("ownershipControls"), NULL, "s3:PutBucketOwnershipControls", S3_LACKS},
    {"PutBucketAnalyticsConfiguration", "PUT", S3_BUCKET, Q("analytics", "id"), NULL, "s3:PutAnalyticsConfiguration", S3_LACKS},
    {"PutBucketInventoryConfiguration", "PUT", S3_BUCKET, Q("inventory", "id"), NULL, "s3:PutInventoryConfiguration", S3_LACKS},
    {"PutBucketMetricsConfiguration", "PUT", S3_BUCKET, Q("metrics", "id"), NULL, "s3:PutMetricsConfiguration", S3_LACKS},
    {"PutBucketIntelligentTieringConfiguration", "PUT", S3_BUCKET, Q("intelligent-tiering", "id"), NULL, "s3:PutIntelligentTieringConfiguration", S3_LACKS},
    {"CreateSession",            "GET",    S3_BUCKET, Q("session"), NULL, "s3express:CreateSession", S3_LACKS},

    /* bucket, plain */
    {"ListObjects",              "GET",    S3_BUCKET, NONE, NULL, "s3:ListBucket", .handler = s3_list_objects_v1},
    {"CreateBucket",             "PUT",    S3_BUCKET, NONE, NULL, "s3:CreateBucket", .handler = s3_create_bucket},
    {"HeadBucket",               "HEAD",   S3_BUCKET, NONE, NULL, "s3:ListBucket", .handler = s3_head_bucket},
    {"DeleteBucket",             "DELETE", S3_BUCKET, NONE, NULL, "s3:DeleteBucket", .handler = s3_delete_bucket},
    {"PostObject",               "POST",   S3_BUCKET, NONE, NULL, "s3:PutObject", S3_LACKS},
    {"CorsPreflight",            "OPTIONS", S3_BUCKET, NONE, NULL, "s3:ListBucket", S3_ERR(S3_ACCESS_FORBIDDEN)},

    /* object: parts of an upload */
    {"CreateMultipartUpload",    "POST",   S3_OBJECT, Q("uploads"), NULL, "s3:PutObject", .flags = S3_OP_NEW_KEY, .handler = s3_create_upload},
    {"UploadPartCopy",           "PUT",    S3_OBJECT, Q("partNumber", "uploadId"), "x-amz-copy-source", "s3:PutObject", .handler = s3_upload_part_copy},
    {"UploadPart",               "PUT",    S3_OBJECT, Q("partNumber", "uploadId"), NULL, "s3:PutObject", .handler = s3_upload_part},
    {"CompleteMultipartUpload",  "POST",   S3_OBJECT, Q("uploadId"), NULL, "s3:PutObject", .handler = s3_complete_upload},
    {"AbortMultipartUpload",     "DELETE", S3_OBJECT, Q("uploadId"), NULL, "s3:AbortMultipartUpload", .handler = s3_abort_upload},
    {"ListParts",                "GET",    S3_OBJECT, Q("uploadId"), NULL, "s3:ListMultipartUploadParts", .handler = s3_list_parts},

    /* object: sub-resources */
    {"GetObjectAttributes",      "GET",    S3_OBJECT, Q("attributes"), NULL, "s3:GetObjectAttributes", .handler = s3_get_attributes},
    {"GetObjectTagging",         "GET",    S3_OBJECT, Q("tagging"), NULL, "s3:GetObjectTagging", .handler = s3_get_tagging},
    {"PutObjectTagging",         "PUT",    S3_OBJECT, Q("tagging"), NULL, "s3:PutObjectTagging", .handler = s3_put_tagging},
    {"DeleteObjectTagging",      "DELETE", S3_OBJECT, Q("tagging"), NULL, "s3:DeleteObjectTagging", .handler = s3_delete_tagging},
    {"GetObjectAcl",             "GET",    S3_OBJECT, Q("acl"), NULL, "s3:GetObjectAcl", .handler = s3_get_acl},
    {"PutObjectAcl",             "PUT",    S3_OBJECT, Q("acl"), NULL, "s3:PutObjectAcl", .handler = s3_put_acl},
    {"GetObjectRetention",       "GET",    S3_OBJECT, Q("retention"), NULL, "s3:GetObjectRetention", S3_ERR(S3_NO_OBJECT_LOCK)},
    {"GetObjectLegalHold",       "GET",    S3_OBJECT, Q("legal-hold"), NULL, "s3:GetObjectLegalHold", S3_ERR(S3_NO_OBJECT_LOCK)},
    {"PutObjectRetention",       "PUT",    S3_OBJECT, Q("retention"), NULL, "s3:PutObjectRetention", S3_ERR(S3_NO_OBJECT_LOCK)},
    {"PutObjectLegalHold",       "PUT",    S3_OBJECT, Q("legal-hold"), NULL, "s3:PutObjectLegalHold", S3_ERR(S3_NO_OBJECT_LOCK)},
    {"GetObjectTorrent",         "GET",    S3_OBJECT, Q("torrent"), NULL, "s3:GetObjectTorrent", S3_LACKS},
    {"RestoreObject",            "POST",   S3_OBJECT, Q("restore"), NULL, "s3:RestoreObject", S3_LACKS},
    {"SelectObjectContent",      "POST",   S3_OBJECT, Q("select", "select-type"), NULL, "s3:GetObject", S3_LACKS},
    {"RenameObject",             "PUT",    S3_OBJECT, Q("renameObject"), NULL, "s3:PutObject", .flags = S3_OP_NEW_KEY, .handler = s3_rename_object},
    {"UpdateObjectEncryption",   "PUT",    S3_OBJECT, Q("encryption"), NULL, "s3:UpdateObjectEncryption", S3_LACKS},

    /* object, plain */
    {"GetObject",                "GET",    S3_OBJECT, NONE, NULL, "s3:GetObject", .handler = s3_get_object},
    {"HeadObject",               "HEAD",   S3_OBJECT, NONE, NULL, "s3:GetObject", .handler = s3_get_object},
    {"CopyObject",               "PUT",    S3_OBJECT, NONE, "x-amz-copy-source", "s3:PutObject", .flags = S3_OP_NEW_KEY, .handler = s3_copy_object},
    {"PutObject",                "PUT",    S3_OBJECT, NONE, NULL, "s3:PutObject", .flags = S3_OP_NEW_KEY, .handler = s3_put_object},
    {"DeleteObject",             "DELETE", S3_OBJECT, NONE, NULL, "s3:DeleteObject", .handler = s3_delete_object},
    {"CorsPreflight",            "OPTIONS", S3_OBJECT, NONE, NULL, "s3:GetObject", S3_ERR(S3_ACCESS_FORBIDDEN)},
};
const size_t s3_op_count = sizeof(s3_ops) / sizeof(*s3_ops);

/* Parameters that never name a sub-resource of their own. A presigned URL's X-Amz-… are covered by the prefix "x-". */
static const struct {
    const char *name;
    const char *method; /* NULL: any */
} plain_parameters[] = {
    {"prefix", "GET"}, {"delimiter", "GET"}, {"marker", "GET"}, {"max-keys", "GET"}, {"encoding-type", "GET"},
    {"start-after", "GET"}, {"continuation-token", "GET"}, {"fetch-owner", "GET"}, {"key-marker", "GET"},
    {"version-id-marker", "GET"}, {"upload-id-marker", "GET"}, {"max-uploads", "GET"}, {"part-number-marker", "GET"},
    {"max-parts", "GET"}, {"max-buckets", "GET"}, {"id", "GET"}, {"bucket-region", "GET"}, {"partNumber", "GET"}, {"partNumber", "HEAD"},
    {"response-content-type", NULL}, {"response-content-language", NULL}, {"response-expires", NULL},
    {"response-cache-control", NULL}, {"response-content-disposition", NULL}, {"response-content-encoding", NULL},
    {"versionId", NULL}, {"AWSAccessKeyId", NULL}, {"Signature", NULL}, {"Expires", NULL},
};
/* clang-format on */

static bool row_takes(const struct s3_op *op, struct span name)
{
    return (op->query[0] && span_is(name, op->query[0])) || (op->query[1] && span_is(name, op->query[1]));
}

static bool row_is_of(const struct s3_op *op, const struct uri_query *query, enum s3_level level)
{
    return op->level == level && (!op->query[0] || uri_query_has(query, op->query[0])) &&
           (!op->query[1] || uri_query_has(query, op->query[1]));
}

static bool row_matches(const struct s3_op *op, const struct http_head *head, const struct uri_query *query,
                        enum s3_level level)
{
    return span_is(head->method, op->method) && row_is_of(op, query, level) &&
           (!op->header || http_head_get(head, op->header).ptr);
}

static bool is_plain(const struct http_head *head, const struct uri_pair *pair)
{
    if (span_eq_nocase(span_head(pair->name, 2), SPAN_LIT("x-")))
        return true;
    for (size_t i = 0; i < sizeof(plain_parameters) / sizeof(*plain_parameters); i++)
        if (span_is(pair->name, plain_parameters[i].name) &&
            (!plain_parameters[i].method || span_is(head->method, plain_parameters[i].method)))
            return true;
    return false;
}

static bool is_sub_resource(struct span name)
{
    for (size_t i = 0; i < s3_op_count; i++)
        if (row_takes(&s3_ops[i], name))
            return true;
    return false;
}

/* What a parameter that the row does not take means for the request. */
static int judge_parameter(const struct http_head *head, const struct uri_pair *pair, const struct s3_op *op)
{
    bool reads = span_is(head->method, "GET") || span_is(head->method, "HEAD");
    if (row_takes(op, pair->name) || is_plain(head, pair))
        return 0;
    if (is_sub_resource(pair->name))
        return op->query[0] ? S3_INVALID_ARGUMENT : S3_METHOD_NOT_ALLOWED;
    return reads && pair->value.len ? 0 : S3_NOT_IMPLEMENTED;
}

int s3_route(const struct http_head *head, const struct uri_query *query, enum s3_level level,
             const struct s3_op **ret_op)
{
    const struct s3_op *op = s3_ops, *end = s3_ops + s3_op_count;
    while (op < end && !row_matches(op, head, query, level))
        op++;
    if (op == end)
        return S3_METHOD_NOT_ALLOWED;
    for (size_t i = 0; i < query->count; i++) {
        int ret = judge_parameter(head, &query->pairs[i], op);
        if (ret < 0)
            return ret;
    }
    *ret_op = op;
    return 0;
}

static void list_methods(const struct uri_query *query, enum s3_level level, bool plain, char ret_list[S3_ALLOW_MAX])
{
    size_t len = 0;
    ret_list[0] = '\0';
    for (size_t i = 0; i < s3_op_count; i++) {
        const struct s3_op *op = &s3_ops[i];
        if (row_is_of(op, query, level) && plain == !op->query[0] && !strstr(ret_list, op->method))
            len += (size_t)snprintf(ret_list + len, S3_ALLOW_MAX - len, "%s%s", len ? ", " : "", op->method);
    }
}

void s3_route_methods(const struct uri_query *query, enum s3_level level, char ret_list[S3_ALLOW_MAX])
{
    list_methods(query, level, false, ret_list);
    if (!ret_list[0])
        list_methods(query, level, true, ret_list);
}
