/*
 * The POSIX dialect: what a mount (fs) and the daemon (server/posix) say to each other. POSIX.md beside this file is
 * the protocol's description; this header is its codec: bytes in, structs out, no I/O, no allocation but in the buffer
 * that is written.
 *
 *   compound  POST /[bucket]?cairn=posix          a list of operations in one request, a list of results in one reply
 *   data      GET|PUT /[bucket]?cairn=data&…      raw bytes of one file, streamed
 *   push      GET /[bucket]?cairn=push&…          frames that tell what others changed
 *
 * Integers are little-endian. Decoders check every length against what is there and every named limit below; what does
 * not hold gives CAIRN_ESYNTAX. Decoded spans point into the decoded bytes. Any thread.
 */
#ifndef CAIRN_WIRE_POSIX_H
#define CAIRN_WIRE_POSIX_H

#include "objstore/base/errors.h"
#include "objstore/base/span.h"

/* ================================================================ limits */

#define POSIX_VERSION 1
#define POSIX_CONTENT_TYPE "application/x-cairn-posix"
#define POSIX_SESSION_ID 16        /* bytes, random, chosen by the client */
#define POSIX_SLOTS 64             /* compounds that change something, under way at once in a session */
#define POSIX_SLOT_NONE 0xffffu    /* of a compound that only reads */
#define POSIX_OPS_MAX 512          /* operations in a compound */
#define POSIX_WRITE_MAX (1u << 20) /* bytes of one WRITE; more go by PUT ?cairn=data */
#define POSIX_REQUEST_MAX                                                                                              \
    (POSIX_WRITE_MAX + (64u << 10))   /* bytes of an encoded request: one full WRITE and its neighbours */
#define POSIX_READ_MAX (1u << 20)     /* bytes of one READ; more go by GET ?cairn=data */
#define POSIX_REPLY_MAX (4u << 20)    /* bytes of an encoded reply */
#define POSIX_REPLY_HEAD 40           /* bytes of a reply without results */
#define POSIX_RESULT_SMALL 256        /* bytes of a result without data, at most */
#define POSIX_STORED_MAX (256u << 10) /* bytes of a reply that is kept for exactly-once */
#define POSIX_NAME_MAX 255            /* bytes of a name in a directory, of an extended attribute's name */
#define POSIX_PATH_MAX 4096           /* bytes of a symlink's target, of a mount's prefix */
#define POSIX_XATTR_MAX 65536         /* bytes of an extended attribute's value, of a list of names */
#define POSIX_HANDLES_MAX (1u << 20)  /* open handles of one session */
#define POSIX_RECLAIM_MAX 8192        /* handles in one SESSION_RECLAIM */
#define POSIX_LEASE_MIN_MS 5000u
#define POSIX_LEASE_MAX_MS 300000u
#define POSIX_FRAME_MAX 512 /* bytes of a push frame, header included */

/* ================================================================ status
 * On the wire a status is an errno as Linux numbers it, 0 for success; each side translates from and to its own by
 * these two. Finer causes (errors.h) travel as their errno parent. */
uint16_t posix_status(int code);        /* 0 or more → 0; -ENOENT → 2; CAIRN_EQUORUM → 5 */
int posix_status_code(uint16_t status); /* 2 → -ENOENT; what this host can't know → -EIO */

/* What a whole compound (struct posix_reply) may answer beside an errno of the store:
 *   EPROTO    malformed, an operation out of place, or more than a limit: nothing ran
 *   ESTALE    no such session, or another generation of it: it expired; open a new one
 *   EREMCHG   the server was restarted, or a commit failed: send SESSION_RECLAIM, then this compound again, as it was
 *   EALREADY  the sequence is older than the slot's last: a stray duplicate; nothing ran
 *   EBADSLT   a compound that changes something has no slot, or one past POSIX_SLOTS
 *   EACCES    the identity may not use this session or bucket */

/* ================================================================ operations */

enum posix_class {
    POSIX_SESSION, /* about the session itself; stands alone in its compound */
    POSIX_READS,   /* runs in a snapshot; needs no slot when the whole compound is so */
    POSIX_HOLDS,   /* changes what the session holds open; needs a slot; repeatable */
    POSIX_CHANGES  /* changes the store; needs a slot; exactly once */
};

