/*
 * S3's errors: one table of codes, and the one place where the project's errors become them.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 *
 * Handlers answer a negative int: an errno, a CAIRN_E… or one of enum s3_error below, which lies outside both. So a
 * function that runs in a mutation, a parser and a handler report causes in one way, and the reply is written once.
 */
#ifndef CAIRN_S3_ERROR_H
#define CAIRN_S3_ERROR_H

#include "server/http/http.h"

#define S3_ERROR_BASE 8000 /* S3 errors are -8001 and below; errors.h ends above */

/* clang-format off */
/*        name                            status  code                                   message */
#define S3_ERRORS(X) \
    X(S3_ACCESS_DENIED,                      403, "AccessDenied",                        "Access Denied") \
    X(S3_ACCESS_FORBIDDEN,                   403, "AccessForbidden",                     "CORSResponse: CORS is not enabled for this bucket.") \
    X(S3_ACL_NOT_SUPPORTED,                  400, "AccessControlListNotSupported",       "The bucket does not allow ACLs") \
    X(S3_AUTH_HEADER_MALFORMED,              400, "AuthorizationHeaderMalformed",        "The authorization header that you provided is not valid.") \
    X(S3_AUTH_QUERY_PARAMETERS,              400, "AuthorizationQueryParametersError",   "Error parsing the X-Amz-Credential parameter.") \
    X(S3_BAD_DIGEST,                         400, "BadDigest",                           "The Content-MD5 or checksum value that you specified did not match what the server received.") \
    X(S3_BAD_REQUEST,                        400, "BadRequest",                          "Bad Request") \
    X(S3_BUCKET_ACL_WITH_OWNERSHIP,          400, "InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting") \
    X(S3_BUCKET_ALREADY_OWNED,               409, "BucketAlreadyOwnedByYou",             "Your previous request to create the named bucket succeeded and you already own it.") \
    X(S3_BUCKET_NOT_EMPTY,                   409, "BucketNotEmpty",                      "The bucket that you tried to delete is not empty.") \
    X(S3_COPY_RANGE_BEYOND,                  400, "InvalidArgument",                     "The range specified is not valid for the source object.") \
    X(S3_COPY_TOO_LARGE,                     400, "InvalidRequest",                      "The specified copy source is larger than the maximum allowable size for a copy source.") \
    X(S3_ENTITY_TOO_LARGE,                   400, "EntityTooLarge",                      "Your proposed upload exceeds the maximum allowed object size.") \
    X(S3_ENTITY_TOO_SMALL,                   400, "EntityTooSmall",                      "Your proposed upload is smaller than the minimum allowed object size.") \
    X(S3_INCOMPLETE_BODY,                    400, "IncompleteBody",                      "You did not provide the number of bytes specified by the Content-Length HTTP header.") \
    X(S3_INTERNAL,                           500, "InternalError",                       "We encountered an internal error. Please try again.") \
    X(S3_INVALID_ACCESS_KEY,                 403, "InvalidAccessKeyId",                  "The AWS Access Key Id you provided does not exist in our records.") \
    X(S3_INVALID_ARGUMENT,                   400, "InvalidArgument",                     "Invalid Argument") \
    X(S3_INVALID_BUCKET_NAME,                400, "InvalidBucketName",                   "The specified bucket is not valid.") \
    X(S3_INVALID_DIGEST,                     400, "InvalidDigest",                       "The Content-MD5 or checksum value that you specified is not valid.") \
    X(S3_INVALID_LOCATION,                   400, "InvalidLocationConstraint",           "The specified location constraint is not valid.") \
    X(S3_INVALID_PART,                       400, "InvalidPart",                         "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.") \
    X(S3_INVALID_PART_NUMBER,                416, "InvalidPartNumber",                   "The requested partnumber is not satisfiable") \
    X(S3_INVALID_PART_ORDER,                 400, "InvalidPartOrder",                    "The list of parts was not in ascending order. The parts list must be specified in order by part number.") \
    X(S3_INVALID_RANGE,                      416, "InvalidRange",                        "The requested range is not satisfiable") \
    X(S3_INVALID_REDIRECT,                   400, "InvalidRedirectLocation",             "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.") \
    X(S3_INVALID_REQUEST,                    400, "InvalidRequest",                      "Invalid Request") \
    X(S3_INVALID_STORAGE_CLASS,              400, "InvalidStorageClass",                 "The storage class you specified is not valid") \
    X(S3_INVALID_TAG,                        400, "InvalidTag",                          "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation.") \
    X(S3_INVALID_TOKEN,                      400, "InvalidToken",                        "The provided token is malformed or otherwise not valid.") \
    X(S3_INVALID_URI,                        400, "InvalidURI",                          "Couldn't parse the specified URI.") \
    X(S3_INVALID_WRITE_OFFSET,               400, "InvalidWriteOffset",                  "The write offset value that you specified does not match the current object size.") \
    X(S3_KEY_TOO_LONG,                       400, "KeyTooLongError",                     "Your key is too long") \
    X(S3_MALFORMED_ACL,                      400, "MalformedACLError",                   "The XML that you provided was not well formed or did not validate against our published schema.") \
    X(S3_MALFORMED_TRAILER,                  400, "MalformedTrailerError",               "The request contained trailing data that was not well-formed or did not conform to our published schema.") \
    X(S3_MALFORMED_XML,                      400, "MalformedXML",                        "The XML you provided was not well-formed or did not validate against our published schema") \
    X(S3_MAX_MESSAGE_LENGTH,                 400, "MaxMessageLengthExceeded",            "Your request was too large.") \
    X(S3_METADATA_TOO_LARGE,                 400, "MetadataTooLarge",                    "Your metadata headers exceed the maximum allowed metadata size") \
    X(S3_METHOD_NOT_ALLOWED,                 405, "MethodNotAllowed",                    "The specified method is not allowed against this resource.") \
    X(S3_MISSING_CONTENT_LENGTH,             411, "MissingContentLength",                "You must provide the Content-Length HTTP header.") \
    X(S3_MISSING_CONTENT_MD5,                400, "InvalidRequest",                      "Missing required header for this request: Content-MD5 OR x-amz-checksum-*") \
    X(S3_MISSING_REQUEST_BODY,               400, "MissingRequestBodyError",             "Request body is empty.") \
    X(S3_MISSING_SECURITY_HEADER,            400, "MissingSecurityHeader",               "Your request was missing a required header") \
    X(S3_NO_OBJECT_LOCK,                     400, "InvalidRequest",                      "Bucket is missing Object Lock Configuration") \
    X(S3_NO_SUCH_BUCKET,                     404, "NoSuchBucket",                        "The specified bucket does not exist") \
    X(S3_NO_SUCH_BUCKET_POLICY,              404, "NoSuchBucketPolicy",                  "The bucket policy does not exist") \
    X(S3_NO_SUCH_CONFIGURATION,              404, "NoSuchConfiguration",                 "The specified configuration does not exist.") \
    X(S3_NO_SUCH_CORS,                       404, "NoSuchCORSConfiguration",             "The CORS configuration does not exist") \
    X(S3_NO_SUCH_KEY,                        404, "NoSuchKey",                           "The specified key does not exist.") \
    X(S3_NO_SUCH_LIFECYCLE,                  404, "NoSuchLifecycleConfiguration",        "The lifecycle configuration does not exist") \
    X(S3_NO_SUCH_PUBLIC_ACCESS_BLOCK,        404, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found") \
    X(S3_NO_SUCH_TAG_SET,                    404, "NoSuchTagSet",                        "The TagSet does not exist") \
    X(S3_NO_SUCH_UPLOAD,                     404, "NoSuchUpload",                        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.") \
    X(S3_NO_SUCH_VERSION,                    404, "NoSuchVersion",                       "The specified version does not exist.") \
    X(S3_NO_SUCH_WEBSITE,                    404, "NoSuchWebsiteConfiguration",          "The specified bucket does not have a website configuration") \
    X(S3_NO_VERSIONING,                      409, "InvalidBucketState",                  "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration") \
    X(S3_NOT_IMPLEMENTED,                    501, "NotImplemented",                      "A header or query that you provided requested functionality that is not implemented.") \
    X(S3_OBJECT_LOCK_NOT_FOUND,              404, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket") \
    X(S3_OPERATION_ABORTED,                  409, "OperationAborted",                    "A conflicting conditional operation is currently in progress against this resource. Try again.") \
    X(S3_PRECONDITION_FAILED,                412, "PreconditionFailed",                  "At least one of the pre-conditions you specified did not hold") \
    X(S3_REPLICATION_NOT_FOUND,              404, "ReplicationConfigurationNotFoundError", "The replication configuration was not found") \
    X(S3_REQUEST_HEADER_TOO_LARGE,           400, "RequestHeaderSectionTooLarge",        "Your request header section exceeds the maximum allowed size.") \
    X(S3_REQUEST_TIMEOUT,                    400, "RequestTimeout",                      "Your socket connection to the server was not read from or written to within the timeout period.") \
    X(S3_REQUEST_TIME_TOO_SKEWED,            403, "RequestTimeTooSkewed",                "The difference between the request time and the current time is too large.") \
    X(S3_SHA256_MISMATCH,                    400, "XAmzContentSHA256Mismatch",           "The provided 'x-amz-content-sha256' header does not match what was computed.") \
    X(S3_CHECKSUM_TYPE_MISMATCH,             400, "InvalidRequest",                      "The checksum type of the request is not the one that the upload was created with.") \
    X(S3_CHECKSUM_OTHER,                     400, "InvalidRequest",                      "The checksum is of another algorithm than the upload was created with.") \
    X(S3_PART_CHECKSUM_MISSING,              400, "InvalidRequest",                      "The complete request must include the checksum for each part.") \
    X(S3_PART_CHECKSUM_OTHER,                400, "BadDigest",                           "The checksum of a part is of another algorithm than the upload was created with.") \
    X(S3_OBJECT_SIZE_MISMATCH,               400, "InvalidRequest",                      "The object is not of the size that you specified.") \
    X(S3_SIGNATURE_MISMATCH,                 403, "SignatureDoesNotMatch",               "The request signature we calculated does not match the signature you provided. Check your key and signing method.") \
    X(S3_SLOW_DOWN,                          503, "SlowDown",                            "Please reduce your request rate.") \
    X(S3_SSE_NOT_FOUND,                      404, "ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found") \
    X(S3_STORAGE_FULL,                       507, "StorageFull",                         "The storage has reached its limit of free space. Delete objects to proceed.") \
    X(S3_HTTP_VERSION,                       505, "HTTPVersionNotSupported",             "The HTTP version is not supported.")
/* clang-format on */

enum s3_error_number {
    S3_NUMBER_NONE,
#define X(name, status, code, message) S3_NUMBER_##name,
    S3_ERRORS(X)
#undef X
        S3_NUMBER_COUNT
};

enum s3_error {
#define X(name, status, code, message) name = -(S3_ERROR_BASE + S3_NUMBER_##name),
    S3_ERRORS(X)
#undef X
};

struct s3_error_row {
    int status;
    const char *code;
    const char *message;
};

/* The row for any error of the project: S3_… itself, what a CAIRN_E… or errno becomes, InternalError for the rest. */
const struct s3_error_row *s3_error_row(int error);

/* What a reply may say beyond its row; a zeroed one says nothing more. Spans are borrowed for the call. */
#define S3_ERROR_EXTRAS 12
struct s3_error_detail {
    struct span message;     /* replaces the row's when .len > 0 */
    struct span bucket, key; /* <BucketName>, <Key>, where known */
    struct {
        const char *name; /* element: "ArgumentName", "StringToSign", "CanonicalRequest", "HostUsed" … */
        struct span value;
    } extra[S3_ERROR_EXTRAS];
    size_t extra_count;
};
/* Adds an element; beyond S3_ERROR_EXTRAS it is left out. */
void s3_error_extra(struct s3_error_detail *detail, const char *name, struct span value);

/* Sends the error as the whole reply: status, XML with Code, Message, Resource, RequestId, HostId and the detail (may
 * be NULL). A HEAD request gets no body, a 405 and a 416 keep the headers added so far (Allow,
 * Content-Range). What is unread of the
 * request's body is server/http's to drop or to close over. Only while no reply has begun. 0 or http_reply_send's
 * errors. */
int s3_error_reply(struct http_request *request, int error, const struct s3_error_detail *detail);

#endif
