#include "tests/support/fuse_kernel.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fs/ops.h"

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: the kernel would not take it: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
enum { NODES = 64, OPEN = 16, MINOR = 31 };

/* What is open. */
struct open_thing {
    uint64_t node, fh;
    uint32_t flags;
    bool dir;
};

static struct {
    struct fuse_session *session;
    struct buf request; /* being made */
    uint64_t nodes[NODES];
    size_t node_count;
    struct open_thing open[OPEN];
    size_t open_count;

    pthread_mutex_t lock;
    uint64_t unique; /* of the request */
    bool answered;
    int error;
    struct buf reply; /* behind its head */
} k = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the descriptor ---- */

static ssize_t on_write(int fd, struct iovec *parts, int count, void *arg)
{
    struct buf all = BUF_INIT;
    struct fuse_out_header head;
    (void)fd, (void)arg;
    for (int i = 0; i < count; i++)
        if (parts[i].iov_len)
            buf_add(&all, parts[i].iov_base, parts[i].iov_len);
    ssize_t len = (ssize_t)all.len;
    MUST(all.len >= sizeof(head));
    memcpy(&head, all.ptr, sizeof(head));
    MUST(head.len == all.len);
    pthread_mutex_lock(&k.lock);
    if (head.unique) { /* else it is told, not answered */
        MUST(head.unique == k.unique && !k.answered && head.error <= 0 && head.error > -4096);
        MUST(head.error == 0 || head.len == sizeof(head));
        k.answered = true;
        k.error = head.error;
        buf_clear(&k.reply);
        buf_add(&k.reply, all.ptr + sizeof(head), all.len - sizeof(head));
    }
    pthread_mutex_unlock(&k.lock);
    buf_release(&all);
    return len;
}

static ssize_t on_read(int fd, void *bytes, size_t len, void *arg)
{
    (void)fd, (void)bytes, (void)len, (void)arg;
    return 0; /* requests are handed over without it */
}

/* ---- a request ---- */

static void begin(uint32_t opcode, uint64_t node, const void *arguments, size_t len)
{
    struct fuse_in_header head = {.opcode = opcode, .nodeid = node, .uid = 1000, .gid = 1000, .pid = 1};
    k.unique += 2;
    head.unique = k.unique;
    buf_clear(&k.request);
    buf_add(&k.request, &head, sizeof(head));
    buf_add(&k.request, arguments, len);
}

static void add_name(const char *name)
{
    buf_add(&k.request, name, strlen(name) + 1);
}

/* False: there was an error. */
static bool send_request(size_t reply_min, size_t reply_max)
{
    uint32_t len = (uint32_t)k.request.len;
    memcpy(k.request.ptr, &len, sizeof(len));
    k.answered = false;
    struct fuse_buf all = {.mem = k.request.ptr, .size = k.request.len};
    fuse_session_process_buf(k.session, &all);
    MUST(k.answered);
    MUST(k.error || (k.reply.len >= reply_min && k.reply.len <= reply_max));
    return k.error == 0;
}

static bool ask(uint32_t opcode, uint64_t node, const void *arguments, size_t len, size_t reply_min, size_t reply_max)
{
    begin(opcode, node, arguments, len);
    return send_request(reply_min, reply_max);
}

/* A reply of this size, or the beginning of one. */
static void take(void *ret_struct, size_t size)
{
    MUST(k.reply.len >= size);
    memcpy(ret_struct, k.reply.ptr, size);
}

/* ---- nodes and handles ---- */

static uint64_t node_of(unsigned which)
{
    return which && k.node_count ? k.nodes[which % k.node_count] : FUSE_ROOT_ID;
}

static void node_given(uint64_t node)
{
    if (node && node != FUSE_ROOT_ID && k.node_count < NODES)
        k.nodes[k.node_count++] = node;
}

static struct open_thing *open_of(unsigned which, bool dir)
{
    size_t count = 0, chosen;
    for (size_t i = 0; i < k.open_count; i++)
        count += k.open[i].dir == dir;
    if (count == 0)
        return NULL;
    chosen = which % count;
    for (size_t i = 0; i < k.open_count; i++)
        if (k.open[i].dir == dir && chosen-- == 0)
            return &k.open[i];
    return NULL;
}

