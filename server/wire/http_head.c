#include "server/wire/http_head.h"

#include "objstore/base/errors.h"

static const bool token_char[256] = {
    ['!'] = true, ['#' ... '\''] = true, ['*'] = true,         ['+'] = true, ['-'] = true,
    ['.'] = true, ['0' ... '9'] = true,  ['A' ... 'Z'] = true, ['^'] = true, ['_'] = true,
    ['`'] = true, ['a' ... 'z'] = true,  ['|'] = true,         ['~'] = true,
};

/* A host, an IP literal in brackets, a port: RFC 3986 3.2 without user information. */
static const bool host_char[256] = {
    ['!'] = true, ['$'] = true, ['%'] = true,         ['&' ... '.'] = true, ['0' ... '9'] = true,
    [':'] = true, [';'] = true, ['='] = true,         ['A' ... 'Z'] = true, ['['] = true,
    [']'] = true, ['_'] = true, ['a' ... 'z'] = true, ['~'] = true,
};

static bool all_in(const bool table[256], struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!table[(unsigned char)s.ptr[i]])
            return false;
    return true;
}

bool http_is_value(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < ' ' && c != '\t') || c == 127)
            return false;
    }
    return true;
}

/* No blank, no control character, no fragment. Raw UTF-8 is no URI by the letter, but curl and others send it. */
static bool is_target_text(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == 127 || c == '#')
            return false;
    }
    return true;
}

/* Offset past the empty line that ends a head which begins at start; 0: not there yet. */
static ssize_t find_end(struct span bytes, size_t start, size_t *scanned)
{
    size_t at = *scanned > start ? *scanned : start;
    while (at < bytes.len) {
        const char *newline = memchr(bytes.ptr + at, '\n', bytes.len - at);
        if (newline == NULL)
            break;
        size_t i = (size_t)(newline - bytes.ptr);
        if (i == start || bytes.ptr[i - 1] != '\r')
            return CAIRN_ESYNTAX;
        at = i + 1;
        if (i >= start + 3 && bytes.ptr[i - 2] == '\n')
            return at > HTTP_HEAD_MAX ? CAIRN_ETOOBIG : (ssize_t)at;
    }
    *scanned = bytes.len;
    return bytes.len > HTTP_HEAD_MAX ? CAIRN_ETOOBIG : 0;
}

/* Takes a line off a complete head: without its CR LF, in which no other CR may be. */
static int next_line(struct span *rest, struct span *ret_line)
{
    struct span line = span_cut(rest, '\n');
    line.len--; /* find_end() saw a CR before every LF */
    *ret_line = line;
    return memchr(line.ptr, '\r', line.len) ? CAIRN_ESYNTAX : 0;
}

static int parse_version(struct span text, int *ret_minor)
{
    if (text.len != 8 || !span_starts(text, SPAN_LIT("HTTP/")) || text.ptr[6] != '.' || text.ptr[5] < '0' ||
        text.ptr[5] > '9' || text.ptr[7] < '0' || text.ptr[7] > '9')
        return CAIRN_ESYNTAX;
    if (text.ptr[5] != '1' || text.ptr[7] > '1')
        return -EPROTONOSUPPORT;
    *ret_minor = text.ptr[7] - '0';
    return 0;
}

/* ---- header fields ---- */

static int field_content_length(struct http_head *head, struct span value)
{
    uint64_t length;
    if (head->content_length >= 0 || span_to_u64(value, &length) < 0 || length > INT64_MAX)
        return CAIRN_ESYNTAX;
    head->content_length = (int64_t)length;
    return 0;
}

static int field_transfer_encoding(struct http_head *head, struct span value)
{
    if (head->chunked || head->minor_version == 0)
        return CAIRN_ESYNTAX;
    if (!span_eq_nocase(value, SPAN_LIT("chunked")))
        return value.len == 0 || http_list_has(value, "chunked") ? CAIRN_ESYNTAX : -EOPNOTSUPP;
    head->chunked = true;
    return 0;
}

static int field_host(struct http_head *head, struct span value)
{
    if (head->host.ptr != NULL || !all_in(host_char, value))
        return CAIRN_ESYNTAX;
    head->host = value;
    return 0;
}

static int field_connection(struct http_head *head, struct span value)
{
    if (http_list_has(value, "close"))
        head->keep_alive = false;
    else if (head->minor_version == 0 && http_list_has(value, "keep-alive"))
        head->keep_alive = true;
    return 0;
}

