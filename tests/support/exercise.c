#include "tests/support/exercise.h"

#include <stdlib.h>

#include "objstore/base/arena.h"
#include "objstore/base/errors.h"
#include "objstore/namespace/ns_priv.h"
#include "server/posix/posix_priv.h"
#include "tests/support/memory_fill.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define INODES 40      /* looked at by number: more than the fill makes */
#define STEPS_MAX 2000 /* of one listing: far more than there are records */

static const struct span keys[] = {
    SPAN_LIT("a"),  SPAN_LIT("a/"),   SPAN_LIT("a/c"),    SPAN_LIT("d/"),   SPAN_LIT("d/x"),
    SPAN_LIT("e/"), SPAN_LIT("blob"), SPAN_LIT("pieces"), SPAN_LIT("link"), SPAN_LIT("parts"),
    SPAN_LIT("up"), SPAN_LIT("new"),  SPAN_LIT("n/e/w"),
};
static const struct span names[] = {
    SPAN_LIT("a"),     SPAN_LIT("d"),
    SPAN_LIT("x"),     SPAN_LIT("e"),
    SPAN_LIT("blob"),  SPAN_LIT("link"),
    SPAN_LIT("parts"), SPAN_LIT("fifo"),
    SPAN_LIT("twin"),  SPAN_LIT("@cairn.object.a"),
    SPAN_LIT("new"),   SPAN_LIT(".."),
    SPAN_LIT("box"),   SPAN_LIT("@cairn.long.nnnn~00000000000000000000000000000000"),
};

static void count_step(size_t *steps)
{
    memory_must(++*steps < STEPS_MAX, "a listing does not end");
}

/* ================================================================ reading */

static void read_body(struct ns_txn *txn, const struct inode *inode)
{
    static char bytes[1 << 16];
    struct body_reader *reader;
    uint64_t off;
    if (body_reader_new(txn, inode, inode->size / 3, sizeof(bytes) * 4, &reader) == 0) {
        struct span inlined;
        if (!body_reader_inline(reader, &inlined))
            while (body_read(reader, bytes, sizeof(bytes)) > 0)
                ;
        body_reader_free(&reader);
    }
    (void)ns_seek(txn, inode, inode->size / 2, false, &off);
    (void)ns_seek(txn, inode, inode->size / 2, true, &off);
}

static void read_object(struct ns_txn *txn, const struct inode *inode)
{
    char etag[INODE_ETAG_MAX];
    struct ns_part part;
    struct attr attr;
    struct span rest = inode->attrs;
    uint64_t off;
    inode_etag(inode, etag);
    while (attrs_next(&rest, &attr) > 0)
        ;
    for (uint32_t number = 1; number <= 3; number++)
        (void)ns_object_part(txn, inode, number, &off, &part);
    read_body(txn, inode);
}

static void read_keys(struct ns_txn *txn, uint64_t bucket)
{
    struct inode inode;
    for (size_t i = 0; i < COUNT(keys); i++)
        if (ns_key_find(txn, bucket, keys[i], &inode) == 0)
            read_object(txn, &inode);
}

static void walk(struct ns_txn *txn, uint64_t bucket, struct span prefix, struct span from)
{
    struct ns_walk *walk;
    struct inode inode;
    struct span key;
    size_t steps = 0;
    if (ns_walk_open(txn, bucket, prefix, &walk) < 0)
        return;
    int rc = from.len ? ns_walk_seek(walk, from) : 0;
    while (rc == 0 && (rc = ns_walk_next(walk, &key, &inode)) == 0)
        count_step(&steps);
    ns_walk_close(&walk);
}

static void read_uploads(struct ns_txn *txn, uint64_t bucket)
{
    struct arena a = ARENA_INIT;
    struct ns_upload upload, found;
    struct ns_part part;
    struct span key = SPAN_EMPTY, id = SPAN_EMPTY;
    size_t steps = 0;
    while (ns_upload_next(txn, bucket, key, id, &a, &upload) == 0) {
        count_step(&steps);
        key = upload.key;
        id = arena_dup(&a, span_cstr(upload.id));
        (void)ns_upload_find(txn, bucket, key, id, &found);
        for (uint32_t after = 0; ns_upload_part_next(txn, &upload, after, &part) == 0; after = part.number)
            count_step(&steps);
    }
    arena_release(&a);
}

