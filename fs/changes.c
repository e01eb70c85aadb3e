#include "fs/changes.h"

#include "objstore/base/hash.h"

uint64_t name_hash(uint64_t dir, struct span name)
{
    return xxh3(name.ptr, name.len, dir * 0x9e3779b97f4a7c15u);
}

static atomic_uint_fast64_t *slot_of(struct changes *c, uint64_t hash)
{
    return &c->slots[(hash ^ hash >> 32) % CHANGES_SLOTS];
}

static uint64_t inode_hash(uint64_t ino)
{
    return ino * 0x9e3779b97f4a7c15u;
}

/* Two recorders of one slot may store in either order: both times are later than any request that must notice. */
static uint64_t record(struct changes *c, atomic_uint_fast64_t *slot)
{
    uint64_t now = atomic_fetch_add(&c->now, 1) + 2;
    atomic_store(slot, now);
    return now;
}

static bool passed(struct changes *c, atomic_uint_fast64_t *slot, uint64_t since)
{
    return atomic_load(slot) > since || atomic_load(&c->all) > since;
}

uint64_t changes_now(struct changes *c)
{
    return atomic_load(&c->now) + 1;
}

uint64_t changes_inode(struct changes *c, uint64_t ino)
{
    return record(c, slot_of(c, inode_hash(ino)));
}

uint64_t changes_name(struct changes *c, uint64_t dir, struct span name)
{
    return record(c, slot_of(c, name_hash(dir, name)));
}

uint64_t changes_all(struct changes *c)
{
    return record(c, &c->all);
}

bool changed_inode(struct changes *c, uint64_t ino, uint64_t since)
{
    return passed(c, slot_of(c, inode_hash(ino)), since);
}

bool changed_name(struct changes *c, uint64_t dir, struct span name, uint64_t since)
{
    return passed(c, slot_of(c, name_hash(dir, name)), since);
}
