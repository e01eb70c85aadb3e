#include <endian.h>

#include "objstore/namespace/extent.h"
#include "objstore/namespace/ns_priv.h"

static const struct extent_head inline_head = {.version = NS_FORMAT, .kind = EXTENT_INLINE};

/* ---- reading ---- */

int extent_decode(struct span key, struct span value, struct extent *ret_extent)
{
    struct extent_head head;
    if (key.len != 17 || value.len < sizeof(head))
        return CAIRN_ECORRUPT;
    memcpy(&head, value.ptr, sizeof(head));
    if (head.version != NS_FORMAT)
        return CAIRN_EFORMAT;
    *ret_extent = (struct extent){.off = get_be64(key.ptr + 9)};
    if (head.kind == EXTENT_INLINE) {
        ret_extent->bytes = span_from(value, sizeof(head));
        ret_extent->len = ret_extent->bytes.len;
    } else if (head.kind == EXTENT_BLOB && value.len == sizeof(struct extent_record)) {
        struct extent_record record;
        memcpy(&record, value.ptr, sizeof(record));
        ret_extent->blob = le64toh(record.blob);
        ret_extent->blob_off = le64toh(record.blob_off);
        ret_extent->len = le64toh(record.len);
    }
    if (ret_extent->bytes.len > NS_INLINE_MAX || ret_extent->len == 0 || ret_extent->len > (uint64_t)INT64_MAX ||
        ret_extent->off > INT64_MAX - ret_extent->len)
        return CAIRN_ECORRUPT;
    return 0;
}

static int extent_found(int r, uint64_t body, struct span key, struct span value, struct extent *ret_extent)
{
    if (r == 0 && !key_of(key, TAG_EXTENT, body, 8))
        r = -ENOENT;
    return r < 0 ? r : extent_decode(key, value, ret_extent);
}

/* The last extent that begins before off. */
static int extent_before(struct index_cursor *cursor, uint64_t body, uint64_t off, struct extent *ret_extent)
{
    struct record_key at;
    struct span key = SPAN_EMPTY, value = SPAN_EMPTY;
    int r = index_cursor_before(cursor, key_offset(&at, body, off), &key, &value);
    return extent_found(r, body, key, value, ret_extent);
}

static int extent_at_or_after(struct index_cursor *cursor, uint64_t body, uint64_t off, struct extent *ret_extent)
{
    struct record_key at;
    struct span key = SPAN_EMPTY, value = SPAN_EMPTY;
    int r = index_cursor_seek(cursor, key_offset(&at, body, off), &key, &value);
    return extent_found(r, body, key, value, ret_extent);
}

int extent_seek(struct index_cursor *cursor, uint64_t body, uint64_t off, struct extent *ret_extent)
{
    if (off > 0) {
        int r = extent_before(cursor, body, off, ret_extent);
        if (r != -ENOENT && (r < 0 || ret_extent->off + ret_extent->len > off))
            return r;
    }
    return extent_at_or_after(cursor, body, off, ret_extent);
}

int extent_next(struct index_cursor *cursor, uint64_t body, struct extent *ret_extent)
{
    struct span key = SPAN_EMPTY, value = SPAN_EMPTY;
    int r = index_cursor_next(cursor, &key, &value);
    return extent_found(r, body, key, value, ret_extent);
}

/* extent_seek for who changes something between two looks. */
static int extent_look(struct ns_txn *txn, uint64_t body, uint64_t off, struct extent *ret_extent)
{
    struct index_cursor cursor;
    int r = index_cursor_open(txn->index, &cursor);
    if (r < 0)
        return r;
    r = extent_seek(&cursor, body, off, ret_extent);
    index_cursor_close(&cursor);
    return r;
}

/* ---- records ---- */

/* The part [from, to) of an extent. */
static struct extent extent_part(const struct extent *extent, uint64_t from, uint64_t to)
{
    struct extent part = *extent;
    part.off = from;
    part.len = to - from;
    part.blob_off += from - extent->off;
    if (part.bytes.ptr)
        part.bytes = span_make(extent->bytes.ptr + (from - extent->off), part.len);
    return part;
}

