#include "tests/support/memory_fill.h"

#include <stdlib.h>

#include "objstore/base/errors.h"
#include "objstore/data/format.h"
#include "server/posix/posix_priv.h"

#define MUST(condition) memory_must(condition, #condition)
#define BIG ((1u << 20) + 70000u) /* two stripes */
#define LONG_NAME 600

static struct memory_store *filled;
static uint64_t pieces; /* the inode of box/pieces */

/* ---- bodies ---- */

static struct body_writer *body_of(uint64_t len)
{
    struct body_writer *writer;
    MUST(body_writer_new(filled->ns, len, &writer) == 0);
    char *bytes = malloc(len + 1);
    for (uint64_t i = 0; i < len; i++)
        bytes[i] = (char)('a' + i % 23);
    MUST(body_write(writer, bytes, len) == 0 && body_writer_finish(writer) == 0);
    free(bytes);
    return writer;
}

/* ---- S3's view ---- */

struct step {
    uint64_t bucket, ino, off, len;
    struct span key, to;
    struct body_writer *body;
    struct ns_put put;
    struct ns_upload upload;
    struct inode inode;
    enum inode_type type;
};

static void apply(ns_mutation *fn, struct step *step)
{
    MUST(ns_apply(filled->ns, fn, step, INDEX_DURABLE) >= 0);
    body_writer_free(&step->body);
}

static int make_bucket(struct ns_txn *txn, void *arg)
{
    struct step *s = arg;
    return ns_bucket_create(txn, s->key, (struct ns_owner){.mode = 0755}, SPAN_EMPTY, &s->inode);
}

static int put(struct ns_txn *txn, void *arg)
{
    struct step *s = arg;
    s->put.body = s->body;
    return ns_key_put(txn, s->bucket, s->key, &s->put, &s->inode);
}

static uint64_t put_key(uint64_t bucket, struct span key, uint64_t len, struct span attrs)
{
    struct step s = {
        .bucket = bucket, .key = key, .body = body_of(len), .put = {.attrs = attrs, .flags = INODE_ETAG_MD5}};
    apply(put, &s);
    return s.inode.ino;
}

static int start_upload(struct ns_txn *txn, void *arg)
{
    struct step *s = arg;
    return ns_upload_create(txn, s->bucket, s->key, SPAN_EMPTY, &s->upload);
}

static int put_part(struct ns_txn *txn, void *arg)
{
    static const uint8_t md5[16] = "md5 of this part";
    struct step *s = arg;
    return ns_upload_put_part(txn, &s->upload, (uint32_t)s->ino, s->body, md5, SPAN_EMPTY);
}

static int complete(struct ns_txn *txn, void *arg)
{
    static const uint32_t numbers[] = {1, 2};
    struct step *s = arg;
    s->put.flags = INODE_ETAG_PARTS;
    return ns_upload_complete(txn, s->bucket, &s->upload, numbers, 2, &s->put, &s->inode);
}

static void upload(uint64_t bucket, struct span key, bool completed)
{
    struct step s = {.bucket = bucket, .key = key};
    apply(start_upload, &s);
    s.upload.key = key;
    for (uint32_t part = 1; part <= 2; part++) {
        s.ino = part;
        s.body = body_of(part == 1 ? 20000 : 100);
        apply(put_part, &s);
    }
    if (completed)
        apply(complete, &s);
}

/* ---- a mount's view ---- */

static int create(struct ns_txn *txn, void *arg)
{
    struct step *s = arg;
    struct ns_create how = {.type = s->type, .mode = 0640, .target = SPAN_LIT("a")};
    return ns_create(txn, s->bucket, s->key, &how, &s->inode);
}

static uint64_t create_name(uint64_t dir, struct span name, enum inode_type type)
{
    struct step s = {.bucket = dir, .key = name, .type = type};
    apply(create, &s);
    return s.inode.ino;
}

static int write_at(struct ns_txn *txn, void *arg)
{
    struct step *s = arg;
    return ns_write(txn, s->ino, s->off, s->body, &s->inode);
}

