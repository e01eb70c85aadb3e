#include "fs/notify.h"
#include "fs/ops.h"
#include "fs/writeback.h"

bool name_fits(fuse_req_t req, const char *name)
{
    if (strlen(name) <= POSIX_NAME_MAX)
        return true;
    fuse_reply_err(req, ENAMETOOLONG);
    return false;
}

bool request_begin_name(struct request *r, fuse_req_t req, const char *name)
{
    return name_fits(req, name) && request_begin(r, req);
}

struct inode *inode_of(fuse_req_t req, fuse_ino_t node)
{
    struct fs *fs = fuse_req_userdata(req);
    struct inode *inode = inode_get(fs->inodes, fs_ino(fs, node));

    if (!inode)
        fuse_reply_err(req, ENOMEM);
    return inode;
}

/* ---- entries ---- */

int entry_fill(struct request *r, uint64_t dir, struct span name, const struct posix_attr *attr, double name_valid,
               double attr_valid, struct fuse_entry_param *ret_entry, struct inode **ret_inode)
{
    struct fs *fs = r->fs;
    struct posix_attr shown = *attr;
    struct inode *inode = inode_get(fs->inodes, attr->ino);

    if (!inode)
        return -ENOMEM;
    pthread_mutex_lock(&inode->lock);
    writeback_show(inode, &shown);
    pthread_mutex_unlock(&inode->lock);
    if (name_valid > 0 && names_note(fs->names, dir, name, inode) < 0)
        name_valid = 0;
    inode_looked_up(fs->inodes, inode);
    *ret_entry = (struct fuse_entry_param){.ino = fs_node(fs, attr->ino),
                                           .attr = fs_stat(fs, &shown),
                                           .attr_timeout = attr_valid,
                                           .entry_timeout = name_valid};
    *ret_inode = inode;
    return 0;
}

void entry_undo(struct fs *fs, uint64_t ino)
{
    inode_forget(fs->inodes, ino, 1);
}

void entry_recheck(struct request *r, uint64_t dir, struct span name, uint64_t ino)
{
    struct fs *fs = r->fs;

    if (changed_name(&fs->changes, dir, name, r->since))
        notify_name(fs->notify, dir, name);
    if (ino && changed_inode(&fs->changes, ino, r->since))
        notify_attributes(fs->notify, ino);
}

static void send_entry(struct request *r, uint64_t dir, struct span name, const struct posix_attr *attr,
                       double name_valid, double attr_valid)
{
    struct fuse_entry_param entry;
    struct inode *inode;
    int error = entry_fill(r, dir, name, attr, name_valid, attr_valid, &entry, &inode);

    if (error < 0) {
        reply_error(r->req, error);
        return;
    }
    if (fuse_reply_entry(r->req, &entry) != 0)
        entry_undo(r->fs, attr->ino);
    else if (name_valid > 0 || attr_valid > 0)
        entry_recheck(r, dir, name, attr->ino);
    inode_put(r->fs->inodes, &inode);
}

static void learn(struct request *r, const struct posix_attr *attr)
{
    struct inode *inode = inode_find(r->fs->inodes, attr->ino);

    if (!inode)
        return;
    pthread_mutex_lock(&inode->lock);
    fs_learn(r->fs, inode, attr, r->since);
    pthread_mutex_unlock(&inode->lock);
    inode_put(r->fs->inodes, &inode);
}

void reply_found(struct request *r, uint64_t dir, struct span name, const struct posix_attr *attr)
{
    learn(r, attr);
    send_entry(r, dir, name, attr, fs_valid_name(r->fs, dir, name, r->since),
               fs_valid_inode(r->fs, attr->ino, r->since));
}

void reply_absent(struct request *r, uint64_t dir, struct span name)
{
    double valid = fs_valid_name(r->fs, dir, name, r->since);
    struct fuse_entry_param entry = {.ino = 0};

    if (valid > 0 && names_note_absent(r->fs->names, dir, name, (int64_t)(valid * 1e9)) == 0)
        entry.entry_timeout = valid;
    if (fuse_reply_entry(r->req, &entry) == 0 && entry.entry_timeout > 0)
        entry_recheck(r, dir, name, 0);
}

double name_changed(struct request *r, uint64_t dir, struct span name, bool made)
{
    struct fs *fs = r->fs;
    double valid = fs_valid_name(fs, dir, name, r->since);

    changes_name(&fs->changes, dir, name);
    changes_inode(&fs->changes, dir);
    if (!made) {
        names_drop(fs->names, dir, name);
        return valid;
    }
    struct inode *inode = inode_find(fs->inodes, dir);
    if (inode) {
        pthread_mutex_lock(&inode->lock);
        if (!nameset_add(inode->children, name_hash(dir, name)))
            nameset_free(&inode->children);
        pthread_mutex_unlock(&inode->lock);
    }
    inode_put(fs->inodes, &inode);
    return valid;
}

void reply_made(struct request *r, uint64_t dir, struct span name, const struct posix_attr *attr)
{
    struct fs *fs = r->fs;
    double attr_valid = fs_valid_inode(fs, attr->ino, r->since);
    double name_valid = name_changed(r, dir, name, true);

    changes_inode(&fs->changes, attr->ino); /* a link has changed it; for a new inode nobody has asked */
    r->since = changes_now(&fs->changes);
    if (attr_valid > 0)
        learn(r, attr);
    send_entry(r, dir, name, attr, name_valid, attr_valid);
}

/* ---- attributes ---- */

void reply_attr(struct request *r, struct inode *inode, const struct posix_attr *attr)
{
    struct posix_attr shown = *attr;

    pthread_mutex_lock(&inode->lock);
    writeback_show(inode, &shown);
    pthread_mutex_unlock(&inode->lock);
    double valid = fs_valid_inode(r->fs, inode->ino, r->since);
    struct stat st = fs_stat(r->fs, &shown);
    if (fuse_reply_attr(r->req, &st, valid) == 0 && valid > 0 && changed_inode(&r->fs->changes, inode->ino, r->since))
        notify_attributes(r->fs->notify, inode->ino);
}