static void opened(uint64_t node, const struct fuse_open_out *out, uint32_t flags, bool dir)
{
    MUST(k.open_count < OPEN);
    k.open[k.open_count++] = (struct open_thing){node, out->fh, flags, dir};
}

static bool has_room(void)
{
    return k.open_count < OPEN;
}

/* ---- one kind after another ---- */

static void take_entry(void)
{
    struct fuse_entry_out entry;
    take(&entry, sizeof(entry));
    MUST(entry.entry_valid_nsec < 1000000000 && entry.attr_valid_nsec < 1000000000);
    node_given(entry.nodeid);
}

static void entry_call(uint32_t opcode, uint64_t node, const void *arguments, size_t len, const char *name,
                       const char *name2)
{
    begin(opcode, node, arguments, len);
    add_name(name);
    if (name2)
        add_name(name2);
    if (send_request(sizeof(struct fuse_entry_out), sizeof(struct fuse_entry_out)))
        take_entry();
}

static void do_lookup(const struct kernel_call *c)
{
    entry_call(FUSE_LOOKUP, node_of(c->which), NULL, 0, c->name, NULL);
}

static void do_forget(const struct kernel_call *c)
{
    struct fuse_forget_in in = {.nlookup = 1};
    (void)c;
    if (k.node_count == 0)
        return;
    uint64_t node = k.nodes[--k.node_count];
    for (size_t i = 0; i < k.open_count; i++)
        if (k.open[i].node == node)
            return; /* what is open is not forgotten */
    begin(FUSE_FORGET, node, &in, sizeof(in));
    uint32_t len = (uint32_t)k.request.len;
    memcpy(k.request.ptr, &len, sizeof(len));
    struct fuse_buf all = {.mem = k.request.ptr, .size = k.request.len};
    fuse_session_process_buf(k.session, &all); /* has no reply */
}

static void do_getattr(const struct kernel_call *c)
{
    struct fuse_getattr_in in = {0};
    ask(FUSE_GETATTR, node_of(c->which), &in, sizeof(in), sizeof(struct fuse_attr_out), sizeof(struct fuse_attr_out));
}

static void do_setattr(const struct kernel_call *c)
{
    struct fuse_setattr_in in = {.valid = c->flags & (FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE | FATTR_ATIME |
                                                      FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW),
                                 .size = c->off,
                                 .mode = c->size,
                                 .uid = c->size,
                                 .gid = c->other,
                                 .mtime = c->size};
    ask(FUSE_SETATTR, node_of(c->which), &in, sizeof(in), sizeof(struct fuse_attr_out), sizeof(struct fuse_attr_out));
}

static void do_readlink(const struct kernel_call *c)
{
    ask(FUSE_READLINK, node_of(c->which), NULL, 0, 0, POSIX_PATH_MAX);
}

static void do_statfs(const struct kernel_call *c)
{
    ask(FUSE_STATFS, node_of(c->which), NULL, 0, sizeof(struct fuse_statfs_out), sizeof(struct fuse_statfs_out));
}

static void open_call(const struct kernel_call *c, bool dir)
{
    struct fuse_open_in in = {.flags = c->flags & (O_ACCMODE | O_TRUNC | O_APPEND | O_DIRECT)};
    struct fuse_open_out out;
    uint64_t node = node_of(c->which);
    if (!has_room() ||
        !ask(dir ? FUSE_OPENDIR : FUSE_OPEN, node, &in, sizeof(in), sizeof(struct fuse_open_out), sizeof(out)))
        return;
    take(&out, sizeof(out));
    opened(node, &out, in.flags, dir);
}

static void do_opendir(const struct kernel_call *c)
{
    open_call(c, true);
}

static void do_open(const struct kernel_call *c)
{
    open_call(c, false);
}

