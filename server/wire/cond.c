#include "server/wire/cond.h"

#include "objstore/base/clock.h"
#include "server/wire/date.h"

bool etag_is_any(struct span list)
{
    return span_is(span_trim(list), "*");
}

/* Takes the next tag off the list: without quotes, *ret_weak says whether W/ stood before it. False at the end. */
static bool next_tag(struct span *list, struct span *ret_tag, bool *ret_weak)
{
    while (list->len > 0 && (list->ptr[0] == ',' || list->ptr[0] == ' ' || list->ptr[0] == '\t'))
        *list = span_from(*list, 1);
    if (list->len == 0)
        return false;
    *ret_weak = span_starts(*list, SPAN_LIT("W/"));
    if (*ret_weak)
        *list = span_from(*list, 2);
    if (list->len > 0 && list->ptr[0] == '"') {
        *list = span_from(*list, 1);
        *ret_tag = span_cut(list, '"');
    } else {
        *ret_tag = span_trim(span_cut(list, ','));
    }
    return true;
}

bool etag_in_list(struct span list, struct span etag, bool strong)
{
    struct span tag;
    bool weak;
    if (etag_is_any(list))
        return true;
    while (next_tag(&list, &tag, &weak))
        if (span_eq(tag, etag) && !(weak && strong))
            return true;
    return false;
}

struct span etag_bare(struct span tag)
{
    struct span bare = SPAN_EMPTY;
    bool weak;
    tag = span_trim(tag);
    return next_tag(&tag, &bare, &weak) ? bare : SPAN_EMPTY;
}

static bool read_date(struct span value, int64_t now_ns, int64_t *ret_ns)
{
    return value.ptr != NULL && date_parse_http(value, now_ns, ret_ns) == 0;
}

void cond_read(const struct http_head *head, int64_t now_ns, struct cond *ret_cond)
{
    struct cond c = {
        .if_match = http_head_get(head, "if-match"),
        .if_none_match = http_head_get(head, "if-none-match"),
    };
    c.has_modified_since = read_date(http_head_get(head, "if-modified-since"), now_ns, &c.modified_since_ns);
    c.has_unmodified_since = read_date(http_head_get(head, "if-unmodified-since"), now_ns, &c.unmodified_since_ns);
    *ret_cond = c;
}

void cond_read_copy_source(const struct http_head *head, int64_t now_ns, struct cond *ret_cond)
{
    struct cond c = {
        .if_match = http_head_get(head, "x-amz-copy-source-if-match"),
        .if_none_match = http_head_get(head, "x-amz-copy-source-if-none-match"),
    };
    c.has_modified_since =
        read_date(http_head_get(head, "x-amz-copy-source-if-modified-since"), now_ns, &c.modified_since_ns);
    c.has_unmodified_since =
        read_date(http_head_get(head, "x-amz-copy-source-if-unmodified-since"), now_ns, &c.unmodified_since_ns);
    *ret_cond = c;
}

bool cond_any(const struct cond *cond)
{
    return cond->if_match.ptr != NULL || cond->if_none_match.ptr != NULL || cond->has_modified_since ||
           cond->has_unmodified_since;
}

/* A Last-Modified header shows whole seconds, so a client can only ask about these. */
static int64_t whole_second(int64_t ns)
{
    return ns / NS_PER_SEC - (ns % NS_PER_SEC < 0);
}

/* The order of RFC 9110 13.2.2: a tag, where there is one, outweighs the date. */
enum cond_result cond_check_read(const struct cond *cond, struct span etag, int64_t mtime_ns)
{
    int64_t mtime = whole_second(mtime_ns);
    if (cond->if_match.ptr != NULL) {
        if (!etag_in_list(cond->if_match, etag, true))
            return COND_FAILED;
    } else if (cond->has_unmodified_since && mtime > whole_second(cond->unmodified_since_ns)) {
        return COND_FAILED;
    }
    if (cond->if_none_match.ptr != NULL) {
        if (etag_in_list(cond->if_none_match, etag, false))
            return COND_NOT_MODIFIED;
    } else if (cond->has_modified_since && mtime <= whole_second(cond->modified_since_ns)) {
        return COND_NOT_MODIFIED;
    }
    return COND_OK;
}

enum cond_result cond_check_copy_source(const struct cond *cond, struct span etag, int64_t mtime_ns)
{
    return cond_check_read(cond, etag, mtime_ns) == COND_OK ? COND_OK : COND_FAILED;
}

enum cond_result cond_check_write(const struct cond *cond, struct span etag)
{
    bool exists = etag.ptr != NULL;
    if (cond->has_unmodified_since)
        return COND_UNSUPPORTED;
    if (cond->if_match.ptr != NULL && !exists)
        return COND_NO_KEY;
    if (cond->if_match.ptr != NULL && !etag_in_list(cond->if_match, etag, true))
        return COND_FAILED;
    return cond->if_none_match.ptr != NULL && exists && etag_in_list(cond->if_none_match, etag, false) ? COND_FAILED
                                                                                                       : COND_OK;
}