static int field_expect(struct http_head *head, struct span value)
{
    if (head->minor_version > 0 && span_eq_nocase(value, SPAN_LIT("100-continue")))
        head->expect_continue = true;
    return 0;
}

/* The fields that steer the connection. */
static const struct field_row {
    struct span name;
    int (*take)(struct http_head *head, struct span value);
} field_table[] = {
    {{"host", 4}, field_host},
    {{"expect", 6}, field_expect},
    {{"connection", 10}, field_connection},
    {{"content-length", 14}, field_content_length},
    {{"transfer-encoding", 17}, field_transfer_encoding},
};

static int take_field(struct http_head *head, const struct http_header *header)
{
    for (size_t i = 0; i < sizeof(field_table) / sizeof(field_table[0]); i++)
        if (header->name.len == field_table[i].name.len && span_eq_nocase(header->name, field_table[i].name))
            return field_table[i].take(head, header->value);
    return 0;
}

static int parse_field(struct http_head *head, struct span line)
{
    if (head->header_count == HTTP_HEADERS_MAX)
        return CAIRN_ETOOBIG;
    struct span value = line;
    struct span name = span_cut(&value, ':');
    if (value.ptr == NULL || name.len == 0 || !all_in(token_char, name) || !http_is_value(value))
        return CAIRN_ESYNTAX;
    struct http_header *header = &head->headers[head->header_count++];
    *header = (struct http_header){name, span_trim(value)};
    return take_field(head, header);
}

/* Everything after the first line: fields up to the empty line. */
static int parse_fields(struct http_head *head, struct span rest)
{
    struct span line;
    head->keep_alive = head->minor_version > 0;
    head->content_length = -1;
    for (;;) {
        int rc = next_line(&rest, &line);
        if (rc < 0)
            return rc;
        if (line.len == 0)
            break;
        rc = parse_field(head, line);
        if (rc < 0)
            return rc;
    }
    return head->chunked && head->content_length >= 0 ? CAIRN_ESYNTAX : 0;
}

/* ---- requests ---- */

static void split_query(struct http_head *head, struct span path_and_query)
{
    head->query = path_and_query;
    head->path = span_cut(&head->query, '?');
}

/* "http://host[:port][/path][?query]": the host of the target outweighs the Host header (RFC 9112 3.2.2). */
static int parse_absolute(struct http_head *head, struct span *ret_host)
{
    struct span rest = head->target;
    if (span_eq_nocase(span_head(rest, 7), SPAN_LIT("http://")))
        rest = span_from(rest, 7);
    else if (span_eq_nocase(span_head(rest, 8), SPAN_LIT("https://")))
        rest = span_from(rest, 8);
    else
        return CAIRN_ESYNTAX;
    size_t len = 0;
    while (len < rest.len && host_char[(unsigned char)rest.ptr[len]])
        len++;
    *ret_host = span_head(rest, len);
    rest = span_from(rest, len);
    if (len == 0 || (rest.len > 0 && rest.ptr[0] != '/' && rest.ptr[0] != '?'))
        return CAIRN_ESYNTAX;
    split_query(head, rest);
    if (head->path.len == 0)
        head->path = SPAN_LIT("/");
    return 0;
}

static int parse_target(struct http_head *head, struct span *ret_absolute_host)
{
    *ret_absolute_host = SPAN_EMPTY;
    if (head->target.len > HTTP_TARGET_MAX)
        return CAIRN_ETOOBIG;
    if (head->target.len == 0 || !is_target_text(head->target))
        return CAIRN_ESYNTAX;
    if (head->target.ptr[0] == '/') {
        split_query(head, head->target);
        return 0;
    }
    if (span_is(head->target, "*") && span_is(head->method, "OPTIONS")) {
        head->path = head->target;
        return 0;
    }
    return parse_absolute(head, ret_absolute_host);
}

static int parse_request_line(struct http_head *head, struct span line, struct span *ret_absolute_host)
{
    struct span version = line;
    head->method = span_cut(&version, ' ');
    head->target = span_cut(&version, ' ');
    if (head->method.len == 0 || head->method.len > HTTP_METHOD_MAX || !all_in(token_char, head->method))
        return CAIRN_ESYNTAX;
    int rc = parse_version(version, &head->minor_version);
    return rc < 0 ? rc : parse_target(head, ret_absolute_host);
}

