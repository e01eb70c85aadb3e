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

static int counters_add(struct ns_txn *txn, uint64_t numbers, int inodes, uint64_t *ret_first)
{
    struct counters_record counters;
    int r = counters_get(txn->index, &counters);
    if (r < 0)
        return r == -ENOENT ? CAIRN_ECORRUPT : r;
    *ret_first = le64toh(counters.next_ino);
    counters.next_ino = htole64(*ret_first + numbers);
    counters.inodes = htole64(le64toh(counters.inodes) + (uint64_t)(int64_t)inodes);
    return index_put(txn->index, counters_key, span_make(&counters, sizeof(counters)));
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
    return index_put(txn->index, counters_key, span_make(&counters, sizeof(counters)));
}

int number_new(struct ns_txn *txn, int inodes, uint64_t *ret_number)
{
    return counters_add(txn, 1, inodes, ret_number);
}

int inodes_count(struct ns_txn *txn, int by)
{
    uint64_t next;
    return counters_add(txn, 0, by, &next);
}