static int extent_put(struct ns_txn *txn, uint64_t body, const struct extent *extent)
{
    struct record_key key;
    key_offset(&key, body, extent->off);
    if (extent->bytes.ptr) {
        char *value = txn->ns->scratch;
        memmove(value + sizeof(inline_head), extent->bytes.ptr, extent->bytes.len);
        memcpy(value, &inline_head, sizeof(inline_head));
        return index_put(txn->index, key_span(&key), span_make(value, sizeof(inline_head) + extent->bytes.len));
    }
    struct extent_record record = {
        .head = {.version = NS_FORMAT, .kind = EXTENT_BLOB},
        .blob = htole64(extent->blob),
        .blob_off = htole64(extent->blob_off),
        .len = htole64(extent->len),
    };
    return index_put(txn->index, key_span(&key), span_make(&record, sizeof(record)));
}

static int extent_delete(struct ns_txn *txn, uint64_t body, uint64_t off)
{
    struct record_key key;
    return index_delete(txn->index, key_offset(&key, body, off));
}

static int extent_ref(struct ns_txn *txn, const struct extent *extent, int by)
{
    return extent->bytes.ptr ? 0 : blob_ref(txn->index, txn->ns->data, extent->blob, by);
}

/* ---- changing ---- */

/* An extent that reaches over [from, to) on both sides becomes two. */
static int extent_split(struct ns_txn *txn, uint64_t body, const struct extent *extent, uint64_t from, uint64_t to)
{
    char copy[NS_INLINE_MAX];
    struct extent whole = *extent;
    if (whole.bytes.ptr) {
        memcpy(copy, whole.bytes.ptr, whole.bytes.len);
        whole.bytes.ptr = copy;
    }
    struct extent left = extent_part(&whole, whole.off, from);
    struct extent right = extent_part(&whole, to, whole.off + whole.len);
    int r = extent_put(txn, body, &right);
    if (r == 0)
        r = extent_put(txn, body, &left);
    return r < 0 ? r : extent_ref(txn, &whole, 1);
}

/* Takes what lies in [from, to) off an extent that overlaps it. */
static int extent_cut(struct ns_txn *txn, uint64_t body, const struct extent *extent, uint64_t from, uint64_t to)
{
    uint64_t end = extent->off + extent->len;
    if (extent->off < from && end > to)
        return extent_split(txn, body, extent, from, to);
    if (extent->off < from) {
        struct extent left = extent_part(extent, extent->off, from);
        return extent_put(txn, body, &left);
    }
    if (end > to) {
        struct extent right = extent_part(extent, to, end);
        int r = extent_put(txn, body, &right);
        return r < 0 ? r : extent_delete(txn, body, extent->off);
    }
    struct extent whole = *extent;
    int r = extent_delete(txn, body, whole.off);
    return r < 0 ? r : extent_ref(txn, &whole, -1);
}

int extents_clear(struct ns_txn *txn, struct inode *inode, uint64_t from, uint64_t to)
{
    struct extent extent;
    if (inode->blocks == 0)
        return 0;
    while (from < to) {
        int r = extent_look(txn, inode->body, from, &extent);
        if (r == -ENOENT || (r == 0 && extent.off >= to))
            return 0;
        if (r < 0)
            return r;
        uint64_t end = extent.off + extent.len;
        uint64_t first = extent.off > from ? extent.off : from, last = end < to ? end : to;
        bool inlined = extent.bytes.ptr != NULL;
        r = extent_cut(txn, inode->body, &extent, from, to);
        if (r < 0)
            return r;
        inode->blocks -= last - first;
        inode->inlined -= inlined ? last - first : 0;
        from = last;
    }
    return 0;
}

/* The inline extent that ends at off, when len more bytes find room in it. */
static bool grow_left(struct index_cursor *cursor, uint64_t body, uint64_t off, size_t len, struct extent *ret_left)
{
    return off > 0 && extent_before(cursor, body, off, ret_left) == 0 && ret_left->bytes.ptr &&
           ret_left->off + ret_left->len == off && ret_left->len + len <= NS_INLINE_MAX;
}

