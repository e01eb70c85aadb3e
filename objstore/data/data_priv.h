/*
 * The data layer's insides, as its files share them.
 *
 * Lock order, outer first: erasure_set.lock → data.table_lock → blob_writer.lock → segment.lock → a lane's; those of chores,
 * pins, lacks and damage are innermost. index_apply is called with none but erasure_set.lock held, and what runs inside a mutation or its
 * callbacks never takes that one.
 */
#ifndef CAIRN_DATA_PRIV_H
#define CAIRN_DATA_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "objstore/base/pool.h"
#include "objstore/data/chores.h"
#include "objstore/data/damage.h"
#include "objstore/data/data.h"
#include "objstore/data/format.h"
#include "objstore/data/ids.h"
#include "objstore/data/lacks.h"
#include "objstore/data/pin.h"
#include "objstore/data/pins.h"
#include "objstore/drive/lane.h"
#include "objstore/drive/set.h"
#include "objstore/ec/ec.h"

struct data;
struct erasure_set;
struct segment;

/* ---- sets (data.c) ---- */

struct erasure_set {
    struct data *data;
    struct drive_set *drives;
    struct ec *ec;
    unsigned index, k, m, n;
    struct lane *writes[DRIVE_SET_MAX]; /* by place; of one thread each */
    struct lane *syncs[DRIVE_SET_MAX];

    pthread_mutex_t lock;               /* guards what follows */
    struct segment *current;            /* the shared segment that takes blobs, or NULL */
    int64_t space_at;                   /* when space was asked, monotonic; 0: not yet */
    uint64_t space_free[DRIVE_SET_MAX]; /* then, reserve taken off, less what was reserved since */

    struct lacks lacks;
};

/* Runs fn(set, place, arg) for each place of the bitmap on the drives' write threads, all at once, and waits. Returns
 * the bitmap of those that answered 0; ret_error, unless NULL, gets an error of the others, -ENOSPC before any. fn may use
 * the drives' bounded operations, not drive_write. */
typedef int place_task(struct erasure_set *set, unsigned place, void *arg);
uint32_t places_run(struct erasure_set *set, uint32_t places, place_task *fn, void *arg, int *ret_error);
/* Errors of two drives: the one to tell the caller. */
int worse_error(int a, int b);
/* Tells the drive set how an operation went. */
void place_note(struct erasure_set *set, unsigned place, bool writing, int result);

/* ---- segments: the table of open files (segment.c), space in them (reserve.c), their end (settle.c) ---- */

struct segment_sync {
    struct lane_task task;
    struct segment *segment;
    unsigned place;
    bool queued, running;
    bool kept; /* somebody left it behind: it has a reference to the segment, until it neither is queued nor runs */
    int error; /* once a sync has failed the kernel has dropped what it could not write: the file is lost for writes */
};

struct segment {
    uint64_t id;
    struct erasure_set *set;

    /* table_lock */
    struct segment *next;                  /* in its hash chain */
    struct segment *idle_prev, *idle_next; /* in the list of those without refs, least lately used first */
    struct segment *settle_next;           /* chores.lock */
    unsigned refs;
    unsigned unresolved; /* reservations whose fate is open */
    bool retired;        /* takes no more reservations */
    bool listed;         /* in the table; once its files are unlinked, no more */

    /* erasure_set.lock */
    uint64_t size, tail; /* of one that takes reservations */
    uint32_t passed;     /* places that were full, slow or away when it was made */

    pthread_mutex_t lock;                    /* guards what follows */
    struct drive_file *files[DRIVE_SET_MAX]; /* opened on first use; then constant until the segment is freed */
    uint32_t absent;                         /* bitmap of the places where there is no file */
    uint64_t requests;                       /* to sync, so far */
    struct sync_wait *waits;                 /* who waits for one */
    struct segment_sync syncs[DRIVE_SET_MAX];
};

