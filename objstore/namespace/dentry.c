#include <endian.h>

#include "objstore/namespace/counters.h"
#include "objstore/namespace/dentry.h"
#include "objstore/namespace/ns_priv.h"

int dentry_decode(struct span value, struct dentry *ret_dentry)
{
    struct dentry_record record;
    if (value.len != sizeof(record))
        return CAIRN_ECORRUPT;
    memcpy(&record, value.ptr, sizeof(record));
    if (record.version != NS_FORMAT)
        return CAIRN_EFORMAT;
    *ret_dentry = (struct dentry){.ino = le64toh(record.ino), .type = record.type, .flags = record.flags};
    return 0;
}

/* What stands in a directory has a name that tells a directory's from others', by its '/'; in a hidden one are uploads
 * only. */
static int dentry_check(uint64_t dir, struct span name, const struct dentry *dentry)
{
    bool is_dir = name.len > 0 && name.ptr[name.len - 1] == '/';
    if (dir & NS_UPLOADS_BIT)
        return dentry->type == DENTRY_UPLOAD ? 0 : CAIRN_ECORRUPT;
    bool fits = name.len > 0 && dentry->type >= INODE_FILE && dentry->type <= INODE_BLOCK;
    return fits && is_dir == (dentry->type == INODE_DIR) ? 0 : CAIRN_ECORRUPT;
}

static int record_get(struct ns_txn *txn, uint64_t node, struct span name, struct dentry *ret_dentry)
{
    struct record_key key;
    struct span value;
    int r = index_get(txn->index, key_name(&key, TAG_DENTRY, node, name), &value);
    return r < 0 ? r : dentry_decode(value, ret_dentry);
}

static int record_put(struct ns_txn *txn, uint64_t node, struct span name, const struct dentry *dentry)
{
    struct record_key key;
    struct dentry_record record = {
        .version = NS_FORMAT, .type = dentry->type, .flags = dentry->flags, .ino = htole64(dentry->ino)};
    return index_put(txn->index, key_name(&key, TAG_DENTRY, node, name), span_make(&record, sizeof(record)));
}

static int record_delete(struct ns_txn *txn, uint64_t node, struct span name)
{
    struct record_key key;
    return index_delete(txn->index, key_name(&key, TAG_DENTRY, node, name));
}

/* The node that holds the rest of names that begin with head, NAME_CHUNK bytes. */
static int chain_get(struct ns_txn *txn, uint64_t node, struct span head, uint64_t *ret_node)
{
    struct dentry chain;
    int r = record_get(txn, node, head, &chain);
    if (r < 0)
        return r;
    if (chain.type != DENTRY_CHAIN)
        return CAIRN_ECORRUPT;
    *ret_node = chain.ino;
    return 0;
}

int dentry_get(struct ns_txn *txn, uint64_t dir, struct span name, struct dentry *ret_dentry)
{
    struct span rest = name;
    uint64_t node = dir;
    if (name.len > DENTRY_NAME_MAX)
        return -ENOENT;
    for (; rest.len >= NAME_CHUNK; rest = span_from(rest, NAME_CHUNK)) {
        int r = chain_get(txn, node, span_head(rest, NAME_CHUNK), &node);
        if (r < 0)
            return r;
    }
    int r = record_get(txn, node, rest, ret_dentry);
    return r < 0 ? r : dentry_check(dir, name, ret_dentry);
}

static int chain_make(struct ns_txn *txn, uint64_t node, struct span head, uint64_t *ret_node)
{
    struct dentry chain = {.type = DENTRY_CHAIN};
    int r = chain_get(txn, node, head, ret_node);
    if (r != -ENOENT)
        return r;
    r = number_new(txn, 0, &chain.ino);
    if (r == 0)
        r = record_put(txn, node, head, &chain);
    if (r == 0)
        *ret_node = chain.ino;
    return r;
}

int dentry_put(struct ns_txn *txn, uint64_t dir, struct span name, const struct dentry *dentry)
{
    assert(name.len <= DENTRY_NAME_MAX);
    for (; name.len >= NAME_CHUNK; name = span_from(name, NAME_CHUNK)) {
        int r = chain_make(txn, dir, span_head(name, NAME_CHUNK), &dir);
        if (r < 0)
            return r;
    }
    return record_put(txn, dir, name, dentry);
}

int dentry_none(struct ns_txn *txn, uint64_t dir)
{
    struct index_cursor cursor;
    struct record_key key;
    struct span found, value;
    int r = index_cursor_open(txn->index, &cursor);
    if (r < 0)
        return r;
    r = index_cursor_seek(&cursor, key_id(&key, TAG_DENTRY, dir), &found, &value);
    if (r == -ENOENT || (r == 0 && !key_of(found, TAG_DENTRY, dir, 0)))
        r = 1;
    index_cursor_close(&cursor);
    return r;
}

/* Takes away the records of chain nodes that have become empty, the innermost first. */
static int chain_trim(struct ns_txn *txn, const uint64_t *nodes, int depth, struct span name)
{
    for (; depth > 0; depth--) {
        int r = dentry_none(txn, nodes[depth]);
        if (r <= 0)
            return r;
        struct span head = span_head(span_from(name, (size_t)(depth - 1) * NAME_CHUNK), NAME_CHUNK);
        r = record_delete(txn, nodes[depth - 1], head);
        if (r < 0)
            return r;
    }
    return 0;
}

