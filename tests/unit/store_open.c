/* A deployment put together on four folders, taken apart, and met again in worse shape. */
#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/store.h"

enum { DRIVES = 4, PATH_LEN = 96 };

static char root[64];
static char paths[DRIVES][PATH_LEN];
static char message[STORE_MESSAGE_MAX];
static struct store *store;

static void setup(void)
{
    snprintf(root, sizeof(root), "/tmp/cairn-store-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    for (int i = 0; i < DRIVES; i++)
        snprintf(paths[i], PATH_LEN, "%s/d%d", root, i);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void teardown(void)
{
    store_close(&store);
    remove_tree(root);
}

TestSuite(store_open, .init = setup, .fini = teardown);

static int open_list(const char *const *list, size_t count)
{
    struct store_options options = {.drives = list, .drive_count = count, .parity = STORE_PARITY_DEFAULT};
    store_close(&store);
    return store_open(&options, &store, message, sizeof(message));
}

static int open_all(void)
{
    const char *list[DRIVES] = {paths[0], paths[1], paths[2], paths[3]};
    return open_list(list, DRIVES);
}

static int put_mark(struct index_txn *txn, void *arg)
{
    return index_put(txn, SPAN_LIT("Zmark"), span_cstr(arg));
}

static bool mark_is(const char *text)
{
    struct index_txn *txn;
    struct span value;
    cr_assert_eq(index_read_begin(store_index(store), &txn), 0);
    bool is = index_get(txn, SPAN_LIT("Zmark"), &value) == 0 && span_is(value, text);
    index_read_end(&txn);
    return is;
}

static struct store_status status(void)
{
    struct store_status s;
    store_status(store, &s);
    return s;
}

Test(store_open, empty_folders_become_a_deployment)
{
    cr_assert_eq(open_all(), 0, "%s", message);
    struct store_status s = status();
    cr_expect_str_empty(message);
    cr_expect_eq(strlen(s.id), 36);
    cr_expect(s.readable && s.writable);
    cr_expect_eq(s.set_count, 1);
    cr_expect_eq(s.drives_online, DRIVES);
    cr_expect_eq(s.index_replicas, 4);
    cr_expect_eq(s.index_write_quorum, 3);
    cr_expect_eq(s.index_healthy, 4);
    cr_expect(s.capacity > 0 && s.free > 0 && s.free <= s.capacity);
    cr_expect_not_null(store_ns(store));
    cr_expect_not_null(store_data(store));
    struct store_set_status set;
    cr_expect_eq(store_set_rows(store, &set, 1), 1);
    cr_expect_eq(set.parity, 2);
    cr_expect_eq(set.write_quorum, 3);
}

Test(store_open, drives_are_recognised_in_any_order)
{
    cr_assert_eq(open_all(), 0);
    cr_assert_eq(index_apply(store_index(store), put_mark, "here", INDEX_DURABLE), 0);
    struct store_status before = status();
    const char *list[DRIVES] = {paths[2], paths[0], paths[3], paths[1]};
    cr_assert_eq(open_list(list, DRIVES), 0, "%s", message);
    cr_expect(mark_is("here"));
    cr_expect_str_eq(status().id, before.id);
    struct store_drive_status rows[DRIVES];
    cr_expect_eq(store_drive_rows(store, rows, DRIVES), DRIVES);
    cr_expect_str_eq(rows[0].path, paths[0]);
    cr_expect(rows[3].index_replica && rows[3].index_healthy);
}

static void move_away(int drive)
{
    char away[PATH_LEN + 8];
    snprintf(away, sizeof(away), "%s.away", paths[drive]);
    cr_assert_eq(rename(paths[drive], away), 0);
}

Test(store_open, with_a_drive_missing_it_says_which_and_writes)
{
    cr_assert_eq(open_all(), 0);
    cr_assert_eq(index_apply(store_index(store), put_mark, "here", INDEX_DURABLE), 0);
    store_close(&store);
    move_away(1);
    cr_assert_eq(open_all(), 0, "%s", message);
    cr_expect(strstr(message, paths[1]), "%s", message);
    cr_expect(mark_is("here"));
    struct store_status s = status();
    cr_expect(s.readable && s.writable);
    cr_expect_eq(s.drives_online, 3);
    cr_expect_eq(s.index_healthy, 3);
}

Test(store_open, with_k_drives_it_reads_and_refuses_writes)
{
    cr_assert_eq(open_all(), 0);
    cr_assert_eq(index_apply(store_index(store), put_mark, "here", INDEX_DURABLE), 0);
    store_close(&store);
    move_away(0);
    move_away(3);
    cr_assert_eq(open_all(), 0, "%s", message);
    cr_expect(mark_is("here"));
    cr_expect(status().readable && !status().writable);
    cr_expect_eq(index_apply(store_index(store), put_mark, "there", INDEX_DURABLE), CAIRN_EQUORUM);
}

Test(store_open, refusals_name_the_drive_and_leave_nothing_open)
{
    cr_assert_eq(open_all(), 0);
    store_close(&store);
    const char *twice[] = {paths[0], paths[1], paths[2], paths[2]};
    cr_expect_eq(open_list(twice, DRIVES), -EBUSY);
    cr_expect(strstr(message, paths[2]), "%s", message);
    cr_expect_null(store);
    cr_expect_eq(open_list(twice, 0), -EINVAL);
    cr_expect_str_not_empty(message);
    move_away(0);
    move_away(1);
    move_away(2);
    cr_expect_eq(open_all(), CAIRN_EQUORUM);
    cr_expect_str_not_empty(message);
}

Test(store_open, an_index_lost_beside_data_is_not_created_anew)
{
    cr_assert_eq(open_all(), 0);
    store_close(&store);
    for (int i = 0; i < DRIVES; i++) {
        char name[PATH_LEN + 32];
        snprintf(name, sizeof(name), "%s/index", paths[i]);
        remove_tree(name);
        snprintf(name, sizeof(name), "%s/data/0000000000000001.seg", paths[i]);
        FILE *f = fopen(name, "w");
        cr_assert_not_null(f);
        fclose(f);
    }
    cr_expect_eq(open_all(), CAIRN_EQUORUM);
    cr_expect(strstr(message, paths[0]), "%s", message);
}

Test(store_open, one_drive_is_a_deployment_too)
{
    const char *list[] = {paths[0]};
    cr_assert_eq(open_list(list, 1), 0, "%s", message);
    cr_expect(status().writable);
    cr_expect_eq(status().index_replicas, 1);
    store_trim(store);
}
