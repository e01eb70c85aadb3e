#include "objstore/namespace/counters.h"

#include <endian.h>

#include "objstore/namespace/ns_priv.h"

static const struct span counters_key = {.ptr = (const char[]){TAG_COUNTERS}, .len = 1};

static int counters_get(struct index_txn *txn, struct counters_record *ret_counters)
{
    struct span value;
    int r = index_get(txn, counters_key, &value);
    if (r < 0)
        return r;
    if (value.len != sizeof(*ret_counters))
        return CAIRN_ECORRUPT;
    memcpy(ret_counters, value.ptr, sizeof(*ret_counters));
    return ret_counters->version == NS_FORMAT ? 0 : CAIRN_EFORMAT;
}

static int counters_put(struct index_txn *txn, const struct counters_record *counters)
{
    return index_put(txn, counters_key, span_make(counters, sizeof(*counters)));
}

static int numbers_skip(struct index_txn *txn, void *arg)
{
    struct ns *ns = arg;
    struct counters_record counters;
    int r = counters_get(txn, &counters);
    if (r < 0)
        return r == -ENOENT ? CAIRN_ECORRUPT : r;
    uint64_t first = le64toh(counters.next_ino) + NUMBERS_UNCOMMITTED;
    counters.next_ino = htole64(first);
    ns->versions_floor = first / NUMBERS_UNCOMMITTED << VERSIONS_OF_LIFE_BITS;
    return counters_put(txn, &counters);
}

void numbers_begin(struct ns *ns)
{
    if (ns->numbers_begun < 0)
        ns->numbers_begun = index_apply(ns->index, numbers_skip, ns, INDEX_DURABLE);
}

void numbers_heed(struct ns *ns)
{
    uint64_t failures = index_mark(ns->index);
    if (failures != ns->failures && ns->versions_top >= ns->versions_floor)
        ns->versions_floor = ns->versions_top + 1;
    ns->failures = failures;
}

int counters_read(struct index_txn *txn, struct counters *ret_counters)
{
    struct counters_record record;
    int r = counters_get(txn, &record);
    if (r < 0)
        return r;
    *ret_counters = (struct counters){.next_ino = le64toh(record.next_ino), .inodes = le64toh(record.inodes)};
    return 0;
}

int counters_init(struct ns_txn *txn, uint64_t next_ino)
{
    struct counters_record counters = {.version = NS_FORMAT, .next_ino = htole64(next_ino)};
    return counters_put(txn->index, &counters);
}

int number_new(struct ns_txn *txn, int inodes, uint64_t *ret_number)
{
    struct ns *ns = txn->ns;
    struct counters_record counters;
    int r = ns->numbers_begun < 0 ? ns->numbers_begun : counters_get(txn->index, &counters);
    if (r < 0)
        return r == -ENOENT ? CAIRN_ECORRUPT : r;
    uint64_t number = le64toh(counters.next_ino);
    if (number < ns->numbers_floor)
        number = ns->numbers_floor;
    ns->numbers_floor = number + 1;
    counters.next_ino = htole64(number + 1);
    counters.inodes = htole64(le64toh(counters.inodes) + (uint64_t)(int64_t)inodes);
    *ret_number = number;
    return counters_put(txn->index, &counters);
}

int inodes_count(struct ns_txn *txn, int by)
{
    struct counters_record counters;
    int r = counters_get(txn->index, &counters);
    if (r < 0)
        return r == -ENOENT ? CAIRN_ECORRUPT : r;
    counters.inodes = htole64(le64toh(counters.inodes) + (uint64_t)(int64_t)by);
    return counters_put(txn->index, &counters);
}

int version_grow(struct ns_txn *txn, struct inode *inode)
{
    struct ns *ns = txn->ns;
    if (ns->numbers_begun < 0)
        return ns->numbers_begun;
    inode->version++;
    if (inode->version < ns->versions_floor)
        inode->version = ns->versions_floor;
    if (inode->version > ns->versions_top)
        ns->versions_top = inode->version;
    return 0;
}
