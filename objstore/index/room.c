/*
 * Room on the disks. An index that is full to the last byte could not even delete: LMDB writes a changed page to a new
 * place before the old one is free. So each replica keeps a headroom of disk space behind its database, and a batch
 * begins by looking at it:
 *
 *   room                          what may run
 *   the headroom is whole         everything. The file was extended if it had to be
 *   less (the disk is full)       what grows the index by SLACK_BYTES at most: deletes, renames, changes of attributes
 *   less than half                what does not grow it
 *
 * Any other mutation answers -ENOSPC, and is undone. Deletes leave free pages in the file; once they amount to the
 * headroom, everything runs again. While the disk is full batches are small, so that what a commit may write stays
 * within the headroom.
 */
#include "objstore/base/errors.h"
#include "objstore/index/batch.h"

enum { SLACK_BYTES = 256, TIGHT_MUTATIONS = 16, FREE_TREE = 0 };

/* The meta record and the list of free pages; beside the pages above a leaf; puts and deletes of a usual mutation. */
enum {
    PAGES_PER_BATCH = 64,
    PAGES_LISTED = 256 /* by a page of the list of free ones, half full */,
    PAGES_SPARE = 2,
    OPS_OF_ONE = 16,
    DEPTH_MANY = 8
};

/* An eighth of the database, in bounds. */
#define HEADROOM_LEAST ((size_t)1 << 20)
#define HEADROOM_MOST ((size_t)16 << 20)

static size_t headroom(const struct replica *replica, const MDB_envinfo *info)
{
    size_t bytes = (info->me_last_pgno + 1) / 8 * replica->page_size;
    bytes = bytes < HEADROOM_LEAST ? HEADROOM_LEAST : bytes > HEADROOM_MOST ? HEADROOM_MOST : bytes;
    return bytes / replica->page_size;
}

/* Pages of commits that are on their way to a replica. Asked for before LMDB is: a commit between the two counts twice,
 * not never. */
static bool pages_ahead(struct index *index, const struct replica *replica, size_t *ret_pages)
{
    pthread_mutex_lock(&index->lock);
    *ret_pages = replica->queue_pages;
    bool healthy = replica->healthy;
    pthread_mutex_unlock(&index->lock);
    return healthy;
}

/* Pages that may be written behind the last one of the file. */
static size_t pages_left(const struct replica *replica, const MDB_envinfo *info, size_t ahead)
{
    size_t have = replica->reserved / replica->page_size;
    size_t used = info->me_last_pgno + 1 + ahead;
    return have > used ? have - used : 0;
}

/* What a snapshot's list of free pages has in all. */
static size_t list_count(MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key, list;
    size_t count = 0, pages;
    if (mdb_cursor_open(txn, FREE_TREE, &cursor))
        return 0;
    while (mdb_cursor_get(cursor, &key, &list, MDB_NEXT) == 0) {
        memcpy(&pages, list.mv_data, sizeof(pages));
        count += pages;
    }
    mdb_cursor_close(cursor);
    return count;
}

/* Pages in the primary's free list; the other replicas have about as many. LMDB shows it to read transactions only. */
static size_t pages_free(struct index *index)
{
    MDB_txn *txn;
    if (mdb_txn_begin(index->primary->env, NULL, MDB_RDONLY, &txn))
        return 0;
    size_t count = list_count(txn);
    mdb_txn_abort(txn);
    return count;
}

static void look_at(struct index *index, struct replica *replica)
{
    MDB_envinfo info;
    size_t ahead;
    if (!pages_ahead(index, replica, &ahead) || mdb_env_info(replica->env, &info))
        return;
    size_t want = headroom(replica, &info);
    int rc = applier_reserve(replica, ahead, want);
    if (rc == -ETIMEDOUT)
        return;
    bool full = rc < 0;
    size_t room = pages_left(replica, &info, ahead) + (full ? pages_free(index) : 0);
    enum room level = !full || room >= want ? ROOM_ENOUGH : room >= want / 2 ? ROOM_LITTLE : ROOM_LEAST;
    index->disk_full = index->disk_full || full;
    index->pages_left = room < index->pages_left ? room : index->pages_left;
    index->room = level > index->room ? level : index->room;
}

