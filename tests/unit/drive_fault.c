/* The directory drive, and faults around it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "objstore/drive/fault.h"

static char root[64];
static struct drive *drive;

static void setup(void)
{
    struct drive *inner = NULL;

    strcpy(root, "/tmp/cairn-fault-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    cr_assert_eq(drive_dir_open(root, &inner), 0);
    cr_assert_eq(fault_drive_new(inner, &drive), 0);
    fault_track(drive);
    cr_assert_eq(drive_mkdir(drive, "data"), 0);
    cr_assert_eq(drive_mkdir(drive, "data"), 0, "an existing folder is no error");
}

static void teardown(void)
{
    char command[96];

    drive_free(&drive);
    snprintf(command, sizeof(command), "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(drive_fault, .init = setup, .fini = teardown);

static struct drive_file *create(const char *name)
{
    struct drive_file *file = NULL;

    cr_assert_eq(drive_open(drive, name, DRIVE_CREATE, &file), 0);
    return file;
}

static int put(struct drive_file *file, const char *text, uint64_t off)
{
    struct iovec iov[2] = {{(void *)text, 2}, {(void *)(text + 2), strlen(text) - 2}};

    return drive_write(file, iov, 2, off);
}

static const char *get(struct drive_file *file, uint64_t off, size_t len)
{
    static char text[128];
    struct iovec iov = {text, len};
    ssize_t n = drive_read(file, &iov, 1, off, DRIVE_WAIT);

    cr_assert_geq(n, 0);
    text[n] = 0;
    return text;
}

/* What is on the disk, past the drive under test. */
static const char *on_disk(const char *name)
{
    static char text[128];
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *f = fopen(path, "r");
    if (!f)
        return NULL;
    text[fread(text, 1, sizeof(text) - 1, f)] = 0;
    fclose(f);
    return text;
}

Test(drive_fault, files_are_written_read_and_listed)
{
    struct drive_file *file = create("data/a"), *again = NULL;
    uint64_t len, allocated;

    cr_assert_eq(put(file, "hello world", 0), 0);
    cr_assert_str_eq(get(file, 6, 100), "world");
    cr_assert_str_eq(get(file, 100, 10), "");
    cr_assert_eq(drive_open(drive, "data/a", DRIVE_CREATE, &again), -EEXIST);
    cr_assert_eq(drive_open(drive, "data/b", DRIVE_READ, &again), -ENOENT);
    cr_assert_eq(drive_file_size(file, &len, &allocated), 0);
    cr_assert_eq(len, 11);
    drive_file_close(&file);
    cr_assert_eq(drive_unlink(drive, "data/a"), 0);
}

Test(drive_fault, a_punched_range_reads_as_zeros_and_gives_its_space_back)
{
    struct drive_file *file = create("data/a");
    uint64_t len, before, after;

    cr_assert_eq(drive_reserve(file, 1 << 20), 0);
    cr_assert_eq(put(file, "hello", 8192), 0);
    cr_assert_eq(drive_file_size(file, &len, &before), 0);
    cr_assert_eq(len, 1 << 20);
    cr_assert_eq(drive_punch(file, 4096, 512 << 10), 0);
    cr_assert_eq(get(file, 8192, 5)[0], 0);
    cr_assert_eq(drive_file_size(file, &len, &after), 0);
    cr_assert_eq(len, 1 << 20);
    cr_assert_leq(after + (512 << 10), before);
    drive_file_close(&file);
}

Test(drive_fault, the_nth_write_fails_and_changes_nothing)
{
    struct drive_file *file = create("data/a");

    fault_add(drive, &(struct fault_rule){.ops = FAULT_WRITE, .error = -ENOSPC, .after = 1, .count = 1});
    cr_assert_eq(put(file, "one", 0), 0);
    cr_assert_eq(put(file, "two", 0), -ENOSPC);
    cr_assert_str_eq(get(file, 0, 10), "one");
    cr_assert_eq(put(file, "three", 0), 0);
    cr_assert_eq(fault_seen(drive, FAULT_WRITE), 3);
    drive_file_close(&file);
}

Test(drive_fault, a_torn_write_lands_by_half)
{
    struct drive_file *file = create("data/a");

    fault_add(drive, &(struct fault_rule){.ops = FAULT_WRITE, .kind = FAULT_TORN, .error = -EIO, .count = 1});
    cr_assert_eq(put(file, "abcdef", 0), -EIO);
    cr_assert_str_eq(get(file, 0, 10), "abc");
    drive_file_close(&file);
}

Test(drive_fault, silent_corruption_flips_a_bit)
{
    struct drive_file *file = create("data/a");

    fault_add(drive, &(struct fault_rule){.ops = FAULT_READ, .kind = FAULT_FLIP, .count = 1});
    cr_assert_eq(put(file, "abcdef", 0), 0);
    cr_assert_str_eq(get(file, 0, 10), "ebcdef");
    cr_assert_str_eq(get(file, 0, 10), "abcdef");
    drive_file_close(&file);
}

Test(drive_fault, a_drive_that_is_gone_answers_nothing)
{
    struct drive_file *file = create("data/a"), *other = NULL;
    struct drive_space space;

    fault_gone(drive);
    cr_assert_eq(put(file, "abc", 0), -ENODEV);
    cr_assert_eq(drive_open(drive, "data/a", DRIVE_READ, &other), -ENODEV);
    cr_assert_eq(drive_space(drive, &space), -ENODEV);
    drive_file_close(&file);
}

Test(drive_fault, a_power_cut_takes_back_what_was_not_synced)
{
    struct drive_file *kept = create("data/kept");

    cr_assert_eq(put(kept, "first", 0), 0);
    cr_assert_eq(drive_file_sync(kept, DRIVE_PATIENT), 0);
    cr_assert_eq(drive_sync_folder(drive, "data"), 0);
    cr_assert_eq(put(kept, "XXX", 1), 0);
    cr_assert_eq(drive_reserve(kept, 100), 0);
    struct drive_file *lost = create("data/lost");
    cr_assert_eq(put(lost, "second", 0), 0);
    cr_assert_eq(drive_file_sync(lost, DRIVE_PATIENT), 0);
    drive_file_close(&kept);
    drive_file_close(&lost);
    cr_assert_eq(fault_power_cut(drive, 0), 0);
    cr_assert_str_eq(on_disk("data/kept"), "first");
    cr_assert_null(on_disk("data/lost"), "its folder was not synced");
}

Test(drive_fault, a_power_cut_takes_back_a_rename_that_was_not_synced)
{
    struct drive_file *file = create("a");

    cr_assert_eq(put(file, "abc", 0), 0);
    cr_assert_eq(drive_file_sync(file, DRIVE_PATIENT), 0);
    drive_file_close(&file);
    cr_assert_eq(drive_sync_folder(drive, ""), 0);
    cr_assert_eq(drive_rename(drive, "a", "b"), 0);
    cr_assert_eq(fault_power_cut(drive, 0), 0);
    cr_assert_not_null(on_disk("a"));
    cr_assert_null(on_disk("b"));
}
