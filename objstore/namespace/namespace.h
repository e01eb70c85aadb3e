/*
 * Namespace: the tree of buckets, directories and inodes that S3 and POSIX both see.
 *
 * A bucket is a directory of the root (inode NS_ROOT). An S3 key is a path from its bucket; a directory entry's name is
 * stored with a trailing '/' when it is a directory, so that a depth-first walk is S3's byte order. The rules of
 * both views are the table in objstore/namespace/README.md.
 *
 * Every call works inside a transaction: a view (ns_view_begin) is a consistent snapshot to read; a mutation (ns_apply)
 * reads and changes. A call marked [mutation] needs a mutation; it checks everything before its own first write.
 * Several can follow one another in a mutation; when its function answers an error, what it wrote is undone, which
 * costs the batch that it shares with others: so check first, and write after. Spans that a call gives live until the
 * transaction ends or, in a mutation, until its next change, unless an arena is passed; an inode's attrs live until it
 * ends in both.
 *
 * Names come in two forms. S3 calls take keys, as they are. POSIX calls take names as a mount shows them: entries that
 * a mount can't show under their own name (an object beside a directory of its name; "", ".", ".."; more than 255
 * bytes) appear under a reversible escape (name.h).
 */
#ifndef CAIRN_NAMESPACE_H
#define CAIRN_NAMESPACE_H

#include "objstore/base/arena.h"
#include "objstore/base/span.h"
#include "objstore/data/data.h"
#include "objstore/index/index.h"

#define NS_ROOT 1u                    /* the inode whose entries are the buckets */
#define NS_KEY_MAX 1024               /* bytes of an S3 key */
#define NS_NAME_MAX 255               /* bytes of a name in a mount */
#define NS_PATH_MAX 4096              /* bytes of a symlink's target */
#define NS_INLINE_MAX 8160            /* bytes of a body that lies in the index itself: two LMDB pages */
#define NS_INLINE_FILE_MAX (1u << 20) /* bytes of one file that lie there, about */
#define NS_XATTR_MAX 65536            /* bytes of one extended attribute's value */
#define NS_LINK_MAX 65000

struct ns;
struct ns_txn;

/* ================================================================ life and transactions */

int ns_open(struct index *index, struct data *data, struct ns **ret_ns);
void ns_close(struct ns **ns);

int ns_view_begin(struct ns *ns, struct ns_txn **ret_txn);
void ns_view_end(struct ns_txn **txn);

/* As index_apply, with the same rules for fn: it may run more than once, on another thread, and must not block. */
typedef int ns_mutation(struct ns_txn *txn, void *arg);
int ns_apply(struct ns *ns, ns_mutation *fn, void *arg, enum index_wait wait);
/* As index_flush, index_mark, index_flush_since: a caller that waited for INDEX_APPLIED learns of a failed commit by
 * its mark. */
int ns_flush(struct ns *ns);
uint64_t ns_mark(struct ns *ns);
int ns_flush_since(struct ns *ns, uint64_t *mark);

/* The time of this transaction, ns since 1970: every change of one mutation bears the same. */
int64_t ns_txn_now(const struct ns_txn *txn);
/* For records of other layers (tags 'Z' and 'R' are the POSIX sessions' and their replies'; ours are in format.h). */
struct index_txn *ns_txn_index(struct ns_txn *txn);

/* ================================================================ inodes */

enum inode_type { INODE_FILE = 1, INODE_DIR, INODE_SYMLINK, INODE_FIFO, INODE_SOCKET, INODE_CHAR, INODE_BLOCK };

#define INODE_IMPLICIT 0x01u   /* a directory that exists only because of the keys below it */
#define INODE_ETAG_MD5 0x02u   /* etag is the MD5 of the body: an S3 PUT */
#define INODE_ETAG_PARTS 0x04u /* etag is the MD5 of the parts' MD5s, and parts their number: a multipart upload */
                               /* neither: opaque, after a POSIX write */
