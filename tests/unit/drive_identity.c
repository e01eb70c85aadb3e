/* Formatting and recognising drives. Each test has its own folder with places for drives d0, d1 … in it. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/drive/fault.h"
#include "objstore/drive/set.h"
#include "objstore/drive/superblock.h"

#define PATHS 40

static char root[64];
static char paths[PATHS][96];
static const char *names[PATHS];
static struct buf message;

static void setup(void)
{
    strcpy(root, "/tmp/cairn-drive-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    for (int i = 0; i < PATHS; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/d%d", root, i);
        names[i] = paths[i];
    }
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void teardown(void)
{
    buf_release(&message);
    remove_tree(root);
}

TestSuite(drive_identity, .init = setup, .fini = teardown);

static int open_list(const char *const *list, size_t count, int parity, struct drives **ret_drives)
{
    struct drives_options options = {.paths = list, .count = count, .parity = parity};

    buf_clear(&message);
    int r = drives_open(&options, ret_drives, &message);
    buf_add_char(&message, 0);
    return r;
}

static void format(size_t count)
{
    struct drives *drives = NULL;

    cr_assert_eq(open_list(names, count, -1, &drives), 0, "%s", message.ptr);
    drives_close(&drives);
}

static void expect_refusal(const char *const *list, size_t count, int error, const char *path)
{
    struct drives *drives = NULL;
    int r = open_list(list, count, -1, &drives);

    cr_assert_eq(r, error, "%s instead of %s: %s", cairn_errname(r), cairn_errname(error), message.ptr);
    cr_assert_null(drives);
    cr_assert_not_null(strstr(message.ptr, path), "'%s' does not name %s", message.ptr, path);
}

static struct drive_status status_of(struct drives *drives, unsigned set, unsigned place)
{
    struct drive_status status;

    drive_set_status(drives_sets(drives)[set], place, &status);
    return status;
}

static void put_file(const char *folder, const char *name, const void *bytes, size_t len)
{
    char path[192];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    close(fd);
}

Test(drive_identity, missing_and_empty_folders_are_formatted_and_recognised)
{
    struct drives *drives = NULL;
    char id[DRIVE_UUID_TEXT], again[DRIVE_UUID_TEXT];

    mkdir(paths[1], 0700);
    cr_assert_eq(open_list(names, 4, -1, &drives), 0, "%s", message.ptr);
    cr_assert(drives_formatted(drives));
    drives_id(drives, id);
    drives_close(&drives);
    cr_assert_eq(open_list(names, 4, -1, &drives), 0);
    cr_assert_not(drives_formatted(drives));
    drives_id(drives, again);
    cr_assert_str_eq(id, again);
    struct drive_set *set = drives_sets(drives)[0];
    cr_assert_eq(drives_set_count(drives), 1);
    cr_assert_eq(drive_set_data(set), 2);
    cr_assert_eq(drive_set_quorum(set), 3);
    cr_assert_eq(drive_set_online(set), 0xf);
    cr_assert_str_eq(message.ptr, "");
    drives_close(&drives);
}

Test(drive_identity, drives_named_in_another_order_find_their_places)
{
    const char *shuffled[] = {paths[2], paths[0], paths[3], paths[1]};
    struct drives *drives = NULL;

    format(4);
    cr_assert_eq(open_list(shuffled, 4, -1, &drives), 0, "%s", message.ptr);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_str_eq(status_of(drives, 0, i).path, paths[i]);
    drives_close(&drives);
}

Test(drive_identity, a_missing_drive_leaves_its_place_empty)
{
    const char *replicas[DRIVE_SET_MAX];
    struct drives *drives = NULL;

    format(4);
    remove_tree(paths[1]);
    cr_assert_eq(open_list(names, 4, -1, &drives), 0, "%s", message.ptr);
    cr_assert_not_null(strstr(message.ptr, paths[1]));
    cr_assert_eq(drive_set_online(drives_sets(drives)[0]), 0xd);
    cr_assert_null(drive_set_get(drives_sets(drives)[0], 1));
    cr_assert_eq(status_of(drives, 0, 1).state, DRIVE_MISSING);
    cr_assert_eq(status_of(drives, 0, 1).error, -ENOENT);
    cr_assert_str_eq(status_of(drives, 0, 1).path, paths[1]);
    cr_assert_eq(drives_index_paths(drives, replicas), 4);
    cr_assert_null(replicas[1]);
    cr_assert_not_null(strstr(replicas[2], "/d2/index"));
    drives_close(&drives);
}

Test(drive_identity, an_empty_replacement_waits_offline)
{
    struct drives *drives = NULL;

    format(4);
    remove_tree(paths[2]);
    mkdir(paths[2], 0700);
    cr_assert_eq(open_list(names, 4, -1, &drives), 0, "%s", message.ptr);
    cr_assert_eq(status_of(drives, 0, 2).state, DRIVE_MISSING);
    cr_assert_eq(status_of(drives, 0, 2).error, -ENODATA);
    drives_close(&drives);
    cr_assert_eq(rmdir(paths[2]), 0, "nothing was written to it");
}

Test(drive_identity, fewer_than_k_drives_do_not_open)
{
    struct drives *drives = NULL;

    format(4);
    for (int i = 0; i < 3; i++)
        remove_tree(paths[i]);
    cr_assert_eq(open_list(names, 4, -1, &drives), CAIRN_EQUORUM);
    cr_assert_not_null(strstr(message.ptr, "1 of 4"));
}

Test(drive_identity, a_damaged_superblock_degrades_the_set_and_is_named)
{
    struct drives *drives = NULL;

    format(4);
    put_file(paths[3], SUPERBLOCK_FILE, "CAIRNDRVnonsense", 16);
    cr_assert_eq(open_list(names, 4, -1, &drives), 0);
    cr_assert_not_null(strstr(message.ptr, paths[3]), "%s", message.ptr);
    cr_assert_not_null(strstr(message.ptr, "superblock"));
    cr_assert_eq(status_of(drives, 0, 3).error, CAIRN_EBADSUPER);
    drives_close(&drives);
}

Test(drive_identity, only_damaged_superblocks_are_refused_and_not_formatted)
{
    format(2);
    put_file(paths[0], SUPERBLOCK_FILE, "x", 1);
    put_file(paths[1], SUPERBLOCK_FILE, "", 0);
    expect_refusal(names, 2, CAIRN_EBADSUPER, paths[0]);
}

Test(drive_identity, every_flipped_bit_of_a_superblock_is_noticed)
{
    struct superblock good;
    char path[128];
    struct drives *drives = NULL;

    format(2);
    snprintf(path, sizeof(path), "%s/%s", paths[0], SUPERBLOCK_FILE);
    int fd = open(path, O_RDONLY);
    cr_assert_eq(read(fd, &good, sizeof(good)), sizeof(good));
    close(fd);
    for (size_t bit = 0; bit < 8 * sizeof(good); bit += 37) {
        struct superblock bad = good;
        ((uint8_t *)&bad)[bit / 8] ^= (uint8_t)(1 << bit % 8);
        put_file(paths[0], SUPERBLOCK_FILE, &bad, sizeof(bad));
        int r = open_list(names, 2, -1, &drives);
        cr_assert_eq(r, 0, "bit %zu: %s", bit, message.ptr);
        cr_assert_null(drive_set_get(drives_sets(drives)[0], 0), "bit %zu went unnoticed", bit);
        drives_close(&drives);
    }
}

Test(drive_identity, a_folder_with_foreign_files_is_not_formatted)
{
    mkdir(paths[1], 0700);
    put_file(paths[1], "thesis.tex", "x", 1);
    expect_refusal(names, 4, -EEXIST, paths[1]);
    cr_assert_eq(access(paths[0], F_OK), -1, "nothing was made");
}

Test(drive_identity, a_folder_with_foreign_files_among_drives_is_refused)
{
    format(4);
    remove_tree(paths[1]);
    mkdir(paths[1], 0700);
    put_file(paths[1], "thesis.tex", "x", 1);
    expect_refusal(names, 4, CAIRN_EFOREIGN, paths[1]);
}

Test(drive_identity, a_drive_of_another_deployment_is_refused)
{
    const char *others[] = {paths[10], paths[11], paths[12], paths[13]};
    const char *mixed[] = {paths[0], paths[11], paths[2], paths[3]};
    struct drives *drives = NULL;

    format(4);
    cr_assert_eq(open_list(others, 4, -1, &drives), 0);
    drives_close(&drives);
    expect_refusal(mixed, 4, CAIRN_EFOREIGN, paths[11]);
}

Test(drive_identity, a_copy_of_a_drive_is_refused)
{
    char command[256];

    format(4);
    remove_tree(paths[3]);
    snprintf(command, sizeof(command), "cp -a %s %s", paths[0], paths[3]);
    cr_assert_eq(system(command), 0);
    expect_refusal(names, 4, CAIRN_EFOREIGN, paths[3]);
}

Test(drive_identity, one_more_folder_than_drives_is_refused)
{
    format(4);
    mkdir(paths[4], 0700);
    expect_refusal(names, 5, -EINVAL, "4 drives");
}

Test(drive_identity, a_drive_in_use_or_named_twice_is_refused)
{
    const char *twice[] = {paths[0], paths[1], paths[0], paths[3]};
    struct drives *drives = NULL;

    format(4);
    expect_refusal(twice, 4, -EBUSY, paths[0]);
    cr_assert_eq(open_list(names, 4, -1, &drives), 0);
    expect_refusal(names, 4, -EBUSY, paths[0]);
    drives_close(&drives);
}

Test(drive_identity, an_unknown_version_is_refused)
{
    struct superblock super;
    struct drive *drive = NULL;
    char path[128];

    format(1);
    cr_assert_eq(drive_dir_open(paths[0], &drive), 0);
    cr_assert_eq(superblock_read(drive, &super), 0);
    drive_free(&drive);
    super.version = SUPERBLOCK_VERSION + 1;
    super.checksum = xxh3(&super, offsetof(struct superblock, checksum), 0);
    put_file(paths[0], SUPERBLOCK_FILE, &super, sizeof(super));
    snprintf(path, sizeof(path), "%s", paths[0]);
    expect_refusal(names, 1, CAIRN_EFORMAT, path);
}

/* ---- layouts ---- */

