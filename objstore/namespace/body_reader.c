/*
 * Bodies on their way out. A reader copies the map of its range, and the inline bytes, inside the transaction and pins
 * the blobs; so it holds the snapshot that the transaction saw at some 40 bytes for each extent, whatever is written
 * meanwhile.
 */
#include <stdlib.h>

#include "objstore/namespace/extent.h"
#include "objstore/namespace/ns_priv.h"

struct piece {
    uint64_t off, len;    /* in the range */
    uint64_t from;        /* in the blob, or in the reader's bytes */
    struct blob_pin *pin; /* NULL: inline */
    bool shares;          /* the pin is an earlier piece's */
};

struct body_reader {
    uint64_t length;
    uint64_t pos;
    size_t at;         /* the piece that pos is in or before */
    struct buf pieces; /* struct piece, sorted; what none covers is a hole */
    struct buf bytes;  /* of the inline ones */
};

static size_t piece_count(const struct body_reader *reader)
{
    return reader->pieces.len / sizeof(struct piece);
}

static struct piece *piece_at(const struct body_reader *reader, size_t i)
{
    return (struct piece *)(void *)reader->pieces.ptr + i;
}

/* ---- opening ---- */

static int piece_add(struct body_reader *reader, struct piece piece)
{
    return buf_add(&reader->pieces, &piece, sizeof(piece));
}

static int piece_inline(struct body_reader *reader, uint64_t off, struct span bytes)
{
    struct piece piece = {.off = off, .len = bytes.len, .from = reader->bytes.len};
    int r = buf_add_span(&reader->bytes, bytes);
    return r < 0 ? r : piece_add(reader, piece);
}

/* Adds a piece of a blob, which must have these bytes. */
static int piece_pinned(struct body_reader *reader, struct piece piece)
{
    uint64_t length = blob_pin_length(piece.pin);
    int r = piece_add(reader, piece);
    return r == 0 && (piece.from > length || piece.len > length - piece.from) ? CAIRN_ECORRUPT : r;
}

/* A piece of a blob; neighbours of the same blob share one pin. */
static int piece_blob(struct ns_txn *txn, struct body_reader *reader, uint64_t *last_blob, struct piece piece,
                      uint64_t blob)
{
    const struct piece *before = piece_count(reader) ? piece_at(reader, piece_count(reader) - 1) : NULL;
    if (before && before->pin && *last_blob == blob) {
        piece.pin = before->pin;
        piece.shares = true;
        return piece_pinned(reader, piece);
    }
    int r = buf_reserve(&reader->pieces, sizeof(piece));
    if (r == 0)
        r = blob_pin(txn->index, txn->ns->data, blob, &piece.pin);
    if (r < 0)
        return r;
    *last_blob = blob;
    return piece_pinned(reader, piece);
}

/* Copies the map of [off, off + reader->length). */
static int reader_map(struct ns_txn *txn, uint64_t body, uint64_t off, struct body_reader *reader)
{
    struct index_cursor cursor;
    struct extent extent;
    uint64_t end = off + reader->length, at = off, last_blob = 0;
    int r = index_cursor_open(txn->index, &cursor);
    if (r < 0)
        return r;
    r = extent_seek(&cursor, body, off, &extent);
    while (r == 0 && extent.off < end) {
        uint64_t from = extent.off > off ? extent.off : off;
        uint64_t to = extent.off + extent.len < end ? extent.off + extent.len : end;
        if (from < at)
            r = CAIRN_ECORRUPT; /* extents of one body don't overlap */
        at = to;
        struct piece piece = {.off = from - off, .len = to - from, .from = extent.blob_off + (from - extent.off)};
        if (r == 0 && extent.bytes.ptr)
            r = piece_inline(reader, piece.off, span_make(extent.bytes.ptr + (from - extent.off), piece.len));
        else if (r == 0)
            r = piece_blob(txn, reader, &last_blob, piece, extent.blob);
        if (r == 0)
            r = extent_next(&cursor, body, &extent);
    }
    index_cursor_close(&cursor);
    return r == -ENOENT ? 0 : r;
}

/* A symlink's bytes are its target. */
static int reader_target(const struct inode *inode, uint64_t off, struct body_reader *reader)
{
    struct span target = SPAN_EMPTY;
    attrs_find(inode->attrs, ATTR_TARGET, SPAN_EMPTY, &target);
    target = span_head(span_from(target, off), reader->length);
    reader->length = target.len;
    return target.len ? piece_inline(reader, 0, target) : 0;
}

int body_reader_new(struct ns_txn *txn, const struct inode *inode, uint64_t off, uint64_t len,
                    struct body_reader **ret_reader)
{
    struct body_reader *reader = calloc(1, sizeof(*reader));
    int r = 0;
    if (!reader)
        return -ENOMEM;
    if (off < inode->size)
        reader->length = len < inode->size - off ? len : inode->size - off;
    if (inode->type == INODE_SYMLINK)
        r = reader_target(inode, off, reader);
    else if (reader->length > 0 && inode->blocks > 0)
        r = reader_map(txn, inode->body, off, reader);
    if (r < 0) {
        body_reader_free(&reader);
        return r;
    }
    *ret_reader = reader;
    return 0;
}

void body_reader_free(struct body_reader **reader)
{
    if (!*reader)
        return;
    for (size_t i = 0; i < piece_count(*reader); i++) {
        struct piece *piece = piece_at(*reader, i);
        if (piece->pin && !piece->shares)
            blob_unpin(&piece->pin);
    }
    buf_release(&(*reader)->pieces);
    buf_release(&(*reader)->bytes);
    free(*reader);
    *reader = NULL;
}

/* ---- reading ---- */

uint64_t body_reader_length(const struct body_reader *reader)
{
    return reader->length;
}

bool body_reader_inline(const struct body_reader *reader, struct span *ret_bytes)
{
    if (reader->bytes.len != reader->length)
        return false;
    *ret_bytes = buf_span(&reader->bytes);
    return true;
}

/* Up to len bytes from pos on, none beyond the piece or hole that pos is in: how many, and *ret_piece, NULL for a hole.
 */
static size_t reader_step(struct body_reader *reader, size_t len, struct piece **ret_piece)
{
    uint64_t end = reader->length;
    *ret_piece = NULL;
    while (reader->at < piece_count(reader)) {
        struct piece *piece = piece_at(reader, reader->at);
        if (reader->pos < piece->off) {
            end = piece->off;
            break;
        }
        if (reader->pos < piece->off + piece->len) {
            end = piece->off + piece->len;
            *ret_piece = piece;
            break;
        }
        reader->at++;
    }
    return end - reader->pos < len ? (size_t)(end - reader->pos) : len;
}

ptrdiff_t body_read(struct body_reader *reader, void *ret_bytes, size_t len)
{
    size_t done = 0;
    while (done < len && reader->pos < reader->length) {
        struct piece *piece;
        size_t n = reader_step(reader, len - done, &piece);
        char *to = (char *)ret_bytes + done;
        uint64_t from = piece ? piece->from + (reader->pos - piece->off) : 0;
        int r = 0;
        if (!piece)
            memset(to, 0, n);
        else if (!piece->pin)
            memcpy(to, reader->bytes.ptr + from, n);
        else
            r = blob_read(piece->pin, from, to, n);
        if (r < 0)
            return r;
        reader->pos += n;
        done += n;
    }
    return (ptrdiff_t)done;
}