struct inode {
    uint64_t ino;
    enum inode_type type;
    uint32_t mode; /* permission bits, 07777 */
    uint32_t uid, gid;
    uint32_t nlink;
    uint32_t flags;                     /* INODE_… */
    uint64_t rdev;                      /* INODE_CHAR, INODE_BLOCK */
    uint64_t size;                      /* bytes */
    uint64_t blocks;                    /* bytes that its extents cover; holes don't count */
    int64_t atime, mtime, ctime, btime; /* ns since 1970 */
    uint64_t parent;  /* INODE_DIR: the directory that holds it; NS_ROOT for a bucket and for the root */
    uint64_t body;    /* the namespace's own: the number that its extents are keyed by, */
    uint64_t inlined; /* the bytes that lie in the index, */
    uint64_t tidy_at; /* and their number at which they are worth a look again */
    uint64_t version; /* grows with every change of contents (and of a directory's entries): the caches' validator */
    uint8_t etag[16];
    uint32_t parts;
    struct span attrs; /* packed attributes: attrs_next() */
};

/* The ETag as S3 shows it, without quotes: 32 hex digits, "-N" behind it for parts, "-1" with a hash of identity and
 * version for an opaque one. A directory and the other types have an opaque one or the MD5 of nothing. */
#define INODE_ETAG_MAX 48
void inode_etag(const struct inode *inode, char ret_text[INODE_ETAG_MAX]);

/* Packed attributes of an inode: what S3 returns as headers, and a symlink's target. */
enum attr_tag {
    ATTR_HEADER = 1,         /* name: lower-case header ("content-type", "cache-control" …), value as given */
    ATTR_META,               /* name: what follows x-amz-meta-, lower case; value as given */
    ATTR_CHECKSUM,           /* name: one byte, enum hash_kind; value: the raw digest, big-endian. FULL_OBJECT */
    ATTR_CHECKSUM_COMPOSITE, /* likewise, the checksum of the parts' checksums */
    ATTR_TARGET,             /* a symlink's target */
    ATTR_TAG                 /* object tagging: name and value */
};
struct attr {
    enum attr_tag tag;
    struct span name, value;
};
#define ATTRS_MAX (64u << 10)
/* Appends; names up to 65535 bytes. The errors of buf_add. */
int attrs_add(struct buf *packed, enum attr_tag tag, struct span name, struct span value);
/* Takes the next attribute from *rest: 1, 0 at the end, CAIRN_ECORRUPT. */
int attrs_next(struct span *rest, struct attr *ret_attr);
/* The value of the first attribute with this tag and name, or false. */
bool attrs_find(struct span packed, enum attr_tag tag, struct span name, struct span *ret_value);

/* 0, -ESTALE when there is no such inode (any more). */
int ns_inode(struct ns_txn *txn, uint64_t ino, struct inode *ret_inode);

/* ================================================================ bodies */

/* A body on its way in. Up to NS_INLINE_MAX bytes stay in memory, more go to a blob; memory is bounded either way. */
struct body_writer;
/* Exactly length bytes, 0 … 5 GiB. CAIRN_ETOOBIG, -ENOSPC, CAIRN_EQUORUM, -ENOMEM. */
int body_writer_new(struct ns *ns, uint64_t length, struct body_writer **ret_writer);
/* The same for ns_write into ino: when the index holds NS_INLINE_FILE_MAX bytes of that file already, short bodies go
 * to blobs too, so that neither the index nor a reader has more of one file. ino 0: a file that is only being made. */
int body_writer_new_for(struct ns *ns, uint64_t ino, uint64_t length, struct body_writer **ret_writer);
/* Blocks on the drives. CAIRN_ETOOBIG past the length. */
int body_write(struct body_writer *writer, const void *bytes, size_t len);
/* All is given (else -EINVAL); waits until it is on stable storage (what goes to the index becomes so with the
 * mutation). */
int body_writer_finish(struct body_writer *writer);
void body_writer_free(struct body_writer **writer); /* always; gives back what no mutation has linked. Accepts NULL */

/* A body on its way out: a range of a file as the transaction saw it, readable after the transaction has ended. */
struct body_reader;
/* [off, off + len) cut at the size; of a symlink, of its target. Takes some 40 bytes for each extent of the range, and
 * a copy of the bytes that lie in the index. 0; -ENOMEM; CAIRN_ECORRUPT. */
int body_reader_new(struct ns_txn *txn, const struct inode *inode, uint64_t off, uint64_t len,
                    struct body_reader **ret_reader);