static void do_create(const struct kernel_call *c)
{
    struct fuse_create_in in = {.flags = O_CREAT | (c->flags & (O_ACCMODE | O_EXCL | O_APPEND)), .mode = 0644};
    struct fuse_entry_out entry;
    struct fuse_open_out out;
    if (!has_room())
        return;
    begin(FUSE_CREATE, node_of(c->which), &in, sizeof(in));
    add_name(c->name);
    if (!send_request(sizeof(entry) + sizeof(out), sizeof(entry) + sizeof(out)))
        return;
    take_entry();
    take(&entry, sizeof(entry));
    memcpy(&out, k.reply.ptr + sizeof(entry), sizeof(out));
    opened(entry.nodeid, &out, in.flags, false);
}

/* Entries of either kind, whole and within their room. */
static void take_entries(bool plus)
{
    struct span rest = buf_span(&k.reply);
    while (rest.len) {
        struct fuse_entry_out entry = {0};
        struct fuse_dirent head;
        size_t before = plus ? sizeof(entry) : 0;
        MUST(rest.len >= before + FUSE_NAME_OFFSET);
        if (plus)
            memcpy(&entry, rest.ptr, sizeof(entry));
        memcpy(&head, rest.ptr + before, FUSE_NAME_OFFSET);
        MUST(head.namelen > 0 && head.namelen <= 255);
        size_t len = before + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + head.namelen);
        MUST(rest.len >= len && !memchr(rest.ptr + before + FUSE_NAME_OFFSET, '/', head.namelen));
        node_given(entry.nodeid);
        rest = span_from(rest, len);
    }
}

static void read_dir(const struct kernel_call *c, bool plus)
{
    const struct open_thing *o = open_of(c->which, true);
    if (!o)
        return;
    struct fuse_read_in in = {.fh = o->fh, .offset = c->off, .size = c->size};
    if (ask(plus ? FUSE_READDIRPLUS : FUSE_READDIR, o->node, &in, sizeof(in), 0, c->size))
        take_entries(plus);
}

static void do_readdir(const struct kernel_call *c)
{
    read_dir(c, false);
}

static void do_readdirplus(const struct kernel_call *c)
{
    read_dir(c, true);
}

static void release(struct open_thing *o)
{
    struct fuse_release_in in = {.fh = o->fh, .flags = o->flags};
    MUST(ask(o->dir ? FUSE_RELEASEDIR : FUSE_RELEASE, o->node, &in, sizeof(in), 0, 0));
    *o = k.open[--k.open_count];
}

static void do_releasedir(const struct kernel_call *c)
{
    struct open_thing *o = open_of(c->which, true);
    if (o)
        release(o);
}

static void do_release(const struct kernel_call *c)
{
    struct open_thing *o = open_of(c->which, false);
    if (o)
        release(o);
}

static void sync_call(const struct kernel_call *c, uint32_t opcode, bool dir)
{
    const struct open_thing *o = open_of(c->which, dir);
    if (!o)
        return;
    struct fuse_fsync_in sync = {.fh = o->fh};
    struct fuse_flush_in flush = {.fh = o->fh};
    if (opcode == FUSE_FLUSH)
        ask(opcode, o->node, &flush, sizeof(flush), 0, 0);
    else
        ask(opcode, o->node, &sync, sizeof(sync), 0, 0);
}

static void do_fsyncdir(const struct kernel_call *c)
{
    sync_call(c, FUSE_FSYNCDIR, true);
}

static void do_fsync(const struct kernel_call *c)
{
    sync_call(c, FUSE_FSYNC, false);
}

static void do_flush(const struct kernel_call *c)
{
    sync_call(c, FUSE_FLUSH, false);
}

static void do_read(const struct kernel_call *c)
{
    const struct open_thing *o = open_of(c->which, false);
    if (!o || (o->flags & O_ACCMODE) == O_WRONLY)
        return;
    struct fuse_read_in in = {.fh = o->fh, .offset = c->off, .size = c->size, .flags = o->flags};
    ask(FUSE_READ, o->node, &in, sizeof(in), 0, c->size);
}

static void do_write(const struct kernel_call *c)
{
    const struct open_thing *o = open_of(c->which, false);
    struct fuse_write_out out;
    if (!o || (o->flags & O_ACCMODE) == O_RDONLY || c->size == 0)
        return;
    struct fuse_write_in in = {.fh = o->fh, .offset = c->off, .size = c->size, .flags = o->flags};
    begin(FUSE_WRITE, o->node, &in, sizeof(in));
    buf_reserve(&k.request, c->size);
    memset(k.request.ptr + k.request.len, 'w', c->size);
    k.request.len += c->size;
    if (!send_request(sizeof(out), sizeof(out)))
        return;
    take(&out, sizeof(out));
    MUST(out.size <= c->size);
}