/* Bulk results (READDIR, READ, GETXATTR, LISTXATTR) never share a compound with POSIX_CHANGES: such a reply is stored.
 *
 *     name            code  class          arguments                                              result */
/* clang-format off */
#define POSIX_OPERATIONS(X)                                                                                                     \
    X(SESSION_OPEN,      1, POSIX_SESSION, A_NAME | A_COUNT,                                      R_VALUE | R_COUNT | R_FLAGS | R_EVENTS) \
    X(SESSION_HEARTBEAT, 2, POSIX_SESSION, 0,                                                     R_COUNT)                      \
    X(SESSION_CLOSE,     3, POSIX_SESSION, 0,                                                     0)                            \
    X(SESSION_RECLAIM,   4, POSIX_SESSION, A_FLAGS | A_DATA,                                      R_VALUE | R_DATA)             \
    X(GETROOT,          16, POSIX_READS,   A_NAME | A_NAME2,                                      R_ATTR)                       \
    X(LOOKUP,           17, POSIX_READS,   A_INO | A_NAME,                                        R_ATTR)                       \
    X(GETATTR,          18, POSIX_READS,   A_INO,                                                 R_ATTR)                       \
    X(READLINK,         19, POSIX_READS,   A_INO,                                                 R_DATA)                       \
    X(READDIR,          20, POSIX_READS,   A_INO | A_NAME | A_LEN | A_COUNT | A_FLAGS | A_SIZE,   R_ATTR | R_FLAGS | R_DATA)    \
    X(GETXATTR,         21, POSIX_READS,   A_INO | A_NAME,                                        R_DATA)                       \
    X(LISTXATTR,        22, POSIX_READS,   A_INO,                                                 R_DATA)                       \
    X(STATFS,           23, POSIX_READS,   0,                                                     R_TOTAL | R_FREE | R_INODES)  \
    X(READ,             24, POSIX_READS,   A_INO | A_OFF | A_LEN,                                 R_ATTR | R_DATA)              \
    X(SEEK,             25, POSIX_READS,   A_INO | A_OFF | A_FLAGS,                               R_VALUE)                      \
    X(FSYNC,            26, POSIX_READS,   0,                                                     0)                            \
    X(OPEN,             32, POSIX_HOLDS,   A_INO | A_HANDLE,                                      R_ATTR)                       \
    X(RELEASE,          33, POSIX_HOLDS,   A_HANDLE,                                              0)                            \
    X(SETATTR,          48, POSIX_CHANGES, A_INO | A_VALID | A_MODE | A_UID | A_GID | A_SIZE | A_ATIME | A_MTIME | A_CTIME, R_ATTR) \
    X(CREATE,           49, POSIX_CHANGES, A_INO | A_NAME | A_MODE | A_UID | A_GID | A_FLAGS | A_HANDLE, R_ATTR | R_FLAGS)      \
    X(MKDIR,            50, POSIX_CHANGES, A_INO | A_NAME | A_MODE | A_UID | A_GID,               R_ATTR)                       \
    X(SYMLINK,          51, POSIX_CHANGES, A_INO | A_NAME | A_NAME2 | A_UID | A_GID,              R_ATTR)                       \
    X(MKNOD,            52, POSIX_CHANGES, A_INO | A_NAME | A_TYPE | A_MODE | A_UID | A_GID | A_RDEV, R_ATTR)                   \
    X(LINK,             53, POSIX_CHANGES, A_INO | A_INO2 | A_NAME,                               R_ATTR)                       \
    X(UNLINK,           54, POSIX_CHANGES, A_INO | A_NAME,                                        R_ATTR)                       \
    X(RMDIR,            55, POSIX_CHANGES, A_INO | A_NAME,                                        0)                            \
    X(RENAME,           56, POSIX_CHANGES, A_INO | A_INO2 | A_NAME | A_NAME2 | A_FLAGS,           0)                            \
    X(WRITE,            57, POSIX_CHANGES, A_INO | A_OFF | A_FLAGS | A_DATA,                      R_VALUE | R_ATTR)             \
    X(PUNCH,            58, POSIX_CHANGES, A_INO | A_OFF | A_LEN,                                 R_ATTR)                       \
    X(COPY,             59, POSIX_CHANGES, A_INO | A_INO2 | A_OFF | A_OFF2 | A_LEN,               R_VALUE | R_ATTR)             \
    X(SETXATTR,         60, POSIX_CHANGES, A_INO | A_NAME | A_FLAGS | A_DATA,                     R_ATTR)                       \
    X(REMOVEXATTR,      61, POSIX_CHANGES, A_INO | A_NAME,                                        R_ATTR)                       \
    X(MKROOT,           62, POSIX_CHANGES, A_NAME | A_NAME2 | A_MODE | A_UID | A_GID,             R_ATTR)