static void write_bytes(uint64_t ino, uint64_t off, uint64_t len)
{
    struct step s = {.ino = ino, .off = off, .body = body_of(len)};
    apply(write_at, &s);
}

static int link_to(struct ns_txn *txn, void *arg)
{
    struct step *s = arg;
    return ns_link(txn, s->ino, s->bucket, s->key, &s->inode);
}

static int set_xattr(struct ns_txn *txn, void *arg)
{
    struct step *s = arg;
    return ns_xattr_set(txn, s->ino, s->key, s->to, 0);
}

static int hold_and_unlink(struct ns_txn *txn, void *arg)
{
    struct step *s = arg;
    int rc = ns_hold(txn, s->ino);
    return rc < 0 ? rc : ns_unlink(txn, s->bucket, s->key, &s->inode);
}

/* ---- a session ---- */

struct posix_request memory_session = {.session = "a known session", .slot = 0};

static void compound(const struct posix_op *ops, size_t count, struct posix_result *ret_first)
{
    struct posix_caller caller = {SPAN_LIT("box"), SPAN_LIT("key")};
    struct buf request = BUF_INIT, reply = BUF_INIT;
    struct posix_reply head;
    struct span results;
    MUST(posix_request_begin(&request, &memory_session) == 0);
    for (size_t i = 0; i < count; i++)
        MUST(posix_op_add(&request, &ops[i]) == 0);
    MUST(posix_request_end(&request) == 0);
    MUST(posix_compound(filled->posix, &caller, buf_span(&request), &reply) == 0);
    MUST(posix_reply_decode(buf_span(&reply), &head, &results) == 0 && head.status == 0);
    MUST(posix_result_next(&results, ret_first) == 1 && ret_first->status == 0);
    ret_first->data = SPAN_EMPTY;
    buf_release(&request);
    buf_release(&reply);
}

static void open_session(uint64_t bucket)
{
    struct posix_op open = {.code = POSIX_SESSION_OPEN, .name = SPAN_LIT("test"), .count = POSIX_LEASE_MAX_MS};
    struct posix_op ops[] = {
        {.code = POSIX_CREATE, .ino = bucket, .name = SPAN_LIT("opened"), .mode = 0600, .handle = 7},
        {.code = POSIX_WRITE, .data = SPAN_LIT("bytes")}};
    struct posix_result result;
    compound(&open, 1, &result);
    memory_session.generation = result.value;
    memory_session.sequence = 1;
    compound(ops, 2, &result);
}

/* ---- all of it ---- */

static void pack_attrs(struct buf *attrs)
{
    attrs_add(attrs, ATTR_HEADER, SPAN_LIT("content-type"), SPAN_LIT("text/plain"));
    attrs_add(attrs, ATTR_META, SPAN_LIT("mode"), SPAN_LIT("33188"));
    attrs_add(attrs, ATTR_CHECKSUM, SPAN_LIT("\x05"), SPAN_LIT("crc!"));
    attrs_add(attrs, ATTR_TAG, SPAN_LIT("colour"), SPAN_LIT("blue"));
    MUST(attrs->failed == 0);
}

static void fill_mount(uint64_t box, uint64_t a)
{
    struct step twin = {.bucket = box, .ino = a, .key = SPAN_LIT("twin")};
    create_name(box, SPAN_LIT("e"), INODE_DIR);
    create_name(box, SPAN_LIT("link"), INODE_SYMLINK);
    create_name(box, SPAN_LIT("fifo"), INODE_FIFO);
    pieces = create_name(box, SPAN_LIT("pieces"), INODE_FILE);
    write_bytes(pieces, 0, 100);
    write_bytes(pieces, 200000, 30000);
    write_bytes(pieces, 210000, 50);
    apply(link_to, &twin);
    struct step xattr = {.ino = a, .key = SPAN_LIT("user.x"), .to = SPAN_LIT("value")};
    apply(set_xattr, &xattr);
}

