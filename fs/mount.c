#include "fs/mount.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/notify.h"
#include "fs/ops.h"
#include "fs/outside.h"
#include "objstore/base/clock.h"
#include "objstore/base/log.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

#define IDLE_THREADS 16
#define MAX_WRITE FS_BUFFER
#define DROPS_BYPASSED 39 /* minor version of the protocol with Linux 6.6 */

/* ---- what we want of the kernel ---- */

static void set_wanted(struct fuse_conn_info *conn, unsigned bit, bool wanted)
{
    if (conn->capable & bit)
        conn->want = wanted ? conn->want | bit : conn->want & ~bit;
}

static const struct {
    unsigned bit;
    bool wanted;
} capabilities[] = {
    {FUSE_CAP_ASYNC_READ, true},
    {FUSE_CAP_ASYNC_DIO, true},
    {FUSE_CAP_PARALLEL_DIROPS, true},
    {FUSE_CAP_ATOMIC_O_TRUNC, true},
    {FUSE_CAP_READDIRPLUS, true},
    {FUSE_CAP_READDIRPLUS_AUTO, false}, /* whoever lists whole and then stats (ls -l) would ask for each name */
    {FUSE_CAP_CACHE_SYMLINKS, true},
    {FUSE_CAP_EXPLICIT_INVAL_DATA, true}, /* push tells when pages go, not a changed
                                             mtime */
    {FUSE_CAP_AUTO_INVAL_DATA, false},
    {FUSE_CAP_HANDLE_KILLPRIV, false}, /* the kernel knows best who may keep
                                          set-user-ID, and asks for a new mode */
    {FUSE_CAP_WRITEBACK_CACHE, false}, /* it would own size and mtime, which other mounts change, too */
    {FUSE_CAP_SPLICE_READ, false},     /* bytes are copied into a slot anyhow */
};

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    struct fs *fs = userdata;

    for (size_t i = 0; i < sizeof capabilities / sizeof capabilities[0]; i++)
        set_wanted(conn, capabilities[i].bit, capabilities[i].wanted);
    conn->max_write = MAX_WRITE;
    conn->max_background = (unsigned)fs->options->max_background;
    conn->congestion_threshold = conn->max_background * 3 / 4;
    conn->time_gran = 1;
    fs->keeps_bypassed = conn->proto_minor < DROPS_BYPASSED;
}

/* ---- mounting ---- */

/* A comma or backslash in a value of libfuse's is escaped. */
static void add_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == ',' || *text == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, *text);
    }
}

static int build_options(const struct mount_options *o, struct buf *out)
{
    buf_add_cstr(out, "default_permissions,subtype=cairnfs,fsname=");
    add_escaped(out, o->source_text);
    if (o->allow_other)
        buf_add_cstr(out, ",allow_other");
    if (o->allow_root)
        buf_add_cstr(out, ",allow_root");
    if (o->kernel.len > 0) {
        buf_add_char(out, ',');
        buf_add_span(out, buf_span(&o->kernel));
    }
    return buf_add_char(out, '\0');
}

static int session_new(struct fs *fs)
{
    static struct fuse_lowlevel_ops ops = {.init = op_init};
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct buf options = BUF_INIT;

    ops_look(&ops);
    ops_names(&ops);
    ops_dir(&ops);
    ops_open(&ops);
    ops_data(&ops);
    ops_xattr(&ops);
    int r = build_options(fs->options, &options);
    if (r == 0 && (fuse_opt_add_arg(&args, "cairnfs") != 0 || fuse_opt_add_arg(&args, "-o") != 0 ||
                   fuse_opt_add_arg(&args, options.ptr) != 0))
        r = -ENOMEM;
    if (r == 0 && fs->options->debug && fuse_opt_add_arg(&args, "-d") != 0)
        r = -ENOMEM;
    if (r == 0) {
        fs->session = fuse_session_new(&args, &ops, sizeof ops, fs);
        r = fs->session ? 0 : -EINVAL;
    }
    fuse_opt_free_args(&args);
    buf_release(&options);
    return r;
}