uint64_t body_reader_length(const struct body_reader *reader);
/* When the whole range is bytes of the index (a small object): them, living as long as the reader; else false. */
bool body_reader_inline(const struct body_reader *reader, struct span *ret_bytes);
/* The next bytes, up to len, in order; 0 at the end; holes read as zeros. Blocks on the drives. CAIRN_EBITROT, -EIO. */
ptrdiff_t body_read(struct body_reader *reader, void *ret_bytes, size_t len);
void body_reader_free(struct body_reader **reader);

/* ================================================================ buckets */

struct ns_owner {
    uint32_t uid, gid, mode;
};

/* [mutation] 0; CAIRN_EBUCKETEXISTS; CAIRN_EBADNAME (empty, '/' or NUL in it, over 63 bytes; the S3 layer checks the
 * finer rules, ns_create has them from name.h). attrs: packed, may be empty. */
int ns_bucket_create(struct ns_txn *txn, struct span name, struct ns_owner owner, struct span attrs,
                     struct inode *ret_bucket);
int ns_bucket_find(struct ns_txn *txn, struct span name, struct inode *ret_bucket); /* CAIRN_ENOBUCKET */
/* [mutation] CAIRN_ENOBUCKET, CAIRN_EBUCKETNOTEMPTY (objects; uploads under way are aborted, as S3 has it). */
int ns_bucket_delete(struct ns_txn *txn, struct span name);
/* The first bucket whose name is greater than after, in byte order; the name is put into arena. CAIRN_ENOBUCKET at the
 * end. */
int ns_bucket_next(struct ns_txn *txn, struct span after, struct arena *arena, struct span *ret_name,
                   struct inode *ret_bucket);

/* ================================================================ keys: the S3 view */

/* The object with this key (which may end in '/': an explicit directory). CAIRN_ENOKEY, CAIRN_EKEYTOOLONG. */
int ns_key_find(struct ns_txn *txn, uint64_t bucket, struct span key, struct inode *ret_inode);

/* Called in the mutation before anything is written, with the object that stands under the key now, or NULL. A negative
 * answer ends the mutation. */
typedef int ns_check(const struct inode *current, void *arg);

struct ns_put {
    struct body_writer *body; /* finished; NULL for an empty body */
    struct span attrs;        /* packed */
    uint32_t flags;           /* INODE_ETAG_MD5 or 0 */
    uint8_t etag[16];
    const struct ns_owner
        *owner; /* mode, uid, gid; NULL: those of the object it replaces, else its directory's owner and 0644 or 0755 */
    int64_t mtime;   /* 0: now; S3's Last-Modified is the mtime */
    ns_check *check; /* may be NULL */
    void *check_arg;
};
/* [mutation] A new inode takes the place of what stands under key; missing directories appear, implicit. Old handles
 * keep the old bytes. key may end in '/'. 0; CAIRN_EKEYTOOLONG; CAIRN_EBADNAME; check's. */
int ns_key_put(struct ns_txn *txn, uint64_t bucket, struct span key, const struct ns_put *put, struct inode *ret_inode);

/* [mutation] Likewise with the body [off, off + len) of inode source, sharing its blobs (CopyObject): put->body must be
 * NULL. -ESTALE, CAIRN_EBADRANGE. */
int ns_key_copy(struct ns_txn *txn, uint64_t source, uint64_t off, uint64_t len, uint64_t bucket, struct span key,
                const struct ns_put *put, struct inode *ret_inode);
/* [mutation] Adds a finished body at offset, which must be the object's size (append with x-amz-write-offset-bytes):
 * CAIRN_EBADRANGE otherwise. The inode stays; checksums are dropped from its attributes, or put->attrs takes their
 * place when it is not empty. CAIRN_ENOKEY. */
int ns_key_append(struct ns_txn *txn, uint64_t bucket, struct span key, uint64_t offset, const struct ns_put *put,
                  struct inode *ret_inode);
/* [mutation] Replaces the packed attributes only (tagging). */
int ns_key_set_attrs(struct ns_txn *txn, uint64_t bucket, struct span key, struct span attrs, struct inode *ret_inode);
/* [mutation] Removes the object; implicit directories that this empties vanish. CAIRN_ENOKEY when there is none (S3
 * answers 204). */
