#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>

#include "fs/notify.h"
#include "fs/ops.h"
#include "fs/writeback.h"

#define COMPOUND_MAX (64u << 10) /* longer writes past the cache go as a stream */

static struct handle *handle_of(struct fuse_file_info *fi)
{
    return (struct handle *)(uintptr_t)fi->fh;
}

/* ---- read ---- */

/* Bytes that nothing dirty covers, from the server, zeros where it has none. *ret_size: of the file there. */
static int read_gaps(struct fs *fs, uint64_t ino, uint64_t off, char *bytes, const struct gap *gaps, int count,
                     uint64_t *ret_size)
{
    uint64_t version;

    *ret_size = 0;
    for (int i = 0; i < count; i++) {
        char *at = bytes + (gaps[i].off - off);
        ptrdiff_t n = remote_read(fs->remote, ino, gaps[i].off, at, gaps[i].len, &version, ret_size);
        if (n < 0)
            return (int)n;
        memset(at + n, 0, gaps[i].len - (size_t)n);
    }
    return 0;
}

/* A range with dirty bytes in it. Bytes read, or -E2BIG when they are too scattered. */
static ptrdiff_t read_dirty(struct fs *fs, struct inode *inode, uint64_t off, char *bytes, size_t len,
                            const struct gap *gaps, int count, uint64_t dirty_end)
{
    uint64_t size;

    if (count < 0)
        return count;
    int r = read_gaps(fs, inode->ino, off, bytes, gaps, count, &size);
    if (r < 0)
        return r;
    uint64_t end = count == 0 ? off + len : dirty_end > size ? dirty_end : size;
    if (end <= off)
        return 0;
    return (ptrdiff_t)(end - off < len ? end - off : len);
}

static void read_ahead(struct fs *fs, struct handle *h, uint64_t off, size_t len, uint64_t size)
{
    uint64_t from, to;

    pthread_mutex_lock(&h->lock);
    if (size > 0)
        h->size = size;
    size = h->size;
    readahead_advance(&h->policy, off, len, fs->options->read_ahead, &from, &to);
    pthread_mutex_unlock(&h->lock);
    readahead_start(fs->readahead, h->inode->ino, from, to, size);
}

static void read_clean(fuse_req_t req, struct handle *h, uint64_t off, char *bytes, size_t len, bool ahead)
{
    struct fs *fs = fuse_req_userdata(req);
    struct readahead_hold hold;
    uint64_t version, size = 0;

    if (ahead)
        read_ahead(fs, h, off, len, 0);
    if (ahead && readahead_take(fs->readahead, h->inode->ino, off, len, &hold)) {
        fuse_reply_iov(req, hold.parts, hold.count);
        readahead_give(fs->readahead, &hold);
        return;
    }
    ptrdiff_t n = remote_read(fs->remote, h->inode->ino, off, bytes, len, &version, &size);
    if (n < 0) {
        reply_error(req, (int)n);
        return;
    }
    pthread_mutex_lock(&h->lock);
    h->size = size;
    pthread_mutex_unlock(&h->lock);
    fuse_reply_buf(req, bytes, (size_t)n);
}

static void read_into(fuse_req_t req, struct handle *h, uint64_t off, char *bytes, size_t len, bool ahead)
{
    struct fs *fs = fuse_req_userdata(req);
    struct gap gaps[DIRTY_GAPS_MAX];
    uint64_t dirty_end;
    int count = writeback_overlay(h->inode, off, len, bytes, gaps, &dirty_end);

    if (count == -E2BIG) { /* too scattered: stored first, they are one range again */
        int error = writeback_flush(fs, h->inode, NULL, false, NULL);
        if (error < 0) {
            reply_error(req, error);
            return;
        }
        count = writeback_overlay(h->inode, off, len, bytes, gaps, &dirty_end);
    }
    if (dirty_end == 0) {
        read_clean(req, h, off, bytes, len, ahead);
        return;
    }
    ptrdiff_t n = read_dirty(fs, h->inode, off, bytes, len, gaps, count, dirty_end);
    if (n < 0)
        reply_error(req, n == -E2BIG ? -EAGAIN : (int)n);
    else
        fuse_reply_buf(req, bytes, (size_t)n);
}

static void op_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t off, struct fuse_file_info *fi)
{
    struct fs *fs = fuse_req_userdata(req);
    bool pooled = size <= pool_size(fs->buffers);

    (void)node;
    if (whole_reply(req, handle_of(fi), (uint64_t)off, size))
        return;
    char *bytes = pooled ? pool_get(fs->buffers) : malloc(size);
    if (!bytes) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    request_note(req);
    read_into(req, handle_of(fi), (uint64_t)off, bytes, size, !(fi->flags & O_DIRECT));
    request_unnote();
    if (pooled)
        pool_put(fs->buffers, bytes);
    else
        free(bytes);
}

