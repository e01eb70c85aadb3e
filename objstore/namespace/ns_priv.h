/*
 * What the files of this folder share: the namespace itself, a transaction, keys of records.
 *
 * Threads: mutations run one at a time, on the index's writer thread; what is marked "mutation" below belongs to the
 * one that runs. Locks of holds, reaper and subscriber are
 * each taken alone.
 */
#ifndef CAIRN_NAMESPACE_PRIV_H
#define CAIRN_NAMESPACE_PRIV_H

#include "objstore/base/errors.h"
#include "objstore/namespace/event.h"
#include "objstore/namespace/format.h"
#include "objstore/namespace/hold.h"
#include "objstore/namespace/namespace.h"
#include "objstore/namespace/reap.h"
#include "objstore/namespace/tidy.h"

#define SCRATCH_SIZE (ATTRS_MAX + 4096u) /* the largest record that is put together: an inode with its attributes */

struct ns {
    struct index *index;
    struct data *data;
    struct holds holds;
    struct subscriber subscriber;
    struct reaper reaper;
    struct tidy tidy;
    bool opened;   /* subscriber is initialised */
    char *scratch; /* SCRATCH_SIZE bytes; mutation */
};

struct ns_txn {
    struct ns *ns;
    struct index_txn *index;
    bool writable;
    int64_t now;
    uint64_t origin;
    struct changes *changes; /* events and reaped inodes of this mutation; NULL before the first */
    int failed;              /* mutation: an event could not be noted; ends it */
    struct arena arena;      /* mutation: attributes of the inodes it has read */
};

/* ---- keys ---- */

struct record_key {
    size_t len;
    char bytes[INDEX_KEY_MAX];
};

static inline struct span key_span(const struct record_key *key)
{
    return (struct span){key->bytes, key->len};
}

static inline struct span key_id(struct record_key *key, enum ns_tag tag, uint64_t id)
{
    key->bytes[0] = (char)tag;
    put_be64(key->bytes + 1, id);
    key->len = 9;
    return key_span(key);
}

/* tag, id, and a name that the caller knows to fit. */
static inline struct span key_name(struct record_key *key, enum ns_tag tag, uint64_t id, struct span name)
{
    key_id(key, tag, id);
    if (name.len)
        memcpy(key->bytes + 9, name.ptr, name.len);
    key->len += name.len;
    return key_span(key);
}

static inline struct span key_offset(struct record_key *key, uint64_t body, uint64_t off)
{
    key_id(key, TAG_EXTENT, body);
    put_be64(key->bytes + 9, off);
    key->len = 17;
    return key_span(key);
}

static inline struct span key_number(struct record_key *key, enum ns_tag tag, uint64_t id, uint32_t number)
{
    key_id(key, tag, id);
    put_be32(key->bytes + 9, number);
    key->len = 13;
    return key_span(key);
}

/* Whether a record's key is tag, id and then something of at least more bytes. */
static inline bool key_of(struct span key, enum ns_tag tag, uint64_t id, size_t more)
{
    return key.len >= 9 + more && key.ptr[0] == (char)tag && get_be64(key.ptr + 1) == id;
}

/* ---- ns.c ---- */

/* The next number, and inodes added to their count. */
int number_new(struct ns_txn *txn, int inodes, uint64_t *ret_number);
int inodes_count(struct ns_txn *txn, int by);

struct counters {
    uint64_t next_ino, inodes;
};
int counters_read(struct index_txn *txn, struct counters *ret_counters);

#endif
