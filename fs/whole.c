#include <fcntl.h>
#include <stdlib.h>

#include "fs/ops.h"
#include "fs/writeback.h"

bool whole_wanted(struct fs *fs, struct inode *inode, const struct fuse_file_info *fi)
{
    if ((fi->flags & (O_ACCMODE | O_DIRECT | O_TRUNC)) != O_RDONLY || atomic_load(&fs->wholes) >= WHOLE_COUNT_MAX)
        return false;
    pthread_mutex_lock(&inode->lock);
    const struct posix_attr *attr = &inode->attr;
    bool wanted = inode->attr_time && attr->type == POSIX_FILE && attr->size > 0 && attr->size <= WHOLE_MAX &&
                  (inode->pages == 0 || inode->pages != attr->version);
    pthread_mutex_unlock(&inode->lock);
    return wanted;
}

void whole_keep(struct fs *fs, struct handle *h, struct span bytes, const struct posix_attr *attr, uint64_t since)
{
    char *copy = bytes.len == attr->size && bytes.len > 0 ? malloc(bytes.len) : NULL;

    if (!copy)
        return;
    memcpy(copy, bytes.ptr, bytes.len);
    h->whole = span_make(copy, bytes.len);
    h->whole_time = since;
    atomic_fetch_add(&fs->wholes, 1);
}

/* The bytes are the caller's to free. */
static struct span take(struct fs *fs, struct handle *h)
{
    pthread_mutex_lock(&h->lock);
    struct span whole = h->whole;
    h->whole = SPAN_EMPTY;
    pthread_mutex_unlock(&h->lock);
    if (whole.ptr)
        atomic_fetch_sub(&fs->wholes, 1);
    return whole;
}

void whole_drop(struct fs *fs, struct handle *h)
{
    free((char *)take(fs, h).ptr);
}

bool whole_reply(fuse_req_t req, struct handle *h, uint64_t off, size_t len)
{
    struct fs *fs = fuse_req_userdata(req);
    struct span whole = take(fs, h);

    if (!whole.ptr)
        return false;
    bool current = !changed_inode(&fs->changes, h->inode->ino, h->whole_time) && !writeback_dirty(h->inode);
    if (current) {
        struct span part = span_head(span_from(whole, off), len);
        fuse_reply_buf(req, part.ptr, part.len); /* the handle may be gone after that */
    }
    free((char *)whole.ptr);
    return current;
}
