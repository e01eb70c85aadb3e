#include "tests/support/volatile_log.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/volatile_file.h"

#define GRAVES "graves"
#define TREE "tree"

enum name_kind { NAME_MADE, NAME_REMOVED, NAME_MOVED };

struct name_change {
    struct name_change *older;
    uint64_t number;
    enum name_kind kind;
    char *path;     /* MOVED: the new one */
    char *from;     /* MOVED */
    uint64_t grave; /* where what was removed or replaced lies; 0: nothing was */
};

/* A folder at the cut: once one of its changes survives, all before it do. */
struct settled {
    struct settled *next;
    const char *path;
    size_t len;
};

struct volatile_log {
    pthread_mutex_t lock; /* guards what follows */
    int root, tree, graves;
    uint64_t count; /* notes taken */
    uint64_t grave_count;
    bool cut;
    struct volatile_file *files;
    struct name_change *names; /* newest first */
};

static void must(bool good, const char *what, const char *path)
{
    if (good)
        return;
    fprintf(stderr, "volatile log: %s %s: %s\n", what, path ? path : "", strerror(errno));
    abort();
}

/* ---- names ---- */

static size_t folder_len(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (size_t)(slash - path) : 0;
}

static bool is_in(const char *path, const char *folder, size_t len)
{
    return folder_len(path) == len && memcmp(path, folder, len) == 0;
}

static void grave_name(uint64_t grave, char ret_name[24])
{
    snprintf(ret_name, 24, "%llu", (unsigned long long)grave);
}

static uint64_t grave_dig(struct volatile_log *log, const char *path)
{
    char name[24];

    grave_name(++log->grave_count, name);
    must(renameat(log->tree, path, log->graves, name) == 0, "can't put aside", path);
    return log->grave_count;
}

static void grave_open(struct volatile_log *log, uint64_t grave, const char *path)
{
    char name[24];

    grave_name(grave, name);
    must(renameat(log->graves, name, log->tree, path) == 0, "can't bring back", path);
}

static void grave_forget(struct volatile_log *log, uint64_t grave)
{
    char name[24];

    if (!grave)
        return;
    grave_name(grave, name);
    must(unlinkat(log->graves, name, 0) == 0, "can't bury", name);
}

static void name_push(struct volatile_log *log, enum name_kind kind, const char *path, const char *from, uint64_t grave)
{
    struct name_change *change = malloc(sizeof(*change));

    must(change, "no memory for", path);
    *change = (struct name_change){
        .older = log->names,
        .number = ++log->count,
        .kind = kind,
        .path = strdup(path),
        .from = from ? strdup(from) : NULL,
        .grave = grave,
    };
    must(change->path && (!from || change->from), "no memory for", path);
    log->names = change;
}

static void name_free(struct name_change *change)
{
    free(change->path);
    free(change->from);
    free(change);
}

void volatile_log_made(struct volatile_log *log, const char *path)
{
    pthread_mutex_lock(&log->lock);
    name_push(log, NAME_MADE, path, NULL, 0);
    pthread_mutex_unlock(&log->lock);
}

