#include "objstore/index/redo.h"

#include <endian.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/index/format.h"

static uint32_t record_check(struct span key, struct span value)
{
    return (uint32_t)xxh3(value.ptr, value.len, xxh3(key.ptr, key.len, 0));
}

static int redo_begin(struct redo *redo, struct span key, size_t stored_len)
{
    struct index_redo_head head = {.key_len = htole32((uint32_t)key.len), .stored_len = htole32((uint32_t)stored_len)};
    int rc = buf_reserve(&redo->bytes, sizeof(head) + key.len + stored_len);
    if (rc < 0)
        return rc;
    (void)buf_add(&redo->bytes, &head, sizeof(head));
    (void)buf_add_span(&redo->bytes, key);
    redo->ops++;
    return 0;
}

int redo_put(struct redo *redo, struct span key, struct span value, struct redo_op *ret_op)
{
    size_t start = redo->bytes.len;
    int rc = redo_begin(redo, key, value.len + INDEX_CHECK_LEN);
    if (rc < 0)
        return rc;
    uint8_t check[INDEX_CHECK_LEN];
    put_le32(check, record_check(key, value));
    (void)buf_add_span(&redo->bytes, value);
    (void)buf_add(&redo->bytes, check, sizeof(check));
    redo_next(redo, &start, ret_op);
    return 0;
}

int redo_delete(struct redo *redo, struct span key, struct redo_op *ret_op)
{
    size_t start = redo->bytes.len;
    int rc = redo_begin(redo, key, 0);
    if (rc < 0)
        return rc;
    redo_next(redo, &start, ret_op);
    return 0;
}

bool redo_next(const struct redo *redo, size_t *off, struct redo_op *ret_op)
{
    if (*off == redo->bytes.len)
        return false;
    const char *at = redo->bytes.ptr + *off;
    struct index_redo_head head;
    memcpy(&head, at, sizeof(head));
    size_t key_len = le32toh(head.key_len), stored_len = le32toh(head.stored_len);
    at += sizeof(head);
    *ret_op = (struct redo_op){
        .is_delete = stored_len == 0,
        .key = span_make(at, key_len),
        .stored = span_make(at + key_len, stored_len),
    };
    *off += sizeof(head) + key_len + stored_len;
    return true;
}

struct redo_mark redo_mark(const struct redo *redo)
{
    return (struct redo_mark){.len = redo->bytes.len, .ops = redo->ops};
}

void redo_rewind(struct redo *redo, struct redo_mark mark)
{
    redo->bytes.len = mark.len;
    redo->bytes.failed = 0;
    redo->ops = mark.ops;
}

int record_open(struct span key, struct span stored, struct span *ret_value)
{
    if (stored.len < INDEX_CHECK_LEN)
        return CAIRN_ECORRUPT;
    struct span value = span_head(stored, stored.len - INDEX_CHECK_LEN);
    if (get_le32(stored.ptr + value.len) != record_check(key, value))
        return CAIRN_ECORRUPT;
    *ret_value = value;
    return 0;
}
