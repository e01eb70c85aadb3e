#include "fs/source.h"

#include <errno.h>
#include <stdlib.h>

#include "objstore/base/span.h"

/* HOST[:PORT] of an http endpoint; an IPv6 address stands in brackets. A user in front has no meaning here. */
static bool host_fits(struct span host)
{
    ptrdiff_t bracket = span_find(host, ']', 0);
    struct span rest = span_from(host, (size_t)(bracket + 1));
    ptrdiff_t colon = span_find(rest, ':', 0);
    uint64_t port = 1;

    if (span_find(host, '@', 0) >= 0)
        return false;
    if (colon >= 0 && span_to_u64(span_from(rest, (size_t)colon + 1), &port) < 0)
        return false;
    return port > 0 && port <= UINT16_MAX;
}

/* Where the endpoint ends in text, and where the path behind it begins. */
static int split(struct span text, size_t *ret_end, size_t *ret_path)
{
    size_t scheme = span_starts(text, SPAN_LIT("http://"))    ? 7
                    : span_starts(text, SPAN_LIT("https://")) ? 8
                    : span_starts(text, SPAN_LIT("unix:"))    ? 5
                                                              : 0;
    bool is_unix = scheme == 5;
    size_t end = scheme;

    if (scheme == 0)
        return -EINVAL;
    while (end < text.len && (is_unix ? !span_starts(span_from(text, end), SPAN_LIT(":/")) : text.ptr[end] != '/'))
        end++;
    *ret_end = end;
    *ret_path = is_unix && end < text.len ? end + 1 : end;
    return end > scheme && (is_unix || host_fits(span_make(text.ptr + scheme, end - scheme))) ? 0 : -EINVAL;
}

static char *dup_span(struct span s)
{
    return strndup(s.ptr ? s.ptr : "", s.len);
}

/* The components of path: the first is the bucket, the others, joined by single slashes, the prefix. */
static int take_path(struct span path, struct source *source)
{
    struct buf prefix = BUF_INIT;
    int r = 0;

    while (path.ptr && r == 0) {
        struct span part = span_cut(&path, '/');
        if (part.len == 0)
            continue;
        if (span_is(part, ".") || span_is(part, ".."))
            r = -EINVAL;
        else if (!source->bucket)
            r = (source->bucket = dup_span(part)) ? 0 : -ENOMEM;
        else if (prefix.len == 0 || (r = buf_add_char(&prefix, '/')) == 0)
            r = buf_add_span(&prefix, part);
    }
    if (r == 0 && prefix.len > 0)
        r = (source->prefix = dup_span(buf_span(&prefix))) ? 0 : -ENOMEM;
    buf_release(&prefix);
    return r;
}

int source_parse(const char *text, struct source *ret_source)
{
    struct span all = span_cstr(text);
    struct source source = {0};
    size_t end, path;

    int r = split(all, &end, &path);
    if (r < 0)
        return r;
    source.endpoint = dup_span(span_head(all, end));
    r = source.endpoint ? take_path(span_from(all, path), &source) : -ENOMEM;
    if (r < 0)
        source_release(&source);
    else
        *ret_source = source;
    return r;
}

void source_release(struct source *source)
{
    free(source->endpoint);
    free(source->bucket);
    free(source->prefix);
    *source = (struct source){0};
}
