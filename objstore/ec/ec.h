/*
 * Erasure code: k data shards give m parity shards, and any k of the k + m give back the rest.
 *
 * Reed-Solomon over GF(2^8) with a Cauchy matrix (every square submatrix of it is invertible, so every choice of k shards
 * works, which a Vandermonde matrix does not promise). ISA-L does the arithmetic. Shard i < k is data, shard i >= k parity.
 * All shards of one call have the same length in bytes; any alignment. A codec is immutable: any number of threads use it.
 */
#ifndef CAIRN_EC_H
#define CAIRN_EC_H

#include <stddef.h>
#include <stdint.h>

#define EC_SHARDS_MAX 16 /* drives of one erasure set */

struct ec;

/* The parity that an erasure set of n drives gets when nobody asks for another. */
unsigned ec_default_parity(unsigned n);

/* 1 <= k, 0 <= m <= k, k + m <= EC_SHARDS_MAX. 0, -EINVAL, -ENOMEM. */
int ec_new(unsigned k, unsigned m, struct ec **ret_ec);
/* Accepts NULL. */
void ec_free(struct ec **ec);
unsigned ec_data(const struct ec *ec);
unsigned ec_parity(const struct ec *ec);

/* Reads the first k shards (len bytes each) and writes the m after them. Never fails. */
void ec_encode(const struct ec *ec, uint8_t *const *shards, size_t len);

/* How to get the shards of one bitmap from those of another; made once, used for many runs of shards. Embedded, owns nothing. */
struct ec_plan {
    uint32_t have;                     /* the k shards that are read; bit i is shard i */
    uint32_t want;                     /* the shards that are written */
    uint8_t  k;
    uint8_t  rows;
    uint8_t  from[EC_SHARDS_MAX];      /* the k bits of have, in order */
    uint8_t  to[EC_SHARDS_MAX];        /* the bits of want, in order */
    uint8_t  tables[32 * EC_SHARDS_MAX * EC_SHARDS_MAX];
};

/* Plans to rebuild want from the k lowest bits of good; the two do not overlap. 0; -EINVAL when good has fewer than k bits or
 * a bit names no shard. */
int ec_plan_init(struct ec_plan *plan, const struct ec *ec, uint32_t good, uint32_t want);
/* Rebuilds: shards is indexed by shard number; only those of plan->have are read and those of plan->want written. */
void ec_plan_run(const struct ec_plan *plan, uint8_t *const *shards, size_t len);

#endif