static void read_directory(struct ns_txn *txn, uint64_t ino, struct span after)
{
    struct ns_dir *dir;
    struct span name;
    struct inode inode;
    enum inode_type type;
    uint64_t entry;
    size_t steps = 0;
    if (ns_dir_open(txn, ino, after, &dir) < 0)
        return;
    while (ns_dir_next(dir, &name, &entry, &type, steps % 2 ? &inode : NULL) == 0)
        count_step(&steps);
    ns_dir_close(&dir);
}

static void read_inode(struct ns_txn *txn, uint64_t ino)
{
    struct inode inode;
    struct span name = SPAN_EMPTY, value;
    size_t steps = 0;
    if (ns_inode(txn, ino, &inode) == 0)
        read_body(txn, &inode);
    while (ns_xattr_next(txn, ino, name, &name) == 0) {
        count_step(&steps);
        (void)ns_xattr_get(txn, ino, name, &value);
    }
    for (size_t i = 0; i < COUNT(names); i++)
        (void)ns_lookup(txn, ino, names[i], &inode);
    read_directory(txn, ino, SPAN_EMPTY);
    read_directory(txn, ino, SPAN_LIT("c/"));
}

static void read_buckets(struct ns_txn *txn)
{
    struct arena a = ARENA_INIT;
    struct span name = SPAN_EMPTY;
    struct inode bucket;
    size_t steps = 0;
    while (ns_bucket_next(txn, name, &a, &name, &bucket) == 0) {
        count_step(&steps);
        read_keys(txn, bucket.ino);
        walk(txn, bucket.ino, SPAN_EMPTY, SPAN_EMPTY);
        walk(txn, bucket.ino, SPAN_EMPTY, SPAN_LIT("d/w"));
        walk(txn, bucket.ino, SPAN_LIT("a"), SPAN_EMPTY);
        walk(txn, bucket.ino, SPAN_LIT("nnnn"), SPAN_EMPTY);
        read_uploads(txn, bucket.ino);
    }
    arena_release(&a);
}

void exercise_reads(struct ns_txn *txn)
{
    read_buckets(txn);
    for (uint64_t ino = 0; ino < INODES; ino++)
        read_inode(txn, ino);
}

void exercise_view(struct ns *ns)
{
    struct ns_txn *txn;
    if (ns_view_begin(ns, &txn) < 0)
        return;
    exercise_reads(txn);
    ns_view_end(&txn);
}

/* ================================================================ changing */

struct change {
    struct ns *ns;
    struct ns_txn *txn;
    unsigned what;
    uint64_t bucket;
    struct body_writer *body;
    struct inode inode;
};

static struct span a_key(const struct change *c)
{
    return keys[c->what % COUNT(keys)];
}

static struct span a_name(const struct change *c)
{
    return names[c->what % COUNT(names)];
}

static uint64_t an_inode(const struct change *c)
{
    return c->what % INODES;
}

static int put(struct change *c)
{
    struct ns_put put = {.body = c->body};
    return ns_key_put(c->txn, c->bucket, a_key(c), &put, &c->inode);
}

static int copy(struct change *c)
{
    struct ns_put put = {.flags = INODE_ETAG_MD5};
    struct inode source;
    int rc = ns_key_find(c->txn, c->bucket, a_key(c), &source);
    return rc < 0 ? rc
                  : ns_key_copy(c->txn, source.ino, 0, source.size, c->bucket, SPAN_LIT("d/copy"), &put, &c->inode);
}

static int append(struct change *c)
{
    struct ns_put put = {.body = c->body};
    struct inode old;
    int rc = ns_key_find(c->txn, c->bucket, a_key(c), &old);
    return rc < 0 ? rc : ns_key_append(c->txn, c->bucket, a_key(c), old.size, &put, &c->inode);
}