int dentry_delete(struct ns_txn *txn, uint64_t dir, struct span name)
{
    uint64_t nodes[DENTRY_LEVELS] = {dir};
    int depth = 0;
    struct span rest = name;
    assert(name.len <= DENTRY_NAME_MAX);
    for (; rest.len >= NAME_CHUNK; rest = span_from(rest, NAME_CHUNK), depth++) {
        int r = chain_get(txn, nodes[depth], span_head(rest, NAME_CHUNK), &nodes[depth + 1]);
        if (r < 0)
            return r;
    }
    int r = record_delete(txn, nodes[depth], rest);
    return r < 0 ? r : chain_trim(txn, nodes, depth, name);
}

/* ---- cursor ---- */

int dentry_cursor_open(struct ns_txn *txn, struct dentry_cursor *ret_cursor)
{
    ret_cursor->txn = txn;
    ret_cursor->depth = 0;
    return index_cursor_open(txn->index, &ret_cursor->index);
}

void dentry_cursor_close(struct dentry_cursor *cursor)
{
    index_cursor_close(&cursor->index);
}

static void cursor_enter(struct dentry_cursor *c, uint64_t node, size_t name_len)
{
    c->depth++;
    c->level[c->depth].node = node;
    c->level[c->depth].name_len = name_len;
}

/* Leaves the node: the first record behind the one that leads to it. */
static int cursor_leave(struct dentry_cursor *c, struct span *key, struct span *value)
{
    struct record_key after;
    c->depth--;
    size_t from = c->level[c->depth].name_len;
    key_name(&after, TAG_DENTRY, c->level[c->depth].node, span_make(c->name + from, NAME_CHUNK));
    after.bytes[after.len++] = 0;
    return index_cursor_seek(&c->index, key_span(&after), key, value);
}

/* From the record where the index's cursor stands on (r is what it answered) to the next entry, through nodes. */
static int cursor_settle(struct dentry_cursor *c, int r, struct span key, struct span value, struct span *ret_name,
                         struct dentry *ret_dentry)
{
    for (;;) {
        uint64_t node = c->level[c->depth].node;
        if (r < 0 && r != -ENOENT)
            return r;
        if (r == -ENOENT || !key_of(key, TAG_DENTRY, node, 0)) {
            if (c->depth == 0)
                return -ENOENT;
            r = cursor_leave(c, &key, &value);
            continue;
        }
        size_t from = c->level[c->depth].name_len;
        struct span part = span_from(key, 9);
        r = dentry_decode(value, ret_dentry);
        if (r < 0)
            return r;
        if (ret_dentry->type != DENTRY_CHAIN && c->depth == 0) {
            *ret_name = part;
            return dentry_check(c->level[0].node, part, ret_dentry);
        }
        if (part.len > sizeof(c->name) - from)
            return CAIRN_ECORRUPT;
        memcpy(c->name + from, part.ptr, part.len);
        if (ret_dentry->type != DENTRY_CHAIN) {
            *ret_name = span_make(c->name, from + part.len);
            return dentry_check(c->level[0].node, *ret_name, ret_dentry);
        }
        if (c->depth + 1 == DENTRY_LEVELS || part.len != NAME_CHUNK)
            return CAIRN_ECORRUPT;
        struct record_key first;
        cursor_enter(c, ret_dentry->ino, from + part.len);
        r = index_cursor_seek(&c->index, key_id(&first, TAG_DENTRY, ret_dentry->ino), &key, &value);
    }
}

int dentry_seek(struct dentry_cursor *c, uint64_t dir, struct span name, struct span *ret_name,
                struct dentry *ret_dentry)
{
    struct record_key at;
    struct span key = SPAN_EMPTY, value = SPAN_EMPTY, rest = span_head(name, DENTRY_NAME_MAX);
    c->depth = 0;
    c->level[0].node = dir;
    c->level[0].name_len = 0;
    while (rest.len >= NAME_CHUNK) {
        size_t from = c->level[c->depth].name_len;
        uint64_t node;
        int r = chain_get(c->txn, c->level[c->depth].node, span_head(rest, NAME_CHUNK), &node);
        if (r == -ENOENT)
            break;
        if (r < 0)
            return r;
        memcpy(c->name + from, rest.ptr, NAME_CHUNK);
        cursor_enter(c, node, from + NAME_CHUNK);
        rest = span_from(rest, NAME_CHUNK);
    }
    /* Without its node, no name that begins as rest does is there: the first greater one is greater than its beginning.
     */
    key_name(&at, TAG_DENTRY, c->level[c->depth].node, span_head(rest, NAME_CHUNK));
    int r = index_cursor_seek(&c->index, key_span(&at), &key, &value);
    return cursor_settle(c, r, key, value, ret_name, ret_dentry);
}

int dentry_next(struct dentry_cursor *c, struct span *ret_name, struct dentry *ret_dentry)
{
    struct span key = SPAN_EMPTY, value = SPAN_EMPTY;
    int r = index_cursor_next(&c->index, &key, &value);
    return cursor_settle(c, r, key, value, ret_name, ret_dentry);
}
