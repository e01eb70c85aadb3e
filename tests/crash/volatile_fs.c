/*
 * A file system whose power can be cut: volatile_fs SIZE_MIB FOLDER MOUNTPOINT [FOLDER MOUNTPOINT ...]
 * Each FOLDER, with what volatile_log.h makes in it, is shown at its MOUNTPOINT, a drive of SIZE_MIB (which is told,
 * not held). All share one power supply. Prints "ready" when all are mounted, then takes commands on its standard
 * input:
 *
 *   ops          answers "ops N": changes and syncs so far, on all drives
 *   cut SEED     the power goes: "cut". From then on every operation fails; what was not synced is lost (SEED 0), or
 *                as a lottery says. The folders have what a machine finds when it is switched on: start another
 *   arm N SEED   the same before the Nth change or sync from now: "armed", and "cut" when it comes
 *   fail DRIVE   every operation on that drive, the first is 0, answers EIO from now on: "done"
 *   hang DRIVE   none answers: "done"
 *   mend DRIVE   all is well with it again, also for those that wait: "done"
 *   end          unmounts and ends, as the end of its input does. Without a cut everything stays
 *
 * Nothing is ever written back on its own, so a mount behaves as a disk that is slow beyond all bounds. A sync takes
 * its time, one in SLOW_ONE much more of it, and covers what was written before it began. The kernel's page cache
 * writes through (no FUSE write-back), so mmap and pwrite agree as on any file system. A write to an O_DSYNC descriptor
 * is durable for its pages; an fsync of such a descriptor may be the kernel's own, behind a write, and says nothing
 * about the rest of the file.
 */
#define FUSE_USE_VERSION 314

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <fuse.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/support/volatile_log.h"

enum { DRIVES_MAX = 16, SYNC_US = 200, SLOW_SYNC_US = 5000, SLOW_ONE = 16, WRITE_MAX = 1 << 20 };

struct drive {
    struct volatile_log *log;
    const char *folder;
    struct fuse *fuse;
    pthread_t loop;
    pthread_mutex_t lock; /* a change and its note are one step */
    enum trouble { WELL, FAILS, HANGS } trouble;
    pthread_mutex_t trouble_lock;
    pthread_cond_t trouble_change;
};

static struct drive drives[DRIVES_MAX];
static unsigned drive_count;
static uint64_t drive_size;

/* ---- the power ---- */

/* Every operation holds the lock for reading, the cut for writing: so no operation sees a part of it. */
static struct {
    pthread_rwlock_t lock;
    bool off;
    _Atomic uint64_t ops, armed; /* the cut comes before that operation; 0: none does */
    uint64_t seed;
} power;

static void power_cut(uint64_t seed)
{
    pthread_rwlock_wrlock(&power.lock);
    if (!power.off) {
        power.off = true;
        for (unsigned i = 0; i < drive_count; i++)
            volatile_log_cut(drives[i].log, seed ? seed + i : 0);
        printf("cut\n");
        fflush(stdout);
    }
    pthread_rwlock_unlock(&power.lock);
}

/* No cut comes any more: it would go through drives that are being stopped. */
static void power_stays(void)
{
    pthread_rwlock_wrlock(&power.lock);
    atomic_store(&power.armed, 0);
    pthread_rwlock_unlock(&power.lock);
}

static struct drive *here(void)
{
    return fuse_get_context()->private_data;
}

static void set_trouble(struct drive *drive, enum trouble trouble)
{
    pthread_mutex_lock(&drive->trouble_lock);
    drive->trouble = trouble;
    pthread_cond_broadcast(&drive->trouble_change);
    pthread_mutex_unlock(&drive->trouble_lock);
}

/* Waits while the drive hangs. */
static bool drive_is_well(struct drive *drive)
{
    pthread_mutex_lock(&drive->trouble_lock);
    while (drive->trouble == HANGS)
        pthread_cond_wait(&drive->trouble_change, &drive->trouble_lock);
    bool well = drive->trouble == WELL;
    pthread_mutex_unlock(&drive->trouble_lock);
    return well;
}

/* An operation begins, while there is power: 0, to be ended; -EIO. */
static int begin(void)
{
    if (!drive_is_well(here()))
        return -EIO;
    pthread_rwlock_rdlock(&power.lock);
    if (!power.off)
        return 0;
    pthread_rwlock_unlock(&power.lock);
    return -EIO;
}

static void end(void)
{
    pthread_rwlock_unlock(&power.lock);
}

