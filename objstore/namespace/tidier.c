#include "objstore/namespace/tidier.h"

#include "objstore/namespace/body.h"
#include "objstore/namespace/extent.h"
#include "objstore/namespace/inode.h"
#include "objstore/namespace/ns_priv.h"

#define TIDY_CHUNK (1u << 20) /* of a run, moved at once */
#define EXTENTS_PER_VIEW 4096 /* looked at in one snapshot */

/* ---- runs ---- */

/* Adjacent inline extents of a file, in a look through it. */
struct run {
    uint64_t ino, off;
    struct buf bytes;
    uint64_t left; /* inline bytes that were met and lie too scattered */
    struct body_writer *writer;
};

/* Adds an extent to the run; false when it does not belong there, and the run ends. */
static bool run_take(struct run *run, const struct extent *extent, int *error)
{
    if (!extent->bytes.ptr || run->bytes.len + extent->len > TIDY_CHUNK ||
        (run->bytes.len > 0 && extent->off != run->off + run->bytes.len))
        return false;
    if (run->bytes.len == 0)
        run->off = extent->off;
    *error = buf_add_span(&run->bytes, extent->bytes);
    return *error == 0;
}

static void run_drop(struct run *run)
{
    run->left += run->bytes.len;
    buf_clear(&run->bytes);
}

/* Looks from *pos on for a run that is worth a blob, and moves *pos behind what was looked at. 1 found, 0 not in this
 * snapshot, -ENOENT at the end of the file. */
static int run_find(struct ns_txn *txn, uint64_t body, uint64_t *pos, struct run *run)
{
    struct index_cursor cursor;
    struct extent extent;
    int error = 0;
    int r = index_cursor_open(txn->index, &cursor);
    if (r < 0)
        return r;
    r = extent_seek(&cursor, body, *pos, &extent);
    for (int n = 0; r == 0 && error == 0 && n < EXTENTS_PER_VIEW; n++) {
        if (!run_take(run, &extent, &error)) {
            if (run->bytes.len >= TIDY_RUN)
                break;
            run_drop(run);
            run_take(run, &extent, &error);
        }
        *pos = extent.off + extent.len;
        r = extent_next(&cursor, body, &extent);
    }
    index_cursor_close(&cursor);
    if (error < 0 || (r < 0 && r != -ENOENT))
        return error < 0 ? error : r;
    if (run->bytes.len >= TIDY_RUN)
        return 1;
    run_drop(run);
    return r;
}

/* Whether the file still has these bytes there, all of them inline. */
static int run_unchanged(struct ns_txn *txn, const struct inode *inode, const struct run *run)
{
    struct index_cursor cursor;
    struct extent extent;
    size_t done = 0;
    int r = index_cursor_open(txn->index, &cursor);
    if (r < 0)
        return r;
    r = extent_seek(&cursor, inode->body, run->off, &extent);
    while (r == 0 && done < run->bytes.len) {
        if (!extent.bytes.ptr || extent.off != run->off + done || extent.len > run->bytes.len - done ||
            memcmp(extent.bytes.ptr, run->bytes.ptr + done, extent.len) != 0)
            break;
        done += extent.len;
        r = extent_next(&cursor, inode->body, &extent);
    }
    index_cursor_close(&cursor);
    if (r < 0 && r != -ENOENT)
        return r;
    return done == run->bytes.len;
}

/* Puts the blob in the place of the run. The contents stay the same, so neither times nor version change. */
static int run_replace(struct ns_txn *txn, void *arg)
{
    struct run *run = arg;
    struct inode inode;
    int r = ns_inode(txn, run->ino, &inode);
    if (r < 0)
        return r == -ESTALE ? 0 : r;
    r = run_unchanged(txn, &inode, run);
    if (r <= 0)
        return r;
    r = extents_clear(txn, &inode, run->off, run->off + run->bytes.len);
    if (r == 0)
        r = body_link(txn, &inode, run->off, run->writer);
    return r < 0 ? r : inode_put(txn, &inode);
}

static int run_move(struct ns *ns, struct run *run)
{
    int r = body_writer_new(ns, run->bytes.len, &run->writer);
    if (r == 0)
        r = body_write(run->writer, run->bytes.ptr, run->bytes.len);
    if (r == 0)
        r = body_writer_finish(run->writer);
    if (r == 0)
        r = ns_apply(ns, run_replace, run, INDEX_DURABLE);
    body_writer_free(&run->writer);
    buf_clear(&run->bytes);
    return r;
}

/* ---- a file ---- */

/* One look into the file from *pos on, and the move of what it found. -ENOENT at the end. */
static int file_step(struct ns *ns, uint64_t *pos, struct run *run)
{
    struct ns_txn *txn;
    struct inode inode;
    int r = ns_view_begin(ns, &txn);
    if (r < 0)
        return r;
    r = ns_inode(txn, run->ino, &inode);
    if (r == 0)
        r = run_find(txn, inode.body, pos, run);
    ns_view_end(&txn);
    if (r == -ESTALE)
        return -ENOENT;
    return r > 0 ? run_move(ns, run) : r;
}

/* The file has been looked through. What came meanwhile may ask again. */
static int file_done(struct ns_txn *txn, void *arg)
{
    const struct run *run = arg;
    struct record_key key;
    struct inode inode;
    int found = ns_inode(txn, run->ino, &inode);
    if (found < 0 && found != -ESTALE)
        return found;
    int r = index_delete(txn->index, key_id(&key, TAG_TIDY, run->ino));
    if (found == -ESTALE || (r < 0 && r != -ENOENT))
        return r == -ENOENT ? 0 : r;
    inode.tidy_at = run->left + (run->left > TIDY_MIN ? run->left : TIDY_MIN);
    return inode_put(txn, &inode);
}

/* The first file from ino on that asks: 1 or 0. */
static int file_from(struct ns *ns, uint64_t from, uint64_t *ret_ino)
{
    struct record_key at;
    struct ns_txn *txn;
    struct index_cursor cursor;
    struct span key, value;
    int r = ns_view_begin(ns, &txn);
    if (r < 0)
        return r;
    r = index_cursor_open(txn->index, &cursor);
    if (r == 0) {
        r = index_cursor_seek(&cursor, key_id(&at, TAG_TIDY, from), &key, &value);
        if (r == 0 && key.ptr[0] == TAG_TIDY) {
            r = key.len == 9 ? 1 : CAIRN_ECORRUPT;
            *ret_ino = r > 0 ? get_be64(key.ptr + 1) : 0;
        }
        index_cursor_close(&cursor);
    }
    ns_view_end(&txn);
    return r == -ENOENT ? 0 : r;
}

static int file_tidy(struct ns *ns, uint64_t ino)
{
    struct run run = {.ino = ino, .bytes = BUF_INIT};
    uint64_t pos = 0;
    int r = 0;
    while (r >= 0 && !backlog_stopping(&ns->backlog))
        r = file_step(ns, &pos, &run);
    buf_release(&run.bytes);
    return r == -ENOENT ? ns_apply(ns, file_done, &run, INDEX_APPLIED) : r;
}

int tidier_pass(struct ns *ns)
{
    uint64_t ino;
    int failed = 0, r;
    for (uint64_t from = 0; (r = file_from(ns, from, &ino)) > 0 && !backlog_stopping(&ns->backlog); from = ino + 1) {
        r = file_tidy(ns, ino);
        if (r < 0)
            failed = r;
    }
    return r < 0 ? r : failed;
}