static void expect_layout(size_t count, size_t sets, unsigned size, unsigned parity)
{
    struct drives *drives = NULL;

    cr_assert_eq(open_list(names, count, -1, &drives), 0, "%zu: %s", count, message.ptr);
    cr_assert_eq(drives_set_count(drives), sets);
    cr_assert_eq(drive_set_size(drives_sets(drives)[0]), size);
    cr_assert_eq(drive_set_parity(drives_sets(drives)[sets - 1]), parity);
    drives_close(&drives);
    for (size_t i = 0; i < count; i++)
        remove_tree(paths[i]);
}

Test(drive_identity, drives_are_divided_into_equal_sets)
{
    expect_layout(1, 1, 1, 0);
    expect_layout(2, 1, 2, 1);
    expect_layout(5, 1, 5, 2);
    expect_layout(16, 1, 16, 4);
    expect_layout(20, 2, 10, 4);
    expect_layout(32, 2, 16, 4);
}

Test(drive_identity, drives_of_several_sets_find_their_places)
{
    const char *reversed[20];
    struct drives *drives = NULL;

    format(20);
    for (int i = 0; i < 20; i++)
        reversed[i] = paths[19 - i];
    cr_assert_eq(open_list(reversed, 20, -1, &drives), 0, "%s", message.ptr);
    for (unsigned i = 0; i < 20; i++)
        cr_assert_str_eq(status_of(drives, i / 10, i % 10).path, paths[i]);
    drives_close(&drives);
}

