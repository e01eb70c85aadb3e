#include "server/wire/posix_priv.h"

/* ---- the table of operations ---- */

#define ROWS 64 /* codes are below */

static const struct posix_row rows[ROWS] = {
#define X(name, code, class, arguments, result) [code] = {#name, class, arguments, result},
    POSIX_OPERATIONS(X)
#undef X
};

const struct posix_row *posix_row(uint16_t code)
{
    return code < ROWS && rows[code].name ? &rows[code] : NULL;
}

int posix_class_of(uint16_t code)
{
    const struct posix_row *row = posix_row(code);
    return row ? (int)row->class : -ENOSYS;
}

const char *posix_name_of(uint16_t code)
{
    const struct posix_row *row = posix_row(code);
    return row ? row->name : "?";
}

size_t posix_result_max(uint16_t code)
{
    const struct posix_row *row = posix_row(code);

    if (!row)
        return POSIX_ITEM_HEAD; /* it will be ENOSYS */
    if (!(row->result & R_DATA))
        return POSIX_ITEM_HEAD + posix_result_fixed(row->result);
    if (code == POSIX_READLINK)
        return POSIX_ITEM_HEAD + posix_result_fixed(row->result) + POSIX_PATH_MAX;
    return 0;
}

/* ---- status ---- */

uint16_t posix_status(int code)
{
    return (uint16_t)cairn_errno(code);
}

int posix_status_code(uint16_t status)
{
    return status < 4096 ? -(int)status : -EIO;
}

/* ---- items: what operations and results have in common ---- */

/* Adds the head of an item; item_end fills in the length. The place of the head is given back. */
static size_t item_begin(struct buf *out, uint16_t code, uint16_t second)
{
    size_t at = out->len;
    posix_put_u16(out, code);
    posix_put_u16(out, second);
    posix_put_u32(out, 0);
    return at;
}

/* Completes the item at at, or takes it back when rc says that it failed. */
static int item_end(struct buf *out, size_t at, int rc)
{
    if (rc >= 0 && out->failed)
        rc = out->failed;
    if (rc < 0) {
        out->len = at;
        return rc;
    }
    put_le32(out->ptr + at + 4, (uint32_t)(out->len - at - POSIX_ITEM_HEAD));
    return 0;
}

struct item {
    uint16_t code, second;
    struct span body;
};

static bool item_take(struct span *rest, struct item *ret_item)
{
    struct posix_reader r = {*rest, false};

    ret_item->code = posix_take_u16(&r);
    ret_item->second = posix_take_u16(&r);
    ret_item->body = posix_take_bytes(&r, posix_take_u32(&r));
    *rest = r.rest;
    return !r.bad;
}

static size_t count_items(struct span items)
{
    struct item item;
    size_t n = 0;

    for (; items.len; n++)
        if (!item_take(&items, &item))
            return SIZE_MAX;
    return n;
}

/* The number of items is in the head, and is counted while they are added. */
static void count_one(struct buf *out, size_t at)
{
    put_le16(out->ptr + at, (uint16_t)(get_le16(out->ptr + at) + 1));
}

/* ---- the request ---- */

enum { REQUEST_SESSION_AT = 8, REQUEST_COUNT_AT = 42, REPLY_INSTANCE_AT = 8, REPLY_FLAGS_AT = 32, REPLY_COUNT_AT = 34 };

int posix_request_begin(struct buf *out, const struct posix_request *request)
{
    buf_clear(out);
    posix_put_u32(out, POSIX_REQUEST_MAGIC);
    posix_put_u16(out, POSIX_VERSION);
    posix_put_u16(out, 0);
    buf_add(out, request->session, POSIX_SESSION_ID);
    posix_put_u64(out, request->generation);
    posix_put_u64(out, request->sequence);
    posix_put_u16(out, request->slot);
    posix_put_u16(out, 0);
    posix_put_u32(out, 0);
    return out->failed;
}

int posix_op_add(struct buf *out, const struct posix_op *op)
{
    const struct posix_row *row = posix_row(op->code);

    if (out->failed)
        return out->failed;
    if (!row)
        return -EINVAL;
    if (get_le16(out->ptr + REQUEST_COUNT_AT) >= POSIX_OPS_MAX)
        return CAIRN_ETOOBIG;
    size_t at = item_begin(out, op->code, op->marks);
    int rc = posix_put_arguments(out, row->arguments, op);
    if (rc >= 0 && out->len > POSIX_REQUEST_MAX)
        rc = CAIRN_ETOOBIG;
    rc = item_end(out, at, rc);
    if (rc >= 0)
        count_one(out, REQUEST_COUNT_AT);
    return rc;
}

void posix_request_readdress(struct buf *out, const struct posix_request *request)
{
    char *at = out->ptr + REQUEST_SESSION_AT;

    memcpy(at, request->session, POSIX_SESSION_ID);
    put_le64(at + POSIX_SESSION_ID, request->generation);
    put_le64(at + POSIX_SESSION_ID + 8, request->sequence);
    put_le16(at + POSIX_SESSION_ID + 16, request->slot);
}

int posix_request_end(struct buf *out)
{
    return out->failed ? out->failed : 0;
}