int ns_key_delete(struct ns_txn *txn, uint64_t bucket, struct span key, ns_check *check, void *check_arg);
/* [mutation] Renames an object in one step (S3 RenameObject). */
int ns_key_rename(struct ns_txn *txn, uint64_t bucket, struct span from, struct span to, ns_check *check_from,
                  ns_check *check_to, void *check_arg);

/* A depth-first walk of a bucket in exact byte order of the keys. */
struct ns_walk;
/* Of the keys that begin with prefix. */
int ns_walk_open(struct ns_txn *txn, uint64_t bucket, struct span prefix, struct ns_walk **ret_walk);
/* Moves to the first key at or after key (one lookup per component, whatever lies between); the next ns_walk_next gives
 * it. */
int ns_walk_seek(struct ns_walk *walk, struct span key);
/* The next object: its whole key (living until the next call) and, unless NULL, its inode. Explicit directories come as
 * "d/". A path over 1024 bytes comes too. CAIRN_ENOKEY at the end. */
int ns_walk_next(struct ns_walk *walk, struct span *ret_key, struct inode *ret_inode);
void ns_walk_close(struct ns_walk **walk);

/* ================================================================ multipart uploads */

#define NS_UPLOAD_ID_MAX 64 /* with the NUL; text of [A-Za-z0-9_.-] */
#define NS_PART_MAX 10000
#define NS_PART_MIN_SIZE (5u << 20)

struct ns_upload {
    uint64_t ino; /* of the hidden inode that holds the upload */
    char id[NS_UPLOAD_ID_MAX];
    struct span key;
    int64_t initiated; /* ns since 1970 */
    struct span attrs; /* packed: those the object will have; checksum algorithm and type as ATTR_CHECKSUM[_COMPOSITE]
                          with an empty value */
};
struct ns_part {
    uint32_t number; /* 1 … NS_PART_MAX */
    uint64_t size;
    int64_t mtime;
    uint8_t md5[16];
    struct span attrs; /* packed: checksums */
};

/* [mutation] */
int ns_upload_create(struct ns_txn *txn, uint64_t bucket, struct span key, struct span attrs,
                     struct ns_upload *ret_upload);
/* CAIRN_ENOUPLOAD also when id belongs to another bucket or key. */
int ns_upload_find(struct ns_txn *txn, uint64_t bucket, struct span key, struct span id, struct ns_upload *ret_upload);
/* [mutation] Puts or replaces a part. body finished, or NULL with a source range to share (UploadPartCopy; then md5 is
 * the caller's opaque value). */
int ns_upload_put_part(struct ns_txn *txn, const struct ns_upload *upload, uint32_t number, struct body_writer *body,
                       const uint8_t md5[16], struct span attrs);
int ns_upload_copy_part(struct ns_txn *txn, const struct ns_upload *upload, uint32_t number, uint64_t source,
                        uint64_t off, uint64_t len, const uint8_t md5[16], struct span attrs);
/* The first part whose number is greater than after. CAIRN_ENOUPLOAD at the end. */
int ns_upload_part_next(struct ns_txn *txn, const struct ns_upload *upload, uint32_t after, struct ns_part *ret_part);
/* [mutation] Makes the parts numbers[0 … count) the object, in this order; others are dropped, the upload ends. put
 * gives attrs, etag (flags INODE_ETAG_PARTS), check; the caller has checked numbers, ETags, order and sizes with
 * ns_upload_part_next in this same mutation. CAIRN_EBADPART. */
int ns_upload_complete(struct ns_txn *txn, uint64_t bucket, const struct ns_upload *upload, const uint32_t *numbers,
                       size_t count, const struct ns_put *put, struct inode *ret_inode);
/* [mutation] */
int ns_upload_abort(struct ns_txn *txn, uint64_t bucket, const struct ns_upload *upload);
/* Uploads of a bucket in order of key, then time: the first after (key, id); an empty id: after all uploads of that
 * key; an empty key: the first. CAIRN_ENOUPLOAD at the end. */
int ns_upload_next(struct ns_txn *txn, uint64_t bucket, struct span after_key, struct span after_id,
                   struct arena *arena, struct ns_upload *ret_upload);
/* The bytes of part number of a completed object: offset and size, its checksums. Parts count from 1 in the object's
 * order, up to inode->parts, whatever numbers they were uploaded with. CAIRN_EBADPART: no such part; an object that is
 * no multipart has part 1, the whole. */