/* One that is counted: a change, or a sync. */
static int begin_counted(void)
{
    if (atomic_fetch_add(&power.ops, 1) + 1 == atomic_load(&power.armed))
        power_cut(power.seed);
    return begin();
}

/* One that notes and changes. */
static int begin_change(void)
{
    int r = begin_counted();

    if (r == 0)
        pthread_mutex_lock(&here()->lock);
    return r;
}

static void end_change(void)
{
    pthread_mutex_unlock(&here()->lock);
    end();
}

static int answer(int result)
{
    return result < 0 ? -errno : 0;
}

/* ---- paths and handles ---- */

static int tree(void)
{
    return volatile_log_tree(here()->log);
}

static const char *below(const char *path)
{
    return path[1] ? path + 1 : ".";
}

static int handle(const struct fuse_file_info *fi)
{
    return (int)(fi->fh & INT32_MAX);
}

#define HANDLE_DSYNC (1ull << 32)

static void handle_set(struct fuse_file_info *fi, int fd)
{
    fi->fh = (uint64_t)fd | (fi->flags & O_DSYNC ? HANDLE_DSYNC : 0);
}

/* ---- looking ---- */

static int fs_getattr(const char *path, struct stat *ret_st, struct fuse_file_info *fi)
{
    int r = begin();

    if (r < 0)
        return r;
    r = answer(fi ? fstat(handle(fi), ret_st) : fstatat(tree(), below(path), ret_st, AT_SYMLINK_NOFOLLOW));
    end();
    return r;
}

static int fs_opendir(const char *path, struct fuse_file_info *fi)
{
    char *copy = strdup(path + 1);

    if (!copy)
        return -ENOMEM;
    fi->fh = (uintptr_t)copy;
    return 0;
}

static int fs_releasedir(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    free((char *)(uintptr_t)fi->fh);
    return 0;
}

static const char *folder_of(const struct fuse_file_info *fi)
{
    return (const char *)(uintptr_t)fi->fh;
}

static int list(const char *folder, void *buf, fuse_fill_dir_t fill)
{
    int fd = openat(tree(), *folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int r = dir ? 0 : -errno;

    if (!dir && fd >= 0)
        close(fd);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        fill(buf, entry->d_name, NULL, 0, 0);
    if (dir)
        closedir(dir);
    return r;
}

static int fs_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t off, struct fuse_file_info *fi,
                      enum fuse_readdir_flags flags)
{
    (void)path, (void)off, (void)flags;
    int r = begin();
    if (r < 0)
        return r;
    r = list(folder_of(fi), buf, fill);
    end();
    return r;
}

static _Thread_local uint64_t used;

static int add_used(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
    (void)path, (void)flag, (void)walk;
    used += (uint64_t)st->st_blocks * 512;
    return 0;
}

static int fs_statfs(const char *path, struct statvfs *ret_st)
{
    (void)path;
    int r = begin();
    if (r < 0)
        return r;
    used = 0;
    nftw(here()->folder, add_used, 8, FTW_PHYS); /* what changes meanwhile does not matter */
    uint64_t free = used < drive_size ? (drive_size - used) / 4096 : 0;
    *ret_st = (struct statvfs){
        .f_bsize = 4096, .f_frsize = 4096, .f_blocks = drive_size / 4096, .f_bfree = free, .f_bavail = free};
    ret_st->f_namemax = 255;
    end();
    return r;
}

/* ---- names ---- */

