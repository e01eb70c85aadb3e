/*
 * cairnfs, and mount.cairn: reads its options, goes to the background, and serves one mount until it is unmounted.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/mount.h"
#include "objstore/base/clock.h"
#include "objstore/base/log.h"

#define FINISH_NS (60 * NS_PER_SEC) /* how long the end waits for a server that does not answer */

/* ---- the background: the parent waits for the word of its child ---- */

struct word {
    int fd; /* -1 in the foreground */
    const struct mount_options *options;
};

static void to_background(const struct mount_options *o)
{
    const char *log = o->log_file ? o->log_file : "/dev/null";
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        close(null);
    }
    if (out >= 0) {
        dup2(out, STDERR_FILENO);
        close(out);
    }
}

/* One line: empty when the mount is ready. */
static void send_word(struct word *word, const char *text)
{
    if (word->fd >= 0) {
        dprintf(word->fd, "%s\n", text);
        close(word->fd);
        word->fd = -1;
        to_background(word->options);
    } else if (*text) {
        fprintf(stderr, "%s\n", text);
    }
}

static int wait_word(int fd)
{
    char text[1024];
    size_t len = 0;
    ssize_t n;

    while (len < sizeof text - 1 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    if (strcmp(text, "\n") == 0)
        return EXIT_SUCCESS;
    fputs(len > 0 ? text : "cairnfs: it ended before the mount was ready\n", stderr);
    return EXIT_FAILURE;
}

/* Returns in the child; the parent exits with the child's word. Before there are threads. */
static void fork_background(struct word *word)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0) {
        perror("cairnfs: pipe");
        exit(EXIT_FAILURE);
    }
    pid_t child = fork();
    if (child < 0) {
        perror("cairnfs: fork");
        exit(EXIT_FAILURE);
    }
    if (child > 0) {
        close(ends[1]);
        exit(wait_word(ends[0]));
    }
    close(ends[0]);
    word->fd = ends[1];
    setsid();
    if (chdir("/") < 0)
        perror("cairnfs: /");
}

/* ---- one mount ---- */

static void ready(int error, void *arg)
{
    struct word *word = arg;
    char text[512] = "";

    if (error < 0)
        snprintf(text, sizeof text, "cairnfs: %s: the mount does not answer: %s", word->options->mountpoint,
                 cairn_strerror(error));
    send_word(word, text);
    if (error == 0)
        log_info("ready", "mountpoint=%s", word->options->mountpoint);
}

static const struct {
    int error;
    const char *text;
} reasons[] = {
    {-ENOENT, "no such bucket or folder"},
    {-EACCES, "the credentials are refused"},
    {-EKEYREJECTED, "the server's certificate is not trusted (ca_file=FILE)"},
    {-EHOSTUNREACH, "the host is not known, or there is no way to it"},
    {-EPROTO, "what answers there is no cairnd, or speaks https where http is asked for, or the other way round"},
};

static void tell_failure(struct word *word, int error)
{
    const char *why = cairn_strerror(error);
    char text[1024];

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].error == error)
            why = reasons[i].text;
    snprintf(text, sizeof text, "cairnfs: %s: %s", word->options->source_text, why);
    send_word(word, text);
}

/* libfuse has said why on standard error, which is the caller's until then. */
static void tell_unmounted(struct word *word)
{
    char text[512];

    snprintf(text, sizeof text, "cairnfs: %s: it could not be mounted", word->options->mountpoint);
    send_word(word, text);
}

static int run(const struct mount_options *options, struct word *word)
{
    struct fs *fs = NULL;

    mount_prepare();
    int r = fs_open(options, &fs);
    if (r < 0)
        tell_failure(word, r);
    else if ((r = mount_open(fs)) < 0)
        tell_unmounted(word);
    else
        r = mount_serve(fs, ready, word);
    if (fs)
        atomic_store(&fs->give_up, clock_mono_ns() + FINISH_NS);
    mount_close(fs);
    fs_close(&fs);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct mount_options options;
    struct word word = {-1, &options};

    if (options_read(argc, argv, &options) < 0)
        return EXIT_FAILURE;
    if (options.help) {
        options_usage(stdout);
        return EXIT_SUCCESS;
    }
    if (options.version) {
        printf("cairnfs 1.0 (libfuse %s)\n", fuse_pkgversion());
        return EXIT_SUCCESS;
    }
    int status = EXIT_SUCCESS;
    if (!options.fake) {
        if (!options.foreground)
            fork_background(&word);
        status = run(&options, &word);
    }
    options_release(&options);
    return status;
}