/* clang-format on */

enum posix_code {
#define X(name, code, class, arguments, result) POSIX_##name = code,
    POSIX_OPERATIONS(X)
#undef X
};

/* The class of a code; -ENOSYS when there is no such operation. */
int posix_class_of(uint16_t code);
/* "LOOKUP", static; "?" for an unknown one. For logs. */
const char *posix_name_of(uint16_t code);

/* An inode's number in an argument; 0 is the current inode: the one whose attributes the last successful operation of
 * this compound gave. */
#define POSIX_INO_CURRENT 0u
/* The inode above the buckets: the root of a mount of the whole endpoint. */
#define POSIX_INO_ROOT 1u

#define POSIX_OP_CONTINUE 0x0001u /* mark: a failure of this operation does not end the compound */

/* flags */
#define POSIX_RECLAIM_DONE 0x1u  /* SESSION_RECLAIM: the last of the lists */
#define POSIX_READDIR_ATTRS 0x1u /* READDIR: with attributes */
#define POSIX_READDIR_BODIES                                                                                           \
    0x2u /* READDIR: with whole bodies of up to size bytes, where that needs no drive; implies ATTRS */
#define POSIX_SEEK_HOLE 0x1u   /* SEEK: for a hole; else for data */
#define POSIX_CREATE_EXCL 0x1u /* CREATE: EEXIST when the name is there; else a file that is there is opened */
#define POSIX_RENAME_NOREPLACE 0x1u
#define POSIX_RENAME_EXCHANGE 0x2u
#define POSIX_WRITE_END 0x1u /* WRITE: at the end of the file as it is then (O_APPEND); off is ignored */
#define POSIX_XATTR_CREATE 0x1u
#define POSIX_XATTR_REPLACE 0x2u
/* result flags */
#define POSIX_OPENED_ANEW 0x1u /* SESSION_OPEN: this call made the session; else it was there (a repeated call) */
#define POSIX_READDIR_EOF 0x1u /* READDIR: no entry follows */
#define POSIX_CREATED 0x1u     /* CREATE: the file is new */

/* valid, of SETATTR */
#define POSIX_SET_MODE 0x001u
#define POSIX_SET_UID 0x002u
#define POSIX_SET_GID 0x004u
#define POSIX_SET_SIZE 0x008u
#define POSIX_SET_ATIME 0x010u
#define POSIX_SET_MTIME 0x020u
#define POSIX_SET_CTIME 0x040u
#define POSIX_SET_ATIME_NOW 0x080u /* the server's time */
#define POSIX_SET_MTIME_NOW 0x100u
#define POSIX_SET_GROW 0x200u /* with SIZE: only when it makes the file longer (fallocate) */
#define POSIX_SET_ALL 0x3ffu

enum posix_type { POSIX_FILE = 1, POSIX_DIR, POSIX_LINK_SYMBOLIC, POSIX_FIFO, POSIX_SOCKET, POSIX_CHAR, POSIX_BLOCK };

struct posix_attr {
    uint64_t ino;
    uint64_t version; /* grows with every change of contents or entries: the caches' validator */
    uint64_t size;    /* bytes */
    uint64_t blocks;  /* bytes that are not holes */
    uint64_t rdev;
    uint64_t parent;                    /* of a directory: the one that holds it; else 0 */
    int64_t atime, mtime, ctime, btime; /* ns since 1970 */
    uint32_t mode;                      /* permission bits, 07777 */
    uint32_t uid, gid;
    uint32_t nlink;
    uint32_t type; /* enum posix_type */
};
#define POSIX_ATTR_SIZE 100 /* bytes on the wire */

/* One operation; the fields that its row does not name are zero. What they mean is in POSIX.md, operation by operation.
 */
struct posix_op {
    uint16_t code;  /* enum posix_code */
    uint16_t marks; /* POSIX_OP_… */
    uint64_t ino, ino2;
    uint64_t handle;
    uint64_t off, off2, len;
    uint64_t size, rdev;
    int64_t atime, mtime, ctime;
    uint32_t valid, flags, count, type;
    uint32_t mode, uid, gid;
    struct span name, name2, data;
};