static int fs_mkdir(const char *path, mode_t mode)
{
    int r = begin_change();

    if (r < 0)
        return r;
    r = answer(mkdirat(tree(), below(path), mode));
    if (r == 0)
        volatile_log_made(here()->log, path + 1);
    end_change();
    return r;
}

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    int r = begin_change();

    if (r < 0)
        return r;
    int fd = openat(tree(), below(path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    r = answer(fd);
    if (r == 0) {
        volatile_log_made(here()->log, path + 1);
        handle_set(fi, fd);
    }
    end_change();
    return r;
}

static int fs_unlink(const char *path)
{
    int r = begin_change();

    if (r < 0)
        return r;
    r = volatile_log_remove(here()->log, path + 1);
    end_change();
    return r;
}

static int fs_rename(const char *from, const char *to, unsigned flags)
{
    int r = flags ? -EINVAL : begin_change();

    if (r < 0)
        return r;
    r = volatile_log_rename(here()->log, from + 1, to + 1);
    end_change();
    return r;
}

/* ---- files ---- */

/* For reading and writing whatever was asked for; the kernel checks. */
static int fs_open(const char *path, struct fuse_file_info *fi)
{
    int r = begin();

    if (r < 0)
        return r;
    int fd = openat(tree(), below(path), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    r = answer(fd);
    if (r == 0)
        handle_set(fi, fd);
    end();
    return r;
}

static int fs_release(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    close(handle(fi));
    return 0;
}

static int fs_read(const char *path, char *buf, size_t len, off_t off, struct fuse_file_info *fi)
{
    (void)path;
    int r = begin();
    if (r < 0)
        return r;
    ssize_t n = pread(handle(fi), buf, len, off);
    r = n < 0 ? -errno : (int)n;
    end();
    return r;
}

static int write_noted(int fd, const char *buf, size_t len, uint64_t off)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    volatile_log_bytes(here()->log, fd, off, len);
    if (off + len > (uint64_t)st.st_size)
        volatile_log_size(here()->log, fd, off + len);
    ssize_t n = pwrite(fd, buf, len, (off_t)off);
    return n < 0 ? -errno : (int)n;
}

static int fs_write(const char *path, const char *buf, size_t len, off_t off, struct fuse_file_info *fi)
{
    (void)path;
    int r = begin_change();
    if (r < 0)
        return r;
    r = write_noted(handle(fi), buf, len, (uint64_t)off);
    if (r >= 0 && fi->fh & HANDLE_DSYNC)
        volatile_log_sync_range(here()->log, handle(fi), (uint64_t)off, len);
    end_change();
    return r;
}

static int resize(int fd, off_t size)
{
    volatile_log_size(here()->log, fd, (uint64_t)size);
    return answer(ftruncate(fd, size));
}

static int fs_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
    int r = begin_change();

    if (r < 0)
        return r;
    int fd = fi ? handle(fi) : openat(tree(), below(path), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    r = fd < 0 ? -errno : resize(fd, size);
    if (!fi && fd >= 0)
        close(fd);
    end_change();
    return r;
}

static int fs_fallocate(const char *path, int mode, off_t off, off_t len, struct fuse_file_info *fi)
{
    (void)path;
    struct stat st;
    bool punch = mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
    int r = mode && !punch ? -EOPNOTSUPP : begin_change();
    if (r < 0)
        return r;
    r = answer(fstat(handle(fi), &st));
    if (r == 0 && punch)
        volatile_log_bytes(here()->log, handle(fi), (uint64_t)off, (uint64_t)len);
    else if (r == 0 && off + len > st.st_size)
        volatile_log_size(here()->log, handle(fi), (uint64_t)(off + len));
    if (r == 0)
        r = answer(fallocate(handle(fi), mode, off, len));
    end_change();
    return r;
}

/* ---- syncs ---- */

/* The disk works, and the power may go meanwhile. What comes behind the mark has come too late. */
static int sync_begin(uint64_t *ret_mark)
{
    int r = begin_counted();

    if (r < 0)
        return r;
    *ret_mark = volatile_log_mark(here()->log);
    end();
    usleep(random() % SLOW_ONE ? SYNC_US : SLOW_SYNC_US);
    return begin();
}

static int fs_fsync(const char *path, int datasync, struct fuse_file_info *fi)
{
    (void)path, (void)datasync;
    uint64_t mark;
    if (fi->fh & HANDLE_DSYNC)
        return 0;
    int r = sync_begin(&mark);
    if (r < 0)
        return r;
    volatile_log_sync_file(here()->log, handle(fi), mark);
    end();
    return 0;
}

static int fs_fsyncdir(const char *path, int datasync, struct fuse_file_info *fi)
{
    (void)path, (void)datasync;
    uint64_t mark;
    int r = sync_begin(&mark);
    if (r < 0)
        return r;
    volatile_log_sync_folder(here()->log, folder_of(fi), mark);
    end();
    return 0;
}

/* ---- life ---- */

static void *fs_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    connection->max_write = WRITE_MAX;
    connection->want &= ~(unsigned)FUSE_CAP_ATOMIC_O_TRUNC; /* a truncation comes as one */
    config->use_ino = 1;
    config->hard_remove = 1;
    config->nullpath_ok = 1;
    config->kernel_cache = 1; /* nobody else changes the files */
    return fuse_get_context()->private_data;
}

