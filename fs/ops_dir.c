#include <stdlib.h>

#include "fs/ops.h"
#include "fs/writeback.h"

static struct listing *listing_of(struct fuse_file_info *fi)
{
    return (struct listing *)(uintptr_t)fi->fh;
}

static void op_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
    struct fs *fs = fuse_req_userdata(req);
    struct inode *inode = inode_of(req, node);
    struct listing *listing;

    if (!inode)
        return;
    int error = listing_new(fs, inode, &listing);
    if (error < 0) {
        inode_put(fs->inodes, &inode);
        reply_error(req, error);
        return;
    }
    fi->fh = (uintptr_t)listing;
    if (fuse_reply_open(req, fi) != 0)
        listing_free(&listing);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
    struct listing *listing = listing_of(fi);

    (void)node;
    listing_free(&listing);
    fuse_reply_err(req, 0);
}

/* ---- reading ---- */

/* The reply under construction. */
struct fill {
    struct request *r;
    struct listing *listing;
    bool plus;
    char *bytes;
    size_t size, used;
    uint64_t from, position; /* of the first entry, and of the next */
    uint64_t *given;         /* inodes whose lookup was counted */
    size_t given_count;
};

#define ENTRY_PLUS_MIN 128 /* bytes, fewer than any entry with attributes takes */

static mode_t dirent_mode(uint32_t type)
{
    static const mode_t modes[] = {
        [POSIX_FILE] = S_IFREG,    [POSIX_DIR] = S_IFDIR,  [POSIX_LINK_SYMBOLIC] = S_IFLNK, [POSIX_FIFO] = S_IFIFO,
        [POSIX_SOCKET] = S_IFSOCK, [POSIX_CHAR] = S_IFCHR, [POSIX_BLOCK] = S_IFBLK};

    return type < sizeof modes / sizeof modes[0] ? modes[type] : 0;
}

static bool is_dirty(struct fs *fs, uint64_t ino)
{
    struct inode *inode = inode_find(fs->inodes, ino);
    bool dirty = inode && writeback_dirty(inode);

    inode_put(fs->inodes, &inode);
    return dirty;
}

/* Whether the entry's attributes are still what is to be shown: nothing has changed since its page was asked for. */
static bool entry_is_current(struct fs *fs, uint64_t dir, const struct posix_entry *entry, uint64_t since)
{
    return entry->has_attr && !changed_inode(&fs->changes, entry->ino, since) &&
           !changed_name(&fs->changes, dir, entry->name, since) && !is_dirty(fs, entry->ino);
}

static size_t entry_size(struct fill *f, const char *name)
{
    return f->plus ? fuse_add_direntry_plus(f->r->req, NULL, 0, name, NULL, 0)
                   : fuse_add_direntry(f->r->req, NULL, 0, name, NULL, 0);
}

/* A node id of 0 tells the kernel nothing but the name. */
static void put_entry(struct fill *f, const char *name, const struct fuse_entry_param *entry)
{
    char *at = f->bytes + f->used;
    size_t room = f->size - f->used;

    f->position++;
    f->used += f->plus ? fuse_add_direntry_plus(f->r->req, at, room, name, entry, (off_t)f->position)
                       : fuse_add_direntry(f->r->req, at, room, name, &entry->attr, (off_t)f->position);
}

/* False: no room. */
static bool add_dot(struct fill *f, const char *name, uint64_t ino)
{
    struct fuse_entry_param entry = {.attr = {.st_ino = ino, .st_mode = S_IFDIR}};

    if (entry_size(f, name) > f->size - f->used)
        return false;
    put_entry(f, name, &entry);
    return true;
}

