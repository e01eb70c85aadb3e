#include "objstore/index/trail.h"

#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/index/index_priv.h"

#define TRAIL "redo.log"
#define TRAIL_OLDER "redo.log.1"

/* A file is put aside at a thousandth of the drive, within bounds, and the one put aside before it goes. The upper one
 * is some 10,000 small commits, or 4 of the largest. */
#define TRAIL_LEAST ((uint64_t)256 << 10)
#define TRAIL_MOST ((uint64_t)16 << 20)
/* A batch is bounded, but its last mutation is not; what is larger ends the trail. */
#define ENTRY_MAX ((uint64_t)64 << 20)

enum { FILE_MODE = 0600 };

/* ---- entries ---- */

static uint64_t entry_check(const struct index_trail_head *head, struct span redo)
{
    return xxh3(redo.ptr, redo.len, xxh3(head, offsetof(struct index_trail_head, check), 0));
}

struct reader {
    int file;
    uint64_t off; /* of the next entry */
    bool started; /* an entry was read: */
    uint64_t epoch, sequence, check;
    struct redo redo;
};

static bool read_exactly(int file, void *bytes, size_t len, uint64_t off)
{
    return pread(file, bytes, len, (off_t)off) == (ssize_t)len;
}

/* Every operation lies within the redo: it came from a disk, though the check holds. */
static bool redo_is_whole(const struct redo *redo)
{
    struct index_redo_head head;
    size_t off = 0, left = redo->bytes.len;
    while (left >= sizeof(head)) {
        memcpy(&head, redo->bytes.ptr + off, sizeof(head));
        size_t len = sizeof(head) + (size_t)le32toh(head.key_len) + le32toh(head.stored_len);
        if (len > left || le32toh(head.key_len) == 0 || le32toh(head.key_len) > INDEX_KEY_MAX)
            return false;
        off += len;
        left -= len;
    }
    return left == 0;
}

static bool read_redo(struct reader *r, const struct index_trail_head *head)
{
    size_t len = (size_t)le64toh(head->len);
    redo_rewind(&r->redo, (struct redo_mark){0});
    if (le64toh(head->len) > ENTRY_MAX || buf_reserve(&r->redo.bytes, len) < 0)
        return false;
    if (!read_exactly(r->file, r->redo.bytes.ptr, len, r->off + sizeof(*head)))
        return false;
    r->redo.bytes.len = len;
    return entry_check(head, buf_span(&r->redo.bytes)) == le64toh(head->check) && redo_is_whole(&r->redo);
}

/* The next entry; false at the end, which is also where an entry is damaged or does not follow the one before. */
static bool read_entry(struct reader *r)
{
    struct index_trail_head head;
    if (!read_exactly(r->file, &head, sizeof(head), r->off) || memcmp(head.magic, INDEX_TRAIL_MAGIC, 8) != 0)
        return false;
    uint64_t epoch = le64toh(head.epoch), sequence = le64toh(head.sequence);
    if (r->started && (epoch < r->epoch || le64toh(head.previous) != r->check))
        return false;
    if (!read_redo(r, &head))
        return false;
    r->started = true;
    r->epoch = epoch;
    r->sequence = sequence;
    r->check = le64toh(head.check);
    r->off += sizeof(head) + r->redo.bytes.len;
    return true;
}

static bool reader_open(struct reader *r, const struct replica *replica, const char *name)
{
    *r = (struct reader){.file = openat(replica->folder, name, O_RDONLY | O_CLOEXEC)};
    return r->file >= 0;
}

static void reader_close(struct reader *r)
{
    if (r->file >= 0)
        close(r->file);
    buf_release(&r->redo.bytes);
}

static bool entry_is(const struct reader *r, const struct meta *meta)
{
    return r->epoch == meta->epoch && r->sequence == meta->sequence;
}

/* The end of the entry with the database's own commit, and its check; or 0. */
static uint64_t find_own(struct replica *replica, const char *name, uint64_t *ret_check)
{
    struct reader r;
    uint64_t end = 0;
    if (reader_open(&r, replica, name))
        while (!end && read_entry(&r))
            end = entry_is(&r, &replica->meta) ? r.off : 0;
    *ret_check = r.check;
    reader_close(&r);
    return end;
}

/* ---- the file ---- */

static void trail_drop(struct replica *replica)
{
    trail_close(replica);
    unlinkat(replica->folder, TRAIL, 0);
    unlinkat(replica->folder, TRAIL_OLDER, 0);
}

void trail_close(struct replica *replica)
{
    if (replica->trail.file >= 0)
        close(replica->trail.file);
    replica->trail = (struct trail){.file = -1};
}

static uint64_t limit_for(const struct replica *replica)
{
    struct statvfs fs;
    if (fstatvfs(replica->folder, &fs) < 0)
        return TRAIL_LEAST;
    uint64_t share = (uint64_t)fs.f_blocks * fs.f_frsize / 1024;
    return share < TRAIL_LEAST ? TRAIL_LEAST : share > TRAIL_MOST ? TRAIL_MOST : share;
}

