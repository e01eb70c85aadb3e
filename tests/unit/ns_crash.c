/*
 * A daemon that is killed: what was answered as durable is there, nothing leaks, and the records agree. Power cuts,
 * where drives lose what they have not synced, are cut by tests/crash.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "tests/support/descriptors.h"
#include "tests/support/ns_fixture.h"

TestSuite(ns_crash, .timeout = 200);

enum { KEYS = 40, ROUNDS = 12, STUCK_MS = 8000 };

/* What the child tells: it is about to give the key this content, or it has. */
struct note {
    uint32_t key, content;
    bool done;
};

static size_t length_of(uint32_t content)
{
    static const size_t lengths[] = {0, 100, 8000, 9000, 70000};
    return lengths[content % 5];
}

static struct span bytes_of(uint32_t content)
{
    static char bytes[70000];
    memset(bytes, 'a' + (int)(content % 26), sizeof(bytes));
    return span_make(bytes, length_of(content));
}

static struct span key_of(uint32_t key, char text[32])
{
    return span_make(text, (size_t)snprintf(text, 32, "d%u/k%u", key % 4, key));
}

/* Content 0 deletes. Changes of names and bodies without a durable answer go between. */
static void work(uint64_t bucket, uint32_t round, int pipe)
{
    char text[32];
    uint64_t log = nsf_mkfile(bucket, "log");
    srand(round);
    for (uint32_t i = 1;; i++) {
        struct note note = {.key = (uint32_t)rand() % KEYS, .content = rand() % 4 ? round * 100000 + i : 0};
        cr_assert_eq(write(pipe, &note, sizeof(note)), sizeof(note));
        struct span key = key_of(note.key, text);
        int r = note.content ? nsf_put_span(bucket, key, bytes_of(note.content)) : nsf_delete_span(bucket, key);
        cr_assert(r == 0 || r == CAIRN_ENOKEY);
        cr_assert_eq(ns_flush(nsf_ns), 0);
        note.done = true;
        cr_assert_eq(write(pipe, &note, sizeof(note)), sizeof(note));
        cr_assert_eq(nsf_write(log, i * 300, bytes_of(i)), 0);
        if (i % 7 == 0)
            nsf_rename(bucket, i % 2 ? "log" : "moved", bucket, i % 2 ? "moved" : "log", 0);
    }
}

/* The child's next note. Not when it is stuck: it was forked from a process with threads, and may find a lock of the
 * sanitizer's allocator held for ever. Then it is killed where it is, an instant as good as any other. */
static bool note_comes(int from, struct note *ret_note)
{
    struct pollfd more = {.fd = from, .events = POLLIN};
    return poll(&more, 1, STUCK_MS) > 0 && read(from, ret_note, sizeof(*ret_note)) == sizeof(*ret_note);
}

/* Kills the child after so many notes. */
static size_t run_and_kill(uint64_t bucket, uint32_t round, struct note *notes, size_t cap)
{
    int ends[2];
    size_t got = 0;
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        nsf_up();
        work(bucket, round, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    while (got < cap && note_comes(ends[0], &notes[got]))
        got++;
    kill(child, SIGKILL);
    while (read(ends[0], &notes[got], sizeof(*notes)) == sizeof(*notes))
        got += got + 1 < cap + 100;
    waitpid(child, NULL, 0);
    close(ends[0]);
    return got;
}

/* The key has what was answered last, or what was under way. */
static void check_key(uint64_t bucket, uint32_t key, const uint32_t *allowed)
{
    char text[32];
    struct span k = key_of(key, text);
    text[k.len] = 0;
    const char *bytes = nsf_get(bucket, text);
    for (int i = 0; i < 2; i++) {
        struct span expected = bytes_of(allowed[i]);
        if (allowed[i] == 0 ? !bytes
                            : bytes && strlen(bytes) == expected.len && !memcmp(bytes, expected.ptr, expected.len))
            return;
    }
    cr_assert(false, "key %u has neither %u nor %u", key, allowed[0], allowed[1]);
}

Test(ns_crash, what_was_durable_survives_a_kill_and_nothing_leaks)
{
    static struct note notes[400];
    uint32_t now[KEYS] = {0};
    nsf_init();
    uint64_t bucket = nsf_bucket("bucket");
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        uint32_t allowed[KEYS][2];
        nsf_down();
        size_t count = run_and_kill(bucket, round, notes, 40 + round * 17);
        for (uint32_t k = 0; k < KEYS; k++)
            allowed[k][0] = allowed[k][1] = now[k];
        for (size_t i = 0; i < count; i++) {
            allowed[notes[i].key][1] = notes[i].content;
            if (notes[i].done)
                allowed[notes[i].key][0] = notes[i].content;
        }
        nsf_up();
        nsf_verify();
        for (uint32_t k = 0; k < KEYS; k++) {
            char text[32];
            struct span key = key_of(k, text);
            check_key(bucket, k, allowed[k]);
            now[k] = 0;
            (void)nsf_delete_span(bucket, key);
        }
        nsf_unlink(bucket, "log");
        nsf_unlink(bucket, "moved");
    }
    nsf_verify();
    cr_assert_eq(nsf_inodes(), 2);
    nsf_fini();
}