Test(drive_identity, impossible_layouts_are_refused)
{
    struct drives *drives = NULL;

    expect_refusal(names, 17, -EINVAL, "17 drives");
    cr_assert_eq(open_list(names, 0, -1, &drives), -EINVAL);
    cr_assert_eq(open_list(names, 4, 3, &drives), -EINVAL);
    cr_assert_eq(open_list(names, 4, 0, &drives), 0);
    cr_assert_eq(drive_set_quorum(drives_sets(drives)[0]), 4);
    drives_close(&drives);
}

Test(drive_identity, drives_of_one_file_system_share_its_space)
{
    struct drives *drives = NULL;
    struct drive_space whole, part;

    cr_assert_eq(open_list(names, 4, -1, &drives), 0);
    struct drive_set *set = drives_sets(drives)[0];
    cr_assert_eq(drive_space(drive_set_get(set, 0), &whole), 0);
    cr_assert_eq(drive_set_space(set, 0, &part), 0);
    cr_assert_eq(part.total, whole.total / 4);
    drives_close(&drives);
}

/* ---- a format that is cut short ---- */

static struct drive *wrapped[4];
static int wrapped_count;
static uint64_t cut_after;

static int open_wrapped(void *arg, const char *path, struct drive **ret_drive)
{
    struct drive *inner = NULL;
    int r = drive_dir_open(path, &inner);

    (void)arg;
    if (r < 0)
        return r;
    cr_assert_eq(fault_drive_new(inner, ret_drive), 0);
    fault_track(*ret_drive);
    wrapped[wrapped_count++] = *ret_drive;
    if (wrapped_count == 3)
        fault_add(*ret_drive, &(struct fault_rule){.ops = FAULT_ALL, .kind = FAULT_GONE, .after = cut_after});
    return 0;
}