static void fill_orphan(uint64_t box)
{
    struct step orphan = {
        .bucket = box, .key = SPAN_LIT("orphan"), .ino = create_name(box, SPAN_LIT("orphan"), INODE_FILE)};
    apply(hold_and_unlink, &orphan);
}

void memory_fill(struct memory_store *store, bool crashed)
{
    static char long_name[LONG_NAME];
    struct step bucket = {.key = SPAN_LIT("box")};
    struct buf attrs = BUF_INIT;
    filled = store;
    memset(long_name, 'n', sizeof(long_name));
    apply(make_bucket, &bucket);
    uint64_t box = bucket.inode.ino;
    pack_attrs(&attrs);
    uint64_t a = put_key(box, SPAN_LIT("a"), 100, buf_span(&attrs));
    put_key(box, SPAN_LIT("a/c"), 0, SPAN_EMPTY);
    put_key(box, SPAN_LIT("d/x"), 10, SPAN_EMPTY);
    put_key(box, span_make(long_name, LONG_NAME), 10, SPAN_EMPTY);
    put_key(box, SPAN_LIT("blob"), BIG, buf_span(&attrs));
    upload(box, SPAN_LIT("parts"), true);
    upload(box, SPAN_LIT("up"), false);
    fill_mount(box, a);
    if (crashed)
        fill_orphan(box);
    open_session(box);
    buf_release(&attrs);
}

/* ---- what a crash leaves ---- */

#define NOBODY 1000000 /* a number of the namespace that no inode has */

static struct span key_of(char tag, uint64_t first, uint64_t second, size_t len)
{
    static char key[17];
    key[0] = tag;
    put_be64(key + 1, first);
    put_be64(key + 9, second);
    return span_make(key, len);
}

static void put_record(struct index_txn *txn, struct span key, const void *value, size_t len)
{
    MUST(index_put(txn, key, span_make(value, len)) == 0);
}

/* The last blob lacks a shard; behind it lies one that is to be reclaimed. */
static void fill_data(struct index_txn *txn)
{
    static const uint8_t places[4] = {1};
    struct index_cursor cursor;
    struct extent_record extent;
    struct blob_record blob;
    struct span key, value;
    MUST(index_cursor_open(txn, &cursor) == 0);
    MUST(index_cursor_before(&cursor, SPAN_LIT("M"), &key, &value) == 0 && key.len == 17 && key.ptr[0] == TAG_EXTENT);
    memcpy(&extent, value.ptr, sizeof(extent));
    index_cursor_close(&cursor);
    MUST(index_get(txn, key_of(TAG_BLOB, extent.blob, 0, 9), &value) == 0);
    memcpy(&blob, value.ptr, sizeof(blob));
    put_record(txn, key_of(TAG_HEAL, extent.blob, 0, 9), places, sizeof(places));
    blob.refs = 0;
    blob.offset += extent.length;
    extent.blob++;
    put_record(txn, key_of(TAG_BLOB, extent.blob, 0, 9), &blob, sizeof(blob));
    put_record(txn, key_of(TAG_EXTENT, blob.segment, blob.offset, 17), &extent, sizeof(extent));
    put_record(txn, key_of(TAG_FREED, blob.segment, blob.offset, 17), &extent, sizeof(extent));
}

static int fill_raw(struct index_txn *txn, void *arg)
{
    static const char garbage[] = {1, 1}, tidy[] = {1}, bytes[] = "\1\1\0\0\0\0\0\0bytes";
    (void)arg;
    put_record(txn, key_of('G', NOBODY, 0, 9), garbage, sizeof(garbage));
    put_record(txn, key_of('E', NOBODY, 0, 17), bytes, sizeof(bytes) - 1);
    put_record(txn, key_of('T', pieces, 0, 9), tidy, sizeof(tidy));
    fill_data(txn);
    return 0;
}

void memory_fill_raw(struct memory_store *store)
{
    MUST(index_apply(store->index, fill_raw, NULL, INDEX_DURABLE) == 0);
}
