/*
 * A replica: one LMDB environment in a folder of one drive.
 *
 *   data.mdb      the database
 *   data.mdb.new  one being made or copied; it becomes data.mdb by rename once it is complete and synced
 *   lock.mdb      LMDB's table of readers
 *
 * LMDB writes a commit to free pages, so a commit that fails leaves the one before it in force. It maps the file: a
 * file shorter than its pages would kill the process when they are read, so the length is checked at open, and data.mdb
 * is always extended before a commit may use the pages (replica_reserve), with disk space behind them. So a full disk
 * is found before anything is committed anywhere, and not by one replica of several.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/index/index_priv.h"

enum { PATH_MAX_LEN = 4096, META_PAGES = 16, FOLDER_MODE = 0700, FILE_MODE = 0600 };

#define RESERVE_LEAST                                                                                                  \
    ((uint64_t)1                                                                                                       \
     << 20) /* data.mdb grows by an eighth, but at least and at most by so much at once                    \
                         */
#define RESERVE_MOST ((uint64_t)64 << 20)

#define DATABASE_NEW "data.mdb.new"
#define LOCK_FILE "lock.mdb"

/* ---- the folder ---- */

int replica_claim(struct replica *replica, const char *path)
{
    replica->path = strdup(path ? path : "");
    if (!replica->path)
        return -ENOMEM;
    if (!path)
        return -ENODEV;
    if (mkdir(path, FOLDER_MODE) < 0 && errno != EEXIST)
        return -errno;
    replica->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (replica->folder < 0)
        return -errno;
    if (flock(replica->folder, LOCK_EX | LOCK_NB) == 0)
        return 0;
    int rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
    close(replica->folder);
    replica->folder = -1;
    return rc;
}

bool replica_has_database(const struct replica *replica)
{
    return faccessat(replica->folder, DATABASE, F_OK, 0) == 0;
}

bool replica_had_database(const struct replica *replica)
{
    return faccessat(replica->folder, LOCK_FILE, F_OK, 0) == 0;
}

static int replica_name(const struct replica *replica, const char *name, char ret_path[PATH_MAX_LEN])
{
    int len = snprintf(ret_path, PATH_MAX_LEN, "%s/%s", replica->path, name);
    return len < PATH_MAX_LEN ? 0 : ENAMETOOLONG;
}

static int folder_sync(const struct replica *replica)
{
    return fsync(replica->folder) < 0 ? errno : 0;
}

/* The new database, synced by its maker, takes the place of the old one; nothing of the old one is kept. */
static int replica_install(struct replica *replica)
{
    if (renameat(replica->folder, DATABASE_NEW, replica->folder, DATABASE) < 0)
        return errno;
    return folder_sync(replica);
}

/* ---- opening ---- */

static int env_open(const char *path, unsigned flags, size_t map_size, MDB_env **ret_env)
{
    MDB_env *env;
    int rc = mdb_env_create(&env);
    if (rc)
        return rc;
    rc = mdb_env_set_mapsize(env, map_size);
    if (!rc)
        rc = mdb_env_set_maxreaders(env, READERS_LMDB);
    if (!rc)
        rc = mdb_env_open(env, path, MDB_NOTLS | flags, FILE_MODE);
    if (rc)
        mdb_env_close(env);
    else
        *ret_env = env;
    return rc;
}

/* With the largest map that address space allows, when the caller has no wish. */
static int replica_map(struct replica *replica, size_t wish)
{
    size_t size = wish ? wish : MAP_FIRST;
    int rc = env_open(replica->path, 0, size, &replica->env);
    while (rc == ENOMEM && !wish && size > MAP_LEAST) {
        size /= 2;
        rc = env_open(replica->path, 0, size, &replica->env);
    }
    return rc;
}

/* The facts of the open file that LMDB keeps to itself or that we check. */
static int replica_measure(struct replica *replica)
{
    MDB_envinfo info;
    MDB_stat pages;
    mdb_filehandle_t fd;
    struct stat file;
    int rc = mdb_env_info(replica->env, &info);
    if (!rc)
        rc = mdb_env_stat(replica->env, &pages);
    if (!rc)
        rc = mdb_env_get_fd(replica->env, &fd);
    if (!rc && fstat(fd, &file) < 0)
        rc = errno;
    if (rc)
        return lmdb_error(rc);
    replica->map_size = info.me_mapsize;
    replica->page_size = pages.ms_psize;
    replica->reserved = (uint64_t)file.st_size;
    replica->inode = file.st_ino;
    return replica->reserved / pages.ms_psize > info.me_last_pgno ? 0 : CAIRN_ECORRUPT;
}

static int replica_read_meta(struct replica *replica)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(replica->env, NULL, MDB_RDONLY, &txn);
    if (rc)
        return lmdb_error(rc);
    rc = mdb_dbi_open(txn, NULL, 0, &replica->dbi);
    rc = rc ? lmdb_error(rc) : meta_get(txn, replica->dbi, &replica->meta);
    mdb_txn_abort(txn);
    return rc;
}

int replica_open(struct replica *replica, size_t map_size)
{
    int rc = replica_verify(replica);
    if (rc == 0)
        rc = lmdb_error(replica_map(replica, map_size));
    if (rc < 0)
        return rc;
    rc = replica_measure(replica);
    if (rc == 0)
        rc = lmdb_error(mdb_reader_check(replica->env, NULL));
    if (rc == 0)
        rc = replica_read_meta(replica);
    if (rc < 0)
        replica_shut(replica);
    else if (replica->index->count > 1)
        trail_open(replica);
    return rc;
}

void replica_shut(struct replica *replica)
{
    trail_close(replica);
    if (replica->env)
        mdb_env_close(replica->env);
    replica->env = NULL;
}

