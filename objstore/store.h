/*
 * Store: the whole of one deployment, put together: drives → erasure sets → index replicas → data → namespace.
 *
 * The first open of a set of empty folders formats them; every later one recognises the drives by their superblocks, in
 * whatever order they are named. The index has R = min(n, 2m+1) replicas, in the folder "index" of the first drives of
 * the first set (n drives, m of parity). One process at a time has a deployment open.
 */
#ifndef CAIRN_STORE_H
#define CAIRN_STORE_H

#include "objstore/data/data.h"
#include "objstore/index/index.h"
#include "objstore/repair/repair.h"
#include "objstore/repair/scrub.h"

struct store;
struct ns; /* objstore/namespace */

#define STORE_DRIVES_MAX 4096     /* 256 sets of 16 */
#define STORE_PARITY_DEFAULT (-1) /* by set size: 1→0, 2–3→1, 4–5→2, 6–7→3, 8 and more→4 */
#define STORE_MESSAGE_MAX 1024    /* a message never needs more */

struct store_options {
    const char *const *drives; /* folders, one per drive, {a...b} already expanded; borrowed until store_open returns */
    size_t drive_count;        /* 1 … STORE_DRIVES_MAX */
    int parity;       /* STORE_PARITY_DEFAULT, or 0 … n/2 for a fresh deployment; an existing one keeps its own */
    uint64_t reserve; /* bytes kept free on each drive; 0: the default */
    /* Told what repair does, on its thread; NULL: nobody is. */
    void (*repair_event)(void *arg, const struct repair_event *event);
    void *repair_arg;
    /* Every shard is verified once in so many ns; 0: the default, STORE_SCRUB_NS; negative: only by store_scrub. */
    int64_t scrub_period;
};
#define STORE_SCRUB_NS (30 * 24 * 3600 * 1000000000LL)

/* ---- life ---- */

/* Opens the deployment; blocks on the drives, and for a copy of the index when a replica lags. On failure nothing stays
 * open and ret_message (cap bytes, always NUL-terminated, at least STORE_MESSAGE_MAX to have it whole) says in one line
 * for a human what is wrong and on which drive; on success it holds a warning ("drive /data3 does not answer: …") or
 * "". 0; -EINVAL (number of drives, parity, one folder named twice); -ENOENT, -ENOTDIR, -EACCES, -EROFS, -ENOSPC of a
 * drive; -EBUSY (another process has it open); CAIRN_EBADSUPER; CAIRN_EFOREIGN; CAIRN_EFORMAT; CAIRN_EQUORUM;
 * CAIRN_ECORRUPT; -EIO; -ENOMEM. */
int store_open(const struct store_options *options, struct store **ret_store, char *ret_message, size_t cap);
/* Makes durable what was applied, and closes. No call on the store or its parts may be under way, no transaction open,
 * no blob pinned. Accepts NULL. */
void store_close(struct store **store);

/* The parts, owned by the store and valid until store_close. Any thread. */
struct ns *store_ns(struct store *store);
struct data *store_data(struct store *store);
struct index *store_index(struct store *store);

/* ---- status: what the admin API and `cairn status` show; any thread; may block shortly on a statfs of each drive ----
 */

enum store_drive_state {
    STORE_DRIVE_ONLINE, /* reads and writes */
    STORE_DRIVE_FULL,   /* online, but no more than the reserve is free: reads and deletes only */
    STORE_DRIVE_SLOW,   /* hangs, or takes far longer than its peers: left out, and tried again now and then */
    STORE_DRIVE_FAULTY, /* was opened, and its errors made us stop using it */
    STORE_DRIVE_MISSING /* a member of the deployment that was not found or refused at open */
};

struct store_drive_status {
    const char *path;  /* as named in the options; "" for a missing one whose folder is not known. Lives as the store */
    char id[37];       /* UUID of the drive, text; "" when not known */
    uint32_t set;      /* 0 … set_count-1 */
    uint32_t position; /* its shard's place in the set */
    enum store_drive_state state;
    int error;               /* why it is slow, faulty or missing: a code of errors.h; 0 otherwise */
    uint64_t times_slow;     /* how often it was found slow since the start */
    uint64_t capacity;       /* bytes of its filesystem; 0 when it does not answer */
    uint64_t free;           /* bytes that may still be written, without the reserve */
    bool index_replica;      /* holds a replica of the index */
    bool index_healthy;      /* … that is up to date */
    uint64_t index_sequence; /* … the last commit it holds */
};

struct store_set_status {
    uint32_t set;
    uint32_t drives;       /* n */
    uint32_t parity;       /* m; k = n - m */
    uint32_t online;       /* drives that read, full ones too */
    uint32_t write_quorum; /* k, or k+1 where k = m */
    bool readable;         /* online >= k */
    bool writable;         /* online >= write_quorum; full drives count, since deletes are writes: see free */
    uint64_t capacity;     /* bytes of object data that the set takes: k times its smallest drive */
    uint64_t free;         /* bytes of object data that it still takes */
};

struct store_status {
    char id[37]; /* UUID of the deployment, text */
    uint32_t drive_count;
    uint32_t drives_online;
    uint32_t set_count;
    uint32_t index_replicas;     /* R */
    uint32_t index_healthy;      /* of which up to date */
    uint32_t index_write_quorum; /* W */
    bool readable;               /* every set, and the index */
    bool writable;               /* at least one set, and the index on W replicas: "ready" */
    uint64_t capacity;           /* sums over the sets, bytes of object data */
    uint64_t free;
    struct data_status data;
    struct repair_status repair;
    struct scrub_status scrub;
};

/* Never fails: what can't be asked is shown as faulty. */
void store_status(struct store *store, struct store_status *ret_status);
/* Each fills up to cap rows, by set and position, and returns the number of rows that there are. */
size_t store_drive_rows(struct store *store, struct store_drive_status *ret_rows, size_t cap);
size_t store_set_rows(struct store *store, struct store_set_status *ret_rows, size_t cap);
/* "online", "full", "faulty", "missing": for JSON and tables. */
const char *store_drive_state_name(enum store_drive_state state);

/* Verifies every shard now, or sooner when that is under way. Any thread; does not block. */
void store_scrub(struct store *store);

/* Gives back resident memory that an idle daemon need not hold (index_trim, malloc_trim). Cheap; meant to be called
 * once a minute or so by whoever has a timer. */
void store_trim(struct store *store);

#endif
