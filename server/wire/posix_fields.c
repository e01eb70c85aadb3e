#include "server/wire/posix_priv.h"

/*
 * One table says where each field lies in its struct and how it travels; an operation is a set of bits of it. So a new
 * operation is one row in posix.h, and encoder and decoder can't disagree.
 */

enum field_kind { FIELD_U32, FIELD_U64, FIELD_NAME, FIELD_DATA, FIELD_ATTR };

struct field {
    uint32_t bit;
    enum field_kind kind;
    size_t offset;
};

static const struct field arguments[] = {
    {A_INO, FIELD_U64, offsetof(struct posix_op, ino)},       {A_INO2, FIELD_U64, offsetof(struct posix_op, ino2)},
    {A_HANDLE, FIELD_U64, offsetof(struct posix_op, handle)}, {A_OFF, FIELD_U64, offsetof(struct posix_op, off)},
    {A_OFF2, FIELD_U64, offsetof(struct posix_op, off2)},     {A_LEN, FIELD_U64, offsetof(struct posix_op, len)},
    {A_SIZE, FIELD_U64, offsetof(struct posix_op, size)},     {A_RDEV, FIELD_U64, offsetof(struct posix_op, rdev)},
    {A_ATIME, FIELD_U64, offsetof(struct posix_op, atime)},   {A_MTIME, FIELD_U64, offsetof(struct posix_op, mtime)},
    {A_CTIME, FIELD_U64, offsetof(struct posix_op, ctime)},   {A_VALID, FIELD_U32, offsetof(struct posix_op, valid)},
    {A_FLAGS, FIELD_U32, offsetof(struct posix_op, flags)},   {A_COUNT, FIELD_U32, offsetof(struct posix_op, count)},
    {A_TYPE, FIELD_U32, offsetof(struct posix_op, type)},     {A_MODE, FIELD_U32, offsetof(struct posix_op, mode)},
    {A_UID, FIELD_U32, offsetof(struct posix_op, uid)},       {A_GID, FIELD_U32, offsetof(struct posix_op, gid)},
    {A_NAME, FIELD_NAME, offsetof(struct posix_op, name)},    {A_NAME2, FIELD_NAME, offsetof(struct posix_op, name2)},
    {A_DATA, FIELD_DATA, offsetof(struct posix_op, data)},
};

