#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/namespace/name.h"

#define ESCAPE "@cairn."
#define ESCAPE_NAME ESCAPE "name."
#define ESCAPE_OBJ ESCAPE "object."
#define ESCAPE_LONG ESCAPE "long."
#define ESCAPE_LOBJ ESCAPE "longobject."

#define HASH_BYTES 16
#define HASH_TEXT (2 * HASH_BYTES)

/* ---- reading a form ---- */

static bool cut_prefix(struct span s, const char *prefix, struct span *ret_rest)
{
    struct span p = span_cstr(prefix);
    if (!span_starts(s, p))
        return false;
    *ret_rest = span_from(s, p.len);
    return true;
}

/* "PREFIX~HASH" with at least one byte of prefix. */
static bool is_long(struct span text, struct span *ret_prefix)
{
    uint8_t hash[HASH_BYTES];
    char again[HASH_TEXT + 1];
    if (text.len < HASH_TEXT + 2 || text.ptr[text.len - HASH_TEXT - 1] != '~')
        return false;
    struct span hex = span_from(text, text.len - HASH_TEXT);
    if (hex_decode(hex, hash, HASH_BYTES) < 0)
        return false;
    hex_encode(hash, HASH_BYTES, again);
    if (memcmp(hex.ptr, again, HASH_TEXT) != 0)
        return false;
    *ret_prefix = span_head(text, text.len - HASH_TEXT - 1);
    return true;
}

/* Whether a mount can't show name under itself. Calls itself through name_read, with a shorter name each time. */
static bool needs_escape(struct span name)
{
    struct span inner;
    if (name.len == 0 || name.len > NAME_SHOWN_MAX || span_is(name, ".") || span_is(name, ".."))
        return true;
    return name_read(name, &inner) != NAME_PLAIN || !span_eq(inner, name);
}

enum name_kind name_read(struct span shown, struct span *ret_name)
{
    struct span rest;
    *ret_name = shown;
    if (!span_starts(shown, SPAN_LIT(ESCAPE)))
        return NAME_PLAIN;
    if (cut_prefix(shown, ESCAPE_OBJ, &rest) && rest.len > 0) {
        *ret_name = rest;
        return NAME_OBJECT;
    }
    if ((cut_prefix(shown, ESCAPE_LONG, &rest) || cut_prefix(shown, ESCAPE_LOBJ, &rest)) && is_long(rest, &rest)) {
        *ret_name = rest;
        return NAME_LONG;
    }
    if (cut_prefix(shown, ESCAPE_NAME, &rest) && needs_escape(rest))
        *ret_name = rest;
    return NAME_PLAIN;
}

/* ---- making a form ---- */

static int join(char *ret_shown, const char *escape, struct span name)
{
    size_t head = strlen(escape);
    memcpy(ret_shown, escape, head);
    if (name.len)
        memcpy(ret_shown + head, name.ptr, name.len);
    return (int)(head + name.len);
}

/* The longest beginning of name of at most room bytes that does not end within a UTF-8 character. */
static struct span cut_utf8(struct span name, size_t room)
{
    if (name.len <= room)
        return name;
    size_t len = room;
    while (len > room - 4 && ((uint8_t)name.ptr[len] & 0xc0) == 0x80)
        len--;
    if (((uint8_t)name.ptr[len] & 0xc0) == 0x80)
        len = room; /* no UTF-8 at all */
    return span_head(name, len);
}

static int join_long(char *ret_shown, const char *escape, struct span name)
{
    uint8_t digest[HASH_MAX];
    char hex[HASH_TEXT + 1];
    int r = hash_once(HASH_SHA256, name.ptr, name.len, digest);
    if (r < 0)
        return r;
    hex_encode(digest, HASH_BYTES, hex);
    size_t room = NAME_SHOWN_MAX - strlen(escape) - 1 - HASH_TEXT;
    int len = join(ret_shown, escape, cut_utf8(name, room));
    ret_shown[len++] = '~';
    memcpy(ret_shown + len, hex, HASH_TEXT);
    return len + HASH_TEXT;
}

int name_show(struct span name, bool shadowed, char ret_shown[NAME_SHOWN_MAX])
{
    if (!shadowed && !needs_escape(name)) {
        memcpy(ret_shown, name.ptr, name.len);
        return (int)name.len;
    }
    const char *escape = shadowed ? ESCAPE_OBJ : ESCAPE_NAME;
    if (strlen(escape) + name.len <= NAME_SHOWN_MAX)
        return join(ret_shown, escape, name);
    return join_long(ret_shown, shadowed ? ESCAPE_LOBJ : ESCAPE_LONG, name);
}

/* ---- buckets ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z');
}

static bool is_ipv4(struct span name)
{
    int fields = 0;
    while (name.ptr) {
        struct span field = span_cut(&name, '.');
        if (field.len == 0 || field.len > 3)
            return false;
        for (size_t i = 0; i < field.len; i++)
            if (!is_digit(field.ptr[i]))
                return false;
        fields++;
    }
    return fields == 4;
}

/* Names that AWS keeps for its own gateways, which clients dispatch on. (It also keeps amzn-s3-demo-, so that nobody
 * takes the names of its documents in its global namespace; here there is no such need, and people try those.) And
 * names that the daemon's own paths begin with (/cairn/health/live): what stood under them could not be reached. */
static bool is_reserved(struct span name)
{
    static const char *const names[] = {"cairn", "minio"};
    static const char *const prefixes[] = {"xn--", "sthree-"};
    static const char *const suffixes[] = {"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (span_is(name, names[i]))
            return true;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
        if (span_starts(name, span_cstr(prefixes[i])))
            return true;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
        if (span_ends(name, span_cstr(suffixes[i])))
            return true;
    return false;
}

bool name_is_bucket(struct span name)
{
    if (name.len < 3 || name.len > 63 || !is_label_char(name.ptr[0]) || !is_label_char(name.ptr[name.len - 1]))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!is_label_char(c) && c != '-' && c != '.')
            return false;
        if (c == '.' && name.ptr[i - 1] == '.')
            return false;
    }
    return !is_ipv4(name) && !is_reserved(name);
}