static int parse_request(struct http_head *head, struct span text)
{
    struct span line, absolute_host;
    int rc = next_line(&text, &line);
    if (rc == 0)
        rc = parse_request_line(head, line, &absolute_host);
    if (rc == 0)
        rc = parse_fields(head, text);
    if (rc < 0)
        return rc;
    if (head->minor_version > 0 && head->host.ptr == NULL)
        return CAIRN_ESYNTAX;
    if (absolute_host.ptr != NULL)
        head->host = absolute_host;
    return 0;
}

/* A peer that does not speak HTTP at all (TLS to a plain port, say) is told at its first byte. */
static bool may_begin(struct span bytes, size_t start)
{
    return bytes.len <= start || token_char[(unsigned char)bytes.ptr[start]] || span_is(bytes, "\r");
}

static void head_clear(struct http_head *head)
{
    memset(head, 0, offsetof(struct http_head, headers));
}

ssize_t http_request_parse(struct span bytes, size_t *scanned, struct http_head *ret_head)
{
    size_t start = span_starts(bytes, SPAN_LIT("\r\n")) ? 2 : 0;
    if (!may_begin(bytes, start))
        return CAIRN_ESYNTAX;
    ssize_t end = find_end(bytes, start, scanned);
    if (end <= 0)
        return end;
    head_clear(ret_head);
    int rc = parse_request(ret_head, span_make(bytes.ptr + start, (size_t)end - start));
    return rc < 0 ? rc : end;
}

/* ---- responses ---- */

static int parse_status_line(struct http_head *head, struct span line)
{
    uint64_t status;
    struct span rest = line;
    int rc = parse_version(span_cut(&rest, ' '), &head->minor_version);
    if (rc < 0)
        return rc;
    struct span digits = span_cut(&rest, ' ');
    if (digits.len != 3 || span_to_u64(digits, &status) < 0 || status < 100 || status > 599 || !http_is_value(rest))
        return CAIRN_ESYNTAX;
    head->status = (int)status;
    head->reason = rest;
    return 0;
}

ssize_t http_response_parse(struct span bytes, size_t *scanned, struct http_head *ret_head)
{
    if (!may_begin(bytes, 0))
        return CAIRN_ESYNTAX;
    ssize_t end = find_end(bytes, 0, scanned);
    if (end <= 0)
        return end;
    head_clear(ret_head);
    struct span line, rest = span_head(bytes, (size_t)end);
    int rc = next_line(&rest, &line);
    if (rc == 0)
        rc = parse_status_line(ret_head, line);
    if (rc == 0)
        rc = parse_fields(ret_head, rest);
    return rc < 0 ? rc : end;
}

enum http_framing http_response_framing(const struct http_head *response, struct span request_method)
{
    if (span_is(request_method, "HEAD") || response->status < 200 || response->status == 204 || response->status == 304)
        return HTTP_FRAMING_NONE;
    if (response->chunked)
        return HTTP_FRAMING_CHUNKED;
    return response->content_length >= 0 ? HTTP_FRAMING_LENGTH : HTTP_FRAMING_UNTIL_CLOSE;
}

/* ---- lookups ---- */

bool http_head_next(const struct http_head *head, struct span name, size_t *at, struct span *ret_value)
{
    while (*at < head->header_count) {
        const struct http_header *header = &head->headers[(*at)++];
        if (header->name.len == name.len && span_eq_nocase(header->name, name)) {
            *ret_value = header->value;
            return true;
        }
    }
    return false;
}

struct span http_head_get(const struct http_head *head, const char *name)
{
    struct span value = SPAN_EMPTY;
    size_t at = 0;
    http_head_next(head, span_cstr(name), &at, &value);
    return value;
}

struct span http_head_list(const struct http_head *head, struct span name, struct arena *a)
{
    struct span list = SPAN_EMPTY, value;
    size_t at = 0;
    while (http_head_next(head, name, &at, &value)) {
        list = list.ptr ? arena_printf(a, SPAN_FMT "," SPAN_FMT, SPAN_ARG(list), SPAN_ARG(value)) : value;
        if (!list.ptr)
            break;
    }
    return list;
}

bool http_list_has(struct span list, const char *token)
{
    struct span wanted = span_cstr(token);
    while (list.ptr != NULL)
        if (span_eq_nocase(span_trim(span_cut(&list, ',')), wanted))
            return true;
    return false;
}