/* ---- write ---- */

/* A change of a file's bytes has been answered. */
static void note_written(struct fs *fs, struct inode *inode, const struct posix_attr *attr, uint64_t since)
{
    pthread_mutex_lock(&inode->lock);
    fs_own_change(fs, inode, attr, 1, since);
    pthread_mutex_unlock(&inode->lock);
    readahead_drop(fs->readahead, inode->ino);
}

static int write_stream(struct fs *fs, struct inode *inode, uint64_t off, struct span bytes, bool durable,
                        uint64_t *ret_off, struct posix_attr *ret_attr)
{
    struct remote_written written;
    int r = remote_write(fs->remote, inode->ino, off, bytes.ptr, bytes.len, durable, &written);

    if (r < 0)
        return r;
    *ret_off = written.off;
    *ret_attr = written.attr;
    if (!durable) {
        pthread_mutex_lock(&inode->lock);
        unsynced_add(fs, inode, written.stamp, &written.attr);
        pthread_mutex_unlock(&inode->lock);
    }
    return 0;
}

/* One write, straight to the server, behind all that is dirty. off POSIX_OFF_END: at the end. */
static int write_through(struct fs *fs, struct inode *inode, uint64_t off, const char *bytes, size_t len, bool durable,
                         uint64_t *ret_off)
{
    bool end = off == POSIX_OFF_END;
    struct posix_attr attr;
    uint64_t since = changes_now(&fs->changes);
    int r;

    if (len <= COMPOUND_MAX || (end && len <= POSIX_WRITE_MAX)) {
        struct posix_op op = {.code = POSIX_WRITE,
                              .ino = inode->ino,
                              .off = end ? 0 : off,
                              .flags = end ? POSIX_WRITE_END : 0,
                              .data = span_make(bytes, len)};
        struct posix_result result;
        r = writeback_flush(fs, inode, &op, durable, &result);
        attr = result.attr;
        *ret_off = result.value;
    } else {
        r = writeback_flush(fs, inode, NULL, false, NULL);
        if (r == 0)
            r = write_stream(fs, inode, off, span_make(bytes, len), durable, ret_off, &attr);
    }
    if (r == 0)
        note_written(fs, inode, &attr, since);
    return r;
}

/* Such a handle bypasses the kernel's pages. The kernel drops those between what it thought was the end and the end of
 * the write, since Linux 6.6. */
static int append(fuse_req_t req, struct inode *inode, uint64_t off, const char *bytes, size_t len, bool durable)
{
    struct fs *fs = fuse_req_userdata(req);
    uint64_t at;
    int r = privileges_drop(req, inode);

    if (r == 0)
        r = write_through(fs, inode, POSIX_OFF_END, bytes, len, durable, &at);
    if (r == 0 && (at != off || fs->keeps_bypassed))
        notify_contents(fs->notify, inode->ino, at < off ? at : off, 0);
    return r;
}

/* The kernel drops its pages of the range before such a write and after it, but not after one that was begun by AIO. */
static int write_direct(struct fs *fs, struct inode *inode, uint64_t off, const char *bytes, size_t len, bool durable)
{
    uint64_t at;
    int r = write_through(fs, inode, off, bytes, len, durable, &at);

    if (r == 0)
        notify_contents(fs->notify, inode->ino, off, len);
    return r;
}

static int write_file(fuse_req_t req, struct handle *h, uint64_t off, const char *bytes, size_t len, int flags)
{
    struct fs *fs = fuse_req_userdata(req);
    bool durable = flags & O_DSYNC; /* O_SYNC has that bit, too */

    if (flags & O_APPEND)
        return append(req, h->inode, off, bytes, len, durable);
    if (flags & O_DIRECT)
        return write_direct(fs, h->inode, off, bytes, len, durable);
    int r = writeback_write(fs, h->inode, off, bytes, len);
    return r == 0 && durable ? writeback_flush(fs, h->inode, NULL, true, NULL) : r;
}

static void op_write(fuse_req_t req, fuse_ino_t node, const char *bytes, size_t size, off_t off,
                     struct fuse_file_info *fi)
{
    struct handle *h = handle_of(fi);

    (void)node;
    request_note(req);
    /* When earlier bytes could not be stored (a full store), whoever goes on writing is told now, not only at the end.
     */
    int r = fi->writepage ? 0 : writeback_error_early(h->inode, &h->errors);
    if (r == 0)
        r = write_file(req, h, (uint64_t)off, bytes, size, fi->flags);
    if (r < 0)
        reply_error(req, r);
    else
        fuse_reply_write(req, size);
    request_unnote();
}