static void do_lseek(const struct kernel_call *c)
{
    const struct open_thing *o = open_of(c->which, false);
    if (!o)
        return;
    struct fuse_lseek_in in = {.fh = o->fh, .offset = c->off, .whence = c->flags & 1 ? SEEK_HOLE : SEEK_DATA};
    ask(FUSE_LSEEK, o->node, &in, sizeof(in), sizeof(struct fuse_lseek_out), sizeof(struct fuse_lseek_out));
}

static void do_fallocate(const struct kernel_call *c)
{
    const struct open_thing *o = open_of(c->which, false);
    if (!o || c->size == 0)
        return;
    struct fuse_fallocate_in in = {.fh = o->fh, .offset = c->off, .length = c->size, .mode = c->flags & 0x1f};
    ask(FUSE_FALLOCATE, o->node, &in, sizeof(in), 0, 0);
}

static void do_copy(const struct kernel_call *c)
{
    const struct open_thing *from = open_of(c->which, false), *to = open_of(c->other, false);
    struct fuse_write_out out;
    if (!from)
        return;
    struct fuse_copy_file_range_in in = {.fh_in = from->fh,
                                         .off_in = c->off,
                                         .nodeid_out = to->node,
                                         .fh_out = to->fh,
                                         .off_out = c->off,
                                         .len = c->size};
    if (!ask(FUSE_COPY_FILE_RANGE, from->node, &in, sizeof(in), sizeof(out), sizeof(out)))
        return;
    take(&out, sizeof(out));
    MUST(out.size <= c->size);
}

static void do_mkdir(const struct kernel_call *c)
{
    struct fuse_mkdir_in in = {.mode = 0755};
    entry_call(FUSE_MKDIR, node_of(c->which), &in, sizeof(in), c->name, NULL);
}

static void do_mknod(const struct kernel_call *c)
{
    struct fuse_mknod_in in = {.mode = S_IFIFO | 0644};
    entry_call(FUSE_MKNOD, node_of(c->which), &in, sizeof(in), c->name, NULL);
}

static void do_symlink(const struct kernel_call *c)
{
    entry_call(FUSE_SYMLINK, node_of(c->which), NULL, 0, c->name, c->name2);
}

static void do_link(const struct kernel_call *c)
{
    struct fuse_link_in in = {.oldnodeid = node_of(c->other)};
    entry_call(FUSE_LINK, node_of(c->which), &in, sizeof(in), c->name, NULL);
}

static void name_call(uint32_t opcode, const struct kernel_call *c)
{
    begin(opcode, node_of(c->which), NULL, 0);
    add_name(c->name);
    send_request(0, 0);
}

static void do_unlink(const struct kernel_call *c)
{
    name_call(FUSE_UNLINK, c);
}

static void do_rmdir(const struct kernel_call *c)
{
    name_call(FUSE_RMDIR, c);
}

static void do_rename(const struct kernel_call *c)
{
    struct fuse_rename2_in in = {.newdir = node_of(c->other), .flags = c->flags & 3};
    begin(FUSE_RENAME2, node_of(c->which), &in, sizeof(in));
    add_name(c->name);
    add_name(c->name2);
    send_request(0, 0);
}

/* size 0 asks how long the value is. */
static void value_call(const struct kernel_call *c, uint32_t opcode, const char *name)
{
    struct fuse_getxattr_in in = {.size = c->size};
    struct fuse_getxattr_out out;
    begin(opcode, node_of(c->which), &in, sizeof(in));
    if (name)
        add_name(name);
    send_request(c->size ? 0 : sizeof(out), c->size ? c->size : sizeof(out));
}

static void do_getxattr(const struct kernel_call *c)
{
    value_call(c, FUSE_GETXATTR, c->name);
}

static void do_listxattr(const struct kernel_call *c)
{
    value_call(c, FUSE_LISTXATTR, NULL);
}