static bool grow_right(struct index_cursor *cursor, uint64_t body, uint64_t end, size_t len, struct extent *ret_right)
{
    return extent_at_or_after(cursor, body, end, ret_right) == 0 && ret_right->bytes.ptr && ret_right->off == end &&
           ret_right->len + len <= NS_INLINE_MAX;
}

int extents_add_inline(struct ns_txn *txn, struct inode *inode, uint64_t off, struct span bytes)
{
    struct extent left, right, grown = {.off = off};
    struct index_cursor cursor;
    char copy[NS_INLINE_MAX];
    size_t len = 0;
    bool joined_right = false;
    if (bytes.len == 0)
        return 0;
    int r = index_cursor_open(txn->index, &cursor);
    if (r < 0)
        return r;
    if (inode->blocks > 0 && grow_left(&cursor, inode->body, off, bytes.len, &left)) {
        grown.off = left.off;
        memcpy(copy, left.bytes.ptr, left.bytes.len);
        len = left.bytes.len;
    }
    memcpy(copy + len, bytes.ptr, bytes.len);
    len += bytes.len;
    if (inode->blocks > 0 && grow_right(&cursor, inode->body, off + bytes.len, len, &right)) {
        joined_right = true;
        memcpy(copy + len, right.bytes.ptr, right.bytes.len);
        len += right.bytes.len;
    }
    index_cursor_close(&cursor);
    grown.bytes = span_make(copy, len);
    inode->blocks += bytes.len;
    inode->inlined += bytes.len;
    r = extent_put(txn, inode->body, &grown);
    if (r == 0 && joined_right)
        r = extent_delete(txn, inode->body, off + bytes.len);
    return r;
}

int extents_add_blob(struct ns_txn *txn, struct inode *inode, const struct extent *extent)
{
    inode->blocks += extent->len;
    return extent_put(txn, inode->body, extent);
}

/* Puts one extent of another body into to at off. */
static int extent_share(struct ns_txn *txn, const struct extent *extent, struct inode *to, uint64_t off)
{
    struct extent copy = *extent;
    copy.off = off;
    if (copy.bytes.ptr)
        return extents_add_inline(txn, to, off, copy.bytes);
    int r = extent_ref(txn, &copy, 1);
    return r < 0 ? r : extents_add_blob(txn, to, &copy);
}

int extents_share(struct ns_txn *txn, uint64_t from, uint64_t from_off, uint64_t len, struct inode *to, uint64_t to_off)
{
    uint64_t at = from_off, end = from_off + len;
    while (at < end) {
        struct extent extent;
        int r = extent_look(txn, from, at, &extent);
        if (r == -ENOENT || (r == 0 && extent.off >= end))
            return 0;
        if (r < 0)
            return r;
        uint64_t extent_end = extent.off + extent.len;
        uint64_t first = extent.off > at ? extent.off : at, last = extent_end < end ? extent_end : end;
        struct extent part = extent_part(&extent, first, last);
        r = extent_share(txn, &part, to, to_off + (first - from_off));
        if (r < 0)
            return r;
        at = last;
    }
    return 0;
}

int extents_move(struct ns_txn *txn, uint64_t from, struct inode *to, uint64_t by)
{
    if (from == to->body)
        return CAIRN_ECORRUPT; /* it would never end */
    for (;;) {
        struct extent extent;
        int r = extent_look(txn, from, 0, &extent);
        if (r < 0)
            return r == -ENOENT ? 0 : r;
        if (by > INT64_MAX - extent.off - extent.len)
            return CAIRN_ECORRUPT;
        uint64_t old = extent.off;
        extent.off += by;
        if (extent.bytes.ptr)
            r = extents_add_inline(txn, to, extent.off, extent.bytes);
        else
            r = extents_add_blob(txn, to, &extent);
        if (r == 0)
            r = extent_delete(txn, from, old);
        if (r < 0)
            return r;
    }
}