/* Whether the mount there has lost its process. What is no mountpoint is not asked: that may be slow. */
static bool is_dead(const char *mountpoint)
{
    struct stat st, above;
    struct statfs answer;
    int fd = open(mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool mounted = fstatat(fd, "..", &above, 0) < 0 || fstat(fd, &st) < 0 || st.st_dev != above.st_dev;
    bool dead = mounted && statfs(mountpoint, &answer) < 0 && errno == ENOTCONN;

    if (fd >= 0)
        close(fd);
    return dead;
}

/* It would lie below the new one for ever. Who can't take it away mounts over it. */
static void take_away_dead(const char *mountpoint)
{
    char *const argv[] = {"fusermount3", "-u", "-z", "-q", (char *)mountpoint, NULL};
    pid_t child;

    if (!is_dead(mountpoint) || umount2(mountpoint, MNT_DETACH) == 0)
        return;
    if (posix_spawnp(&child, argv[0], NULL, NULL, argv, environ) == 0)
        waitpid(child, NULL, 0);
}

int mount_open(struct fs *fs)
{
    take_away_dead(fs->options->mountpoint);
    int r = session_new(fs);
    if (r == 0 && fuse_session_mount(fs->session, fs->options->mountpoint) != 0)
        r = -EIO;
    return r;
}

void mount_close(struct fs *fs)
{
    if (!fs || !fs->session)
        return;
    notify_stop(fs->notify); /* it writes to the descriptor that goes now */
    fuse_session_unmount(fs->session);
}

/* ---- when it answers ---- */

struct waiter {
    struct fs *fs;
    void (*ready)(int error, void *arg);
    void *arg;
};

/* What does not answer is given up, as SIGTERM would. */
static void *wait_ready(void *arg)
{
    struct waiter *w = arg;
    int error = outside_look(w->fs->options);

    w->ready(error, w->arg);
    if (error < 0)
        kill(getpid(), SIGTERM);
    return NULL;
}

/* ---- signals: blocked everywhere, taken by one thread ---- */

#define WAKE_NS (50 * NS_PER_MS)

struct signals {
    struct fs *fs;
    pthread_t serving; /* the thread in the loop */
    atomic_bool over;  /* the loop has ended */
};

static void wake(int number)
{
    (void)number;
}

static void ending_signals(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGTERM);
    sigaddset(ret_set, SIGINT);
    sigaddset(ret_set, SIGHUP);
}

void mount_prepare(void)
{
    struct sigaction waking = {.sa_handler = wake};
    sigset_t set;

    ending_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    sigaction(SIGUSR1, &waking, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* A task that serves file I/O must not wait in its allocations for that same I/O. Only root may say so. */
    prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

static void *wait_signal(void *arg)
{
    struct signals *s = arg;
    sigset_t set;
    int number;

    ending_signals(&set);
    if (sigwait(&set, &number) != 0 || atomic_load(&s->over))
        return NULL;
    atomic_store(&s->fs->ending, true);
    outside_sync(s->fs->options);
    fuse_session_exit(s->fs->session);
    while (
        !atomic_load(&s->over)) { /* the loop looks at its end when a signal wakes it, which may come a moment early */
        struct timespec pause = {0, WAKE_NS};
        pthread_kill(s->serving, SIGUSR1);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* ---- serving ---- */

static int loop(struct fs *fs)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();

    if (!config)
        return -ENOMEM;
    fuse_loop_cfg_set_clone_fd(config, 1);
    fuse_loop_cfg_set_idle_threads(config, IDLE_THREADS);
    fuse_loop_cfg_set_max_threads(config, (unsigned)fs->options->threads);
    int r = fuse_session_loop_mt(fs->session, config);
    fuse_loop_cfg_destroy(config);
    return r < 0 ? r : 0;
}

int mount_serve(struct fs *fs, void (*ready)(int error, void *arg), void *arg)
{
    struct waiter waiter = {fs, ready, arg};
    struct signals signals = {.fs = fs, .serving = pthread_self()};
    pthread_t waiting, signalled;

    int r = -pthread_create(&signalled, NULL, wait_signal, &signals);
    if (r < 0)
        return r;
    r = -pthread_create(&waiting, NULL, wait_ready, &waiter);
    if (r == 0) {
        r = loop(fs);
        pthread_join(waiting, NULL);
    }
    atomic_store(&signals.over, true);
    pthread_kill(signalled, SIGTERM); /* it may wait still */
    pthread_join(signalled, NULL);
    return r;
}