static int set_attrs(struct change *c)
{
    return ns_key_set_attrs(c->txn, c->bucket, a_key(c), SPAN_EMPTY, &c->inode);
}

static int delete (struct change *c)
{
    return ns_key_delete(c->txn, c->bucket, a_key(c), NULL, NULL);
}

static int rename_key(struct change *c)
{
    return ns_key_rename(c->txn, c->bucket, a_key(c), keys[c->what / 16 % COUNT(keys)], NULL, NULL, NULL);
}

static int delete_bucket(struct change *c)
{
    return ns_bucket_delete(c->txn, SPAN_LIT("box"));
}

static int find_upload(struct change *c, struct ns_upload *ret_upload, struct arena *a)
{
    int rc = ns_upload_next(c->txn, c->bucket, SPAN_EMPTY, SPAN_EMPTY, a, ret_upload);
    struct span key = rc == 0 ? ret_upload->key : SPAN_EMPTY;
    return rc < 0 ? rc : ns_upload_find(c->txn, c->bucket, key, span_cstr(ret_upload->id), ret_upload);
}

static int on_upload(struct change *c, int (*fn)(struct change *c, const struct ns_upload *upload))
{
    struct arena a = ARENA_INIT;
    struct ns_upload upload;
    int rc = find_upload(c, &upload, &a);
    if (rc == 0)
        rc = fn(c, &upload);
    arena_release(&a);
    return rc;
}

static int upload_part(struct change *c, const struct ns_upload *upload)
{
    static const uint8_t md5[16];
    return ns_upload_put_part(c->txn, upload, c->what % 3 + 1, c->body, md5, SPAN_EMPTY);
}

static int upload_copy(struct change *c, const struct ns_upload *upload)
{
    static const uint8_t md5[16];
    return ns_upload_copy_part(c->txn, upload, 3, an_inode(c), 0, 50, md5, SPAN_EMPTY);
}

static int upload_complete(struct change *c, const struct ns_upload *upload)
{
    static const uint32_t numbers[] = {1, 2};
    struct ns_put put = {.flags = INODE_ETAG_PARTS};
    return ns_upload_complete(c->txn, c->bucket, upload, numbers, 2, &put, &c->inode);
}

static int upload_abort(struct change *c, const struct ns_upload *upload)
{
    return ns_upload_abort(c->txn, c->bucket, upload);
}

static int put_part(struct change *c)
{
    return on_upload(c, upload_part);
}

static int copy_part(struct change *c)
{
    return on_upload(c, upload_copy);
}

static int complete(struct change *c)
{
    return on_upload(c, upload_complete);
}

static int abort_upload(struct change *c)
{
    return on_upload(c, upload_abort);
}

static int create(struct change *c)
{
    struct ns_create how = {.type = c->what / 64 % 2 ? INODE_DIR : INODE_FILE, .mode = 0644};
    return ns_create(c->txn, an_inode(c), SPAN_LIT("fresh"), &how, &c->inode);
}

static int link_inode(struct change *c)
{
    return ns_link(c->txn, an_inode(c), c->bucket, SPAN_LIT("linked"), &c->inode);
}

static int unlink_name(struct change *c)
{
    return ns_unlink(c->txn, c->bucket, a_name(c), &c->inode);
}

static int rmdir_name(struct change *c)
{
    return ns_rmdir(c->txn, c->what / 64 % 2 ? NS_ROOT : c->bucket, a_name(c));
}

/* Between the bucket and directories below, with each of rename(2)'s ways. */
static int rename_name(struct change *c)
{
    uint64_t from = c->bucket, to = c->what / 14 % 2 ? c->bucket : c->what / 28 % INODES;
    return ns_rename(c->txn, from, a_name(c), to, names[c->what / 14 % COUNT(names)], c->what / 7 % 3);
}

static int write_bytes(struct change *c)
{
    return ns_write(c->txn, an_inode(c), c->what / INODES * 40, c->body, &c->inode);
}