static bool trail_open_file(struct replica *replica, int flags, uint64_t end, uint64_t check)
{
    struct trail *trail = &replica->trail;
    trail->file = openat(replica->folder, TRAIL, O_WRONLY | O_CLOEXEC | flags, FILE_MODE);
    trail->limit = limit_for(replica);
    trail->end = trail->end_added = end;
    trail->check = trail->check_added = check;
    return trail->file >= 0;
}

void trail_restart(struct replica *replica)
{
    static const struct redo nothing;
    trail_drop(replica);
    if (!trail_open_file(replica, O_CREAT | O_EXCL, 0, 0))
        return;
    trail_add(replica, replica->meta.epoch, replica->meta.sequence, &nothing);
    trail_settle(replica, true);
}

void trail_open(struct replica *replica)
{
    uint64_t check, end = find_own(replica, TRAIL, &check);
    if (!end && (end = find_own(replica, TRAIL_OLDER, &check)))
        if (renameat(replica->folder, TRAIL_OLDER, replica->folder, TRAIL) < 0)
            end = 0; /* what stood there has commits that the database has not */
    if (!end || !trail_open_file(replica, 0, end, check) || ftruncate(replica->trail.file, (off_t)end) < 0)
        trail_restart(replica);
}

static void put_aside(struct replica *replica)
{
    uint64_t check = replica->trail.check;
    trail_close(replica);
    if (renameat(replica->folder, TRAIL, replica->folder, TRAIL_OLDER) < 0 ||
        !trail_open_file(replica, O_CREAT | O_EXCL, 0, check))
        trail_drop(replica);
}

void trail_add(struct replica *replica, uint64_t epoch, uint64_t sequence, const struct redo *redo)
{
    struct trail *trail = &replica->trail;
    if (trail->file >= 0 && trail->end > trail->limit && trail->end_added == trail->end)
        put_aside(replica);
    if (trail->file < 0)
        return;
    struct index_trail_head head = {
        .epoch = htole64(epoch),
        .sequence = htole64(sequence),
        .previous = htole64(trail->check_added),
        .len = htole64(redo->bytes.len),
    };
    memcpy(head.magic, INDEX_TRAIL_MAGIC, sizeof(head.magic));
    head.check = htole64(entry_check(&head, buf_span(&redo->bytes)));
    struct iovec parts[] = {{&head, sizeof(head)}, {redo->bytes.ptr, redo->bytes.len}};
    ssize_t want = (ssize_t)(sizeof(head) + redo->bytes.len);
    if (redo->bytes.len > ENTRY_MAX || pwritev(trail->file, parts, 2, (off_t)trail->end_added) != want) {
        trail_drop(replica);
        return;
    }
    trail->end_added += (uint64_t)want;
    trail->check_added = le64toh(head.check);
}

void trail_settle(struct replica *replica, bool made)
{
    struct trail *trail = &replica->trail;
    if (made) {
        trail->end = trail->end_added;
        trail->check = trail->check_added;
    } else {
        trail->end_added = trail->end;
        trail->check_added = trail->check;
    }
}

/* ---- catching up ---- */

struct catch_up {
    struct replica *from, *to;
    const struct meta *target;
    MDB_txn *txn;
    bool found;         /* the entry of to's last commit was met */
    bool arrived;       /* … and from's */
    struct reader last; /* of the file before: its last entry */
};

static int apply_file(struct catch_up *c, const char *name)
{
    struct reader r;
    int rc = 0;
    if (reader_open(&r, c->from, name)) {
        r.started = c->last.started;
        r.epoch = c->last.epoch;
        r.check = c->last.check;
        while (rc == 0 && !c->arrived && read_entry(&r)) {
            if (c->found)
                rc = lmdb_error(replica_redo(c->to, c->txn, &r.redo));
            c->found = c->found || entry_is(&r, &c->to->meta);
            c->arrived = c->found && entry_is(&r, c->target);
        }
    }
    reader_close(&r);
    c->last = r;
    return rc;
}

static int apply_trail(struct catch_up *c)
{
    int rc = apply_file(c, TRAIL_OLDER);
    if (rc == 0)
        rc = apply_file(c, TRAIL);
    if (rc < 0 || !c->arrived)
        return rc < 0 ? rc : -ENOENT;
    return lmdb_error(meta_put(c->txn, c->to->dbi, c->target));
}

int trail_catch_up(struct replica *from, struct replica *to, const struct meta *target)
{
    struct catch_up c = {.from = from, .to = to, .target = target};
    int rc = lmdb_error(mdb_txn_begin(to->env, NULL, 0, &c.txn));
    if (rc < 0)
        return rc;
    rc = apply_trail(&c);
    if (rc < 0)
        mdb_txn_abort(c.txn);
    else
        rc = lmdb_error(mdb_txn_commit(c.txn));
    if (rc == 0) {
        to->meta = *target;
        trail_restart(to);
    }
    return rc;
}
