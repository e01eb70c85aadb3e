/*
 * Keys of records: a tag, a number in big-endian, and what the kind of record adds.
 */
#ifndef CAIRN_NAMESPACE_RECORD_KEY_H
#define CAIRN_NAMESPACE_RECORD_KEY_H

#include "objstore/base/span.h"
#include "objstore/index/index.h"
#include "objstore/namespace/format.h"

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

#endif
