#include "fs/options.h"

#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/base/options.h"

#define ROWS_MAX 32
#define DIRTY_MIN (16ull << 20) /* room for a few large writes */
#define DIRTY_MAX (16ull << 30)
#define READ_AHEAD_MAX (256ull << 20)

static const struct mount_options defaults = {
    .uid = OPTION_ID_NONE,
    .gid = OPTION_ID_NONE,
    .timeout_ns = 30 * NS_PER_SEC,
    .attr_timeout_ns = 60 * NS_PER_SEC,
    .read_ahead = 8 << 20,
    .dirty = 128 << 20,
    .max_background = 64,
    .threads = 512,
};

/* The table; targets lie in o. */
static void table_fill(struct mount_options *o, struct option_row rows[ROWS_MAX])
{
    const struct option_row table[] = {
        {"credentials", 0, OPTION_STRING, &o->credentials_file, "FILE", NULL, NULL,
         "access key and secret: as the AWS tools keep them, or KEY:SECRET"},
        {"profile", 0, OPTION_STRING, &o->profile, "NAME", NULL, NULL, "section of that file (default)"},
        {"region", 0, OPTION_STRING, &o->region, "NAME", NULL, NULL, "region in signatures (us-east-1)"},
        {"sign_host", 0, OPTION_STRING, &o->sign_host, "HOST", NULL, NULL,
         "Host to send and sign, where a proxy wants another than SOURCE has"},
        {"ca_file", 0, OPTION_STRING, &o->ca_file, "FILE", NULL, NULL, "certificates to trust instead of the system's"},
        {"hard", 0, OPTION_FLAG, &o->hard, NULL, NULL, NULL, "wait for a server that does not answer (default)"},
        {"soft", 0, OPTION_FLAG, &o->soft, NULL, NULL, NULL, "give EIO after timeout= instead"},
        {"timeout", 0, OPTION_MS, &o->timeout_ns, "TIME", NULL, NULL, "how long soft tries (30s)"},
        {"sync", 0, OPTION_FLAG, &o->sync, NULL, NULL, NULL, "what was written is durable when close returns"},
        {"allow_other", 0, OPTION_FLAG, &o->allow_other, NULL, NULL, NULL,
         "other users may use the mount (default for root)"},
        {"allow_root", 0, OPTION_FLAG, &o->allow_root, NULL, NULL, NULL, "the mounting user and root may"},
        {"private", 0, OPTION_FLAG, &o->private, NULL, NULL, NULL, "only the mounting user may, also for root"},
        {"uid", 0, OPTION_U64, &o->uid, "N", NULL, NULL, "every file belongs to this user"},
        {"gid", 0, OPTION_U64, &o->gid, "N", NULL, NULL, "every file belongs to this group"},
        {"attr_timeout", 0, OPTION_MS, &o->attr_timeout_ns, "TIME", NULL, NULL,
         "how long the kernel keeps names and attributes while push is connected (60s)"},
        {"read_ahead", 0, OPTION_U64, &o->read_ahead, "BYTES", NULL, NULL, "window of a sequential reader (8M)"},
        {"dirty", 0, OPTION_U64, &o->dirty, "BYTES", NULL, NULL, "memory for what is not stored yet (128M)"},
        {"max_background", 0, OPTION_U64, &o->max_background, "N", NULL, NULL,
         "requests that the kernel sends ahead (64)"},
        {"threads", 0, OPTION_U64, &o->threads, "N", NULL, NULL, "of handlers, at most (512)"},
        {"log", 0, OPTION_STRING, &o->log_file, "FILE", NULL, NULL, "where a mount in the background logs to"},
        {"debug", 0, OPTION_FLAG, &o->debug, NULL, NULL, NULL, "log every request of the kernel; implies -f"},
        {0}};

    _Static_assert(sizeof table / sizeof table[0] <= ROWS_MAX, "room for every row");
    memcpy(rows, table, sizeof table);
}

/* ---- generic options of mount(8) ---- */

static const char *const kernel_options[] = {"ro",    "rw",   "suid",   "nosuid",  "dev",
                                             "nodev", "exec", "noexec", "noatime", "dirsync"};
/* A '*' stands for whatever follows. */
static const char *const passed_over[] = {
    "defaults", "auto",       "noauto",        "nofail",     "user*",    "nouser",     "owner",    "group",
    "_netdev",  "x-*",        "comment=*",     "relatime",   "atime",    "norelatime", "lazytime", "nolazytime",
    "async",    "nodiratime", "nostrictatime", "iversion",   "helper=*", "uhelper=*",  "loud",     "silent",
    "nomand",   "diratime",   "strictatime",   "noiversion", "mand",
};

static bool word_fits(const char *pattern, const char *word)
{
    size_t len = strlen(pattern);
    return pattern[len - 1] == '*' ? strncmp(pattern, word, len - 1) == 0 : strcmp(pattern, word) == 0;
}

static bool listed(const char *const *list, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (word_fits(list[i], word))
            return true;
    return false;
}