static int truncate_to(struct change *c)
{
    struct ns_setattr set = {.valid = NS_SET_SIZE | NS_SET_MODE, .size = c->what / INODES * 40, .mode = 0600};
    return ns_setattr(c->txn, an_inode(c), &set, &c->inode);
}

static int punch(struct change *c)
{
    return ns_punch(c->txn, an_inode(c), c->what / INODES * 30, 50, &c->inode);
}

static int copy_range(struct change *c)
{
    struct inode file;
    int rc = ns_lookup(c->txn, c->bucket, SPAN_LIT("twin"), &file);
    return rc < 0 ? rc : ns_copy_range(c->txn, an_inode(c), 0, file.ino, 40, 1 << 20, &c->inode);
}

static int set_xattr(struct change *c)
{
    return ns_xattr_set(c->txn, an_inode(c), SPAN_LIT("user.x"), SPAN_LIT("other"), 0);
}

static int remove_xattr(struct change *c)
{
    return ns_xattr_remove(c->txn, an_inode(c), SPAN_LIT("user.x"));
}

static int hold(struct change *c)
{
    int rc = ns_hold(c->txn, an_inode(c));
    if (rc == 0)
        ns_unhold(c->ns, an_inode(c));
    return rc;
}

static int (*const changes[])(struct change *c) = {
    put,         copy,        append,       set_attrs,  delete,     rename_key,   delete_bucket, put_part,
    copy_part,   complete,    abort_upload, create,     link_inode, unlink_name,  rmdir_name,    rename_name,
    write_bytes, truncate_to, punch,        copy_range, set_xattr,  remove_xattr, hold,
};

void exercise_change(struct ns *ns, struct ns_txn *txn, unsigned which, unsigned what)
{
    struct change c = {.ns = ns, .txn = txn, .what = what};
    struct inode bucket;
    int rc = ns_bucket_find(txn, SPAN_LIT("box"), &bucket);
    if (rc == 0)
        rc = body_writer_new(ns, 60, &c.body);
    if (rc < 0)
        return;
    c.bucket = bucket.ino;
    memory_must(body_write(c.body, "sixty bytes sixty bytes sixty bytes sixty bytes sixty bytes ", 60) == 0 &&
                    body_writer_finish(c.body) == 0,
                "a small body");
    rc = changes[which % COUNT(changes)](&c);
    memory_must(cairn_errname(rc)[0] != '?', "an error without a name");
    body_writer_free(&c.body);
}

/* ================================================================ a session */

static void send_compound(struct posix *posix, const struct posix_request *head, const struct posix_op *ops, size_t count)
{
    struct posix_caller caller = {SPAN_LIT("box"), SPAN_LIT("key")};
    struct buf request = BUF_INIT, reply = BUF_INIT;
    struct posix_reply got;
    struct posix_result result;
    struct span results;
    int rc = posix_request_begin(&request, head);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = posix_op_add(&request, &ops[i]);
    memory_must(rc == 0 && posix_request_end(&request) == 0, "a compound");
    memory_must(posix_compound(posix, &caller, buf_span(&request), &reply) == 0, "a reply");
    memory_must(posix_reply_decode(buf_span(&reply), &got, &results) == 0, "the reply's head");
    while ((rc = posix_result_next(&results, &result)) == 1)
        ;
    memory_must(rc == 0, "the reply's results");
    buf_release(&request);
    buf_release(&reply);
}

void exercise_session(struct posix *posix)
{
    static const struct posix_op reclaim = {.code = POSIX_SESSION_RECLAIM, .flags = POSIX_RECLAIM_DONE};
    static const struct posix_op ops[] = {{.code = POSIX_CREATE, .ino = 2, .name = SPAN_LIT("opened"), .handle = 7},
                                          {.code = POSIX_WRITE, .data = SPAN_LIT("bytes")}};
    struct posix_request head = memory_session;
    head.slot = POSIX_SLOT_NONE;
    send_compound(posix, &head, &reclaim, 1);
    send_compound(posix, &memory_session, ops, 2);
}
