#include "tests/support/ns_fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/namespace/ns_priv.h"
#include "objstore/store.h"
#include "tests/support/descriptors.h"
#include "tests/support/index_fixture.h"

struct ns *nsf_ns;

static struct store *store;
static char folder[256];
static struct buf text; /* of the calls that answer a string */

/* ---- life ---- */

void nsf_up(void)
{
    char message[STORE_MESSAGE_MAX], drive[300];
    const char *drives[] = {drive};
    struct store_options options = {
        .drives = drives, .drive_count = 1, .parity = STORE_PARITY_DEFAULT, .scrub_period = -1};
    snprintf(drive, sizeof(drive), "%s/drive", folder);
    int r = store_open(&options, &store, message, sizeof(message));
    cr_assert_eq(r, 0, "store_open: %s: %s", cairn_errname(r), message);
    nsf_ns = store_ns(store);
}

void nsf_init(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/ns-XXXXXX", tmp ? tmp : "/tmp");
    cr_assert(mkdtemp(folder));
    nsf_up();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void nsf_fini(void)
{
    nsf_verify();
    nsf_reopen();
    nsf_verify();
    store_close(&store);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    buf_release(&text);
}

void nsf_down(void)
{
    store_close(&store);
}

static void index_copy(const char *from, const char *to)
{
    char paths[2][320];
    snprintf(paths[0], sizeof(paths[0]), "%s/%s", folder, from);
    snprintf(paths[1], sizeof(paths[1]), "%s/%s", folder, to);
    fixture_copy_file(paths[0], paths[1]);
}

void nsf_keep(void)
{
    backlog_drained(&nsf_ns->backlog);
    cr_assert_eq(ns_flush(nsf_ns), 0);
    index_copy("drive/index/data.mdb", "kept.mdb");
}

void nsf_take_back(void)
{
    nsf_down();
    index_copy("kept.mdb", "drive/index/data.mdb");
    nsf_up();
}

/* Not the descriptor of the two meta pages, which LMDB opens with O_DSYNC: they are written over in place, and a full
 * disk does not keep that from them. */
void nsf_index_files(const char *path)
{
    static int fds[16], count;
    char database[320];
    snprintf(database, sizeof(database), "%s/drive/index/data.mdb", folder);
    if (path) {
        int all[16], found = descriptors_of(database, all, 16);
        count = 0;
        for (int i = 0; i < found; i++)
            if (!(fcntl(all[i], F_GETFL) & O_DSYNC))
                fds[count++] = all[i];
    }
    cr_assert_gt(count, 0);
    for (int i = 0; i < count; i++)
        descriptor_replace(fds[i], path ? path : database);
}

void nsf_reopen(void)
{
    nsf_down();
    nsf_up();
}

static void print_finding(const char *finding, void *arg)
{
    (void)arg;
    fprintf(stderr, "verify: %s\n", finding);
}

void nsf_verify(void)
{
    backlog_drained(&nsf_ns->backlog);
    int64_t findings = ns_verify(nsf_ns, print_finding, NULL);
    cr_assert_eq(findings, 0, "%ld findings", (long)findings);
}

uint64_t nsf_inodes(void)
{
    struct ns_statfs statfs;
    cr_assert_eq(ns_statfs(nsf_ns, &statfs), 0);
    return statfs.inodes;
}

int nsf_apply(ns_mutation *fn, void *arg)
{
    return ns_apply(nsf_ns, fn, arg, INDEX_APPLIED);
}

struct ns_txn *nsf_view(void)
{
    struct ns_txn *txn;
    cr_assert_eq(ns_view_begin(nsf_ns, &txn), 0);
    return txn;
}

static const char *text_done(void)
{
    buf_add_char(&text, 0);
    cr_assert_eq(text.failed, 0);
    return text.ptr;
}

/* ---- S3 ---- */

struct bucket_args {
    struct span name;
    struct inode inode;
};

static int do_bucket_create(struct ns_txn *txn, void *arg)
{
    struct bucket_args *a = arg;
    return ns_bucket_create(txn, a->name, (struct ns_owner){.mode = 0755}, SPAN_EMPTY, &a->inode);
}

static int do_bucket_delete(struct ns_txn *txn, void *arg)
{
    return ns_bucket_delete(txn, ((struct bucket_args *)arg)->name);
}

uint64_t nsf_bucket(const char *name)
{
    struct bucket_args a = {.name = span_cstr(name)};
    int r = nsf_apply(do_bucket_create, &a);
    cr_assert_eq(r, 0, "create bucket %s: %s", name, cairn_errname(r));
    return a.inode.ino;
}

int nsf_bucket_delete(const char *name)
{
    struct bucket_args a = {.name = span_cstr(name)};
    return nsf_apply(do_bucket_delete, &a);
}

struct body_writer *nsf_body(struct span bytes)
{
    struct body_writer *writer;
    cr_assert_eq(body_writer_new(nsf_ns, bytes.len, &writer), 0);
    cr_assert_eq(body_write(writer, bytes.ptr, bytes.len), 0);
    cr_assert_eq(body_writer_finish(writer), 0);
    return writer;
}

struct key_args {
    uint64_t bucket;
    struct span key;
    struct body_writer *body;
    struct inode inode;
};

static int do_put(struct ns_txn *txn, void *arg)
{
    struct key_args *a = arg;
    struct ns_put put = {.body = a->body, .flags = INODE_ETAG_MD5};
    return ns_key_put(txn, a->bucket, a->key, &put, &a->inode);
}

int nsf_put_span(uint64_t bucket, struct span key, struct span body)
{
    struct key_args a = {.bucket = bucket, .key = key, .body = nsf_body(body)};
    int r = nsf_apply(do_put, &a);
    body_writer_free(&a.body);
    return r;
}

int nsf_put(uint64_t bucket, const char *key, const char *body)
{
    return nsf_put_span(bucket, span_cstr(key), span_cstr(body));
}

static int do_delete(struct ns_txn *txn, void *arg)
{
    struct key_args *a = arg;
    return ns_key_delete(txn, a->bucket, a->key, NULL, NULL);
}

int nsf_delete_span(uint64_t bucket, struct span key)
{
    struct key_args a = {.bucket = bucket, .key = key};
    return nsf_apply(do_delete, &a);
}

int nsf_delete(uint64_t bucket, const char *key)
{
    return nsf_delete_span(bucket, span_cstr(key));
}

int nsf_find(uint64_t bucket, const char *key, struct inode *ret_inode)
{
    struct ns_txn *txn = nsf_view();
    int r = ns_key_find(txn, bucket, span_cstr(key), ret_inode);
    ns_view_end(&txn);
    ret_inode->attrs = SPAN_EMPTY;
    return r;
}

struct attrs_args {
    uint64_t bucket;
    struct span key, attrs;
};

static int do_set_attrs(struct ns_txn *txn, void *arg)
{
    struct attrs_args *a = arg;
    struct inode inode;
    return ns_key_set_attrs(txn, a->bucket, a->key, a->attrs, &inode);
}

int nsf_set_attrs(uint64_t bucket, const char *key, struct span attrs)
{
    struct attrs_args a = {.bucket = bucket, .key = span_cstr(key), .attrs = attrs};
    return nsf_apply(do_set_attrs, &a);
}

static void read_all(struct ns_txn *txn, const struct inode *inode, struct buf *bytes)
{
    struct body_reader *reader;
    char piece[1000];
    ptrdiff_t n;
    cr_assert_eq(body_reader_new(txn, inode, 0, UINT64_MAX, &reader), 0);
    cr_assert_eq(body_reader_length(reader), inode->size);
    buf_clear(bytes);
    while ((n = body_read(reader, piece, sizeof(piece))) > 0)
        buf_add(bytes, piece, (size_t)n);
    cr_assert_eq(n, 0, "read: %s", cairn_errname((int)n));
    body_reader_free(&reader);
}

const char *nsf_get(uint64_t bucket, const char *key)
{
    struct ns_txn *txn = nsf_view();
    struct inode inode;
    int r = ns_key_find(txn, bucket, span_cstr(key), &inode);
    buf_clear(&text);
    if (r == 0)
        read_all(txn, &inode, &text);
    ns_view_end(&txn);
    return r == 0 ? text_done() : NULL;
}

const char *nsf_list(uint64_t bucket, const char *prefix)
{
    struct ns_txn *txn = nsf_view();
    struct ns_walk *walk;
    struct inode inode;
    struct span key;
    int r;
    buf_clear(&text);
    cr_assert_eq(ns_walk_open(txn, bucket, span_cstr(prefix), &walk), 0);
    while ((r = ns_walk_next(walk, &key, &inode)) == 0) {
        buf_add_span(&text, key);
        buf_add_char(&text, ' ');
    }
    cr_assert_eq(r, CAIRN_ENOKEY);
    ns_walk_close(&walk);
    ns_view_end(&txn);
    return text_done();
}

/* ---- POSIX ---- */

struct name_args {
    uint64_t ino, dir, to_dir, off;
    struct span name, to;
    uint32_t flags;
    struct ns_create create;
    struct ns_setattr set;
    struct body_writer *body;
    struct inode inode;
};

int nsf_stat(uint64_t dir, const char *name, struct inode *ret_inode)
{
    struct ns_txn *txn = nsf_view();
    int r = ns_lookup(txn, dir, span_cstr(name), ret_inode);
    ns_view_end(&txn);
    ret_inode->attrs = SPAN_EMPTY;
    return r;
}

uint64_t nsf_ino(uint64_t dir, const char *name)
{
    struct inode inode;
    return nsf_stat(dir, name, &inode) == 0 ? inode.ino : 0;
}

int nsf_inode(uint64_t ino, struct inode *ret_inode)
{
    struct ns_txn *txn = nsf_view();
    int r = ns_inode(txn, ino, ret_inode);
    ns_view_end(&txn);
    ret_inode->attrs = SPAN_EMPTY;
    return r;
}

static int do_create(struct ns_txn *txn, void *arg)
{
    struct name_args *a = arg;
    return ns_create(txn, a->dir, a->name, &a->create, &a->inode);
}

int nsf_create(uint64_t dir, const char *name, enum inode_type type, struct inode *ret_inode)
{
    struct name_args a = {.dir = dir, .name = span_cstr(name), .create = {.type = type, .mode = 0750}};
    a.create.target = SPAN_LIT("target");
    int r = nsf_apply(do_create, &a);
    if (ret_inode)
        *ret_inode = a.inode;
    return r;
}

uint64_t nsf_mkdir(uint64_t dir, const char *name)
{
    struct inode inode;
    int r = nsf_create(dir, name, INODE_DIR, &inode);
    cr_assert_eq(r, 0, "mkdir %s: %s", name, cairn_errname(r));
    return inode.ino;
}

uint64_t nsf_mkfile(uint64_t dir, const char *name)
{
    struct inode inode;
    int r = nsf_create(dir, name, INODE_FILE, &inode);
    cr_assert_eq(r, 0, "create %s: %s", name, cairn_errname(r));
    return inode.ino;
}

static int do_unlink(struct ns_txn *txn, void *arg)
{
    struct name_args *a = arg;
    return ns_unlink(txn, a->dir, a->name, &a->inode);
}

int nsf_unlink(uint64_t dir, const char *name)
{
    struct name_args a = {.dir = dir, .name = span_cstr(name)};
    return nsf_apply(do_unlink, &a);
}

static int do_rmdir(struct ns_txn *txn, void *arg)
{
    struct name_args *a = arg;
    return ns_rmdir(txn, a->dir, a->name);
}

int nsf_rmdir(uint64_t dir, const char *name)
{
    struct name_args a = {.dir = dir, .name = span_cstr(name)};
    return nsf_apply(do_rmdir, &a);
}

static int do_rename(struct ns_txn *txn, void *arg)
{
    struct name_args *a = arg;
    return ns_rename(txn, a->dir, a->name, a->to_dir, a->to, a->flags);
}

int nsf_rename(uint64_t from, const char *from_name, uint64_t to, const char *to_name, uint32_t flags)
{
    struct name_args a = {
        .dir = from, .name = span_cstr(from_name), .to_dir = to, .to = span_cstr(to_name), .flags = flags};
    return nsf_apply(do_rename, &a);
}

static int do_link(struct ns_txn *txn, void *arg)
{
    struct name_args *a = arg;
    return ns_link(txn, a->ino, a->dir, a->name, &a->inode);
}

int nsf_link(uint64_t ino, uint64_t dir, const char *name)
{
    struct name_args a = {.ino = ino, .dir = dir, .name = span_cstr(name)};
    return nsf_apply(do_link, &a);
}

static int do_write(struct ns_txn *txn, void *arg)
{
    struct name_args *a = arg;
    return ns_write(txn, a->ino, a->off, a->body, &a->inode);
}

int nsf_write_body(uint64_t ino, uint64_t off, struct body_writer *body)
{
    struct name_args a = {.ino = ino, .off = off, .body = body};
    return nsf_apply(do_write, &a);
}

int nsf_write(uint64_t ino, uint64_t off, struct span bytes)
{
    struct body_writer *body = nsf_body(bytes);
    int r = nsf_write_body(ino, off, body);
    body_writer_free(&body);
    return r;
}

static int do_setattr(struct ns_txn *txn, void *arg)
{
    struct name_args *a = arg;
    return ns_setattr(txn, a->ino, &a->set, &a->inode);
}

int nsf_truncate(uint64_t ino, uint64_t size)
{
    struct name_args a = {.ino = ino, .set = {.valid = NS_SET_SIZE, .size = size}};
    return nsf_apply(do_setattr, &a);
}

void nsf_read(uint64_t ino, struct buf *bytes)
{
    struct ns_txn *txn = nsf_view();
    struct inode inode;
    cr_assert_eq(ns_inode(txn, ino, &inode), 0);
    read_all(txn, &inode, bytes);
    ns_view_end(&txn);
}

const char *nsf_readdir(uint64_t dir)
{
    struct ns_txn *txn = nsf_view();
    struct ns_dir *reader;
    struct span name;
    uint64_t ino;
    enum inode_type type;
    int r;
    buf_clear(&text);
    cr_assert_eq(ns_dir_open(txn, dir, SPAN_EMPTY, &reader), 0);
    while ((r = ns_dir_next(reader, &name, &ino, &type, NULL)) == 0) {
        buf_add_span(&text, name);
        buf_add_cstr(&text, type == INODE_DIR ? "/ " : " ");
    }
    cr_assert_eq(r, -ENOENT);
    ns_dir_close(&reader);
    ns_view_end(&txn);
    return text_done();
}
