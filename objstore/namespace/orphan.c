#include "objstore/namespace/orphan.h"

#include <stdlib.h>

#include "objstore/namespace/inode.h"
#include "objstore/namespace/ns_priv.h"

/* ---- holding ---- */

int ns_hold(struct ns_txn *txn, uint64_t ino)
{
    struct inode inode;
    int r = ns_inode(txn, ino, &inode);
    if (r < 0)
        return r;
    uint64_t snapshot = txn->writable ? UINT64_MAX : index_txn_sequence(txn->index);
    return holds_take(&txn->ns->holds, ino, snapshot, inode.nlink == 0);
}

void ns_unhold(struct ns *ns, uint64_t ino)
{
    struct hold *last = holds_drop(&ns->holds, ino);
    if (last && last->orphan)
        backlog_give(&ns->backlog, last);
    else
        free(last);
}

/* ---- reaping ---- */

/* Reaps *arg if it is an orphan that nobody holds. */
static int orphan_step(struct ns_txn *txn, void *arg)
{
    uint64_t ino = *(const uint64_t *)arg;
    struct record_key key;
    struct span value;
    struct inode inode;
    int r = index_get(txn->index, key_id(&key, TAG_ORPHAN, ino), &value);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = ns_inode(txn, ino, &inode);
    if (r < 0)
        return r == -ESTALE ? CAIRN_ECORRUPT : r;
    if (holds_orphan(&txn->ns->holds, ino, index_txn_sequence(txn->index)))
        return 0;
    r = inode_reap(txn, &inode);
    return r < 0 ? r : index_delete(txn->index, key_id(&key, TAG_ORPHAN, ino));
}

#define ORPHANS_PAGE 256

/* Up to ORPHANS_PAGE orphans after after. */
static int orphans_list(struct ns *ns, uint64_t after, uint64_t *ret_inos)
{
    struct ns_txn *txn;
    struct index_cursor cursor;
    struct record_key key;
    struct span found, value;
    int count = 0;
    int r = ns_view_begin(ns, &txn);
    if (r < 0)
        return r;
    r = index_cursor_open(txn->index, &cursor);
    if (r == 0) {
        r = index_cursor_seek(&cursor, key_id(&key, TAG_ORPHAN, after + 1), &found, &value);
        for (; r == 0 && count < ORPHANS_PAGE && found.len == 9 && found.ptr[0] == TAG_ORPHAN;
             r = index_cursor_next(&cursor, &found, &value))
            ret_inos[count++] = get_be64(found.ptr + 1);
        index_cursor_close(&cursor);
    }
    ns_view_end(&txn);
    return r < 0 && r != -ENOENT ? r : count;
}

int ns_reap_orphans(struct ns *ns)
{
    uint64_t inos[ORPHANS_PAGE], after = 0;
    int count, failed = 0;
    while ((count = orphans_list(ns, after, inos)) > 0) {
        for (int i = 0; i < count; i++) {
            int r = ns_apply(ns, orphan_step, &inos[i], INDEX_APPLIED);
            if (r < 0)
                failed = r; /* a damaged one does not keep the others */
        }
        after = inos[count - 1];
    }
    return count < 0 ? count : failed;
}

int orphans_pass(struct ns *ns)
{
    int failed = 0;
    for (struct hold *hold = backlog_orphans(&ns->backlog), *next; hold; hold = next) {
        next = hold->next;
        int r = backlog_stopping(&ns->backlog) ? 0 : ns_apply(ns, orphan_step, &hold->ino, INDEX_APPLIED);
        if (r < 0) {
            failed = r;
            backlog_give(&ns->backlog, hold);
        } else {
            free(hold);
        }
    }
    return failed;
}
