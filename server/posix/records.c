/*
 * What sessions leave in the index: format.h.
 */
#include "server/posix/format.h"
#include "server/posix/posix_priv.h"

#define KEY_MAX (1 + POSIX_SESSION_ID + 2)

static struct span session_key(const uint8_t id[POSIX_SESSION_ID], char tag, char *ret_key)
{
    ret_key[0] = tag;
    memcpy(ret_key + 1, id, POSIX_SESSION_ID);
    return span_make(ret_key, 1 + POSIX_SESSION_ID);
}

static struct span reply_key(const uint8_t id[POSIX_SESSION_ID], uint16_t slot, char ret_key[KEY_MAX])
{
    session_key(id, TAG_REPLY, ret_key);
    ret_key[1 + POSIX_SESSION_ID] = (char)(slot >> 8);
    ret_key[2 + POSIX_SESSION_ID] = (char)slot;
    return span_make(ret_key, KEY_MAX);
}

/* ================================================================ sessions */

static int put_session(struct ns_txn *txn, void *arg)
{
    const struct session_record_parts *parts = arg;
    struct session_record head = {.version = POSIX_FORMAT,
                                  .bucket_len = (uint8_t)parts->bucket.len,
                                  .access_key_len = (uint8_t)parts->access_key.len,
                                  .name_len = (uint8_t)parts->name.len};
    char key[KEY_MAX], value[sizeof(head) + BUCKET_MAX + ACCESS_KEY_MAX + POSIX_NAME_MAX + 1];
    struct buf out = {.ptr = value, .cap = sizeof(value), .limit = sizeof(value) - 1};

    put_le32(&head.lease_ms, parts->lease_ms);
    put_le64(&head.generation, parts->generation);
    buf_add(&out, &head, sizeof(head));
    buf_add_span(&out, parts->bucket);
    buf_add_span(&out, parts->access_key);
    buf_add_span(&out, parts->name);
    return index_put(ns_txn_index(txn), session_key(parts->id, TAG_SESSION, key), buf_span(&out));
}

int posix_record_open(struct posix *posix, const struct session_record_parts *parts)
{
    return ns_apply(posix->ns, put_session, (void *)parts, INDEX_DURABLE);
}

static int delete_key(struct index_txn *txn, struct span key)
{
    int rc = index_delete(txn, key);
    return rc == -ENOENT ? 0 : rc;
}

/* At most one reply per slot: few enough for one mutation. */
static int forget_session(struct ns_txn *txn, void *arg)
{
    const uint8_t *id = arg;
    char key[KEY_MAX];
    int rc = delete_key(ns_txn_index(txn), session_key(id, TAG_SESSION, key));
    for (uint16_t slot = 0; slot < POSIX_SLOTS && rc == 0; slot++)
        rc = delete_key(ns_txn_index(txn), reply_key(id, slot, key));
    return rc;
}

int posix_record_forget(struct posix *posix, const uint8_t id[POSIX_SESSION_ID])
{
    return ns_apply(posix->ns, forget_session, (void *)id, INDEX_APPLIED);
}

static int decode_session(struct span key, struct span value, struct session_record_parts *ret_parts)
{
    struct session_record head;
    if (key.len != 1 + POSIX_SESSION_ID || value.len < sizeof(head))
        return CAIRN_ECORRUPT;
    memcpy(&head, value.ptr, sizeof(head));
    size_t texts = (size_t)head.bucket_len + head.access_key_len + head.name_len;
    if (head.version != POSIX_FORMAT)
        return CAIRN_EFORMAT;
    if (value.len != sizeof(head) + texts || head.bucket_len > BUCKET_MAX || head.access_key_len > ACCESS_KEY_MAX)
        return CAIRN_ECORRUPT;
    struct span rest = span_from(value, sizeof(head));
    *ret_parts = (struct session_record_parts){
        .id = (const uint8_t *)key.ptr + 1,
        .generation = get_le64(&head.generation),
        .lease_ms = get_le32(&head.lease_ms),
        .bucket = span_head(rest, head.bucket_len),
        .access_key = span_head(span_from(rest, head.bucket_len), head.access_key_len),
        .name = span_from(rest, (size_t)head.bucket_len + head.access_key_len),
    };
    return 0;
}

