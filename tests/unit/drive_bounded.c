/* A drive that hangs is one that fails, in time. */
#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "objstore/drive/bounded.h"
#include "objstore/drive/fault.h"
#include "tests/support/fast_clock.h"

static char root[64];
static struct pulse_group *group;
static struct drive *fault, *drive;
static struct drive_file *file;

static void setup(void)
{
    struct drive *inner = NULL;

    strcpy(root, "/tmp/cairn-bounded-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    cr_assert_eq(drive_dir_open(root, &inner), 0);
    cr_assert_eq(fault_drive_new(inner, &fault), 0);
    group = pulse_group_new(2);
    for (unsigned place = 1; place < 4; place++)
        pulse_join(group, place); /* peers that have nothing to do */
    cr_assert_eq(bounded_drive_new(fault, group, 0, &drive), 0);
    cr_assert_eq(drive_mkdir(drive, "data"), 0);
    cr_assert_eq(drive_open(drive, "data/file", DRIVE_CREATE, &file), 0);
    struct iovec iov = {(char *)"0123456789", 10};
    cr_assert_eq(drive_write(file, &iov, 1, 0), 0);
    fast_clock_start();
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void teardown(void)
{
    if (drive)
        fault_clear(fault);
    drive_file_close(&file);
    drive_free(&drive);
    pulse_group_unref(&group);
    fast_clock_stop();
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(drive_bounded, .init = setup, .fini = teardown, .timeout = 60);

static void hang(unsigned ops)
{
    fault_add(fault, &(struct fault_rule){.ops = ops, .kind = FAULT_HANG});
}

/* Lets go, and waits until the drive counts as good again, and what was is forgotten. */
static void recover(void)
{
    fault_clear(fault);
    while (pulse_slow(group, clock_mono_ns()))
        usleep(1000);
    clock_shift_ns(2 * PULSE_FORGIVE);
}

static ssize_t get(char *ret_text, size_t len, uint64_t off, enum drive_wait wait)
{
    struct iovec iov[2] = {{ret_text, len / 2}, {ret_text + len / 2, len - len / 2}};

    return drive_read(file, iov, 2, off, wait);
}

/* ---- reading ---- */

Test(drive_bounded, reads_what_is_there)
{
    char text[20] = "";

    cr_assert_eq(get(text, 10, 0, DRIVE_PATIENT), 10);
    cr_assert_str_eq(text, "0123456789");
    cr_assert_eq(get(text, 8, 6, DRIVE_PATIENT), 4, "to the end of the file");
    cr_assert_eq(memcmp(text, "6789", 4), 0);
    cr_assert_eq(get(text, 8, 60, DRIVE_PATIENT), 0);
    cr_assert_eq(get(text, 10, 0, DRIVE_WAIT), 10);
    cr_assert_eq(get(text, 10, 0, DRIVE_CACHED), 10);
}

Test(drive_bounded, reads_where_memory_can_not_be_asked)
{
    char text[20] = "";

    fault_add(fault, &(struct fault_rule){.ops = FAULT_READ, .kind = FAULT_COLD});
    for (int i = 0; i < 3; i++) {
        memset(text, 0, sizeof(text));
        cr_assert_eq(get(text, 10, 0, DRIVE_PATIENT), 10);
        cr_assert_str_eq(text, "0123456789");
        cr_assert_eq(get(text, 8, 6, DRIVE_PATIENT), 4);
        cr_assert_eq(memcmp(text, "6789", 4), 0);
    }
}

Test(drive_bounded, an_error_of_the_drive_is_told)
{
    char text[10];

    fault_add(fault, &(struct fault_rule){.ops = FAULT_READ, .kind = FAULT_COLD});
    fault_add(fault, &(struct fault_rule){.ops = FAULT_READ | FAULT_SYNC, .kind = FAULT_ERROR, .error = -EIO});
    cr_assert_eq(get(text, 10, 0, DRIVE_PATIENT), 10, "the first rule decides");
    fault_clear(fault);
    fault_add(fault, &(struct fault_rule){.ops = FAULT_READ | FAULT_SYNC, .kind = FAULT_ERROR, .error = -EIO});
    cr_assert_eq(get(text, 10, 0, DRIVE_PATIENT), -EIO);
    cr_assert_eq(drive_file_sync(file, DRIVE_PATIENT), -EIO);
}

Test(drive_bounded, a_read_that_hangs_is_left)
{
    char text[11] = "abcdefghij";

    hang(FAULT_READ);
    cr_assert_eq(get(text, 10, 0, DRIVE_PATIENT), -ETIMEDOUT);
    cr_assert_eq(fault_hanging(fault), 1);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(get(text, 10, 0, DRIVE_PATIENT), -ETIMEDOUT);
        cr_assert_eq(get(text, 10, 0, DRIVE_CACHED), -ETIMEDOUT);
    }
    cr_assert_eq(fault_hanging(fault), 1, "who comes later does not queue up");
    recover();
    cr_assert_str_eq(text, "abcdefghij", "the caller's memory was never the drive's");
    cr_assert_eq(get(text, 10, 0, DRIVE_PATIENT), 10);
}

static void *read_however_long(void *arg)
{
    char text[10];

    *(ssize_t *)arg = get(text, 10, 0, DRIVE_WAIT);
    return NULL;
}

Test(drive_bounded, who_has_no_choice_waits)
{
    pthread_t thread;
    ssize_t n = 0;

    hang(FAULT_READ);
    pthread_create(&thread, NULL, read_however_long, &n);
    while (!(pulse_look(group, clock_mono_ns()) & 1))
        usleep(1000);
    recover();
    pthread_join(thread, NULL);
    cr_assert_eq(n, 10);
}

/* ---- all else ---- */

static int do_open(void)
{
    struct drive_file *other = NULL;

    return drive_open(drive, "data/file", DRIVE_READ, &other);
}

static int do_mkdir(void)
{
    return drive_mkdir(drive, "other");
}

static int do_unlink(void)
{
    return drive_unlink(drive, "data/none");
}

static int do_rename(void)
{
    return drive_rename(drive, "data/file", "data/same");
}

static int visit(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return 0;
}

static int do_list(void)
{
    return drive_list(drive, "data", visit, NULL);
}

static int do_sync_folder(void)
{
    return drive_sync_folder(drive, "data");
}

static int do_sync(void)
{
    return drive_file_sync(file, DRIVE_PATIENT);
}

static int do_reserve(void)
{
    return drive_reserve(file, 8192);
}

static int do_truncate(void)
{
    return drive_truncate(file, 8192);
}

static int do_punch(void)
{
    return drive_punch(file, 0, 4096);
}

Test(drive_bounded, every_operation_is_bounded)
{
    static int (*const operations[])(void) = {
        do_open, do_mkdir, do_unlink, do_rename, do_list, do_sync_folder, do_sync, do_reserve, do_truncate, do_punch,
    };

    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        hang(FAULT_ALL);
        cr_assert_eq(operations[i](), -ETIMEDOUT, "%zu", i);
        cr_assert_eq(fault_hanging(fault), 1, "%zu", i);
        cr_assert_eq(operations[i](), -ETIMEDOUT, "%zu", i);
        struct iovec iov = {(char *)"x", 1};
        cr_assert_eq(drive_write(file, &iov, 1, 0), -ETIMEDOUT, "nor is it written to");
        recover();
    }
}

Test(drive_bounded, a_file_that_is_created_for_nobody_goes)
{
    struct drive_file *other = NULL;
    char path[128];

    snprintf(path, sizeof(path), "%s/data/other", root);
    hang(FAULT_OPEN);
    cr_assert_eq(drive_open(drive, "data/other", DRIVE_CREATE, &other), -ETIMEDOUT);
    cr_assert_null(other);
    recover();
    cr_assert_neq(access(path, F_OK), 0, "before the drive counts as good again");
    cr_assert_eq(drive_open(drive, "data/other", DRIVE_CREATE, &other), 0);
    drive_file_close(&other);
}

Test(drive_bounded, a_listing_is_the_callers_in_its_own_thread)
{
    cr_assert_eq(drive_list(drive, "none", visit, NULL), -ENOENT);
    cr_assert_eq(drive_list(drive, "data", visit, NULL), 0);
}

Test(drive_bounded, a_file_and_its_drive_are_closed_while_it_hangs)
{
    char text[10];

    hang(FAULT_READ);
    cr_assert_eq(get(text, 10, 0, DRIVE_PATIENT), -ETIMEDOUT);
    drive_file_close(&file);
    drive_free(&drive);
    fault_release(fault); /* what hung has it still, and lets go of all */
}
