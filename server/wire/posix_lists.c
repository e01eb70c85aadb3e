#include "server/wire/posix_priv.h"

/* Lists inside a field: READDIR's entries, SESSION_RECLAIM's handles; and the push stream's frames, which are a list
 * without an end. */

enum { ENTRY_ATTR = 1, ENTRY_BODY = 2 };

size_t posix_entry_size(const struct posix_entry *entry)
{
    size_t size = 4 + 8 + 1 + 1 + 2 + entry->name.len;

    if (entry->has_attr)
        size += POSIX_ATTR_SIZE;
    if (entry->has_body)
        size += 4 + entry->body.len;
    return size;
}

/* One that a kernel would not take makes it refuse the whole directory. */
static bool is_entry_name(struct span name)
{
    return name.len > 0 && name.len <= POSIX_NAME_MAX && !memchr(name.ptr, '/', name.len) &&
           !memchr(name.ptr, '\0', name.len);
}

int posix_entry_add(struct buf *out, const struct posix_entry *entry)
{
    if (!is_entry_name(entry->name))
        return -EINVAL;
    int rc = buf_reserve(out, posix_entry_size(entry)); /* all of it or nothing */

    if (rc < 0)
        return rc;
    posix_put_u32(out, (uint32_t)posix_entry_size(entry) - 4);
    posix_put_u64(out, entry->ino);
    buf_add_char(out, (char)entry->type);
    buf_add_char(out, (char)((entry->has_attr ? ENTRY_ATTR : 0) | (entry->has_body ? ENTRY_BODY : 0)));
    posix_put_name(out, entry->name);
    if (entry->has_attr)
        posix_put_attr(out, &entry->attr);
    if (entry->has_body)
        posix_put_data(out, entry->body);
    return out->failed;
}

int posix_entry_next(struct span *rest, struct posix_entry *ret_entry)
{
    if (rest->len == 0)
        return 0;
    struct posix_reader outer = {*rest, false};
    struct posix_reader r = {posix_take_data(&outer), outer.bad};

    *ret_entry = (struct posix_entry){.ino = posix_take_u64(&r)};
    uint16_t both = posix_take_u16(&r);
    unsigned flags = both >> 8;
    ret_entry->type = both & 0xff;
    ret_entry->has_attr = flags & ENTRY_ATTR;
    ret_entry->has_body = flags & ENTRY_BODY;
    ret_entry->name = posix_take_name(&r);
    if (ret_entry->has_attr)
        posix_take_attr(&r, &ret_entry->attr);
    if (ret_entry->has_body)
        ret_entry->body = posix_take_data(&r);
    *rest = outer.rest;
    return outer.bad || r.bad || r.rest.len || flags & ~(unsigned)(ENTRY_ATTR | ENTRY_BODY) ||
                   !is_entry_name(ret_entry->name)
               ? CAIRN_ESYNTAX
               : 1;
}

/* ---- handles ---- */

int posix_handle_add(struct buf *out, uint64_t handle, uint64_t ino)
{
    char b[16];
    put_le64(b, handle);
    put_le64(b + 8, ino);
    return buf_add(out, b, sizeof(b));
}

int posix_handle_next(struct span *rest, uint64_t *ret_handle, uint64_t *ret_ino)
{
    if (rest->len == 0)
        return 0;
    struct posix_reader r = {*rest, false};

    *ret_handle = posix_take_u64(&r);
    *ret_ino = posix_take_u64(&r);
    *rest = r.rest;
    return r.bad ? CAIRN_ESYNTAX : 1;
}

int posix_lost_add(struct buf *out, uint64_t handle)
{
    return posix_put_u64(out, handle);
}

int posix_lost_next(struct span *rest, uint64_t *ret_handle)
{
    if (rest->len == 0)
        return 0;
    struct posix_reader r = {*rest, false};

    *ret_handle = posix_take_u64(&r);
    *rest = r.rest;
    return r.bad ? CAIRN_ESYNTAX : 1;
}

/* ---- frames ---- */

enum { FRAME_HEAD = 4 + 2 + 2 + 8 + 8 + 8 + 8 + 2 };
_Static_assert(FRAME_HEAD + POSIX_NAME_MAX <= POSIX_FRAME_MAX, "a frame with the longest name fits");

int posix_frame_add(struct buf *out, const struct posix_frame *frame)
{
    if (frame->name.len > POSIX_NAME_MAX)
        return CAIRN_ETOOBIG;
    int rc = buf_reserve(out, FRAME_HEAD + frame->name.len);
    if (rc < 0)
        return rc;
    posix_put_u32(out, (uint32_t)(FRAME_HEAD - 4 + frame->name.len));
    posix_put_u16(out, (uint16_t)frame->kind);
    posix_put_u16(out, 0);
    posix_put_u64(out, frame->sequence);
    posix_put_u64(out, frame->ino);
    posix_put_u64(out, frame->dir);
    posix_put_u64(out, frame->version);
    posix_put_name(out, frame->name);
    return out->failed;
}

int posix_frame_next(struct span *rest, struct posix_frame *ret_frame)
{
    if (rest->len < 4)
        return 0;
    size_t len = get_le32(rest->ptr);
    if (len < FRAME_HEAD - 4 || len > POSIX_FRAME_MAX - 4)
        return CAIRN_ESYNTAX;
    if (rest->len - 4 < len)
        return 0;
    struct posix_reader r = {span_head(span_from(*rest, 4), len), false};

    uint16_t kind = posix_take_u16(&r);
    uint16_t zero = posix_take_u16(&r);
    ret_frame->kind = (enum posix_frame_kind)kind;
    ret_frame->sequence = posix_take_u64(&r);
    ret_frame->ino = posix_take_u64(&r);
    ret_frame->dir = posix_take_u64(&r);
    ret_frame->version = posix_take_u64(&r);
    ret_frame->name = posix_take_name(&r);
    if (r.bad || r.rest.len || ret_frame->name.len > POSIX_NAME_MAX || zero || kind < POSIX_FRAME_ALIVE ||
        kind > POSIX_FRAME_ALL)
        return CAIRN_ESYNTAX;
    *rest = span_from(*rest, 4 + len);
    return 1;
}