Test(drive_identity, a_format_cut_short_at_any_step_is_done_again)
{
    struct drives *drives = NULL;
    int r = -1;

    for (cut_after = 0; r < 0 && cut_after < 100; cut_after++) {
        struct drives_options options = {.paths = names, .count = 4, .parity = -1, .open = open_wrapped};

        for (int i = 0; i < 4; i++)
            mkdir(paths[i], 0700);
        wrapped_count = 0;
        buf_clear(&message);
        r = drives_open(&options, &drives, &message);
        drives_close(&drives);
        cr_assert_eq(open_list(names, 4, -1, &drives), 0, "cut after %d: %s", (int)cut_after, message.ptr);
        cr_assert_eq(drive_set_online(drives_sets(drives)[0]), 0xf, "cut after %d", (int)cut_after);
        drives_close(&drives);
        for (int i = 0; i < 4; i++)
            remove_tree(paths[i]);
    }
    cr_assert_eq(r, 0, "the last round is not cut");
    cr_assert_gt(cut_after, 8);
}

Test(drive_identity, a_drive_that_only_fails_becomes_faulty_down_to_k)
{
    struct drives *drives = NULL;

    format(4);
    cr_assert_eq(open_list(names, 4, -1, &drives), 0);
    struct drive_set *set = drives_sets(drives)[0];
    for (unsigned place = 0; place < 4; place++)
        for (int i = 0; i < DRIVE_FAULTY_AFTER; i++)
            drive_set_note(set, place, DRIVE_READ_ERROR, -EIO);
    cr_assert_eq(drive_set_online(set), 0xc, "k drives stay in use");
    cr_assert_eq(status_of(drives, 0, 0).state, DRIVE_FAULTY);
    cr_assert_eq(status_of(drives, 0, 0).error, -EIO);
    cr_assert_eq(status_of(drives, 0, 3).counts[DRIVE_READ_ERROR], DRIVE_FAULTY_AFTER);
    drives_close(&drives);
}
