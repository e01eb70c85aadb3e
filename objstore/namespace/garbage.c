#include "objstore/namespace/garbage.h"

#include <endian.h>

#include "objstore/namespace/counters.h"
#include "objstore/namespace/dentry.h"
#include "objstore/namespace/extent.h"
#include "objstore/namespace/ns_priv.h"
#include "objstore/namespace/part.h"

#define TAKEN_AT_ONCE 32 /* records that are taken off within the mutation */
#define TAKEN_BY_STEP 64 /* records that the reaper takes off in one mutation */

/* ---- taking records off ---- */

/* What a record leads to goes before it: 1 when the record itself may go, 0 when the budget is used up. The value's
 * bytes are to be read before anything is changed. */
typedef int take_record(struct ns_txn *txn, struct span key, struct span value, int *budget);

static int take_nothing(struct ns_txn *txn, struct span key, struct span value, int *budget)
{
    (void)txn, (void)key, (void)value, (void)budget;
    return 1;
}

static int take_extent(struct ns_txn *txn, struct span key, struct span value, int *budget)
{
    struct extent extent;
    (void)budget;
    int r = extent_decode(key, value, &extent);
    if (r == 0 && !extent.bytes.ptr)
        r = blob_ref(txn->index, txn->ns->data, extent.blob, -1);
    return r < 0 ? r : 1;
}

/* The first record of tag and id, its key copied. -ENOENT. */
static int first_record(struct ns_txn *txn, enum ns_tag tag, uint64_t id, struct record_key *ret_key,
                        struct span *ret_value)
{
    struct index_cursor cursor;
    struct span found;
    int r = index_cursor_open(txn->index, &cursor);
    if (r < 0)
        return r;
    r = index_cursor_seek(&cursor, key_id(ret_key, tag, id), &found, ret_value);
    if (r == 0 && !key_of(found, tag, id, 0))
        r = -ENOENT;
    if (r == 0) {
        ret_key->len = found.len;
        memcpy(ret_key->bytes, found.ptr, found.len);
    }
    index_cursor_close(&cursor);
    return r;
}

/* Takes off records of tag and id while the budget lasts: 1 when none is left, 0 when there are more. */
static int take_all(struct ns_txn *txn, enum ns_tag tag, uint64_t id, take_record *take, int *budget)
{
    for (;;) {
        struct record_key key;
        struct span value;
        int r = first_record(txn, tag, id, &key, &value);
        if (r < 0)
            return r == -ENOENT ? 1 : r;
        if (*budget <= 0)
            return 0;
        r = take(txn, key_span(&key), value, budget);
        if (r <= 0)
            return r;
        r = index_delete(txn->index, key_span(&key));
        if (r < 0)
            return r;
        (*budget)--;
    }
}

static int take_part(struct ns_txn *txn, struct span key, struct span value, int *budget)
{
    struct part part;
    int r = part_decode(key, value, &part);
    return r < 0 ? r : take_all(txn, TAG_EXTENT, part.body, take_extent, budget);
}

/* Takes off an upload that an entry of a hidden directory names: parts, record, entry. 1 or 0, as take_all. */
static int take_upload(struct ns_txn *txn, uint64_t dir, struct span name, uint64_t upload, int *budget)
{
    struct record_key key;
    int r = take_all(txn, TAG_PART, upload, take_part, budget);
    if (r <= 0)
        return r;
    r = index_delete(txn->index, key_id(&key, TAG_UPLOAD, upload));
    if (r == 0 || r == -ENOENT) /* its name goes all the same */
        r = dentry_delete(txn, dir, name);
    (*budget)--;
    return r < 0 ? r : 1;
}

/* Takes off the uploads in a bucket's hidden directory while the budget lasts: 1 when none is left, 0 when there are.
 */
static int take_uploads(struct ns_txn *txn, uint64_t dir, int *budget)
{
    for (;;) {
        struct dentry_cursor cursor;
        struct dentry dentry;
        struct span found;
        char name[DENTRY_NAME_MAX];
        int r = dentry_cursor_open(txn, &cursor);
        if (r < 0)
            return r;
        r = dentry_seek(&cursor, dir, SPAN_EMPTY, &found, &dentry);
        if (r == 0)
            memcpy(name, found.ptr, found.len);
        dentry_cursor_close(&cursor);
        if (r < 0)
            return r == -ENOENT ? 1 : r;
        if (*budget <= 0)
            return 0;
        r = take_upload(txn, dir, span_make(name, found.len), dentry.ino, budget);
        if (r <= 0)
            return r;
    }
}

