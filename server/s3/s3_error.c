#include "server/s3/s3_error.h"

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "server/wire/xml_out.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static const struct s3_error_row rows[S3_NUMBER_COUNT] = {
#define X(name, status, code, message) [S3_NUMBER_##name] = {status, code, message},
    S3_ERRORS(X)
#undef X
};

/* What the errors of the layers below are to a client of S3. What is not here is an InternalError. */
static const struct {
    int error;
    enum s3_error s3;
} translations[] = {
    {CAIRN_ENOBUCKET, S3_NO_SUCH_BUCKET},
    {CAIRN_ENOKEY, S3_NO_SUCH_KEY},
    {CAIRN_ENOUPLOAD, S3_NO_SUCH_UPLOAD},
    {CAIRN_EBUCKETEXISTS, S3_BUCKET_ALREADY_OWNED},
    {CAIRN_EBUCKETNOTEMPTY, S3_BUCKET_NOT_EMPTY},
    {CAIRN_EPRECONDITION, S3_PRECONDITION_FAILED},
    {CAIRN_EKEYTOOLONG, S3_KEY_TOO_LONG},
    {CAIRN_EBADPART, S3_INVALID_PART},
    {CAIRN_EPARTORDER, S3_INVALID_PART_ORDER},
    {CAIRN_EPARTSMALL, S3_ENTITY_TOO_SMALL},
    {CAIRN_EBADNAME, S3_INVALID_BUCKET_NAME},
    {CAIRN_EBADRANGE, S3_INVALID_RANGE},
    {CAIRN_EQUORUM, S3_SLOW_DOWN},
    {CAIRN_ESYNTAX, S3_INCOMPLETE_BODY}, /* of a body's framing; other grammars are translated where they are read */
    {CAIRN_ETOOBIG, S3_MAX_MESSAGE_LENGTH},
    {CAIRN_ESIGNATURE, S3_SIGNATURE_MISMATCH},
    {CAIRN_EDIGEST, S3_SHA256_MISMATCH},
    {CAIRN_ECLOSED, S3_INCOMPLETE_BODY},
    {CAIRN_EDEADLINE, S3_REQUEST_TIMEOUT},
    {-EACCES, S3_ACCESS_DENIED},
    {-EPERM, S3_ACCESS_DENIED},
    {-ENOSPC, S3_STORAGE_FULL},
    {-EDQUOT, S3_STORAGE_FULL},
    {-ENOENT, S3_NO_SUCH_KEY},
    {-ESTALE, S3_NO_SUCH_KEY},
    {-EMSGSIZE, S3_INCOMPLETE_BODY},  /* aws-chunked: not the decoded length */
    {-EBADMSG, S3_MALFORMED_TRAILER}, /* aws-chunked: not the trailers announced */
    {-EAGAIN, S3_SLOW_DOWN},
    {-ENOSYS, S3_NOT_IMPLEMENTED},
    {-EOPNOTSUPP, S3_NOT_IMPLEMENTED},
};

const struct s3_error_row *s3_error_row(int error)
{
    int number = -error - S3_ERROR_BASE;
    if (number > S3_NUMBER_NONE && number < S3_NUMBER_COUNT)
        return &rows[number];
    for (size_t i = 0; i < sizeof(translations) / sizeof(*translations); i++)
        if (translations[i].error == error)
            return &rows[-(int)translations[i].s3 - S3_ERROR_BASE];
    return &rows[S3_NUMBER_S3_INTERNAL];
}

void s3_error_extra(struct s3_error_detail *detail, const char *name, struct span value)
{
    if (detail->extra_count == S3_ERROR_EXTRAS)
        return;
    detail->extra[detail->extra_count].name = name;
    detail->extra[detail->extra_count++].value = value;
}

/* Tells hosts behind one address apart without giving their names away. */
static char host_id[17];

static void host_id_init(void)
{
    char name[256] = "";
    gethostname(name, sizeof(name) - 1);
    snprintf(host_id, sizeof(host_id), "%016llx", (unsigned long long)xxh3(name, strlen(name), 0));
}

static void write_xml(struct buf *xml, const struct http_request *request, const struct s3_error_row *row,
                      const struct s3_error_detail *detail)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, host_id_init);
    xml_begin(xml, "Error", NULL);
    xml_cstr(xml, "Code", row->code);
    if (detail && detail->message.len)
        xml_span_lossy(xml, "Message", detail->message);
    else
        xml_cstr(xml, "Message", row->message);
    if (detail && detail->bucket.len)
        xml_span_lossy(xml, "BucketName", detail->bucket);
    if (detail && detail->key.len)
        xml_span_lossy(xml, "Key", detail->key);
    for (size_t i = 0; detail && i < detail->extra_count; i++)
        xml_span_lossy(xml, detail->extra[i].name, detail->extra[i].value);
    xml_span_lossy(xml, "Resource", request->head.path);
    xml_cstr(xml, "RequestId", request->id);
    xml_cstr(xml, "HostId", host_id);
    xml_close(xml, "Error");
}

int s3_error_reply(struct http_request *request, int error, const struct s3_error_detail *detail)
{
    const struct s3_error_row *row = s3_error_row(error);
    if (row->status != 416 && row->status != 405)
        http_reply_clear(request);
    struct buf xml = BUF_INIT;
    write_xml(&xml, request, row, detail);
    int ret = xml.failed ? xml.failed : http_reply_bytes(request, row->status, "application/xml", buf_span(&xml));
    buf_release(&xml);
    return ret;
}
