#include "fs/writeback_priv.h"

/* Of two changes of one instance: whether a ran before b. Within a commit the inode itself tells. */
static bool ran_before(const struct unsynced *a, const struct unsynced *b)
{
    if (a->stamp.commit != b->stamp.commit)
        return a->stamp.commit < b->stamp.commit;
    return a->version != b->version ? a->version < b->version : a->ctime < b->ctime;
}

/* Takes one more change in. Who forgets an older one must know what became of it: in doubt it is lost. */
static void unsynced_merge(struct fs *fs, struct unsynced *u, const struct unsynced *change)
{
    enum remote_fate fate = remote_fate(fs->remote, change->stamp);
    bool other = u->stamp.instance != change->stamp.instance;

    u->lost = u->lost || change->lost || fate == REMOTE_LOST;
    if (fate == REMOTE_LOST || fate == REMOTE_DURABLE)
        return;
    if (other && u->stamp.instance)
        u->lost = u->lost || remote_fate(fs->remote, u->stamp) != REMOTE_DURABLE;
    if (!other && ran_before(change, u))
        return;
    u->stamp = change->stamp;
    u->version = change->version;
    u->ctime = change->ctime;
}

void unsynced_add(struct fs *fs, struct inode *inode, struct remote_stamp stamp, const struct posix_attr *attr)
{
    unsynced_merge(fs, &inode->unsynced,
                   &(struct unsynced){.stamp = stamp, .version = attr->version, .ctime = attr->ctime});
}

struct unsynced unsynced_take(struct inode *inode)
{
    pthread_mutex_lock(&inode->lock);
    struct unsynced taken = inode->unsynced;
    inode->unsynced = (struct unsynced){0};
    pthread_mutex_unlock(&inode->lock);
    return taken;
}

/* Of a change whose life of the server is too long ago to be known: it is there if nothing has changed since. */
static bool is_gone(const struct unsynced *taken, int error, const struct posix_attr *attr)
{
    return error < 0 || attr->version != taken->version || attr->ctime != taken->ctime;
}

/* Whether what an fsync was to vouch for did not outlive the server that had answered it. instance: that of the
 * fsync's. The look makes sure that a life which has ended is known to have. */
static bool was_lost(struct fs *fs, struct inode *inode, const struct unsynced *taken, uint64_t instance)
{
    struct posix_result result;

    if (taken->lost || taken->stamp.instance == 0 || taken->stamp.instance == instance)
        return taken->lost;
    int r = call_one(fs, &(struct posix_op){.code = POSIX_GETATTR, .ino = inode->ino}, &result);
    enum remote_fate fate = remote_fate(fs->remote, taken->stamp);
    if (fate == REMOTE_LOST || fate == REMOTE_DURABLE)
        return fate == REMOTE_LOST;
    return is_gone(taken, r, &result.attr);
}

int unsynced_vouch(struct fs *fs, struct inode *inode, const struct unsynced *taken, uint64_t instance, int error)
{
    bool lost = error == 0 && was_lost(fs, inode, taken, instance);

    pthread_mutex_lock(&inode->lock);
    if (error < 0 && (taken->stamp.instance || taken->lost))
        unsynced_merge(fs, &inode->unsynced, taken);
    if (lost && inode->written)
        wfile_error(inode->written, -EIO);
    pthread_mutex_unlock(&inode->lock);
    return lost ? -EIO : error;
}