void room_look(struct index *index)
{
    MDB_stat stat;
    bool known = mdb_stat(index->write.mdb, index->write.dbi, &stat) == 0;
    index->depth = known ? stat.ms_depth : DEPTH_MANY;
    index->tree_pages = known ? stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages : SIZE_MAX;
    index->room = ROOM_ENOUGH;
    index->disk_full = false;
    index->pages_left = SIZE_MAX;
    for (size_t i = 0; i < index->count; i++)
        look_at(index, &index->replicas[i]);
}

/* ---- what a batch may write ---- */

/* Pages of the tree that a batch writes, at most. A few operations: each its leaf and what is above it, split. Many: a
 * commit writes no page twice, so every page that there was and those that their bytes come to, which splits leave no
 * emptier than a quarter. By the first alone, a copy of a file in a million pieces would ask for 50 GB of disk. */
static size_t tree_pages_needed(const struct index *index, const struct batch *batch)
{
    size_t bytes = batch->redo.bytes.len / index->primary->page_size + 1;
    size_t by_ops = batch->redo.ops * (index->depth + PAGES_SPARE);
    size_t by_size = index->tree_pages > SIZE_MAX / 2 ? SIZE_MAX : index->tree_pages + 4 * bytes;
    return by_ops < by_size ? by_ops : by_size;
}

/* At most: the tree; the pages of large values; the list of free pages. */
size_t room_needed(const struct index *index, const struct batch *batch)
{
    size_t tree = tree_pages_needed(index, batch);
    return PAGES_PER_BATCH + tree + tree / PAGES_LISTED + batch->redo.bytes.len / index->primary->page_size;
}

/* A replica that is given up meanwhile needs none. */
static int reserve_all(struct index *index, size_t pages)
{
    int rc = 0;
    size_t ahead;
    for (size_t i = 0; i < index->count && rc != -ENOSPC; i++)
        if (pages_ahead(index, &index->replicas[i], &ahead))
            rc = applier_reserve(&index->replicas[i], ahead, pages);
    if (rc == -ETIMEDOUT)
        rc = 0;
    if (rc == 0 && pages > index->pages_left)
        index->pages_left = pages;
    return rc;
}

bool room_for_more(struct index *index, const struct batch *batch, unsigned ran)
{
    if (ran == 0)
        return true;
    if (index->room != ROOM_ENOUGH)
        return ran < TIGHT_MUTATIONS;
    size_t pages = room_needed(index, batch) + OPS_OF_ONE * (index->depth + PAGES_SPARE);
    if (pages <= index->pages_left)
        return true;
    return !index->disk_full && reserve_all(index, 2 * pages) == 0 && primary_is_well(index);
}

int room_reserve(struct index *index, const struct batch *batch)
{
    int rc = reserve_all(index, batch->pages);
    return index->disk_full ? 0 : rc; /* then free pages are used, and the headroom for the rest */
}

/* ---- growth of a mutation ---- */

void room_count(struct index_txn *txn, const struct redo_op *op)
{
    if (txn->index->room == ROOM_ENOUGH)
        return;
    MDB_val key = {op->key.len, (void *)op->key.ptr};
    MDB_val old;
    if (mdb_get(txn->mdb, txn->dbi, &key, &old) == 0)
        txn->growth -= (int64_t)(key.mv_size + old.mv_size);
    if (!op->is_delete)
        txn->growth += (int64_t)(key.mv_size + op->stored.len);
}

bool room_allows(const struct index_txn *txn)
{
    static const int64_t limits[] = {[ROOM_ENOUGH] = INT64_MAX, [ROOM_LITTLE] = SLACK_BYTES, [ROOM_LEAST] = 0};
    return txn->growth <= limits[txn->index->room];
}