/* Takes off what is keyed by id while the budget lasts: 1 when nothing is left, 0 when there is more. */
static int take_id(struct ns_txn *txn, uint64_t id, enum garbage_kind kind, int *budget)
{
    switch (kind) {
    case GARBAGE_UPLOADS:
        return take_uploads(txn, id, budget);
    case GARBAGE_UPLOAD:
        return take_all(txn, TAG_PART, id, take_part, budget);
    case GARBAGE_BODY:
        return take_all(txn, TAG_EXTENT, id, take_extent, budget);
    case GARBAGE_INODE:
        break;
    default:
        return CAIRN_ECORRUPT;
    }
    int r = take_all(txn, TAG_EXTENT, id, take_extent, budget);
    if (r > 0)
        r = take_all(txn, TAG_XATTR, id, take_nothing, budget);
    if (r > 0)
        r = take_all(txn, TAG_PARTS, id, take_nothing, budget);
    return r;
}

int garbage_add(struct ns_txn *txn, uint64_t id, enum garbage_kind kind)
{
    struct record_key key;
    struct garbage_record garbage = {.version = NS_FORMAT, .kind = (uint8_t)kind};
    int budget = TAKEN_AT_ONCE;
    int r = take_id(txn, id, kind, &budget);
    if (r != 0)
        return r < 0 ? r : 0;
    backlog_wake(&txn->ns->backlog);
    return index_put(txn->index, key_id(&key, TAG_GARBAGE, id), span_make(&garbage, sizeof(garbage)));
}

int garbage_empty(struct ns_txn *txn, struct inode *inode)
{
    uint64_t body;
    if (inode->blocks <= NS_INLINE_MAX)
        return extents_clear(txn, inode, 0, INT64_MAX);
    int r = number_new(txn, 0, &body);
    if (r == 0)
        r = garbage_add(txn, inode->body, GARBAGE_BODY);
    if (r < 0)
        return r;
    inode->body = body;
    inode->blocks = 0;
    inode->inlined = 0;
    return 0;
}

/* ---- what was left ---- */

/* Where a pass through the garbage is. */
struct garbage_pass {
    uint64_t from; /* look at ids from here on */
    uint64_t next; /* set by a step: where to go on */
};

/* A step on the first garbage there is: 1, or 0 when there is none. */
static int garbage_step(struct ns_txn *txn, void *arg)
{
    struct garbage_pass *pass = arg;
    struct record_key key;
    struct index_cursor cursor;
    struct span found, value;
    struct garbage_record garbage;
    int budget = TAKEN_BY_STEP;
    pass->next = pass->from;
    int r = index_cursor_open(txn->index, &cursor);
    if (r < 0)
        return r;
    r = index_cursor_seek(&cursor, key_id(&key, TAG_GARBAGE, pass->from), &found, &value);
    index_cursor_close(&cursor);
    if (r == -ENOENT || (r == 0 && found.ptr[0] != TAG_GARBAGE))
        return 0;
    if (r < 0)
        return r;
    if (found.len != 9 || value.len != sizeof(garbage))
        return CAIRN_ECORRUPT;
    memcpy(&garbage, value.ptr, sizeof(garbage));
    uint64_t id = get_be64(found.ptr + 1);
    pass->next = id + 1;
    r = take_id(txn, id, garbage.kind, &budget);
    if (r == 0)
        pass->next = id;
    if (r > 0)
        r = index_delete(txn->index, key_id(&key, TAG_GARBAGE, id));
    return r < 0 ? r : 1;
}

int garbage_pass(struct ns *ns)
{
    struct garbage_pass pass = {.from = 0};
    int failed = 0, r = 1;
    while (r > 0 && !backlog_stopping(&ns->backlog)) {
        r = ns_apply(ns, garbage_step, &pass, INDEX_DURABLE);
        if ((r == CAIRN_ECORRUPT || r == CAIRN_EFORMAT) && pass.next > pass.from)
            failed = r, r = 1;
        pass.from = pass.next;
    }
    return r < 0 ? r : failed;
}