#define SEGMENT_NAME_MAX 32
void segment_name(uint64_t id, char ret_name[SEGMENT_NAME_MAX]);
/* Of a copy that is not complete; start-up removes it. */
void segment_temp_name(uint64_t id, char ret_name[SEGMENT_NAME_MAX]);
/* The segment with one more reference; its files open as they are asked for. NULL when memory is short. */
struct segment *segment_get(struct erasure_set *set, uint64_t id);
/* One more reference to a segment that the caller has one of. */
struct segment *segment_ref(struct segment *segment);
/* Accepts NULL. */
void segment_put(struct segment **segment);
/* The file at a place, as long as the reference is held; NULL and an error when it can't be opened. */
struct drive_file *segment_file(struct segment *segment, unsigned place, int *ret_error);

/* Who waits until its writes to a segment are on stable storage on some drives; woken once, by the drive that answers last (sync.c). */
struct sync_wait {
    struct segment *segment; /* NULL: not begun */
    struct sync_wait *next;  /* the segment's lock, as all below */
    uint32_t asked, left, good; /* places whose sync was asked for; … that have not answered; … where all is safe */
    uint32_t behind;            /* places that were not waited for */
    uint64_t numbers[DRIVE_SET_MAX]; /* of the requests, by place */
    int error;
    pthread_cond_t answered;
};
void segment_sync_run(struct lane_task *task);
/* The places are waited for; the caller holds a reference to the segment until the release. */
void segment_sync_begin(struct segment *segment, uint32_t places, struct sync_wait *wait);
/* All is written at a place: its sync is asked for; or it failed. Without effect for one that is not waited for any more. */
void segment_sync_place(struct sync_wait *wait, unsigned place, int error);
/* Waits, for slow drives only until they are known to be. Returns the places where all is on stable storage. */
uint32_t segment_sync_end(struct sync_wait *wait, int *ret_error);
/* Accepts one that was not begun, or has not ended. */
void segment_sync_release(struct sync_wait *wait);

/* Removes the files on every drive that answers; who still reads has them open. */
void segment_unlink(struct erasure_set *set, uint64_t id);
/* A segment out of the table, without files but those that the caller puts in: the copy of one that nobody sees yet. One reference. */
struct segment *segment_aside_new(struct erasure_set *set, uint64_t id);
/* Files that were missing are there from now on. */
void segment_appeared(struct erasure_set *set, uint64_t id, uint32_t places);
/* Closes idle segments; asserts that none is in use. */
void segment_table_clear(struct data *data);

/* A range of a segment that a writer has to itself. It ends committed or not: with its last reference (the writer's,
 * and one per mutation that commits it and is not settled yet) the index knows. */
struct reservation {
    struct segment *segment;
    uint64_t offset, length;
    atomic_uint refs;
};
/* length bytes on each drive for a blob of blob_length. 0; -ENOSPC; CAIRN_EQUORUM; -ENOMEM; errors of index_apply. */
int reservation_new(struct erasure_set *set, uint64_t blob_length, uint64_t length,
                    struct reservation **ret_reservation);
void reservation_ref(struct reservation *reservation);
void reservation_unref(void *reservation);
/* The set takes no more blobs into its current segment. */
void set_retire_current(struct erasure_set *set);
/* Free bytes of the fullest drives that a write needs, reserve taken off. */
uint64_t set_free(struct erasure_set *set);

/* Ends a segment that is open in the index and takes no more reservations: gives back every byte that no blob has, then
 * records it as sealed; removes it when no blob has any. The same at run time and at recovery. 0, or why it must be
 * tried again. */
int segment_settle(struct erasure_set *set, uint64_t id);
/* Punches every range of a sealed segment that no blob has on the places given; returns those where it worked. */
uint32_t segment_punch_gaps(struct erasure_set *set, uint64_t id, uint64_t size, uint32_t places);
/* Punches [begin, end) rounded inwards to whole pages. A file that is not there, or a drive that can't punch, is
 * success. */
int segment_punch(struct segment *segment, unsigned place, uint64_t begin, uint64_t end);

/* ---- writing (writer.c, commit.c) ---- */

/* As blob_writer_new, for the blob with this id in this set: a second copy of it, which blob_move_commit then makes the
 * only one. */
int blob_writer_new_for(struct erasure_set *set, uint64_t id, uint64_t length, struct blob_writer **ret_writer);
/* Inside a mutation: the blob, if it still lies at (segment, offset), lies where the writer put it from now on; its old
 * extent is freed. -ESTALE when it does not. */