struct posix_result {
    uint16_t code;   /* the operation's */
    uint16_t status; /* 0, or an errno, and then all below is zero */
    uint64_t value;
    uint64_t events;
    uint64_t total, free, inodes;
    uint32_t flags, count;
    struct posix_attr attr;
    struct span data;
};

/* ================================================================ a compound: the request */

struct posix_request {
    uint8_t session[POSIX_SESSION_ID];
    uint64_t generation; /* as SESSION_OPEN gave it; 0 in SESSION_OPEN itself */
    uint64_t sequence;   /* 1 …, grows with every new compound of a slot; a repetition keeps it */
    uint16_t slot;       /* 0 … POSIX_SLOTS - 1, or POSIX_SLOT_NONE */
    uint16_t count;      /* of operations; set by posix_request_end and by the decoder */
};

/* Writing: begin, then one posix_op_add for each operation, then end. The errors of buf_add stick to the buffer
 * (buf.failed); -EINVAL for an unknown code or a field over its limit; CAIRN_ETOOBIG past POSIX_OPS_MAX or
 * POSIX_REQUEST_MAX. An operation that can't be added leaves the buffer as it was, so a caller sends what it has and
 * begins anew. */
int posix_request_begin(struct buf *out, const struct posix_request *request);
int posix_op_add(struct buf *out, const struct posix_op *op);
int posix_request_end(struct buf *out);
/* Puts another session, generation, slot and sequence into an encoded request: the same operations, sent anew. */
void posix_request_readdress(struct buf *out, const struct posix_request *request);

/* Reading: the header, then posix_op_next until it gives 0. CAIRN_ESYNTAX. */
int posix_request_decode(struct span bytes, struct posix_request *ret_request, struct span *ret_ops);
/* 1 and the operation; 0 at the end; -ENOSYS for an unknown code (its code is set, and *rest moved past it);
 * CAIRN_ESYNTAX. */
int posix_op_next(struct span *rest, struct posix_op *ret_op);

/* ================================================================ a compound: the reply */

struct posix_reply {
    uint64_t instance; /* another number for each start of the server, and after each commit that failed: POSIX.md,
                          Durability */
    uint64_t sequence; /* the request's */
    uint64_t commit;   /* of a compound of POSIX_CHANGES: grows in the order in which they ran, in one instance */
    uint16_t status;   /* 0: the results say how it went; else nothing ran, and there are none */
    uint16_t flags;    /* POSIX_REPLAYED */
    uint16_t count;    /* of results: the operations that ran, the failed last one included */
};
#define POSIX_REPLAYED 0x1u /* the stored reply of the first time */

int posix_reply_begin(struct buf *out, const struct posix_reply *reply);
/* Appends a result of code and status, fields as its row says. */
int posix_result_add(struct buf *out, const struct posix_result *result);
int posix_reply_end(struct buf *out);
/* Changes an encoded reply in place: its instance; and that it is a stored one. */
void posix_reply_set_instance(struct buf *out, uint64_t instance);
void posix_reply_set_replayed(struct buf *out);

int posix_reply_decode(struct span bytes, struct posix_reply *ret_reply, struct span *ret_results);
/* 1 and the result; 0 at the end; CAIRN_ESYNTAX. */
int posix_result_next(struct span *rest, struct posix_result *ret_result);

/* A result with room for len bytes of data that are filled in later: *ret_at is the data's offset in out (the buffer
 * may move). */
int posix_result_reserve(struct buf *out, const struct posix_result *result, size_t len, size_t *ret_at);
/* The reserved data could not be had: turns the result into a failure, in place. at and len as reserved. */
void posix_result_spoil(struct buf *out, const struct posix_result *result, size_t at, uint16_t status);
/* The most that a result of this code takes on the wire; 0 for the bulk ones, which are bounded by their arguments. */
size_t posix_result_max(uint16_t code);

/* ---- READDIR's data: entries one after another ---- */