/* The paths of what lies below a folder would all change, so there is no moving one. */
static int file_check(const struct volatile_log *log, const char *path)
{
    struct stat st;

    if (fstatat(log->tree, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? -EOPNOTSUPP : 0;
}

int volatile_log_remove(struct volatile_log *log, const char *path)
{
    pthread_mutex_lock(&log->lock);
    int r = file_check(log, path);
    if (r == 0)
        name_push(log, NAME_REMOVED, path, NULL, grave_dig(log, path));
    pthread_mutex_unlock(&log->lock);
    return r;
}

int volatile_log_rename(struct volatile_log *log, const char *from, const char *to)
{
    pthread_mutex_lock(&log->lock);
    int r = is_in(to, from, folder_len(from)) ? file_check(log, from) : -EXDEV;
    if (r == 0) {
        bool replaces = faccessat(log->tree, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
        uint64_t grave = replaces ? grave_dig(log, to) : 0;
        must(renameat(log->tree, from, log->tree, to) == 0, "can't rename", from);
        name_push(log, NAME_MOVED, to, from, grave);
    }
    pthread_mutex_unlock(&log->lock);
    return r;
}

void volatile_log_sync_folder(struct volatile_log *log, const char *folder, uint64_t mark)
{
    size_t len = strlen(folder);

    pthread_mutex_lock(&log->lock);
    for (struct name_change **at = &log->names; *at && !log->cut;) {
        struct name_change *change = *at;

        if (change->number > mark || !is_in(change->path, folder, len)) {
            at = &change->older;
            continue;
        }
        *at = change->older;
        grave_forget(log, change->grave);
        name_free(change);
    }
    pthread_mutex_unlock(&log->lock);
}

/* ---- files ---- */

/* The notes of a file. One without any name that could come back has no future: NULL. */
static struct volatile_file *file_of(struct volatile_log *log, int fd)
{
    struct stat st;

    must(fstat(fd, &st) == 0, "fstat", NULL);
    return log->cut || st.st_nlink == 0 ? NULL : volatile_file_get(&log->files, fd, &st);
}

void volatile_log_bytes(struct volatile_log *log, int fd, uint64_t off, uint64_t len)
{
    pthread_mutex_lock(&log->lock);
    struct volatile_file *file = file_of(log, fd);
    if (file)
        volatile_file_note_bytes(file, ++log->count, off, len);
    pthread_mutex_unlock(&log->lock);
}

void volatile_log_size(struct volatile_log *log, int fd, uint64_t size)
{
    pthread_mutex_lock(&log->lock);
    struct volatile_file *file = file_of(log, fd);
    if (file)
        volatile_file_note_size(file, ++log->count, size);
    pthread_mutex_unlock(&log->lock);
}

uint64_t volatile_log_mark(struct volatile_log *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t mark = log->count;
    pthread_mutex_unlock(&log->lock);
    return mark;
}

void volatile_log_sync_file(struct volatile_log *log, int fd, uint64_t mark)
{
    pthread_mutex_lock(&log->lock);
    struct volatile_file *file = file_of(log, fd);
    if (file)
        volatile_file_forget(file, mark);
    volatile_files_trim(&log->files);
    pthread_mutex_unlock(&log->lock);
}

void volatile_log_sync_range(struct volatile_log *log, int fd, uint64_t off, uint64_t len)
{
    pthread_mutex_lock(&log->lock);
    struct volatile_file *file = file_of(log, fd);
    if (file)
        volatile_file_forget_range(file, off, len);
    volatile_files_trim(&log->files);
    pthread_mutex_unlock(&log->lock);
}

/* ---- the cut ---- */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
    (void)st, (void)flag, (void)walk;
    return remove(path);
}

/* What was made goes, with all that is in it when it is a folder. */
static void unmake(struct volatile_log *log, const char *path)
{
    char full[4096];

    snprintf(full, sizeof(full), "/proc/self/fd/%d/%s", log->tree, path);
    must(nftw(full, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0, "can't unmake", path);
}

static void name_undo(struct volatile_log *log, const struct name_change *change)
{
    if (change->kind == NAME_MADE)
        unmake(log, change->path);
    if (change->kind == NAME_MOVED)
        must(renameat(log->tree, change->path, log->tree, change->from) == 0, "can't rename back", change->path);
    if (change->grave)
        grave_open(log, change->grave, change->path);
}

static bool folder_settled(const struct settled *list, const char *path)
{
    for (; list; list = list->next)
        if (is_in(path, list->path, list->len))
            return true;
    return false;
}

static void folder_settle(struct settled **list, const char *path)
{
    struct settled *settled = malloc(sizeof(*settled));

    must(settled, "no memory for", path);
    *settled = (struct settled){.next = *list, .path = path, .len = folder_len(path)};
    *list = settled;
}

static void cut_names(struct volatile_log *log, struct lottery *lottery)
{
    struct settled *list = NULL;

    for (struct name_change *change = log->names; change; change = change->older) {
        bool survives = folder_settled(list, change->path);

        if (!survives && lottery_draw(lottery)) {
            folder_settle(&list, change->path);
            survives = true;
        }
        if (survives)
            grave_forget(log, change->grave);
        else
            name_undo(log, change);
    }
    while (list) {
        struct settled *next = list->next;
        free(list);
        list = next;
    }
}

void volatile_log_cut(struct volatile_log *log, uint64_t seed)
{
    struct lottery lottery = lottery_begin(seed);

    pthread_mutex_lock(&log->lock);
    for (struct volatile_file *file = log->files; file; file = volatile_file_next(file))
        volatile_file_cut(file, &lottery);
    volatile_files_free(&log->files);
    cut_names(log, &lottery);
    log->cut = true;
    pthread_mutex_unlock(&log->lock);
}

/* ---- life ---- */

static int folder_make(int root, const char *name)
{
    must(mkdirat(root, name, 0755) == 0 || errno == EEXIST, "can't make", name);
    int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(fd >= 0, "can't open", name);
    return fd;
}

struct volatile_log *volatile_log_new(const char *folder)
{
    struct volatile_log *log = calloc(1, sizeof(*log));

    must(log, "no memory for", folder);
    pthread_mutex_init(&log->lock, NULL);
    log->root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(log->root >= 0, "can't open", folder);
    log->tree = folder_make(log->root, TREE);
    log->graves = folder_make(log->root, GRAVES);
    return log;
}

void volatile_log_free(struct volatile_log **log)
{
    struct volatile_log *l = *log;

    if (!l)
        return;
    *log = NULL;
    volatile_files_free(&l->files);
    while (l->names) {
        struct name_change *change = l->names;
        l->names = change->older;
        if (!l->cut)
            grave_forget(l, change->grave);
        name_free(change);
    }
    close(l->graves);
    close(l->tree);
    close(l->root);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

int volatile_log_tree(const struct volatile_log *log)
{
    return log->tree;
}