static const struct fuse_operations operations = {
    .init = fs_init,
    .getattr = fs_getattr,
    .opendir = fs_opendir,
    .releasedir = fs_releasedir,
    .readdir = fs_readdir,
    .statfs = fs_statfs,
    .mkdir = fs_mkdir,
    .create = fs_create,
    .unlink = fs_unlink,
    .rename = fs_rename,
    .open = fs_open,
    .release = fs_release,
    .read = fs_read,
    .write = fs_write,
    .truncate = fs_truncate,
    .fallocate = fs_fallocate,
    .fsync = fs_fsync,
    .fsyncdir = fs_fsyncdir,
};

static void *drive_loop(void *arg)
{
    struct drive *drive = arg;
    struct fuse_loop_config *config = fuse_loop_cfg_create();

    fuse_loop_mt(drive->fuse, config);
    fuse_loop_cfg_destroy(config);
    return NULL;
}

static bool drive_start(const char *folder, const char *mountpoint)
{
    struct drive *drive = &drives[drive_count];
    char *argv[] = {"volatile_fs", "-o", "fsname=volatile,subtype=volatile", NULL};
    struct fuse_args args = FUSE_ARGS_INIT(3, argv);

    pthread_mutex_init(&drive->lock, NULL);
    pthread_mutex_init(&drive->trouble_lock, NULL);
    pthread_cond_init(&drive->trouble_change, NULL);
    drive->folder = folder;
    drive->log = volatile_log_new(folder);
    drive->fuse = fuse_new(&args, &operations, sizeof(operations), drive);
    fuse_opt_free_args(&args);
    if (!drive->fuse || fuse_mount(drive->fuse, mountpoint) < 0)
        return false;
    drive_count++;
    return pthread_create(&drive->loop, NULL, drive_loop, drive) == 0;
}

static void wake(int signal)
{
    (void)signal;
}

/* The loop sees at a signal that it is to end; the mount goes even when a file on it is still open somewhere. */
static void drive_stop(struct drive *drive)
{
    static const struct timespec pause = {.tv_nsec = 5000000};

    set_trouble(drive, WELL);
    fuse_exit(drive->fuse);
    do {
        pthread_kill(drive->loop, SIGUSR1);
        nanosleep(&pause, NULL);
    } while (pthread_tryjoin_np(drive->loop, NULL) != 0);
    fuse_unmount(drive->fuse);
    fuse_destroy(drive->fuse);
    volatile_log_free(&drive->log);
    pthread_mutex_destroy(&drive->lock);
    pthread_mutex_destroy(&drive->trouble_lock);
    pthread_cond_destroy(&drive->trouble_change);
}

static bool obey_trouble(const char *line)
{
    static const char *const words[] = {[WELL] = "mend", [FAILS] = "fail", [HANGS] = "hang"};
    char word[8];
    unsigned place;
    if (sscanf(line, "%7s %u", word, &place) != 2 || place >= drive_count)
        return false;
    for (enum trouble t = WELL; t <= HANGS; t++)
        if (strcmp(word, words[t]) == 0) {
            set_trouble(&drives[place], t);
            return true;
        }
    return false;
}

static void obey(const char *line)
{
    uint64_t count, seed;

    if (strcmp(line, "ops\n") == 0) {
        printf("ops %" PRIu64 "\n", atomic_load(&power.ops));
    } else if (sscanf(line, "cut %" SCNu64, &seed) == 1) {
        power_cut(seed);
    } else if (sscanf(line, "arm %" SCNu64 " %" SCNu64, &count, &seed) == 2) {
        power.seed = seed;
        atomic_store(&power.armed, atomic_load(&power.ops) + count);
        printf("armed\n");
    } else if (obey_trouble(line)) {
        printf("done\n");
    } else {
        printf("unknown command\n");
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    pthread_rwlockattr_t fair; /* else the cut waits until nobody works */
    char line[128];

    if (argc < 4 || argc % 2 || (argc - 2) / 2 > DRIVES_MAX) {
        fprintf(stderr, "usage: volatile_fs SIZE_MIB FOLDER MOUNTPOINT [FOLDER MOUNTPOINT ...]\n");
        return 2;
    }
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = wake}, NULL);
    pthread_rwlockattr_init(&fair);
    pthread_rwlockattr_setkind_np(&fair, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&power.lock, &fair);
    drive_size = strtoull(argv[1], NULL, 10) << 20;
    bool good = true;
    for (int i = 2; i < argc && good; i += 2)
        good = drive_start(argv[i], argv[i + 1]);
    if (good) {
        printf("ready\n");
        fflush(stdout);
        while (fgets(line, sizeof(line), stdin) && strcmp(line, "end\n") != 0)
            obey(line);
    }
    power_stays();
    while (drive_count > 0)
        drive_stop(&drives[--drive_count]);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