struct posix_entry {
    uint64_t ino;
    uint32_t type; /* enum posix_type */
    bool has_attr;
    bool has_body; /* body is the whole file, of attr.version */
    struct span name;
    struct posix_attr attr;
    struct span body;
};
int posix_entry_add(struct buf *out, const struct posix_entry *entry);
size_t posix_entry_size(const struct posix_entry *entry); /* bytes that posix_entry_add writes */
/* 1, 0 at the end, CAIRN_ESYNTAX. */
int posix_entry_next(struct span *rest, struct posix_entry *ret_entry);

/* ---- SESSION_RECLAIM's data: (handle, inode) pairs; its result's data: the handles that are lost ---- */
int posix_handle_add(struct buf *out, uint64_t handle, uint64_t ino);
int posix_handle_next(struct span *rest, uint64_t *ret_handle, uint64_t *ret_ino); /* 1, 0 at the end, CAIRN_ESYNTAX */
int posix_lost_add(struct buf *out, uint64_t handle);
int posix_lost_next(struct span *rest, uint64_t *ret_handle); /* 1, 0 at the end, CAIRN_ESYNTAX */

/* ================================================================ data and push: what stands in the query */

#define POSIX_OFF_END UINT64_MAX /* off=end: append */

/* Parameters of data and push. They are in the query, since the query is always signed. given says which of them are
 * there. */
#define POSIX_GIVEN_SESSION 0x001u
#define POSIX_GIVEN_GENERATION 0x002u
#define POSIX_GIVEN_INO 0x004u
#define POSIX_GIVEN_OFF 0x008u
#define POSIX_GIVEN_LEN 0x010u
#define POSIX_GIVEN_SLOT 0x020u
#define POSIX_GIVEN_SEQUENCE 0x040u
#define POSIX_GIVEN_SYNC 0x080u
#define POSIX_GIVEN_AFTER 0x100u
#define POSIX_GIVEN_GET 0x01fu  /* what a data GET takes, all of it needed */
#define POSIX_GIVEN_PUT 0x06fu  /* what a data PUT needs; SYNC beside it */
#define POSIX_GIVEN_PUSH 0x103u /* what push takes, all of it needed */
struct posix_stream {
    uint32_t given;                    /* POSIX_GIVEN_… */
    uint8_t session[POSIX_SESSION_ID]; /* session=, 32 hex digits */
    uint64_t generation;               /* generation=, decimal as all that follow */
    uint64_t ino;                      /* ino= */
    uint64_t off;                      /* off=; of a PUT also "end": POSIX_OFF_END */
    uint64_t len;                      /* len= */
    uint64_t slot, sequence;           /* slot=, sequence= */
    uint64_t sync;                     /* sync=1: durable before the reply */
    uint64_t after;                    /* after=: the sequence of the last frame seen; at first SESSION_OPEN's events */
};
/* Appends "cairn=KIND&…" with what is given, without '?', in the order of the names, as SigV4 sorts them. kind is
 * "data" or "push". */
int posix_query_add(struct buf *out, const char *kind, const struct posix_stream *stream);
/* Takes one decoded parameter in. 0; CAIRN_ESYNTAX when it is none of ours, given twice or not well-formed. "cairn"
 * itself and X-Amz-… are not for this call. */
int posix_query_take(struct span name, struct span value, struct posix_stream *stream);

/* Headers of a data GET's reply, decimal: version and size of the file in the snapshot that the bytes are of. */
#define POSIX_HEADER_VERSION "x-cairn-version"
#define POSIX_HEADER_SIZE "x-cairn-size"

/* ================================================================ push frames */

enum posix_frame_kind {
    POSIX_FRAME_ALIVE = 1, /* nothing changed; the first frame of every stream too */
    POSIX_FRAME_ENTRY,     /* the entry name of directory dir came, went, or names another inode now: ino, or 0 */
    POSIX_FRAME_DATA, /* contents and attributes of ino changed; version is the new one, or 0 when it is not known */
    POSIX_FRAME_ATTR, /* attributes of ino changed */
    POSIX_FRAME_ALL   /* frames were lost: forget everything cached */
};
struct posix_frame {
    enum posix_frame_kind kind;
    uint64_t sequence; /* events of this session so far, this one included */
    uint64_t ino, dir, version;
    struct span name;
};
int posix_frame_add(struct buf *out, const struct posix_frame *frame);
/* Takes the next whole frame from *rest: 1; 0 when more bytes are needed; CAIRN_ESYNTAX: the stream can't be followed
 * any more. */
int posix_frame_next(struct span *rest, struct posix_frame *ret_frame);

#endif