static int do_version(struct ns_txn *txn, void *arg)
{
    struct inode *inode = arg;
    return ns_inode(txn, inode->ino, inode);
}

/* As applied: a view would wait for the commit. */
static uint64_t applied_version(uint64_t ino)
{
    struct inode inode = {.ino = ino};
    cr_assert_eq(nsf_apply(do_version, &inode), 0);
    return inode.version;
}

static uint64_t write_file(uint64_t bucket)
{
    uint64_t ino = nsf_ino(bucket, "file");
    for (int i = 0; i < 3; i++)
        cr_assert_eq(nsf_write(ino, 0, SPAN_LIT("lost")), 0);
    return applied_version(ino);
}

Test(ns_crash, a_number_that_a_kill_took_back_is_given_to_nobody_else)
{
    uint64_t last = 0;
    nsf_init();
    uint64_t bucket = nsf_bucket("bucket");
    for (int i = 0; i < 5; i++) {
        nsf_keep();
        uint64_t lost = nsf_mkfile(bucket, "f");
        cr_assert_gt(lost, last);
        nsf_take_back();
        cr_assert_eq(nsf_ino(bucket, "f"), 0);
        last = nsf_mkfile(bucket, "other");
        cr_assert_gt(last, lost);
        nsf_unlink(bucket, "other");
    }
    nsf_fini();
}

Test(ns_crash, a_number_that_a_failed_commit_took_back_is_given_to_nobody_else)
{
    nsf_init();
    uint64_t bucket = nsf_bucket("bucket");
    cr_assert_eq(ns_flush(nsf_ns), 0);
    uint64_t mark = ns_mark(nsf_ns);
    nsf_index_files("/dev/full");
    uint64_t lost = nsf_mkfile(bucket, "lost");
    cr_assert_lt(ns_flush_since(nsf_ns, &mark), 0);
    nsf_index_files(NULL);
    cr_assert_eq(nsf_ino(bucket, "lost"), 0);
    cr_assert_gt(nsf_mkfile(bucket, "other"), lost);
    nsf_fini();
}

Test(ns_crash, a_version_that_a_kill_took_back_comes_never_again)
{
    nsf_init();
    uint64_t bucket = nsf_bucket("bucket"), file = nsf_mkfile(bucket, "file"), folder = nsf_mkdir(bucket, "folder");
    for (int i = 0; i < 3; i++) {
        nsf_keep();
        uint64_t lost = write_file(bucket);
        nsf_mkfile(folder, "lost");
        uint64_t lost_folder = applied_version(folder);
        nsf_take_back();
        cr_assert_lt(applied_version(file), lost);
        cr_assert_eq(nsf_write(file, 0, SPAN_LIT("else")), 0);
        cr_assert_gt(applied_version(file), lost);
        nsf_mkfile(folder, i ? "more" : "other");
        cr_assert_gt(applied_version(folder), lost_folder);
        nsf_unlink(folder, i ? "more" : "other");
    }
    nsf_fini();
}

Test(ns_crash, a_version_that_a_failed_commit_took_back_comes_never_again)
{
    struct inode before, after;
    char lost[INODE_ETAG_MAX], told[INODE_ETAG_MAX];
    nsf_init();
    uint64_t bucket = nsf_bucket("bucket"), file = nsf_mkfile(bucket, "file");
    cr_assert_eq(ns_flush(nsf_ns), 0);
    cr_assert_eq(nsf_inode(file, &before), 0);
    uint64_t mark = ns_mark(nsf_ns);
    nsf_index_files("/dev/full");
    uint64_t version = write_file(bucket);
    cr_assert_lt(ns_flush_since(nsf_ns, &mark), 0);
    nsf_index_files(NULL);
    cr_assert_eq(applied_version(file), before.version);
    before.version = version;
    inode_etag(&before, lost);
    cr_assert_eq(nsf_write(file, 0, SPAN_LIT("else")), 0);
    cr_assert_eq(nsf_inode(file, &after), 0);
    cr_assert_gt(after.version, version);
    inode_etag(&after, told);
    cr_assert_str_neq(told, lost);
    nsf_fini();
}
