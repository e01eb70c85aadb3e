#include "server/wire/xml_out.h"

#include "server/wire/date.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* What stands in place of a byte: NULL for the byte itself. */
static const char *replacement(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return NULL;
    }
}

static bool is_plain(unsigned char c)
{
    return (c >= ' ' && c < 127 && replacement(c) == NULL) || c == '\n' || c == '\t';
}

static size_t plain_run(struct span text)
{
    size_t len = 0;
    while (len < text.len && is_plain((unsigned char)text.ptr[len]))
        len++;
    return len;
}

/* Bytes of the UTF-8 character at the front of text, 0 when there is none. */
static size_t utf8_run(struct span text)
{
    unsigned char first = (unsigned char)text.ptr[0];
    size_t len = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    return len <= text.len && span_is_utf8(span_head(text, len)) ? len : 0;
}

/* One character that is not plain; the bytes it took. */
static size_t escape_one(struct buf *b, struct span text)
{
    unsigned char c = (unsigned char)text.ptr[0];
    const char *entity = replacement(c);
    if (entity != NULL) {
        buf_add_cstr(b, entity);
        return 1;
    }
    if (c < 128) {
        buf_printf(b, "&#%u;", c);
        return 1;
    }
    size_t len = utf8_run(text);
    if (len == 0) {
        buf_add_cstr(b, REPLACEMENT);
        return 1;
    }
    buf_add(b, text.ptr, len);
    return len;
}

void xml_escape(struct buf *b, struct span text)
{
    while (text.len > 0) {
        size_t len = plain_run(text);
        if (len > 0)
            buf_add(b, text.ptr, len);
        text = span_from(text, len);
        if (text.len > 0)
            text = span_from(text, escape_one(b, text));
    }
}

static void open_tag(struct buf *b, const char *name)
{
    buf_add_char(b, '<');
    buf_add_cstr(b, name);
}

void xml_begin(struct buf *b, const char *root, const char *xmlns)
{
    buf_add_cstr(b, XML_DECLARATION);
    open_tag(b, root);
    if (xmlns != NULL) {
        buf_add_cstr(b, " xmlns=\"");
        buf_add_cstr(b, xmlns);
        buf_add_char(b, '"');
    }
    buf_add_char(b, '>');
}

void xml_open(struct buf *b, const char *name)
{
    open_tag(b, name);
    buf_add_char(b, '>');
}

void xml_open_with(struct buf *b, const char *name, const char *attributes)
{
    open_tag(b, name);
    buf_add_char(b, ' ');
    buf_add_cstr(b, attributes);
    buf_add_char(b, '>');
}

void xml_close(struct buf *b, const char *name)
{
    buf_add_cstr(b, "</");
    buf_add_cstr(b, name);
    buf_add_char(b, '>');
}

void xml_span(struct buf *b, const char *name, struct span text)
{
    xml_open(b, name);
    xml_escape(b, text);
    xml_close(b, name);
}

static size_t sayable_run(struct span text)
{
    size_t len = 0;
    while (len < text.len && ((unsigned char)text.ptr[len] >= ' ' || memchr("\t\n\r", text.ptr[len], 3)))
        len++;
    return len;
}

void xml_span_lossy(struct buf *b, const char *name, struct span text)
{
    xml_open(b, name);
    while (text.len > 0) {
        size_t len = sayable_run(text);
        xml_escape(b, span_head(text, len));
        if (len < text.len)
            buf_add_cstr(b, REPLACEMENT);
        text = span_from(text, len + 1);
    }
    xml_close(b, name);
}

void xml_cstr(struct buf *b, const char *name, const char *text)
{
    xml_span(b, name, span_cstr(text));
}

void xml_u64(struct buf *b, const char *name, uint64_t value)
{
    xml_open(b, name);
    buf_add_u64(b, value);
    xml_close(b, name);
}

void xml_bool(struct buf *b, const char *name, bool value)
{
    xml_cstr(b, name, value ? "true" : "false");
}

void xml_time(struct buf *b, const char *name, int64_t ns)
{
    char text[DATE_MS_SIZE];
    date_format_ms(ns, text);
    xml_cstr(b, name, text);
}

void xml_etag(struct buf *b, const char *name, struct span etag_without_quotes)
{
    xml_open(b, name);
    buf_add_cstr(b, "&quot;");
    xml_escape(b, etag_without_quotes);
    buf_add_cstr(b, "&quot;");
    xml_close(b, name);
}
