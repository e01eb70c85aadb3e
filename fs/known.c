#include "fs/fs.h"
#include "objstore/base/clock.h"

#define DISCONNECTED_S 1.0     /* how long the kernel keeps what it has while push does not tell of changes */
#define BLOCK_SIZE (128 << 10) /* what programs should read and write at once */

static mode_t type_bits(uint32_t type)
{
    switch (type) {
    case POSIX_DIR:
        return S_IFDIR;
    case POSIX_LINK_SYMBOLIC:
        return S_IFLNK;
    case POSIX_FIFO:
        return S_IFIFO;
    case POSIX_SOCKET:
        return S_IFSOCK;
    case POSIX_CHAR:
        return S_IFCHR;
    case POSIX_BLOCK:
        return S_IFBLK;
    default:
        return S_IFREG;
    }
}

static struct timespec timespec_of(int64_t ns)
{
    int64_t s = ns / NS_PER_SEC, rest = ns % NS_PER_SEC;

    return rest < 0 ? (struct timespec){s - 1, rest + NS_PER_SEC} : (struct timespec){s, rest};
}

struct stat fs_stat(const struct fs *fs, const struct posix_attr *attr)
{
    const struct mount_options *o = fs->options;

    return (struct stat){
        .st_ino = attr->ino,
        .st_mode = type_bits(attr->type) | (attr->mode & 07777),
        .st_nlink = attr->nlink,
        .st_uid = o->uid == OPTION_ID_NONE ? attr->uid : (uid_t)o->uid,
        .st_gid = o->gid == OPTION_ID_NONE ? attr->gid : (gid_t)o->gid,
        .st_rdev = attr->rdev,
        .st_size = (off_t)attr->size,
        .st_blksize = BLOCK_SIZE,
        .st_blocks = (blkcnt_t)((attr->blocks + 511) / 512),
        .st_atim = timespec_of(attr->atime),
        .st_mtim = timespec_of(attr->mtime),
        .st_ctim = timespec_of(attr->ctime),
    };
}

static double valid(struct fs *fs, bool changed)
{
    if (changed)
        return 0;
    double longest = (double)fs->options->attr_timeout_ns / NS_PER_SEC;
    if (remote_push_connected(fs->remote))
        return longest;
    return longest < DISCONNECTED_S ? longest : DISCONNECTED_S;
}

double fs_valid_inode(struct fs *fs, uint64_t ino, uint64_t since)
{
    return valid(fs, changed_inode(&fs->changes, ino, since));
}

double fs_valid_name(struct fs *fs, uint64_t dir, struct span name, uint64_t since)
{
    return valid(fs, changed_name(&fs->changes, dir, name, since));
}

bool fs_knows(struct fs *fs, const struct inode *inode)
{
    return inode->attr_time && !changed_inode(&fs->changes, inode->ino, inode->attr_time) &&
           clock_mono_ns() < inode->attr_until && remote_push_connected(fs->remote);
}

static void keep_attr(struct fs *fs, struct inode *inode, const struct posix_attr *attr, uint64_t time)
{
    inode->attr = *attr;
    inode->attr_time = time;
    inode->attr_until = clock_mono_ns() + fs->options->attr_timeout_ns;
}

void fs_learn(struct fs *fs, struct inode *inode, const struct posix_attr *attr, uint64_t since)
{
    if (!changed_inode(&fs->changes, inode->ino, since))
        keep_attr(fs, inode, attr, since);
}

void fs_own_change(struct fs *fs, struct inode *inode, const struct posix_attr *attr, unsigned contents, uint64_t since)
{
    bool crossed = changed_inode(&fs->changes, inode->ino, since);
    uint64_t time = changes_inode(&fs->changes, inode->ino);

    if (inode->pages)
        inode->pages += contents;
    inode->attr_time = 0;
    if (attr && !crossed)
        keep_attr(fs, inode, attr, time);
}