int ns_object_part(struct ns_txn *txn, const struct inode *inode, uint32_t number, uint64_t *ret_off,
                   struct ns_part *ret_part);

/* ================================================================ inodes and names: the POSIX view */

/* One name of a directory. -ENOENT, -ENOTDIR, -ENAMETOOLONG, -ESTALE, -EINVAL ('/' or NUL in it). "." and ".." are
 * answered too. */
int ns_lookup(struct ns_txn *txn, uint64_t dir, struct span name, struct inode *ret_inode);

struct ns_create {
    enum inode_type type;
    uint32_t mode, uid, gid; /* as they shall be; the caller has applied umask and setgid rules */
    uint64_t rdev;
    struct span target; /* INODE_SYMLINK */
};
/* [mutation] mkdir, create, symlink, mknod. In NS_ROOT a directory is a bucket, and nothing else may be made there
 * (-EPERM). -EEXIST; -ENOENT (the directory was removed); -ENOTDIR; -ENAMETOOLONG; -EINVAL: an empty name, '/' or NUL
 * in it, an escape that nothing new can have, or no valid name of a bucket. */
int ns_create(struct ns_txn *txn, uint64_t dir, struct span name, const struct ns_create *create,
              struct inode *ret_inode);
/* [mutation] -EISDIR for a directory. ret_inode: as it is now; nlink 0 means that only holders keep it. */
int ns_unlink(struct ns_txn *txn, uint64_t dir, struct span name, struct inode *ret_inode);
/* [mutation] -ENOTEMPTY, -ENOTDIR; of a bucket: as DeleteBucket. */
int ns_rmdir(struct ns_txn *txn, uint64_t dir, struct span name);
#define NS_RENAME_NOREPLACE 1u
#define NS_RENAME_EXCHANGE 2u
/* [mutation] rename(2), renameat2(2), with their errors. A directory is re-keyed as one entry. -EINVAL into itself;
 * -EXDEV for a bucket that would leave the root, or what would come there; -EEXIST also for an exchange that would
 * put a file in the place of the object beside a directory. */
int ns_rename(struct ns_txn *txn, uint64_t from_dir, struct span from, uint64_t to_dir, struct span to, uint32_t flags);
/* [mutation] -EPERM for a directory, -EMLINK, -ENOENT for an inode without a name; as ns_create for the name. */
int ns_link(struct ns_txn *txn, uint64_t ino, uint64_t dir, struct span name, struct inode *ret_inode);

#define NS_SET_MODE 0x01u
#define NS_SET_UID 0x02u
#define NS_SET_GID 0x04u
#define NS_SET_SIZE 0x08u
#define NS_SET_ATIME 0x10u
#define NS_SET_MTIME 0x20u
#define NS_SET_CTIME 0x40u
struct ns_setattr {
    uint32_t valid; /* NS_SET_… */
    uint32_t mode, uid, gid;
    uint64_t size;
    int64_t atime, mtime, ctime;
};
/* [mutation] ctime becomes now unless given. A new size cuts or extends with a hole. -EFBIG over 8 EiB - 1. */
int ns_setattr(struct ns_txn *txn, uint64_t ino, const struct ns_setattr *set, struct inode *ret_inode);
/* [mutation] Puts a finished body at off of a file, over what is there: a new version, mtime and ctime now, setuid and
 * setgid untouched (the mount drops them). */
int ns_write(struct ns_txn *txn, uint64_t ino, uint64_t off, struct body_writer *body, struct inode *ret_inode);
/* [mutation] Makes [off, off + len) a hole; the size stays. */
int ns_punch(struct ns_txn *txn, uint64_t ino, uint64_t off, uint64_t len, struct inode *ret_inode);
/* [mutation] copy_file_range: shares the blobs. The range is cut at the source's end. -EINVAL when the ranges of one
 * file overlap. */
int ns_copy_range(struct ns_txn *txn, uint64_t from, uint64_t from_off, uint64_t to, uint64_t to_off, uint64_t len,
                  struct inode *ret_inode);
/* The next offset >= off that is data (hole false) or hole (true), as lseek SEEK_DATA and SEEK_HOLE have it. -ENXIO. */
int ns_seek(struct ns_txn *txn, const struct inode *inode, uint64_t off, bool hole, uint64_t *ret_off);

