/* An empty folder takes the place of a drive that is gone, only when that is clear, and at no instant half. */
#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/drive/fault.h"
#include "objstore/drive/set.h"

enum { DRIVES = 4 };

static char root[64];
static char paths[DRIVES + 1][96]; /* the last holds what was taken away */
static struct buf message;
static struct drive *faults[DRIVES];
static bool track;

static void setup(void)
{
    strcpy(root, "/tmp/cairn-replace-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    for (int i = 0; i <= DRIVES; i++)
        snprintf(paths[i], sizeof(paths[i]), "%s/d%d", root, i);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void teardown(void)
{
    buf_release(&message);
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(drive_replace, .init = setup, .fini = teardown, .timeout = 120);

static int open_drive(void *arg, const char *path, struct drive **ret_drive)
{
    struct drive *inner = NULL;
    int r = drive_dir_open(path, &inner);

    (void)arg;
    if (r < 0)
        return r;
    cr_assert_eq(fault_drive_new(inner, ret_drive), 0);
    if (track)
        fault_track(*ret_drive);
    faults[path[strlen(path) - 1] - '0'] = *ret_drive;
    return 0;
}

static int open_some(size_t count, struct drives **ret_drives)
{
    const char *names[] = {paths[0], paths[1], paths[2], paths[3]};
    struct drives_options options = {.paths = names, .count = count, .parity = -1, .open = open_drive};

    memset(faults, 0, sizeof(faults));
    buf_clear(&message);
    int r = drives_open(&options, ret_drives, &message);
    buf_add_char(&message, 0);
    return r;
}

static struct drives *open_all(void)
{
    struct drives *drives = NULL;

    cr_assert_eq(open_some(DRIVES, &drives), 0, "%s", message.ptr);
    return drives;
}

static void replace(struct drives *drives)
{
    buf_clear(&message);
    cr_assert_eq(drives_replace(drives, &message), 0);
    buf_add_char(&message, 0);
}

static void format(void)
{
    struct drives *drives = open_all();

    drives_close(&drives);
}

static void take_away(unsigned drive)
{
    cr_assert_eq(rename(paths[drive], paths[DRIVES]), 0);
    cr_assert_eq(mkdir(paths[drive], 0700), 0);
}

static void clear(const char *path)
{
    cr_assert_eq(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static uint32_t online(const struct drives *drives)
{
    return drive_set_online(drives_sets(drives)[0]);
}

static void id_of(struct drives *drives, unsigned place, char ret_id[DRIVE_UUID_TEXT])
{
    struct drive_status status;

    drive_set_status(drives_sets(drives)[0], place, &status);
    memcpy(ret_id, status.id, DRIVE_UUID_TEXT);
}

static void expect_replaced(const char *path)
{
    struct drives *drives = NULL;

    cr_assert_eq(open_some(DRIVES, &drives), CAIRN_EFOREIGN);
    cr_assert(strstr(message.ptr, path) && strstr(message.ptr, "was replaced"), "%s", message.ptr);
}

Test(drive_replace, an_empty_folder_takes_the_place_and_the_old_drive_is_refused)
{
    char before[DRIVE_UUID_TEXT], after[DRIVE_UUID_TEXT];

    format();
    struct drives *drives = open_all();
    id_of(drives, 2, before);
    drives_close(&drives);
    take_away(2);
    drives = open_all();
    cr_assert_eq(drives_replacements(drives), 1);
    cr_assert_eq(online(drives), 0xb, "only opening it changes nothing");
    replace(drives);
    cr_assert_eq(drives_replacements(drives), 0);
    cr_assert_eq(online(drives), 0xf);
    cr_assert_not_null(strstr(message.ptr, paths[2]), "%s", message.ptr);
    id_of(drives, 2, after);
    cr_assert_str_neq(before, after);
    drives_close(&drives);
    drives = open_all();
    cr_assert_eq(online(drives), 0xf);
    id_of(drives, 2, before);
    cr_assert_str_eq(before, after);
    cr_assert_str_eq(message.ptr, "");
    drives_close(&drives);
    clear(paths[2]);
    cr_assert_eq(rename(paths[DRIVES], paths[2]), 0);
    expect_replaced(paths[2]);
}

Test(drive_replace, several_drives_of_a_set_are_replaced_at_once)
{
    format();
    clear(paths[0]);
    clear(paths[3]);
    cr_assert(mkdir(paths[0], 0700) == 0 && mkdir(paths[3], 0700) == 0);
    struct drives *drives = open_all();
    cr_assert_eq(drives_replacements(drives), 2);
    replace(drives);
    cr_assert_eq(online(drives), 0xf);
    drives_close(&drives);
    drives = open_all();
    cr_assert_eq(online(drives), 0xf);
    drives_close(&drives);
}

Test(drive_replace, nothing_is_replaced_while_it_is_not_clear_what)
{
    struct drives *drives = NULL;

    format();
    take_away(1);
    char away[128];
    snprintf(away, sizeof(away), "%s.away", paths[3]);
    cr_assert_eq(rename(paths[3], away), 0);
    drives = open_all();
    cr_assert_eq(drives_replacements(drives), 0, "another drive is offline");
    cr_assert(strstr(message.ptr, paths[1]), "%s", message.ptr);
    drives_close(&drives);
    cr_assert_eq(open_some(3, &drives), 0, "%s", message.ptr);
    cr_assert_eq(drives_replacements(drives), 0, "a drive was left out");
    drives_close(&drives);
    cr_assert_eq(rename(away, paths[3]), 0);
    drives = open_all();
    cr_assert_eq(drives_replacements(drives), 1);
    drives_close(&drives);
}

Test(drive_replace, too_few_drives_are_not_made_enough)
{
    struct drives *drives = NULL;

    format();
    for (unsigned i = 0; i < 3; i++) {
        clear(paths[i]);
        cr_assert_eq(mkdir(paths[i], 0700), 0);
    }
    cr_assert_eq(open_some(DRIVES, &drives), CAIRN_EQUORUM);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(rmdir(paths[i]), 0, "still empty");
}

Test(drive_replace, a_folder_that_can_not_be_formatted_stays_out)
{
    format();
    take_away(2);
    struct drives *drives = open_all();
    fault_add(faults[2], &(struct fault_rule){.ops = FAULT_WRITE, .error = -ENOSPC});
    replace(drives);
    cr_assert_eq(online(drives), 0xb);
    cr_assert_not_null(strstr(message.ptr, paths[2]), "%s", message.ptr);
    drives_close(&drives);
    clear(paths[2]);
    cr_assert_eq(rename(paths[DRIVES], paths[2]), 0);
    drives = open_all();
    cr_assert_eq(online(drives), 0xf, "the old drive may come back");
    drives_close(&drives);
}

Test(drive_replace, cut_short_at_any_operation_it_is_done_by_the_next_start)
{
    track = true;
    format();
    for (uint64_t after = 0; after < 40; after++) {
        unsigned drive = (unsigned)after % DRIVES;
        take_away(drive);
        struct drives *drives = open_all();
        for (unsigned i = 0; i < DRIVES; i++)
            fault_add(faults[i], &(struct fault_rule){.ops = FAULT_ALL, .kind = FAULT_GONE, .after = after / 2});
        replace(drives);
        for (unsigned i = 0; i < DRIVES; i++)
            cr_assert_eq(fault_power_cut(faults[i], after), 0);
        drives_close(&drives);
        drives = open_all();
        replace(drives);
        cr_assert_eq(online(drives), 0xf, "cut after %d", (int)after);
        drives_close(&drives);
        for (unsigned i = 0; i < 2; i++) { /* the second shows what the first has left */
            drives = open_all();
            cr_assert_eq(online(drives), 0xf, "cut after %d", (int)after);
            cr_assert_eq(drives_replacements(drives), 0);
            drives_close(&drives);
        }
        char kept[128];
        snprintf(kept, sizeof(kept), "%s.new", paths[drive]);
        cr_assert_eq(rename(paths[drive], kept), 0);
        cr_assert_eq(rename(paths[DRIVES], paths[drive]), 0);
        expect_replaced(paths[drive]);
        clear(paths[drive]);
        cr_assert_eq(rename(kept, paths[drive]), 0);
    }
}
