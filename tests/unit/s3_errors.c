#include <criterion/criterion.h>

#include "objstore/base/errors.h"
#include "server/s3/s3_error.h"

Test(s3_errors, every_row_is_whole_and_has_a_status_of_s3)
{
    for (int number = S3_NUMBER_NONE + 1; number < S3_NUMBER_COUNT; number++) {
        const struct s3_error_row *row = s3_error_row(-(S3_ERROR_BASE + number));
        cr_assert(row->status >= 300 && row->status < 600);
        cr_assert_neq(row->code, NULL);
        cr_assert_neq(row->message, NULL);
        cr_expect_geq(strlen(row->message), 5, "%s", row->code);
        cr_expect_eq(strcspn(row->code, " <>&"), strlen(row->code), "%s", row->code);
    }
}

Test(s3_errors, errors_of_the_layers_below_have_a_code_of_their_own)
{
    static const struct {
        int error;
        const char *code;
        int status;
    } rows[] = {
        {CAIRN_ENOBUCKET, "NoSuchBucket", 404},
        {CAIRN_ENOKEY, "NoSuchKey", 404},
        {CAIRN_ENOUPLOAD, "NoSuchUpload", 404},
        {CAIRN_EBUCKETEXISTS, "BucketAlreadyOwnedByYou", 409},
        {CAIRN_EBUCKETNOTEMPTY, "BucketNotEmpty", 409},
        {CAIRN_EPRECONDITION, "PreconditionFailed", 412},
        {CAIRN_EKEYTOOLONG, "KeyTooLongError", 400},
        {CAIRN_EBADPART, "InvalidPart", 400},
        {CAIRN_EPARTORDER, "InvalidPartOrder", 400},
        {CAIRN_EPARTSMALL, "EntityTooSmall", 400},
        {CAIRN_EBADRANGE, "InvalidRange", 416},
        {CAIRN_EQUORUM, "SlowDown", 503},
        {CAIRN_ESIGNATURE, "SignatureDoesNotMatch", 403},
        {CAIRN_EDIGEST, "XAmzContentSHA256Mismatch", 400},
        {-ENOSPC, "StorageFull", 507},
        {-EACCES, "AccessDenied", 403},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct s3_error_row *row = s3_error_row(rows[i].error);
        cr_expect_str_eq(row->code, rows[i].code);
        cr_expect_eq(row->status, rows[i].status, "%s", rows[i].code);
    }
}

Test(s3_errors, what_is_not_translated_is_an_internal_error)
{
    static const int errors[] = {-EIO,          -ENOMEM, CAIRN_ECORRUPT,
                                 CAIRN_EBITROT, -1234,   -(S3_ERROR_BASE + S3_NUMBER_COUNT)};
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
        cr_expect_str_eq(s3_error_row(errors[i])->code, "InternalError");
}

Test(s3_errors, details_beyond_the_limit_are_left_out)
{
    struct s3_error_detail detail = {0};
    for (size_t i = 0; i < S3_ERROR_EXTRAS + 3; i++)
        s3_error_extra(&detail, "A", SPAN_LIT("b"));
    cr_assert_eq(detail.extra_count, S3_ERROR_EXTRAS);
}