/* The entries of a directory as a mount shows them, without "." and "..", each name once; in the order of the index. */
struct ns_dir;
/* Begins behind the name after, or at the first for an empty one. after is a name as given, with a '/' behind it if it
 * was a directory's; then it need not exist any more. (Without the '/', a directory that is gone since is taken for a
 * file, and a few names may come again; so may names behind a "@cairn.long." one that is gone.) -ENOTDIR, -ESTALE. */
int ns_dir_open(struct ns_txn *txn, uint64_t dir, struct span after, struct ns_dir **ret_dir);
/* The name lives until the next call. -ENOENT at the end. ret_inode may be NULL when only ino and type are wanted. */
int ns_dir_next(struct ns_dir *dir, struct span *ret_name, uint64_t *ret_ino, enum inode_type *ret_type,
                struct inode *ret_inode);
void ns_dir_close(struct ns_dir **dir);

int ns_xattr_get(struct ns_txn *txn, uint64_t ino, struct span name, struct span *ret_value); /* -ENODATA */
#define NS_XATTR_CREATE 1u
#define NS_XATTR_REPLACE 2u
int ns_xattr_set(struct ns_txn *txn, uint64_t ino, struct span name, struct span value,
                 uint32_t flags); /* [mutation] -EEXIST, -ENODATA, -ERANGE, -E2BIG */
int ns_xattr_remove(struct ns_txn *txn, uint64_t ino, struct span name); /* [mutation] -ENODATA */
/* The first name greater than after; -ENODATA at the end. */
int ns_xattr_next(struct ns_txn *txn, uint64_t ino, struct span after, struct span *ret_name);

/* ================================================================ open files without a name */

/* Counts a holder of ino in memory: an inode that is held outlives its last name, also across a restart, until
 * ns_reap_orphans. Any thread. 0; -ENOMEM; -ESTALE when it is gone: called inside a view or mutation that has just
 * found the inode, it does not come too late, but in a view it may learn that the inode has gone meanwhile. A mutation
 * that may run again is to remember that it holds. */
int ns_hold(struct ns_txn *txn, uint64_t ino);
/* Gives it back; with the last holder of a nameless inode its body is reclaimed. */
void ns_unhold(struct ns *ns, uint64_t ino);
/* After a restart and the sessions' grace: reclaims nameless inodes that nobody holds. */
int ns_reap_orphans(struct ns *ns);

/* ================================================================ events */

enum ns_event_kind {
    NS_EVENT_ENTRY, /* the entry name of directory dir came, went or now names another inode */
    NS_EVENT_DATA,  /* contents (and attributes) of ino changed */
    NS_EVENT_ATTR,  /* attributes of ino changed */
    NS_EVENT_LOST   /* a commit has failed: changes that were told of as applied, anybody's, are taken back */
};
struct ns_event {
    enum ns_event_kind kind;
    uint64_t ino;     /* the inode, for ENTRY the one the entry names now, or 0 */
    uint64_t dir;     /* ENTRY */
    struct span name; /* ENTRY: as a mount shows it; lives during the call */
    uint64_t origin;  /* ns_txn_set_origin's, or 0 */
};
/* Who made this mutation: a session leaves out its own events. */
void ns_txn_set_origin(struct ns_txn *txn, uint64_t origin);
/* fn is called on the writer's thread for every change once it is visible, or LOST when it was taken back; it must be
 * quick and must not call back. One subscriber. */
void ns_subscribe(struct ns *ns, void (*fn)(const struct ns_event *event, void *arg), void *arg);

/* ================================================================ space */
struct ns_statfs {
    uint64_t total, free; /* bytes of user data, parity taken off */
    uint64_t inodes;      /* in use */
};
int ns_statfs(struct ns *ns, struct ns_statfs *ret_statfs);

/* ================================================================ verification */

/* One finding, a line for a human without a newline; text lives during the call. */
typedef void ns_report(const char *text, void *arg);
/* Reads every record of one snapshot and checks it against the others: entries, link counts, orphans, extents, uploads,
 * references of blobs. The number of findings, or an error that kept it from its end. Takes as long as the index is
 * large, and some 30 bytes of memory for each inode and extent; the snapshot holds back reuse of the index's pages
 * meanwhile. report may be NULL. */
int64_t ns_verify(struct ns *ns, ns_report *report, void *arg);

#endif