/* ---- holes ---- */

static void op_lseek(fuse_req_t req, fuse_ino_t node, off_t off, int whence, struct fuse_file_info *fi)
{
    struct fs *fs = fuse_req_userdata(req);
    struct inode *inode = handle_of(fi)->inode;
    struct posix_op op = {.code = POSIX_SEEK,
                          .ino = inode->ino,
                          .off = (uint64_t)off,
                          .flags = whence == SEEK_HOLE ? POSIX_SEEK_HOLE : 0};
    struct posix_result result;

    (void)node;
    if (whence != SEEK_DATA && whence != SEEK_HOLE) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    request_note(req);
    int r = writeback_flush(fs, inode, NULL, false, NULL);
    if (r == 0)
        r = call_one(fs, &op, &result);
    if (r < 0)
        reply_error(req, r);
    else
        fuse_reply_lseek(req, (off_t)result.value);
    request_unnote();
}

static int change_range(struct fs *fs, struct inode *inode, const struct posix_op *op)
{
    struct posix_result result;
    uint64_t since = changes_now(&fs->changes);
    int r = writeback_flush(fs, inode, op, false, &result);

    if (r == 0)
        note_written(fs, inode, &result.attr, since);
    return r;
}

static int grow(struct fs *fs, struct inode *inode, uint64_t size)
{
    struct posix_op op = {
        .code = POSIX_SETATTR, .ino = inode->ino, .valid = POSIX_SET_SIZE | POSIX_SET_GROW, .size = size};
    return change_range(fs, inode, &op);
}

static int check_room(struct fs *fs, uint64_t len)
{
    struct posix_result result;
    int r = call_one(fs, &(struct posix_op){.code = POSIX_STATFS}, &result);

    return r < 0 ? r : len > result.free ? -ENOSPC : 0;
}

/* Space can't be put aside in a store that never writes in place, so KEEP_SIZE alone is refused; growing (by no more
 * than there is room for) and holes are what programs use the rest for. */
static int allocate(struct fs *fs, struct inode *inode, int mode, uint64_t off, uint64_t len)
{
    struct posix_op punch = {.code = POSIX_PUNCH, .ino = inode->ino, .off = off, .len = len};
    int r;

    switch (mode) {
    case 0:
        r = check_room(fs, len);
        return r < 0 ? r : grow(fs, inode, off + len);
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
        return change_range(fs, inode, &punch);
    case FALLOC_FL_ZERO_RANGE:
        r = change_range(fs, inode, &punch);
        return r < 0 ? r : grow(fs, inode, off + len);
    default:
        return -EOPNOTSUPP;
    }
}

static void op_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t off, off_t len, struct fuse_file_info *fi)
{
    (void)node;
    request_note(req);
    reply_error(req, allocate(fuse_req_userdata(req), handle_of(fi)->inode, mode, (uint64_t)off, (uint64_t)len));
    request_unnote();
}

/* ---- copying without bytes ---- */

static void op_copy_file_range(fuse_req_t req, fuse_ino_t from, off_t off, struct fuse_file_info *fi, fuse_ino_t to,
                               off_t off2, struct fuse_file_info *fi2, size_t len, int flags)
{
    struct fs *fs = fuse_req_userdata(req);
    struct inode *source = handle_of(fi)->inode, *target = handle_of(fi2)->inode;
    struct posix_op op = {.code = POSIX_COPY,
                          .ino = source->ino,
                          .off = (uint64_t)off,
                          .ino2 = target->ino,
                          .off2 = (uint64_t)off2,
                          .len = len};
    struct posix_result result;

    (void)from, (void)to;
    if (flags != 0) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    request_note(req);
    uint64_t since = changes_now(&fs->changes);
    int r = writeback_flush(fs, source, NULL, false, NULL);
    if (r == 0)
        r = writeback_flush(fs, target, &op, false, &result);
    if (r == 0)
        note_written(fs, target, &result.attr, since);
    if (r == 0 && result.value > len)
        r = -EIO; /* the kernel counts what it is told */
    if (r < 0)
        reply_error(req, r);
    else
        fuse_reply_write(req, result.value);
    request_unnote();
}

void ops_data(struct fuse_lowlevel_ops *ops)
{
    ops->read = op_read;
    ops->write = op_write;
    ops->lseek = op_lseek;
    ops->fallocate = op_fallocate;
    ops->copy_file_range = op_copy_file_range;
}
