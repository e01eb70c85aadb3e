#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "objstore/drive/bounded_priv.h"
#include "objstore/drive/iov.h"

/* Bytes of the file into memory of the call's own. */
static int do_read(struct call *call)
{
    struct iovec iov = {call->bytes, call->len};

    return (int)drive_read(call->file->inner, &iov, 1, call->off, DRIVE_WAIT);
}

static int read_call(struct drive_file *file, uint64_t off, size_t len, struct call **ret_call)
{
    struct bounded_file *f = bounded_file_of(file);
    struct call *call = call_new(bounded_of(file->drive), f, PULSE_READ, do_read);

    *ret_call = NULL;
    if (!call)
        return -ENOMEM;
    call->off = off;
    call->len = len;
    call->bytes = malloc(len);
    int r = call->bytes ? call_make(&call) : -ENOMEM;
    *ret_call = call;
    return r;
}

/* Waits until memory holds the byte at off. 1; 0 at the end of the file. */
static int read_fetch(struct drive_file *file, uint64_t off)
{
    struct call *call;
    int r = read_call(file, off, 1, &call);

    call_free(call);
    return r;
}

/* What is left of a read at once, by way of the call's memory. */
static ssize_t read_copy(struct drive_file *file, const struct iovec *iov, int count, uint64_t off)
{
    struct call *call;
    ssize_t n = read_call(file, off, iov_bytes(iov, count), &call);
    size_t at = 0;

    for (int i = 0; i < count && (ssize_t)at < n; i++) {
        size_t part = iov[i].iov_len < (size_t)n - at ? iov[i].iov_len : (size_t)n - at;

        memcpy(iov[i].iov_base, call->bytes + at, part);
        at += part;
    }
    call_free(call);
    return n;
}

/* The caller's memory is only ever given to reads that do not wait; a thread of the drive waits for the first byte that
 * is missing, which brings its neighbours along. Where memory can't be asked, or loses it again, the thread reads all.
 */
static ssize_t read_patiently(struct drive_file *file, const struct iovec *iov, int count, uint64_t off)
{
    struct bounded_file *f = bounded_file_of(file);
    size_t len = iov_bytes(iov, count), done = 0;
    struct iovec rest[IOV_MAX];
    bool fetched = false;

    for (;;) {
        int left = iov_rest(iov, count, done, rest);
        ssize_t n = f->blind ? -EAGAIN : drive_read(f->inner, rest, left, off + done, DRIVE_CACHED);

        if (n < 0 && n != -EAGAIN)
            return n;
        if (n > 0 && (done += (size_t)n) == len)
            return (ssize_t)len;
        if (fetched && n <= 0)
            f->blind = true;
        if (f->blind) {
            n = read_copy(file, rest, iov_rest(iov, count, done, rest), off + done);
            return n < 0 ? n : (ssize_t)done + n;
        }
        int r = read_fetch(file, off + done);
        if (r <= 0)
            return r < 0 ? r : (ssize_t)done;
        fetched = true;
    }
}

static ssize_t read_however_long(struct bounded_file *file, const struct iovec *iov, int count, uint64_t off)
{
    struct bounded *b = bounded_of(file->file.drive);
    int slot = pulse_begin(b->group, b->place, PULSE_READ, clock_mono_ns());
    ssize_t n = drive_read(file->inner, iov, count, off, DRIVE_WAIT);

    pulse_end(b->group, b->place, PULSE_READ, slot, clock_mono_ns());
    return n;
}

ssize_t bounded_read(struct drive_file *file, const struct iovec *iov, int count, uint64_t off, enum drive_wait wait)
{
    if (wait == DRIVE_WAIT)
        return read_however_long(bounded_file_of(file), iov, count, off);
    if (bounded_is_slow(bounded_of(file->drive)))
        return -ETIMEDOUT;
    if (wait == DRIVE_CACHED)
        return drive_read(bounded_file_of(file)->inner, iov, count, off, DRIVE_CACHED);
    return read_patiently(file, iov, count, off);
}
