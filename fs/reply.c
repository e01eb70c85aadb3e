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

static void note_unsynced(struct request *r, const struct posix_attr *attr)
{
    struct inode *inode = inode_find(r->fs->inodes, attr->ino);

    if (!inode)
        return;
    pthread_mutex_lock(&inode->lock);
    unsynced_add(r->fs, inode, r->call->stamp, attr);
    pthread_mutex_unlock(&inode->lock);
    inode_put(r->fs->inodes, &inode);
}

int run_change(struct request *r, const struct posix_op *op, uint64_t dir, uint64_t dir2,
               struct posix_result *ret_result, struct posix_attr ret_dirs[2])
{
    struct posix_result look;

    remote_add(r->call, op);
    remote_add(r->call, &(struct posix_op){.code = POSIX_GETATTR, .ino = dir});
    if (dir2)
        remote_add(r->call, &(struct posix_op){.code = POSIX_GETATTR, .ino = dir2});
    int error = remote_send(r->call);
    if (error == 0)
        error = remote_next(r->call, ret_result);
    for (int i = 0; error == 0 && i < 1 + (dir2 != 0); i++) {
        /* The change stands, whatever the look says: a directory that can't be looked at is not known. */
        ret_dirs[i] = remote_next(r->call, &look) == 0 ? look.attr : (struct posix_attr){0};
        note_unsynced(r, &ret_dirs[i]);
    }
    return error;
}

void dir_changed(struct request *r, uint64_t dir, struct span made, const struct posix_attr *attr)
{
    struct inode *inode = inode_find(r->fs->inodes, dir);

    if (!inode) {
        changes_inode(&r->fs->changes, dir);
        return;
    }
    pthread_mutex_lock(&inode->lock);
    fs_own_change(r->fs, inode, attr && attr->ino == dir ? attr : NULL, 0, r->since);
    if (made.ptr && !nameset_add(inode->children, name_hash(dir, made)))
        nameset_free(&inode->children);
    pthread_mutex_unlock(&inode->lock);
    inode_put(r->fs->inodes, &inode);
}

double name_changed(struct request *r, uint64_t dir, struct span name, bool made, const struct posix_attr *attr)
{
    double valid = fs_valid_name(r->fs, dir, name, r->since);

    changes_name(&r->fs->changes, dir, name);
    dir_changed(r, dir, made ? name : SPAN_EMPTY, attr);
    uint64_t gone = made ? 0 : names_drop(r->fs->names, dir, name);
    if (gone)
        changes_inode(&r->fs->changes, gone);
    return valid;
}

void reply_made(struct request *r, uint64_t dir, struct span name, const struct posix_attr *attr,
                const struct posix_attr *dir_attr)
{
    struct fs *fs = r->fs;
    double attr_valid = fs_valid_inode(fs, attr->ino, r->since);
    double name_valid = name_changed(r, dir, name, true, dir_attr);

    note_unsynced(r, attr);
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
