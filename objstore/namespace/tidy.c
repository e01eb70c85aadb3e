#include "objstore/namespace/tidy.h"

#include "objstore/namespace/ns_priv.h"

static _Atomic uint64_t *heavy_slot(struct tidy *tidy, uint64_t ino)
{
    return &tidy->heavy[(ino * 0x9e3779b97f4a7c15ull >> 32) % TIDY_HEAVY];
}

/* 0 is no inode's number: an empty slot, and a file that its caller does not know yet. */
bool tidy_is_heavy(struct tidy *tidy, uint64_t ino)
{
    return ino != 0 && atomic_load_explicit(heavy_slot(tidy, ino), memory_order_relaxed) == ino;
}

static void heavy_set(struct tidy *tidy, uint64_t ino, bool heavy)
{
    if (heavy)
        atomic_store_explicit(heavy_slot(tidy, ino), ino, memory_order_relaxed);
    else if (tidy_is_heavy(tidy, ino))
        atomic_store_explicit(heavy_slot(tidy, ino), 0, memory_order_relaxed);
}

int tidy_note(struct ns_txn *txn, const struct inode *inode)
{
    static const struct tidy_record record = {.version = NS_FORMAT};
    struct record_key key;
    heavy_set(&txn->ns->tidy, inode->ino, inode->inlined >= NS_INLINE_FILE_MAX);
    if (inode->inlined < TIDY_MIN || inode->inlined < inode->tidy_at || inode->nlink == 0)
        return 0;
    backlog_wake(&txn->ns->backlog);
    return index_put(txn->index, key_id(&key, TAG_TIDY, inode->ino), span_make(&record, sizeof(record)));
}
