#include "fs/remote_priv.h"
#include "objstore/base/log.h"

int response_error(const struct s3_response *response)
{
    if (response->status >= 200 && response->status < 300)
        return 0;
    if (response->status >= 500 || response->status == 429)
        return -EAGAIN;
    if (response->status == 404)
        return -ENXIO;
    struct span code = s3_error_code(response);
    log_warn("refused", "status=%d code=" SPAN_FMT " request=" SPAN_FMT, response->status, SPAN_ARG(code),
             SPAN_ARG(http_head_get(&response->head, "x-amz-request-id")));
    return response->status == 403 || response->status == 401 ? -EACCES : -EPROTO;
}

bool response_is_dialect(const struct s3_response *response)
{
    return span_is(http_head_get(&response->head, "content-type"), POSIX_CONTENT_TYPE);
}

static bool transfer_interrupted(void *arg)
{
    struct remote *remote = arg;
    return remote->interrupted && remote->interrupted();
}

int remote_transfer(struct remote *remote, struct s3_request *request, struct s3_response *response)
{
    request->interrupted = request->interrupted ? request->interrupted : transfer_interrupted;
    request->interrupted_arg = request->interrupted_arg ? request->interrupted_arg : remote;
    int r = s3_send(remote->client, request, response);
    return r < 0 ? r : response_error(response);
}

int remote_post(struct remote *remote, struct span body, struct s3_response *response)
{
    struct uri_pair query = {SPAN_LIT("cairn"), SPAN_LIT("posix"), true};
    struct s3_request request = {
        .method = "POST", .path = remote->path, .query = &query, .query_count = 1, .body = body};
    return remote_transfer(remote, &request, response);
}