/* 1; 0: no room; -ENOMEM. */
static int add_entry(struct fill *f, const struct posix_entry *e, uint64_t since)
{
    struct fs *fs = f->r->fs;
    struct fuse_entry_param entry = {.attr = {.st_ino = e->ino, .st_mode = dirent_mode(e->type)}};
    uint64_t dir = listing_ino(f->listing);
    char name[POSIX_NAME_MAX + 1];
    struct inode *inode = NULL;

    memcpy(name, e->name.ptr, e->name.len);
    name[e->name.len] = '\0';
    if (entry_size(f, name) > f->size - f->used)
        return 0;
    if (f->plus && entry_is_current(fs, dir, e, since)) {
        int r = entry_fill(f->r, dir, e->name, &e->attr, fs_valid_name(fs, dir, e->name, since),
                           fs_valid_inode(fs, e->ino, since), &entry, &inode);
        if (r < 0)
            return r;
        pthread_mutex_lock(&inode->lock);
        fs_learn(fs, inode, &e->attr, since);
        pthread_mutex_unlock(&inode->lock);
        inode_put(fs->inodes, &inode);
        f->given[f->given_count++] = e->ino;
    }
    put_entry(f, name, &entry);
    return 1;
}

static int fill_entries(struct fill *f)
{
    struct posix_entry entry;
    uint64_t since;
    int r = 1;

    while (r == 1 && f->position < LISTING_FIRST) {
        uint64_t ino = listing_ino(f->listing);
        bool self = f->position == 0;
        int error = self ? 0 : listing_parent(f->listing, &ino);
        r = error < 0 ? error : add_dot(f, self ? "." : "..", ino);
    }
    while (r == 1) {
        r = listing_entry(f->listing, &f->position, f->plus, &entry, &since);
        if (r == 1)
            r = add_entry(f, &entry, since);
    }
    return f->used > 0 ? 0 : r; /* an error comes up again at the next call */
}

/* The kernel did not take the reply. */
static void undo(struct fill *f)
{
    for (size_t i = 0; i < f->given_count; i++)
        entry_undo(f->r->fs, f->given[i]);
}

/* Something has changed while the reply was on its way: what it concerns is told again. */
static void recheck(struct fill *f)
{
    struct request r = *f->r;
    struct posix_entry entry;
    uint64_t position = f->from > LISTING_FIRST ? f->from : LISTING_FIRST;

    for (; position < f->position; position++) {
        if (listing_entry(f->listing, &position, true, &entry, &r.since) != 1)
            break;
        entry_recheck(&r, listing_ino(f->listing), entry.name, entry.ino);
    }
}

static void read_dir(fuse_req_t req, size_t size, off_t off, struct fuse_file_info *fi, bool plus)
{
    struct request r;

    if (!request_begin(&r, req))
        return;
    struct fill f = {.r = &r,
                     .listing = listing_ref(listing_of(fi)),
                     .plus = plus,
                     .bytes = malloc(size),
                     .size = size,
                     .from = (uint64_t)off,
                     .position = (uint64_t)off,
                     .given = plus ? calloc(size / ENTRY_PLUS_MIN + 1, sizeof(uint64_t)) : NULL};
    listing_lock(f.listing);
    if (off == 0)
        listing_rewind(f.listing);
    int error = f.bytes && (f.given || !plus) ? fill_entries(&f) : -ENOMEM;
    if (error < 0) {
        reply_error(req, error == -ESTALE ? -ENOENT : error); /* removed: the end, to readdir(3) */
    } else {
        uint64_t now = changes_now(&r.fs->changes);
        if (fuse_reply_buf(req, f.bytes, f.used) != 0)
            undo(&f);
        else if (plus && changes_now(&r.fs->changes) != now)
            recheck(&f);
    }
    listing_unlock(f.listing);
    listing_free(&f.listing);
    free(f.bytes);
    free(f.given);
    request_end(&r);
}

static void op_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)node;
    read_dir(req, size, off, fi, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t node, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)node;
    read_dir(req, size, off, fi, true);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t node, int datasync, struct fuse_file_info *fi)
{
    struct fs *fs = fuse_req_userdata(req);
    struct inode *inode = inode_of(req, node);

    (void)datasync, (void)fi;
    if (!inode)
        return;
    request_note(req);
    reply_error(req, writeback_flush(fs, inode, NULL, true, NULL));
    request_unnote();
    inode_put(fs->inodes, &inode);
}

void ops_dir(struct fuse_lowlevel_ops *ops)
{
    ops->opendir = op_opendir;
    ops->releasedir = op_releasedir;
    ops->readdir = op_readdir;
    ops->readdirplus = op_readdirplus;
    ops->fsyncdir = op_fsyncdir;
}