void replica_release(struct replica *replica)
{
    replica_shut(replica);
    if (replica->folder >= 0)
        close(replica->folder);
    replica->folder = -1;
    free(replica->path);
    replica->path = NULL;
}

/* ---- making ---- */

static int create_in(MDB_env *env, const struct meta *meta)
{
    MDB_txn *txn;
    MDB_dbi dbi;
    int rc = mdb_txn_begin(env, NULL, 0, &txn);
    if (rc)
        return rc;
    rc = mdb_dbi_open(txn, NULL, 0, &dbi);
    if (!rc)
        rc = meta_put(txn, dbi, meta);
    if (!rc)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

static int replica_remove(const struct replica *replica, const char *name)
{
    return unlinkat(replica->folder, name, 0) < 0 && errno != ENOENT ? errno : 0;
}

int replica_create(struct replica *replica, const struct meta *meta)
{
    char path[PATH_MAX_LEN];
    MDB_env *env;
    int rc = replica_name(replica, DATABASE_NEW, path);
    if (!rc)
        rc = replica_remove(replica, DATABASE_NEW);
    if (!rc)
        rc = env_open(path, MDB_NOSUBDIR | MDB_NOLOCK, MAP_LEAST, &env);
    if (rc)
        return lmdb_error(rc);
    rc = create_in(env, meta);
    mdb_env_close(env);
    if (!rc)
        rc = replica_install(replica);
    return lmdb_error(rc);
}

/* LMDB compacts only a database without leaked pages (MDB_INCOMPATIBLE); any other is copied as it is. */
static int copy_to(struct replica *from, int fd)
{
    int rc = mdb_env_copyfd2(from->env, fd, MDB_CP_COMPACT);
    if (rc == MDB_INCOMPATIBLE) {
        if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
            return errno;
        rc = mdb_env_copyfd2(from->env, fd, 0);
    }
    if (!rc && fsync(fd) < 0)
        rc = errno;
    return rc;
}

int replica_copy(struct replica *from, struct replica *to)
{
    replica_shut(to);
    int rc = replica_remove(to, DATABASE_NEW);
    if (rc)
        return -rc;
    int fd = openat(to->folder, DATABASE_NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return -errno;
    pthread_mutex_lock(&from->copying);
    rc = copy_to(from, fd);
    pthread_mutex_unlock(&from->copying);
    close(fd);
    if (!rc)
        rc = replica_install(to);
    if (rc)
        replica_remove(to, DATABASE_NEW);
    return lmdb_error(rc);
}

int replica_store_meta(struct replica *replica, const struct meta *meta)
{
    MDB_txn *txn;
    (void)replica_reserve(replica, 0, META_PAGES); /* a full disk may still have free pages in the file */
    int rc = mdb_txn_begin(replica->env, NULL, 0, &txn);
    if (rc)
        return lmdb_error(rc);
    rc = meta_put(txn, replica->dbi, meta);
    if (rc)
        mdb_txn_abort(txn);
    else
        rc = mdb_txn_commit(txn);
    if (!rc)
        replica->meta = *meta;
    return lmdb_error(rc);
}

/* ---- writing ---- */

/* LMDB unmaps before it maps anew, and an environment without a map is lost; so try first whether the space is there.
 */
static bool address_space_has(size_t size)
{
    void *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return false;
    munmap(at, size);
    return true;
}

int replica_grow(struct replica *replica)
{
    size_t size = replica->map_size * 2;
    if (size > MAP_MAX || !address_space_has(size))
        return MDB_MAP_FULL;
    pthread_mutex_lock(&replica->copying);
    int rc = mdb_env_set_mapsize(replica->env, size);
    pthread_mutex_unlock(&replica->copying);
    if (!rc)
        replica->map_size = size;
    return rc;
}

static int file_extend(int fd, uint64_t from, uint64_t to)
{
    int rc;
    do
        rc = fallocate(fd, 0, (off_t)from, (off_t)(to - from));
    while (rc < 0 && errno == EINTR);
    if (rc == 0)
        return 0;
    if (errno == EOPNOTSUPP || errno == ENOSYS)
        return ftruncate(fd, (off_t)to) < 0 ? errno : 0;
    rc = errno;
    if (lmdb_error(rc) == -ENOSPC && ftruncate(fd, (off_t)from) < 0) /* gives a part back */
        return errno;
    return rc;
}

/* How long data.mdb has to be. */
static uint64_t length_needed(const struct replica *replica, size_t ahead, size_t pages)
{
    MDB_envinfo info;
    if (mdb_env_info(replica->env, &info))
        return 0;
    return (info.me_last_pgno + 1 + ahead + pages) * replica->page_size;
}

bool replica_has_room(const struct replica *replica, size_t ahead, size_t pages)
{
    return length_needed(replica, ahead, pages) <= replica->reserved;
}

int replica_reserve(struct replica *replica, size_t ahead, size_t pages)
{
    mdb_filehandle_t fd;
    uint64_t need = length_needed(replica, ahead, pages);
    if (need <= replica->reserved || mdb_env_get_fd(replica->env, &fd))
        return 0;
    uint64_t more = need / 8;
    more = more < RESERVE_LEAST ? RESERVE_LEAST : more > RESERVE_MOST ? RESERVE_MOST : more;
    uint64_t target = need + more;
    int rc = file_extend(fd, replica->reserved, target);
    if (lmdb_error(rc) == -ENOSPC) {
        target = need;
        rc = file_extend(fd, replica->reserved, target);
    }
    if (rc == 0)
        replica->reserved = target;
    return lmdb_error(rc) == -ENOSPC ? -ENOSPC : 0;
}
