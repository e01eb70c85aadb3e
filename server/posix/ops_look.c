/*
 * Operations that look: POSIX.md has what each does. They run in a snapshot, or in a mutation among others that change.
 */
#include "server/posix/compound.h"

#define READDIR_LEN_MIN 512u /* the longest name with its attributes fits */

/* ================================================================ names */

int run_lookup(struct compound *c, struct posix_result *result)
{
    struct inode inode;
    uint64_t dir;
    int rc = compound_ino(c, c->op->ino, &dir);
    if (rc == 0)
        rc = compound_name(c->op->name);
    if (rc == 0)
        rc = ns_lookup(c->txn, dir, c->op->name, &inode);
    if (rc == 0)
        compound_attr(result, &inode);
    return rc;
}

/* The bucket of a GETROOT; an empty name is the endpoint. */
static int find_bucket(struct compound *c, struct inode *ret_inode)
{
    struct span name = c->op->name;
    if (c->session->bucket[0] && !span_is(name, c->session->bucket))
        return -EACCES;
    return name.len ? ns_bucket_find(c->txn, name, ret_inode) : ns_inode(c->txn, NS_ROOT, ret_inode);
}

int run_getroot(struct compound *c, struct posix_result *result)
{
    struct span path = c->op->name2;
    struct inode inode;
    int rc = find_bucket(c, &inode);

    while (rc == 0 && path.ptr) {
        struct span name = span_cut(&path, '/');
        if (name.len == 0)
            continue;
        rc = span_is(name, "..") || span_is(name, ".") ? -EINVAL : compound_name(name);
        if (rc == 0)
            rc = ns_lookup(c->txn, inode.ino, name, &inode);
        if (rc == 0 && inode.type != INODE_DIR)
            rc = -ENOTDIR;
    }
    if (rc == 0)
        compound_attr(result, &inode);
    return rc;
}

int run_readlink(struct compound *c, struct posix_result *result)
{
    struct inode inode;
    int rc = compound_inode(c, c->op->ino, &inode);
    if (rc < 0)
        return rc;
    if (inode.type != INODE_SYMLINK)
        return -EINVAL;
    if (!attrs_find(inode.attrs, ATTR_TARGET, SPAN_EMPTY, &result->data) || result->data.len > POSIX_PATH_MAX)
        return CAIRN_ECORRUPT;
    return 0;
}

/* ================================================================ attributes */

int run_getattr(struct compound *c, struct posix_result *result)
{
    struct inode inode;
    int rc = compound_inode(c, c->op->ino, &inode);
    if (rc == 0)
        compound_attr(result, &inode);
    return rc;
}

int run_open(struct compound *c, struct posix_result *result)
{
    int rc = c->op->handle ? run_getattr(c, result) : -EINVAL;
    return rc == 0 ? compound_hold(c, c->op->handle, result->attr.ino) : rc;
}

/* What it does is done after the transaction. */
int run_release(struct compound *c, struct posix_result *result)
{
    (void)result;
    return c->op->handle ? 0 : -EINVAL;
}

int run_statfs(struct compound *c, struct posix_result *result)
{
    result->total = c->statfs.total;
    result->free = c->statfs.free;
    result->inodes = c->statfs.inodes;
    return 0;
}

int run_fsync(struct compound *c, struct posix_result *result)
{
    (void)result;
    c->flush = true;
    return 0;
}

int run_getxattr(struct compound *c, struct posix_result *result)
{
    uint64_t ino;
    int rc = compound_ino(c, c->op->ino, &ino);
    return rc == 0 ? ns_xattr_get(c->txn, ino, c->op->name, &result->data) : rc;
}

int run_listxattr(struct compound *c, struct posix_result *result)
{
    struct span name = SPAN_EMPTY;
    uint64_t ino;
    int rc = compound_ino(c, c->op->ino, &ino);

    buf_clear(&c->scratch);
    while (rc == 0 && (rc = ns_xattr_next(c->txn, ino, name, &name)) == 0) {
        if (c->scratch.len + name.len + 1 > POSIX_XATTR_MAX)
            return -E2BIG;
        buf_add_span(&c->scratch, name);
        rc = buf_add_char(&c->scratch, 0);
    }
    result->data = buf_span(&c->scratch);
    return rc == -ENODATA ? c->scratch.failed : rc;
}

/* ================================================================ directories */

