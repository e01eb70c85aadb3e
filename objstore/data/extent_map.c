#include "objstore/data/extent_map.h"

#include <errno.h>

#include "objstore/data/record.h"

int segment_is_empty(struct index_txn *txn, uint64_t id)
{
    struct record_key start = key_place(TAG_EXTENT, id, 0);
    struct index_cursor cursor;
    struct span key, value;
    uint64_t segment, offset;
    int r = index_cursor_open(txn, &cursor);

    if (r < 0)
        return r;
    r = index_cursor_seek(&cursor, key_span(&start), &key, &value);
    bool used = r == 0 && key_parse_place(key, TAG_EXTENT, &segment, &offset) && segment == id;
    index_cursor_close(&cursor);
    return r < 0 && r != -ENOENT ? r : !used;
}

bool extent_neighbour(struct index_cursor *cursor, uint64_t segment, uint64_t offset, bool behind, uint64_t *ret_offset,
                      uint64_t *ret_end)
{
    struct record_key key = key_place(TAG_EXTENT, segment, behind ? offset + 1 : offset);
    struct extent_record extent;
    struct span at, value;
    uint64_t at_segment;
    int r = behind ? index_cursor_seek(cursor, key_span(&key), &at, &value)
                   : index_cursor_before(cursor, key_span(&key), &at, &value);

    if (r < 0 || !key_parse_place(at, TAG_EXTENT, &at_segment, ret_offset) || at_segment != segment)
        return false;
    *ret_end = extent_parse(value, &extent) == 0 ? *ret_offset + extent.length : UINT64_MAX;
    return true;
}

int segment_extents(struct index *index, uint64_t id, uint64_t *from, struct extent_at *ret_extents, int cap)
{
    struct record_key start = key_place(TAG_EXTENT, id, *from);
    struct index_txn *txn = NULL;
    struct index_cursor cursor;
    struct extent_record extent;
    struct span key, value;
    uint64_t segment, offset;
    int count = 0, r = index_read_begin(index, &txn);

    if (r < 0)
        return r;
    r = index_cursor_open(txn, &cursor);
    if (r == 0) {
        r = index_cursor_seek(&cursor, key_span(&start), &key, &value);
        while (r == 0 && count < cap && key_parse_place(key, TAG_EXTENT, &segment, &offset) && segment == id) {
            if (extent_parse(value, &extent) == 0)
                ret_extents[count++] = (struct extent_at){offset, extent.blob, extent.length};
            *from = offset + 1;
            r = index_cursor_next(&cursor, &key, &value);
        }
        index_cursor_close(&cursor);
    }
    index_read_end(&txn);
    return r < 0 && r != -ENOENT ? r : count;
}

int segment_gaps(struct index *index, uint64_t id, uint64_t size, uint64_t *from, uint64_t *ret_end,
                 struct range *ret_gaps)
{
    struct index_txn *txn = NULL;
    struct index_cursor cursor;
    struct span key, value;
    struct extent_record extent;
    uint64_t at_segment, at;
    int count = 0, r = index_read_begin(index, &txn);

    if (r < 0)
        return r;
    r = index_cursor_open(txn, &cursor);
    if (r < 0) {
        index_read_end(&txn);
        return r;
    }
    struct record_key start = key_place(TAG_EXTENT, id, *from);
    r = index_cursor_seek(&cursor, key_span(&start), &key, &value);
    while (r == 0 && count < GAPS_MAX && key_parse_place(key, TAG_EXTENT, &at_segment, &at) && at_segment == id) {
        r = extent_parse(value, &extent);
        if (r < 0)
            break;
        if (at > *from)
            ret_gaps[count++] = (struct range){*from, at};
        if (at + extent.length > *from)
            *from = *ret_end = at + extent.length;
        r = index_cursor_next(&cursor, &key, &value);
    }
    if (count < GAPS_MAX && (r == 0 || r == -ENOENT)) {
        if (*from < size)
            ret_gaps[count++] = (struct range){*from, size};
        *from = size;
    }
    index_cursor_close(&cursor);
    index_read_end(&txn);
    return r < 0 && r != -ENOENT ? r : count;
}
