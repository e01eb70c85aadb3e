#include "objstore/data/record.h"

#include "objstore/base/errors.h"
#include "objstore/data/layout.h"
#include "objstore/drive/set.h"

struct record_key key_id(char tag, uint64_t id)
{
    struct record_key key = {.len = 9};

    key.bytes[0] = (uint8_t)tag;
    put_be64(key.bytes + 1, id);
    return key;
}

struct record_key key_place(char tag, uint64_t segment, uint64_t offset)
{
    struct record_key key = {.len = 17};

    key.bytes[0] = (uint8_t)tag;
    put_be64(key.bytes + 1, segment);
    put_be64(key.bytes + 9, offset);
    return key;
}

bool key_parse_place(struct span key, char tag, uint64_t *ret_segment, uint64_t *ret_offset)
{
    if (key.len != 17 || key.ptr[0] != tag)
        return false;
    *ret_segment = get_be64(key.ptr + 1);
    *ret_offset = get_be64(key.ptr + 9);
    return true;
}

bool key_parse_id(struct span key, char tag, uint64_t *ret_id)
{
    if (key.len != 9 || key.ptr[0] != tag)
        return false;
    *ret_id = get_be64(key.ptr + 1);
    return true;
}

static int fixed_get(struct index_txn *txn, struct record_key key, void *ret_record, size_t size)
{
    struct span value;
    int r = index_get(txn, key_span(&key), &value);

    if (r < 0)
        return r;
    if (value.len != size)
        return CAIRN_ECORRUPT;
    memcpy(ret_record, value.ptr, size);
    return 0;
}

static int fixed_put(struct index_txn *txn, struct record_key key, const void *record, size_t size)
{
    return index_put(txn, key_span(&key), span_make(record, size));
}

static bool blob_is_sane(const struct blob_record *b)
{
    unsigned n = b->data + b->parity;

    return b->data >= 1 && b->parity <= b->data && n <= DRIVE_SET_MAX && b->first < n && b->held >> n == 0 &&
           b->length >= 1 && b->length <= BLOB_LENGTH_MAX && b->offset < 1ull << 62 && b->offset % EXTENT_ALIGN == 0;
}

int blob_get(struct index_txn *txn, uint64_t id, struct blob_record *ret_record)
{
    struct blob_record record;
    int r = fixed_get(txn, key_id(TAG_BLOB, id), &record, sizeof(record));

    if (r == 0 && !blob_is_sane(&record))
        r = CAIRN_ECORRUPT;
    if (r == 0)
        *ret_record = record;
    return r;
}

int blob_put(struct index_txn *txn, uint64_t id, const struct blob_record *record)
{
    return fixed_put(txn, key_id(TAG_BLOB, id), record, sizeof(*record));
}

int segment_parse(struct span value, struct segment_record *ret_record)
{
    struct segment_record record;

    if (value.len != sizeof(record))
        return CAIRN_ECORRUPT;
    memcpy(&record, value.ptr, sizeof(record));
    if ((record.state != SEGMENT_OPEN && record.state != SEGMENT_SEALED) || record.size >= 1ull << 62)
        return CAIRN_ECORRUPT;
    *ret_record = record;
    return 0;
}

int segment_get_record(struct index_txn *txn, uint64_t id, struct segment_record *ret_record)
{
    struct record_key key = key_id(TAG_SEGMENT, id);
    struct span value;
    int r = index_get(txn, key_span(&key), &value);

    return r < 0 ? r : segment_parse(value, ret_record);
}

int segment_put_record(struct index_txn *txn, uint64_t id, const struct segment_record *record)
{
    return fixed_put(txn, key_id(TAG_SEGMENT, id), record, sizeof(*record));
}

int extent_parse(struct span value, struct extent_record *ret_record)
{
    struct extent_record record;

    if (value.len != sizeof(record))
        return CAIRN_ECORRUPT;
    memcpy(&record, value.ptr, sizeof(record));
    if (record.length == 0 || record.length >= 1ull << 62)
        return CAIRN_ECORRUPT;
    *ret_record = record;
    return 0;
}

int extent_get(struct index_txn *txn, char tag, uint64_t segment, uint64_t offset, struct extent_record *ret_record)
{
    struct record_key key = key_place(tag, segment, offset);
    struct span value;
    int r = index_get(txn, key_span(&key), &value);

    return r < 0 ? r : extent_parse(value, ret_record);
}

int extent_put(struct index_txn *txn, char tag, uint64_t segment, uint64_t offset, const struct extent_record *record)
{
    return fixed_put(txn, key_place(tag, segment, offset), record, sizeof(*record));
}

int record_drop(struct index_txn *txn, struct record_key key)
{
    int r = index_delete(txn, key_span(&key));

    return r == -ENOENT ? 0 : r;
}

int heal_put(struct index_txn *txn, uint64_t id, uint32_t places)
{
    struct record_key key = key_id(TAG_HEAL, id);
    uint32_t known = 0;

    if (places == 0)
        return record_drop(txn, key);
    int r = fixed_get(txn, key, &known, sizeof(known));
    if (r < 0 && r != -ENOENT && r != CAIRN_ECORRUPT)
        return r;
    if (r == 0 && (known | places) == known)
        return 0;
    places |= known;
    return fixed_put(txn, key, &places, sizeof(places));
}

int heal_get(struct index_txn *txn, uint64_t id, uint32_t *ret_places)
{
    return fixed_get(txn, key_id(TAG_HEAL, id), ret_places, sizeof(*ret_places));
}

int heal_clear(struct index_txn *txn, uint64_t id, uint32_t places)
{
    uint32_t left;
    int r = heal_get(txn, id, &left);

    if (r < 0 && r != CAIRN_ECORRUPT)
        return r == -ENOENT ? 0 : r;
    left = r < 0 ? 0 : left & ~places & ~HEAL_DAMAGED;
    return left ? fixed_put(txn, key_id(TAG_HEAL, id), &left, sizeof(left)) : heal_put(txn, id, 0);
}

/* Counts the records with a tag beside the bare one, and those that look() picks. */
static int records_count(struct index_txn *txn, char tag, bool (*look)(struct span value), uint64_t *ret_count,
                         uint64_t *ret_picked)
{
    struct index_cursor cursor;
    struct span key, value;
    uint64_t count = 0, picked = 0;
    int r = index_cursor_open(txn, &cursor);

    if (r < 0)
        return r;
    r = index_cursor_seek(&cursor, span_make(&tag, 1), &key, &value);
    while (r == 0 && key.ptr[0] == tag) {
        count += key.len > 1;
        picked += key.len > 1 && look && look(value);
        r = index_cursor_next(&cursor, &key, &value);
    }
    index_cursor_close(&cursor);
    if (r < 0 && r != -ENOENT)
        return r;
    *ret_count = count;
    *ret_picked = picked;
    return 0;
}

int record_count(struct index_txn *txn, char tag, uint64_t *ret_count)
{
    uint64_t none;

    return records_count(txn, tag, NULL, ret_count, &none);
}

static bool heal_is_damaged(struct span value)
{
    return value.len == 4 && get_le32(value.ptr) & HEAL_DAMAGED;
}

int heal_count(struct index_txn *txn, uint64_t *ret_count, uint64_t *ret_damaged)
{
    return records_count(txn, TAG_HEAL, heal_is_damaged, ret_count, ret_damaged);
}
