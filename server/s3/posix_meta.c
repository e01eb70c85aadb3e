#include "server/s3/headers.h"

#include "server/wire/date.h"

#include <sys/stat.h>

/*
 * The families differ in how they write a mode: s3fs "33188", a decimal st_mode; rclone "100644" and FSx "0100644",
 * octal ones. A decimal reading counts only when it has no leading zero and is a regular file's or directory's st_mode.
 */
static bool parse_mode(struct span text, uint32_t *ret_mode)
{
    uint64_t decimal, octal = 0;
    if (!text.len || text.len > 7 || span_to_u64(text, &decimal) < 0)
        return false;
    if (text.ptr[0] != '0' && decimal <= 0177777 && (S_ISREG(decimal) || S_ISDIR(decimal))) {
        *ret_mode = (uint32_t)decimal & 07777;
        return true;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] > '7')
            return false;
        octal = octal * 8 + (uint64_t)(text.ptr[i] - '0');
    }
    *ret_mode = (uint32_t)octal & 07777;
    return true;
}

static bool parse_id(struct span text, uint32_t *ret_id)
{
    uint64_t value;
    if (span_to_u64(text, &value) < 0 || value >= UINT32_MAX)
        return false;
    *ret_id = (uint32_t)value;
    return true;
}

/* Up to nine digits behind a point, as nanoseconds. */
static bool parse_fraction(struct span digits, int64_t *ret_ns)
{
    int64_t ns = 0;
    for (size_t i = 0; i < digits.len; i++)
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
    for (size_t i = 0; i < 9; i++)
        ns = ns * 10 + (i < digits.len ? digits.ptr[i] - '0' : 0);
    *ret_ns = ns;
    return true;
}

/* "1700000000", "1700000000.123456789", "1700000000123456789ns", RFC 3339. */
static bool parse_time(struct span text, int64_t *ret_ns)
{
    uint64_t value;
    int64_t fraction = 0;
    if (date_parse_iso(text, ret_ns) == 0)
        return true;
    if (span_ends(text, SPAN_LIT("ns"))) {
        if (span_to_u64(span_head(text, text.len - 2), &value) < 0 || value > INT64_MAX)
            return false;
        *ret_ns = (int64_t)value;
        return true;
    }
    struct span seconds = span_cut(&text, '.');
    if (span_to_u64(seconds, &value) < 0 || value >= INT64_MAX / 1000000000 || !parse_fraction(text, &fraction))
        return false;
    *ret_ns = (int64_t)value * 1000000000 + fraction;
    return true;
}

static bool find_meta(struct span attrs, const char *name, const char *other, struct span *ret_value)
{
    return attrs_find(attrs, ATTR_META, span_cstr(name), ret_value) ||
           attrs_find(attrs, ATTR_META, span_cstr(other), ret_value);
}

bool headers_posix(struct span attrs, struct ns_owner *owner, int64_t *mtime)
{
    struct span text;
    bool found = false;
    if (find_meta(attrs, "mode", "file-permissions", &text))
        found |= parse_mode(text, &owner->mode);
    if (find_meta(attrs, "uid", "file-owner", &text))
        found |= parse_id(text, &owner->uid);
    if (find_meta(attrs, "gid", "file-group", &text))
        found |= parse_id(text, &owner->gid);
    if (find_meta(attrs, "mtime", "file-mtime", &text))
        parse_time(text, mtime);
    return found;
}