int posix_request_decode(struct span bytes, struct posix_request *ret_request, struct span *ret_ops)
{
    struct posix_reader r = {bytes, false};

    bool ok = bytes.len <= POSIX_REQUEST_MAX && posix_take_u32(&r) == POSIX_REQUEST_MAGIC &&
              posix_take_u16(&r) == POSIX_VERSION && posix_take_u16(&r) == 0;
    if (!ok)
        return CAIRN_ESYNTAX;
    struct span id = posix_take_bytes(&r, POSIX_SESSION_ID);
    ret_request->generation = posix_take_u64(&r);
    ret_request->sequence = posix_take_u64(&r);
    ret_request->slot = posix_take_u16(&r);
    ret_request->count = posix_take_u16(&r);
    if (posix_take_u32(&r) != 0 || r.bad || ret_request->count > POSIX_OPS_MAX ||
        count_items(r.rest) != ret_request->count)
        return CAIRN_ESYNTAX;
    memcpy(ret_request->session, id.ptr, POSIX_SESSION_ID);
    *ret_ops = r.rest;
    return 0;
}

int posix_op_next(struct span *rest, struct posix_op *ret_op)
{
    struct item item;

    if (rest->len == 0)
        return 0;
    if (!item_take(rest, &item))
        return CAIRN_ESYNTAX;
    *ret_op = (struct posix_op){.code = item.code, .marks = item.second};
    const struct posix_row *row = posix_row(item.code);
    if (!row)
        return -ENOSYS;
    if (item.second & ~POSIX_OP_CONTINUE || !posix_take_arguments(item.body, row->arguments, ret_op))
        return CAIRN_ESYNTAX;
    return 1;
}

/* ---- the reply ---- */

int posix_reply_begin(struct buf *out, const struct posix_reply *reply)
{
    buf_clear(out);
    posix_put_u32(out, POSIX_REPLY_MAGIC);
    posix_put_u16(out, POSIX_VERSION);
    posix_put_u16(out, reply->status);
    posix_put_u64(out, reply->instance);
    posix_put_u64(out, reply->sequence);
    posix_put_u64(out, reply->commit);
    posix_put_u16(out, reply->flags);
    posix_put_u16(out, 0);
    posix_put_u32(out, 0);
    return out->failed;
}

static int result_add(struct buf *out, const struct posix_result *result, size_t room)
{
    const struct posix_row *row = posix_row(result->code);
    int rc = 0;

    if (out->failed)
        return out->failed;
    if (!row && !result->status)
        return -EINVAL;
    size_t at = item_begin(out, result->code, result->status);
    if (!result->status)
        rc = posix_put_result(out, row->result, result);
    if (rc >= 0 && room) {
        rc = buf_reserve(out, room);
        if (rc >= 0) {
            memset(out->ptr + out->len, 0, room);
            put_le32(out->ptr + out->len - 4, (uint32_t)room);
            out->len += room;
        }
    }
    rc = item_end(out, at, rc);
    if (rc >= 0)
        count_one(out, REPLY_COUNT_AT);
    return rc;
}

int posix_result_add(struct buf *out, const struct posix_result *result)
{
    return result_add(out, result, 0);
}

/* The data is the last field and was encoded empty: what is reserved follows its length. */
int posix_result_reserve(struct buf *out, const struct posix_result *result, size_t len, size_t *ret_at)
{
    int rc = result_add(out, result, len);
    if (rc >= 0)
        *ret_at = out->len - len;
    return rc;
}

void posix_result_spoil(struct buf *out, const struct posix_result *result, size_t at, uint16_t status)
{
    const struct posix_row *row = posix_row(result->code);
    char *head = out->ptr + at - posix_result_fixed(row->result) - POSIX_ITEM_HEAD;

    put_le16(head + 2, status);
}

int posix_reply_end(struct buf *out)
{
    return out->failed ? out->failed : 0;
}

void posix_reply_set_instance(struct buf *out, uint64_t instance)
{
    put_le64(out->ptr + REPLY_INSTANCE_AT, instance);
}

void posix_reply_set_replayed(struct buf *out)
{
    put_le16(out->ptr + REPLY_FLAGS_AT, POSIX_REPLAYED);
}

int posix_reply_decode(struct span bytes, struct posix_reply *ret_reply, struct span *ret_results)
{
    struct posix_reader r = {bytes, false};

    if (bytes.len > POSIX_REPLY_MAX || posix_take_u32(&r) != POSIX_REPLY_MAGIC || posix_take_u16(&r) != POSIX_VERSION)
        return CAIRN_ESYNTAX;
    ret_reply->status = posix_take_u16(&r);
    ret_reply->instance = posix_take_u64(&r);
    ret_reply->sequence = posix_take_u64(&r);
    ret_reply->commit = posix_take_u64(&r);
    ret_reply->flags = posix_take_u16(&r);
    ret_reply->count = posix_take_u16(&r);
    if (posix_take_u32(&r) != 0 || r.bad || count_items(r.rest) != ret_reply->count)
        return CAIRN_ESYNTAX;
    *ret_results = r.rest;
    return 0;
}

int posix_result_next(struct span *rest, struct posix_result *ret_result)
{
    struct item item;

    if (rest->len == 0)
        return 0;
    if (!item_take(rest, &item))
        return CAIRN_ESYNTAX;
    *ret_result = (struct posix_result){.code = item.code, .status = item.second};
    if (item.second)
        return 1;
    const struct posix_row *row = posix_row(item.code);
    return row && posix_take_result(item.body, row->result, ret_result) ? 1 : CAIRN_ESYNTAX;
}
