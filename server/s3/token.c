#include "server/s3/token.h"

#define TOKEN_VERSION '1'

int token_decode(struct s3_call *call, const char *parameter, struct span *ret_entry)
{
    struct span text = s3_query(call, parameter);
    *ret_entry = SPAN_EMPTY;
    if (!text.len)
        return 0;
    char *bytes = arena_alloc(&call->request->arena, text.len + 1);
    if (!bytes)
        return -ENOMEM;
    ptrdiff_t len = base64_decode(text, bytes, text.len);
    if (len < 2 || bytes[0] != TOKEN_VERSION)
        return s3_bad_argument(call, parameter, text, "The continuation token provided is incorrect");
    *ret_entry = span_make(bytes + 1, (size_t)len - 1);
    return 0;
}

void token_xml(struct s3_call *call, struct buf *xml, const char *element, struct span entry)
{
    struct arena *arena = &call->request->arena;
    char *raw = arena_alloc(arena, entry.len + 1);
    char *text = arena_alloc(arena, 4 * ((entry.len + 3) / 3) + 1);
    if (!raw || !text) {
        xml->failed = -ENOMEM;
        return;
    }
    raw[0] = TOKEN_VERSION;
    memcpy(raw + 1, entry.ptr, entry.len);
    base64_encode(raw, entry.len + 1, text);
    xml_cstr(xml, element, text);
}