#define LISTED(list, word) listed(list, sizeof(list) / sizeof((list)[0]), word)

static int add_kernel_option(struct mount_options *o, const char *word)
{
    if (o->kernel.len > 0)
        buf_add_char(&o->kernel, ',');
    return buf_add_cstr(&o->kernel, word);
}

/* ---- -o ---- */

static const char *const expected[] = {
    [OPTION_FLAG] = "true or false, or nothing",
    [OPTION_STRING] = "a text",
    [OPTION_U64] = "a number, with K, M, G or T for powers of 1024",
    [OPTION_MS] = "a time such as 500ms, 30s, 5m",
};

static int set_option(const struct option_row *row, const char *value)
{
    if (row->type != OPTION_FLAG && !value) {
        fprintf(stderr, "cairnfs: option %s needs a value: %s=%s\n", row->name, row->name, row->metavar);
        return -EINVAL;
    }
    int r = option_value(row->type, value ? value : "true", row->target);
    if (r < 0)
        fprintf(stderr, "cairnfs: option %s=%s: expected %s\n", row->name, value ? value : "", expected[row->type]);
    return r;
}

static int take_option(struct mount_options *o, const struct option_row *rows, char *word)
{
    char *value = strchr(word, '=');
    size_t len = value ? (size_t)(value - word) : strlen(word);

    for (; rows->name; rows++)
        if (strlen(rows->name) == len && strncmp(rows->name, word, len) == 0)
            return set_option(rows, value ? value + 1 : NULL);
    if (LISTED(kernel_options, word))
        return add_kernel_option(o, word);
    if (LISTED(passed_over, word))
        return 0;
    if (strcmp(word, "remount") == 0) {
        fprintf(stderr, "cairnfs: a mount can't be changed by remount: unmount it, and mount it again\n");
        return -EINVAL;
    }
    fprintf(stderr, "cairnfs: unknown option: %s (cairnfs --help lists them)\n", word);
    return -EINVAL;
}

/* Words are parted by commas; a backslash keeps the next character as it is. */
static char *cut_word(char **rest)
{
    char *word = *rest, *to = word, *from = word;

    while (*from && *from != ',') {
        if (*from == '\\' && from[1])
            from++;
        *to++ = *from++;
    }
    *rest = *from ? from + 1 : NULL;
    *to = '\0';
    return word;
}

static int take_options(struct mount_options *o)
{
    struct option_row rows[ROWS_MAX];
    int r = 0;

    table_fill(o, rows);
    for (char *rest = o->text; rest && r == 0;) {
        char *word = cut_word(&rest);
        if (*word)
            r = take_option(o, rows, word);
    }
    return r;
}

/* ---- the command line ---- */

static bool called_by_mount(const char *program)
{
    const char *slash = strrchr(program, '/');
    return strncmp(slash ? slash + 1 : program, "mount.", 6) == 0;
}

/* Several -o are one with commas between. */
static int join_options(struct mount_options *o, const char *more)
{
    char *joined = NULL;

    if (asprintf(&joined, "%s%s%s", o->text ? o->text : "", o->text ? "," : "", more) < 0)
        return -ENOMEM;
    free(o->text);
    o->text = joined;
    return 0;
}

