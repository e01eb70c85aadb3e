#include "server/posix/posix_priv.h"

uint64_t posix_instance(const struct posix *posix)
{
    return posix->instance + index_mark(posix->index);
}

int posix_refuse(struct posix *posix, uint64_t sequence, int code, struct buf *reply)
{
    posix_reply_begin(
        reply,
        &(struct posix_reply){.instance = posix_instance(posix), .sequence = sequence, .status = posix_status(code)});
    return posix_reply_end(reply);
}

int posix_send(struct http_request *request, const struct buf *reply)
{
    return http_reply_bytes(request, 200, POSIX_CONTENT_TYPE, buf_span(reply));
}
