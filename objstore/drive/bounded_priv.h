/* A bounded drive's insides: bounded.c has the operations, bounded_read.c reading, bounded_call.c what can be left behind. */
#ifndef CAIRN_DRIVE_BOUNDED_PRIV_H
#define CAIRN_DRIVE_BOUNDED_PRIV_H

#include "objstore/base/span.h"
#include "objstore/drive/bounded.h"
#include "objstore/drive/lane.h"

struct bounded {
    struct drive drive;
    struct drive *inner;
    struct pulse_group *group;
    unsigned place;
    struct lane *lane;
    atomic_uint refs; /* the owner's, its open files', its calls' */
};

struct bounded_file {
    struct drive_file file;
    struct drive_file *inner;
    atomic_uint refs;  /* the owner's, its calls' */
    atomic_bool blind; /* its file system can't say what memory holds */
};

/*   state   meaning                        owner        exits
 *   WAITED  the caller waits for it        the caller   done: OVER; the drive is slow: LEFT
 *   OVER    done in time                   the caller   freed
 *   LEFT    nobody waits any more          its thread   freed when it has come back */
enum call_state { CALL_WAITED, CALL_OVER, CALL_LEFT };

/* One operation on its way to the drive, with all that it needs. */
struct call {
    struct lane_task task;
    struct bounded *on;        /* holds a reference */
    struct bounded_file *file; /* NULL, or holds a reference */
    int (*fn)(struct call *call);
    enum pulse_kind kind;
    pthread_mutex_t lock; /* guards state */
    pthread_cond_t over;
    enum call_state state;
    int result;

    char name[DRIVE_NAME_MAX + 1], to[DRIVE_NAME_MAX + 1];
    enum drive_open how;
    uint64_t off, len;
    struct drive_file *opened;
    struct drive_space space;
    struct buf names; /* each with its NUL */
    uint8_t *bytes;   /* len of them, for a read */
};

static inline struct bounded *bounded_of(struct drive *drive)
{
    return (struct bounded *)drive;
}

static inline struct bounded_file *bounded_file_of(struct drive_file *file)
{
    return (struct bounded_file *)file;
}

void bounded_unref(struct bounded *b);
void bounded_file_unref(struct bounded_file *file);
/* Whether the drive is known to be slow; cheap. */
bool bounded_is_slow(struct bounded *b);
/* For a read. */
ssize_t bounded_read(struct drive_file *file, const struct iovec *iov, int count, uint64_t off, enum drive_wait wait);

/* A call that is yet to be made, to be freed by call_free; NULL when memory is short. file may be NULL. */
struct call *call_new(struct bounded *on, struct bounded_file *file, enum pulse_kind kind, int (*fn)(struct call *call));
/* Accepts NULL. */
void call_free(struct call *call);
/* Has it done and waits. What it answers; -ETIMEDOUT when the drive is or becomes slow, and *call, which is not the caller's any more, NULL. */
int call_make(struct call **call);
/* … and frees it: for those who want nothing but the answer. -ENOMEM for NULL. */
int call_answer(struct call *call);

#endif
