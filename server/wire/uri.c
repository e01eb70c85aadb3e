#include "server/wire/uri.h"

#include "objstore/base/errors.h"

static const bool unreserved[256] = {
    ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['0' ... '9'] = true, ['-'] = true,
    ['.'] = true,         ['_'] = true,         ['~'] = true,
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

ptrdiff_t uri_decode(struct span s, enum uri_part part, char *ret)
{
    size_t out = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            int high = i + 2 < s.len ? hex_value(s.ptr[i + 1]) : -1;
            int low = i + 2 < s.len ? hex_value(s.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return CAIRN_ESYNTAX;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && part == URI_QUERY) {
            c = ' ';
        }
        ret[out++] = c;
    }
    return (ptrdiff_t)out;
}

int uri_decode_dup(struct span s, enum uri_part part, struct arena *a, struct span *ret)
{
    char *text = arena_alloc(a, s.len + 1);
    if (text == NULL)
        return -ENOMEM;
    ptrdiff_t len = uri_decode(s, part, text);
    if (len < 0)
        return (int)len;
    text[len] = '\0';
    *ret = span_make(text, (size_t)len);
    return 0;
}

static bool stands(char c, enum uri_part part)
{
    return unreserved[(unsigned char)c] || (c == '/' && part == URI_PATH);
}

size_t uri_encode(struct span s, enum uri_part part, char *ret)
{
    static const char digits[] = "0123456789ABCDEF";
    char *p = ret;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (stands((char)c, part)) {
            *p++ = (char)c;
        } else {
            *p++ = '%';
            *p++ = digits[c >> 4];
            *p++ = digits[c & 15];
        }
    }
    return (size_t)(p - ret);
}

size_t uri_encoded_len(struct span s, enum uri_part part)
{
    size_t len = s.len;
    for (size_t i = 0; i < s.len; i++)
        len += stands(s.ptr[i], part) ? 0 : 2;
    return len;
}

int uri_encode_buf(struct span s, enum uri_part part, struct buf *b)
{
    int rc = buf_reserve(b, uri_encoded_len(s, part));
    if (rc < 0)
        return rc;
    b->len += uri_encode(s, part, b->ptr + b->len);
    return 0;
}

static size_t count_fields(struct span raw)
{
    size_t count = 0;
    while (raw.ptr != NULL)
        count += span_cut(&raw, '&').len > 0;
    return count;
}

/* Decodes field to *text and moves *text behind it. */
static int decode_pair(struct span field, char **text, struct uri_pair *ret_pair)
{
    struct span value = field;
    struct span name = span_cut(&value, '=');
    ptrdiff_t name_len = uri_decode(name, URI_QUERY, *text);
    if (name_len < 0)
        return (int)name_len;
    ptrdiff_t value_len = uri_decode(value, URI_QUERY, *text + name_len);
    if (value_len < 0)
        return (int)value_len;
    *ret_pair = (struct uri_pair){
        .name = span_make(*text, (size_t)name_len),
        .value = span_make(*text + name_len, (size_t)value_len),
        .has_value = value.ptr != NULL,
    };
    *text += name_len + value_len;
    return 0;
}

int uri_query_parse(struct span raw, struct arena *a, struct uri_query *ret_query)
{
    size_t count = count_fields(raw);
    if (count > URI_PAIRS_MAX)
        return CAIRN_ETOOBIG;
    struct uri_pair *pairs = arena_zalloc(a, count, sizeof(*pairs));
    char *text = arena_alloc(a, raw.len);
    if (pairs == NULL || text == NULL)
        return -ENOMEM;

    size_t n = 0;
    while (raw.ptr != NULL) {
        struct span field = span_cut(&raw, '&');
        if (field.len == 0)
            continue;
        int rc = decode_pair(field, &text, &pairs[n++]);
        if (rc < 0)
            return rc;
    }
    *ret_query = (struct uri_query){pairs, n};
    return 0;
}

const struct uri_pair *uri_query_find(const struct uri_query *query, const char *name)
{
    struct span wanted = span_cstr(name);
    for (size_t i = 0; i < query->count; i++)
        if (span_eq(query->pairs[i].name, wanted))
            return &query->pairs[i];
    return NULL;
}

struct span uri_query_get(const struct uri_query *query, const char *name)
{
    const struct uri_pair *pair = uri_query_find(query, name);
    return pair ? pair->value : SPAN_EMPTY;
}