static const struct field results[] = {
    {R_VALUE, FIELD_U64, offsetof(struct posix_result, value)},
    {R_EVENTS, FIELD_U64, offsetof(struct posix_result, events)},
    {R_TOTAL, FIELD_U64, offsetof(struct posix_result, total)},
    {R_FREE, FIELD_U64, offsetof(struct posix_result, free)},
    {R_INODES, FIELD_U64, offsetof(struct posix_result, inodes)},
    {R_FLAGS, FIELD_U32, offsetof(struct posix_result, flags)},
    {R_COUNT, FIELD_U32, offsetof(struct posix_result, count)},
    {R_ATTR, FIELD_ATTR, offsetof(struct posix_result, attr)},
    {R_DATA, FIELD_DATA, offsetof(struct posix_result, data)},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- single values ---- */

int posix_put_u16(struct buf *out, uint16_t v)
{
    char b[2];
    put_le16(b, v);
    return buf_add(out, b, sizeof(b));
}

int posix_put_u32(struct buf *out, uint32_t v)
{
    char b[4];
    put_le32(b, v);
    return buf_add(out, b, sizeof(b));
}

int posix_put_u64(struct buf *out, uint64_t v)
{
    char b[8];
    put_le64(b, v);
    return buf_add(out, b, sizeof(b));
}

int posix_put_name(struct buf *out, struct span name)
{
    if (name.len > POSIX_PATH_MAX)
        return CAIRN_ETOOBIG;
    int rc = posix_put_u16(out, (uint16_t)name.len);
    return rc < 0 ? rc : buf_add_span(out, name);
}

int posix_put_data(struct buf *out, struct span data)
{
    if (data.len > POSIX_REPLY_MAX)
        return CAIRN_ETOOBIG;
    int rc = posix_put_u32(out, (uint32_t)data.len);
    return rc < 0 ? rc : buf_add_span(out, data);
}

int posix_put_attr(struct buf *out, const struct posix_attr *a)
{
    char b[POSIX_ATTR_SIZE];
    const uint64_t longs[] = {a->ino,
                              a->version,
                              a->size,
                              a->blocks,
                              a->rdev,
                              a->parent,
                              (uint64_t)a->atime,
                              (uint64_t)a->mtime,
                              (uint64_t)a->ctime,
                              (uint64_t)a->btime};
    const uint32_t words[] = {a->mode, a->uid, a->gid, a->nlink, a->type};
    _Static_assert(sizeof(longs) + sizeof(words) == POSIX_ATTR_SIZE, "the attributes' size on the wire");

    for (size_t i = 0; i < COUNT(longs); i++)
        put_le64(b + 8 * i, longs[i]);
    for (size_t i = 0; i < COUNT(words); i++)
        put_le32(b + sizeof(longs) + 4 * i, words[i]);
    return buf_add(out, b, sizeof(b));
}

struct span posix_take_bytes(struct posix_reader *r, size_t len)
{
    if (r->bad || len > r->rest.len) {
        r->bad = true;
        return SPAN_EMPTY;
    }
    struct span s = span_head(r->rest, len);
    r->rest = span_from(r->rest, len);
    return s;
}

uint16_t posix_take_u16(struct posix_reader *r)
{
    struct span s = posix_take_bytes(r, 2);
    return s.len ? get_le16(s.ptr) : 0;
}

uint32_t posix_take_u32(struct posix_reader *r)
{
    struct span s = posix_take_bytes(r, 4);
    return s.len ? get_le32(s.ptr) : 0;
}

uint64_t posix_take_u64(struct posix_reader *r)
{
    struct span s = posix_take_bytes(r, 8);
    return s.len ? get_le64(s.ptr) : 0;
}

struct span posix_take_name(struct posix_reader *r)
{
    size_t len = posix_take_u16(r);
    if (len > POSIX_PATH_MAX)
        r->bad = true;
    return posix_take_bytes(r, len);
}

struct span posix_take_data(struct posix_reader *r)
{
    return posix_take_bytes(r, posix_take_u32(r));
}

void posix_take_attr(struct posix_reader *r, struct posix_attr *a)
{
    uint64_t *longs[] = {&a->ino,
                         &a->version,
                         &a->size,
                         &a->blocks,
                         &a->rdev,
                         &a->parent,
                         (uint64_t *)&a->atime,
                         (uint64_t *)&a->mtime,
                         (uint64_t *)&a->ctime,
                         (uint64_t *)&a->btime};
    uint32_t *words[] = {&a->mode, &a->uid, &a->gid, &a->nlink, &a->type};

    for (size_t i = 0; i < COUNT(longs); i++)
        *longs[i] = posix_take_u64(r);
    for (size_t i = 0; i < COUNT(words); i++)
        *words[i] = posix_take_u32(r);
}

/* ---- all fields of a mask ---- */

static int put_field(struct buf *out, enum field_kind kind, const void *field)
{
    switch (kind) {
    case FIELD_U32:
        return posix_put_u32(out, *(const uint32_t *)field);
    case FIELD_U64:
        return posix_put_u64(out, *(const uint64_t *)field);
    case FIELD_NAME:
        return posix_put_name(out, *(const struct span *)field);
    case FIELD_DATA:
        return posix_put_data(out, *(const struct span *)field);
    case FIELD_ATTR:
        return posix_put_attr(out, field);
    }
    return -EINVAL;
}

static void take_field(struct posix_reader *r, enum field_kind kind, void *field)
{
    switch (kind) {
    case FIELD_U32:
        *(uint32_t *)field = posix_take_u32(r);
        return;
    case FIELD_U64:
        *(uint64_t *)field = posix_take_u64(r);
        return;
    case FIELD_NAME:
        *(struct span *)field = posix_take_name(r);
        return;
    case FIELD_DATA:
        *(struct span *)field = posix_take_data(r);
        return;
    case FIELD_ATTR:
        posix_take_attr(r, field);
        return;
    }
}

static int put_fields(struct buf *out, const struct field *table, size_t count, uint32_t mask, const void *record)
{
    for (size_t i = 0; i < count; i++) {
        if (!(mask & table[i].bit))
            continue;
        int rc = put_field(out, table[i].kind, (const char *)record + table[i].offset);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static bool take_fields(struct span bytes, const struct field *table, size_t count, uint32_t mask, void *record)
{
    struct posix_reader r = {bytes, false};

    for (size_t i = 0; i < count; i++)
        if (mask & table[i].bit)
            take_field(&r, table[i].kind, (char *)record + table[i].offset);
    return !r.bad && r.rest.len == 0;
}

int posix_put_arguments(struct buf *out, uint32_t mask, const struct posix_op *op)
{
    if (op->data.len > POSIX_WRITE_MAX)
        return CAIRN_ETOOBIG;
    return put_fields(out, arguments, COUNT(arguments), mask, op);
}

bool posix_take_arguments(struct span bytes, uint32_t mask, struct posix_op *op)
{
    return take_fields(bytes, arguments, COUNT(arguments), mask, op) && op->data.len <= POSIX_WRITE_MAX;
}

int posix_put_result(struct buf *out, uint32_t mask, const struct posix_result *result)
{
    return put_fields(out, results, COUNT(results), mask, result);
}

bool posix_take_result(struct span bytes, uint32_t mask, struct posix_result *result)
{
    return take_fields(bytes, results, COUNT(results), mask, result);
}

size_t posix_result_fixed(uint32_t mask)
{
    static const size_t sizes[] = {
        [FIELD_U32] = 4, [FIELD_U64] = 8, [FIELD_NAME] = 2, [FIELD_DATA] = 4, [FIELD_ATTR] = POSIX_ATTR_SIZE};
    size_t sum = 0;

    for (size_t i = 0; i < COUNT(results); i++)
        if (mask & results[i].bit)
            sum += sizes[results[i].kind];
    return sum;
}