int blob_move_commit(struct index_txn *txn, struct blob_writer *writer, uint64_t segment, uint64_t offset);
/* A writer that gives a blob's shards back to some drives, in the place that the blob has: that of the segment given,
 * which is borrowed and out of the table. Its caller syncs and publishes; the writer is never committed. */
int blob_writer_new_at(struct segment *aside, const struct blob_pin *pin, uint32_t places,
                       struct blob_writer **ret_writer);
/* All bytes were given: waits until they are written. Returns the places that have all of them; ret_error gets an error of
 * the others. */
uint32_t blob_writer_drain(struct blob_writer *writer, int *ret_error);
/* The places that have all of what was written so far. */
uint32_t blob_writer_places(struct blob_writer *writer);
/* What a mutation needs to know of a finished writer. */
struct blob_place {
    struct data *data;
    struct erasure_set *set;
    struct reservation *reservation;
    uint64_t id, length;
    unsigned first; /* the place of shard 0 */
    uint32_t held;
};
const struct blob_place *blob_writer_place(const struct blob_writer *writer); /* NULL before it is finished */

/* ---- reading (read.c) ---- */

/* Reads the shards that the places have, whole, and checks them. ret_bad gets the places where one is missing or wrong. 0;
 * -ENOMEM; -ECANCELED. */
int blob_verify(struct blob_pin *pin, uint32_t places, const struct data_pace *pace, uint32_t *ret_bad);

/* ---- what the keeper does (reclaim.c, compact.c) ---- */

/* One walk over the 'F' records. 0, or the first error; goes on after errors. */
int reclaim_pass(struct data *data);
/* Moves the blobs of the first segment from id *from on that is mostly dead, and *from behind it. 1; 0 when there is none,
 * and *from is 0 for another round; negative on errors. */
int compact_step(struct data *data, uint64_t *from);

/* ---- moving (move.c) ---- */

/* Reads all of it into the writer. -ECANCELED when the pace says so; sets pin->unreadable. pace may be NULL. */
int blob_copy(struct blob_pin *pin, struct blob_writer *writer, const struct data_pace *pace);
/* Writes a blob anew, elsewhere, if it still lies where the pin holds it. -EAGAIN when fewer than least drives take it: then
 * it stays. -ESTALE, -ECANCELED, and errors of reading and writing. */
int blob_move(struct blob_pin *pin, unsigned least, const struct data_pace *pace);

struct extent_at {
    uint64_t offset, blob, length;
};
/* The extents of a segment from *from on, up to cap; moves *from behind the last. Returns how many. */
int segment_extents(struct data *data, uint64_t id, uint64_t *from, struct extent_at *ret_extents, int cap);

/* ---- recovery (recover.c) ---- */

/* Whether what the index does not know may be taken from the drives. Not while it only reads: it may lack the last
 * commit, or show one that the next start won't have. */
bool data_may_discard(struct data *data);

int data_recover(struct data *data);
/* Punches the gaps of a sealed segment on the drives that are back, and records that. */
int segment_refresh(struct erasure_set *set, uint64_t id, const struct segment_record *record);

/* ---- all of it ---- */

#define TABLE_BUCKETS 256

struct data {
    struct index *index;
    struct erasure_set *sets;
    size_t set_count;
    uint64_t segment_size;
    uint64_t reserve;
    struct pool *stripes; /* buffers for a whole stripe with parity and checksums */
    struct pool *scraps;  /* SCRAP_SIZE */

    struct ids ids;
    struct damage damage;

    pthread_mutex_t table_lock;
    struct segment *table[TABLE_BUCKETS];
    struct segment *idle_first, *idle_last;
    unsigned idle_count, idle_max;

    struct pins pins;
    struct chores chores;
    pthread_t keeper;
    bool keeping; /* the keeper runs */
    atomic_ullong degraded_reads, bitrot_found;
    atomic_ullong healed_blobs, refilled_blobs, refilled_bytes;
};

#define SCRAP_SIZE (256u << 10)

#endif