static int each_session(struct index_cursor *cursor, posix_record_visit *visit, void *arg)
{
    static const char tag[] = {TAG_SESSION};
    struct span key, value;
    int rc = index_cursor_seek(cursor, span_make(tag, sizeof(tag)), &key, &value);
    for (; rc == 0 && key.ptr[0] == TAG_SESSION; rc = index_cursor_next(cursor, &key, &value)) {
        struct session_record_parts parts;
        rc = decode_session(key, value, &parts);
        if (rc == 0)
            rc = visit(&parts, arg);
        if (rc < 0)
            return rc;
    }
    return rc == -ENOENT ? 0 : rc;
}

int posix_record_each(struct posix *posix, posix_record_visit *visit, void *arg)
{
    struct ns_txn *txn;
    struct index_cursor cursor;
    int rc = ns_view_begin(posix->ns, &txn);
    if (rc < 0)
        return rc;
    rc = index_cursor_open(ns_txn_index(txn), &cursor);
    if (rc == 0) {
        rc = each_session(&cursor, visit, arg);
        index_cursor_close(&cursor);
    }
    ns_view_end(&txn);
    return rc;
}

/* ================================================================ replies */

int posix_reply_get(struct ns_txn *txn, const struct session *session, uint16_t slot, struct stored_reply *ret_stored)
{
    char key[KEY_MAX];
    struct reply_record head;
    struct span value;
    int rc = index_get(ns_txn_index(txn), reply_key(session->id, slot, key), &value);
    if (rc < 0)
        return rc;
    if (value.len < sizeof(head))
        return CAIRN_ECORRUPT;
    memcpy(&head, value.ptr, sizeof(head));
    size_t handles = get_le16(&head.handles) * sizeof(struct handle_record);
    if (head.version != POSIX_FORMAT)
        return CAIRN_EFORMAT;
    if (value.len < sizeof(head) + handles)
        return CAIRN_ECORRUPT;
    if (get_le64(&head.generation) != session->generation)
        return -ENOENT;
    ret_stored->sequence = get_le64(&head.sequence);
    ret_stored->handles = span_head(span_from(value, sizeof(head)), handles);
    ret_stored->reply = span_from(value, sizeof(head) + handles);
    return 0;
}

int posix_reply_put(struct ns_txn *txn, const struct session *session, uint16_t slot, const struct stored_reply *stored,
                    struct buf *scratch)
{
    struct reply_record head = {.version = POSIX_FORMAT};
    char key[KEY_MAX];

    put_le16(&head.handles, (uint16_t)(stored->handles.len / sizeof(struct handle_record)));
    put_le64(&head.generation, session->generation);
    put_le64(&head.sequence, stored->sequence);
    buf_clear(scratch);
    buf_add(scratch, &head, sizeof(head));
    buf_add_span(scratch, stored->handles);
    buf_add_span(scratch, stored->reply);
    assert(!scratch->failed);
    return index_put(ns_txn_index(txn), reply_key(session->id, slot, key), buf_span(scratch));
}

size_t posix_reply_room(size_t handles, size_t reply)
{
    return sizeof(struct reply_record) + handles * sizeof(struct handle_record) + reply;
}

static int reply_commit(struct ns_txn *txn, const struct session *session, uint16_t slot, uint64_t *ret_commit)
{
    struct stored_reply stored;
    struct posix_reply head;
    struct span results;
    int rc = posix_reply_get(txn, session, slot, &stored);
    if (rc == 0 && posix_reply_decode(stored.reply, &head, &results) < 0)
        rc = CAIRN_ECORRUPT;
    *ret_commit = rc == 0 ? head.commit : 0;
    return rc == -ENOENT ? 0 : rc;
}

int posix_reply_survived(struct posix *posix, struct ns_txn *txn, const struct session *session, uint64_t *ret_commit)
{
    struct index_stats stats;
    uint64_t commit;
    int rc = 0;
    index_stats(posix->index, &stats);
    *ret_commit = 0;
    for (uint16_t slot = 0; slot < POSIX_SLOTS && stats.writable && rc == 0; slot++) {
        rc = reply_commit(txn, session, slot, &commit);
        if (commit > *ret_commit)
            *ret_commit = commit;
    }
    return rc;
}