static void do_setxattr(const struct kernel_call *c)
{
    struct {
        uint32_t size, flags;
    } in = {(uint32_t)strlen(c->name2), c->flags & 3};
    begin(FUSE_SETXATTR, node_of(c->which), &in, sizeof(in));
    add_name(c->name);
    buf_add(&k.request, c->name2, in.size);
    send_request(0, 0);
}

static void do_removexattr(const struct kernel_call *c)
{
    name_call(FUSE_REMOVEXATTR, c);
}

static void do_wait(const struct kernel_call *c)
{
    struct timespec moment = {0, 1000000};
    (void)c;
    nanosleep(&moment, NULL);
}

static void (*const calls[KERNEL_KINDS])(const struct kernel_call *) = {
    [KERNEL_LOOKUP] = do_lookup,
    [KERNEL_FORGET] = do_forget,
    [KERNEL_GETATTR] = do_getattr,
    [KERNEL_SETATTR] = do_setattr,
    [KERNEL_READLINK] = do_readlink,
    [KERNEL_STATFS] = do_statfs,
    [KERNEL_OPENDIR] = do_opendir,
    [KERNEL_READDIR] = do_readdir,
    [KERNEL_READDIRPLUS] = do_readdirplus,
    [KERNEL_RELEASEDIR] = do_releasedir,
    [KERNEL_FSYNCDIR] = do_fsyncdir,
    [KERNEL_OPEN] = do_open,
    [KERNEL_CREATE] = do_create,
    [KERNEL_READ] = do_read,
    [KERNEL_WRITE] = do_write,
    [KERNEL_FLUSH] = do_flush,
    [KERNEL_FSYNC] = do_fsync,
    [KERNEL_RELEASE] = do_release,
    [KERNEL_LSEEK] = do_lseek,
    [KERNEL_FALLOCATE] = do_fallocate,
    [KERNEL_COPY] = do_copy,
    [KERNEL_MKDIR] = do_mkdir,
    [KERNEL_MKNOD] = do_mknod,
    [KERNEL_SYMLINK] = do_symlink,
    [KERNEL_LINK] = do_link,
    [KERNEL_UNLINK] = do_unlink,
    [KERNEL_RMDIR] = do_rmdir,
    [KERNEL_RENAME] = do_rename,
    [KERNEL_GETXATTR] = do_getxattr,
    [KERNEL_LISTXATTR] = do_listxattr,
    [KERNEL_SETXATTR] = do_setxattr,
    [KERNEL_REMOVEXATTR] = do_removexattr,
    [KERNEL_WAIT] = do_wait,
};

void fuse_kernel_call(const struct kernel_call *call)
{
    assert(call->kind < KERNEL_KINDS && call->size <= KERNEL_SIZE_MAX);
    calls[call->kind](call);
}

/* ---- life ---- */

static void greet(void)
{
    struct fuse_init_in in = {
        .major = FUSE_KERNEL_VERSION, .minor = MINOR, .max_readahead = 128 << 10, .flags = FUSE_BIG_WRITES};
    MUST(ask(FUSE_INIT, 0, &in, sizeof(in), FUSE_COMPAT_22_INIT_OUT_SIZE, sizeof(struct fuse_init_out)));
}

void fuse_kernel_begin(struct fs *fs)
{
    static const struct fuse_custom_io io = {.writev = on_write, .read = on_read};
    static struct fuse_lowlevel_ops ops;
    char *words[] = {"cairnfs", NULL};
    struct fuse_args args = FUSE_ARGS_INIT(1, words);
    ops_look(&ops);
    ops_names(&ops);
    ops_dir(&ops);
    ops_open(&ops);
    ops_data(&ops);
    ops_xattr(&ops);
    k.session = fuse_session_new(&args, &ops, sizeof(ops), fs);
    fuse_opt_free_args(&args);
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    MUST(k.session && fd >= 0 && fuse_session_custom_io(k.session, &io, fd) == 0);
    fs->session = k.session;
    greet();
}

void fuse_kernel_end(void)
{
    while (k.open_count)
        release(&k.open[0]);
    k.node_count = 0;
    buf_release(&k.request);
    buf_release(&k.reply);
}