/* The whole body of a small file, where the index has it: then *ret_reader is to be freed after use. */
static bool small_body(struct compound *c, const struct inode *inode, struct span *ret_body,
                       struct body_reader **ret_reader)
{
    if (inode->type != INODE_FILE || inode->size > c->op->size || inode->size > NS_INLINE_MAX)
        return false;
    if (body_reader_new(c->txn, inode, 0, inode->size, ret_reader) < 0)
        return false;
    return inode->size == 0 || body_reader_inline(*ret_reader, ret_body);
}

/* Adds one entry if it fits into max bytes: 1, 0 when it does not, or an error. */
static int add_entry(struct compound *c, struct posix_entry *entry, const struct inode *inode, size_t max)
{
    struct body_reader *reader = NULL;
    struct posix_result attributes;

    if (entry->has_attr) {
        compound_attr(&attributes, inode);
        entry->attr = attributes.attr;
        if (c->op->flags & POSIX_READDIR_BODIES)
            entry->has_body = small_body(c, inode, &entry->body, &reader);
    }
    if (c->scratch.len == 0 && posix_entry_size(entry) > max)
        entry->has_body = false;
    bool fits = c->scratch.len + posix_entry_size(entry) <= max;
    int rc = fits ? posix_entry_add(&c->scratch, entry) : 0;
    body_reader_free(&reader);
    return rc < 0 ? rc : fits;
}

static int add_entries(struct compound *c, struct ns_dir *dir, size_t max, bool *ret_eof)
{
    bool attrs = c->op->flags & (POSIX_READDIR_ATTRS | POSIX_READDIR_BODIES);
    uint32_t left = c->op->count ? c->op->count : UINT32_MAX;
    enum inode_type type;
    struct inode inode;
    int rc = 1;

    for (; rc > 0 && left > 0; left--) {
        struct posix_entry entry = {.has_attr = attrs};
        rc = ns_dir_next(dir, &entry.name, &entry.ino, &type, attrs ? &inode : NULL);
        if (rc < 0)
            break;
        entry.type = (uint32_t)type;
        rc = add_entry(c, &entry, &inode, max);
    }
    *ret_eof = rc == -ENOENT;
    return rc == -ENOENT || rc > 0 ? 0 : rc;
}

int run_readdir(struct compound *c, struct posix_result *result)
{
    size_t max = c->op->len < READDIR_LEN_MIN ? READDIR_LEN_MIN : (size_t)c->op->len;
    struct ns_dir *dir;
    struct inode inode;
    bool eof = false;

    if (compound_room(c) < READDIR_LEN_MIN)
        return -EMSGSIZE;
    if (max > compound_room(c))
        max = compound_room(c);
    int rc = compound_inode(c, c->op->ino, &inode);
    if (rc == 0)
        rc = ns_dir_open(c->txn, inode.ino, c->op->name, &dir);
    if (rc < 0)
        return rc;
    buf_clear(&c->scratch);
    rc = add_entries(c, dir, max, &eof);
    ns_dir_close(&dir);
    compound_attr(result, &inode);
    result->flags = eof ? POSIX_READDIR_EOF : 0;
    result->data = buf_span(&c->scratch);
    return rc;
}

/* ================================================================ contents */

static int file_inode(struct compound *c, struct inode *ret_inode)
{
    int rc = compound_inode(c, c->op->ino, ret_inode);
    if (rc < 0 || ret_inode->type == INODE_FILE)
        return rc;
    return ret_inode->type == INODE_DIR ? -EISDIR : -EINVAL;
}

int run_read(struct compound *c, struct posix_result *result)
{
    struct inode inode;
    int rc = file_inode(c, &inode);
    if (rc < 0)
        return rc;
    if (c->op->len > POSIX_READ_MAX)
        return -EINVAL;
    compound_attr(result, &inode);
    if (c->op->off >= inode.size || c->op->len == 0)
        return 0;
    rc = body_reader_new(c->txn, &inode, c->op->off, c->op->len, &c->reader);
    if (rc == 0 && body_reader_inline(c->reader, &result->data)) {
        /* The bytes live as long as the reader, and it is freed once the result is added. */
        c->inline_reader = c->reader;
        c->reader = NULL;
    }
    return rc;
}

int run_seek(struct compound *c, struct posix_result *result)
{
    struct inode inode;
    int rc = file_inode(c, &inode);
    return rc == 0 ? ns_seek(c->txn, &inode, c->op->off, c->op->flags & POSIX_SEEK_HOLE, &result->value) : rc;
}