static int take_letter(struct mount_options *o, int letter, bool by_mount)
{
    switch (letter) {
    case 'f':
        *(by_mount ? &o->fake : &o->foreground) = true;
        return 0;
    case 'o':
        return join_options(o, optarg);
    case 'h':
        o->help = true;
        return 0;
    case 'V':
        o->version = true;
        return 0;
    case 's':
    case 'n':
    case 'v':
    case 't':
    case 'N':
        return by_mount ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

/* What a killed cairnfs has left there (ENOTCONN) is no reason against it: mount_open takes it away. */
static int find_mountpoint(const char *path, char **ret_path)
{
    char found[PATH_MAX];
    struct stat st;
    int r = realpath(path, found) ? 0 : -errno;

    if (r == 0 && stat(found, &st) < 0)
        r = errno == ENOTCONN ? 0 : -errno;
    else if (r == 0 && !S_ISDIR(st.st_mode))
        r = -ENOTDIR;
    if (r < 0) {
        fprintf(stderr, "cairnfs: %s: %s\n", path, strerror(-r));
        return r;
    }
    *ret_path = strdup(found);
    return *ret_path ? 0 : -ENOMEM;
}

static int take_operands(struct mount_options *o, int argc, char **argv)
{
    if (argc - optind != 2) {
        options_usage(stderr);
        return -EINVAL;
    }
    int r = source_parse(argv[optind], &o->source);
    if (r == -EINVAL)
        fprintf(stderr,
                "cairnfs: %s: expected http://HOST[:PORT], https://HOST[:PORT] or unix:PATH, "
                "with /BUCKET[/PREFIX] behind (unix:PATH:/BUCKET)\n",
                argv[optind]);
    if (r < 0)
        return r;
    o->source_text = strdup(argv[optind]);
    return o->source_text ? find_mountpoint(argv[optind + 1], &o->mountpoint) : -ENOMEM;
}

static int take_arguments(struct mount_options *o, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
    bool by_mount = called_by_mount(argv[0]);
    int letter, r = 0;

    optind = 0; /* GNU: start over, operands may stand anywhere */
    while (r == 0 && (letter = getopt_long(argc, argv, by_mount ? "sfnvhVo:t:N:" : "fhVo:", long_options, NULL)) != -1)
        r = take_letter(o, letter, by_mount);
    if (r == 0 && !o->help && !o->version)
        r = take_operands(o, argc, argv);
    return r;
}

/* ---- what belongs together ---- */

static int check_ranges(const struct mount_options *o)
{
    const char *wrong = NULL;

    if (o->hard && o->soft)
        wrong = "hard and soft exclude each other";
    else if (o->allow_other + o->allow_root + o->private > 1)
        wrong = "allow_other, allow_root and private exclude each other";
    else if (o->dirty < DIRTY_MIN || o->dirty > DIRTY_MAX)
        wrong = "dirty must be 16M to 16384M";
    else if (o->read_ahead > READ_AHEAD_MAX)
        wrong = "read_ahead must be at most 256M";
    else if (o->max_background < 1 || o->max_background > 4096)
        wrong = "max_background must be 1 to 4096";
    else if (o->threads < 4 || o->threads > 4096)
        wrong = "threads must be 4 to 4096";
    else if ((o->uid != OPTION_ID_NONE && o->uid >= UINT32_MAX) || (o->gid != OPTION_ID_NONE && o->gid >= UINT32_MAX))
        wrong = "uid and gid are numbers of 32 bits";
    else if (o->soft && o->timeout_ns < NS_PER_SEC)
        wrong = "timeout must be at least 1s";
    if (wrong)
        fprintf(stderr, "cairnfs: %s\n", wrong);
    return wrong ? -EINVAL : 0;
}

static int find_credentials(struct mount_options *o)
{
    int r;

    if (!o->credentials_file) {
        r = credentials_from_environment(&o->credentials);
        if (r == -ENOENT)
            fprintf(stderr, "cairnfs: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give "
                            "-o credentials=FILE\n");
        return r;
    }
    r = credentials_read(o->credentials_file, o->profile, o->source.bucket, &o->credentials);
    if (r == -EPERM)
        fprintf(stderr, "cairnfs: %s: must not be open to others: chmod 600\n", o->credentials_file);
    else if (r < 0)
        fprintf(stderr, "cairnfs: %s: no credentials: %s\n", o->credentials_file, cairn_strerror(r));
    return r;
}

int options_read(int argc, char **argv, struct mount_options *ret_options)
{
    struct mount_options o = defaults;
    int r = take_arguments(&o, argc, argv);

    if (r == 0 && (o.help || o.version)) {
        *ret_options = o;
        return 0;
    }
    if (r == 0)
        r = take_options(&o);
    if (r == 0)
        r = check_ranges(&o);
    if (r == 0)
        r = find_credentials(&o);
    if (r < 0) {
        options_release(&o);
        return r;
    }
    o.foreground = o.foreground || o.debug;
    o.allow_other = o.allow_other || (geteuid() == 0 && !o.private && !o.allow_root);
    *ret_options = o;
    return 0;
}

void options_release(struct mount_options *options)
{
    source_release(&options->source);
    credentials_release(&options->credentials);
    buf_release(&options->kernel);
    free(options->source_text);
    free(options->mountpoint);
    free(options->text);
    *options = (struct mount_options){0};
}

void options_usage(FILE *out)
{
    struct mount_options o = defaults;
    struct option_row rows[ROWS_MAX];

    fprintf(out, "usage: cairnfs SOURCE MOUNTPOINT [-f] [-o OPT[,OPT...]]\n\n"
                 "SOURCE is http://HOST[:PORT][/BUCKET[/PREFIX]], https:// likewise, or unix:PATH[:/BUCKET[/PREFIX]];\n"
                 "without a bucket every bucket is a directory. The credentials are AWS_ACCESS_KEY_ID and\n"
                 "AWS_SECRET_ACCESS_KEY, or those of -o credentials=FILE.\n\n"
                 "  -f             stay in the foreground; else it returns when the mount is ready\n"
                 "  -o OPT,...     options, as below\n"
                 "  -h, --help     this text\n"
                 "  -V, --version  the version\n\n");
    table_fill(&o, rows);
    for (const struct option_row *row = rows; row->name; row++)
        fprintf(out, "  %s%s%-*s %s\n", row->name, row->metavar ? "=" : " ", 20 - (int)strlen(row->name),
                row->metavar ? row->metavar : "", row->help);
    fprintf(out,
            "\nTo the kernel go ro, rw, [no]suid, [no]dev, [no]exec, noatime and dirsync; what mount(8) and systemd\n"
            "keep in fstab (defaults, _netdev, x-..., user, nofail ...) is accepted and means nothing here.\n");
}
