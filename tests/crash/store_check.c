/*
 * Checks a store that nobody has open: store_check DRIVE...
 * Opens it, which is recovery, waits until what was freed is reclaimed, closes and opens it again, so that no segment
 * is in use. Then every record is compared with the others (ns_verify), and the segment files with the records: none
 * without one, and none that takes more of the disk than the blobs in it. Prints what it finds; exit code 1 when it
 * does.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "objstore/base/errors.h"
#include "objstore/data/record.h"
#include "objstore/drive/set.h"
#include "objstore/namespace/namespace.h"
#include "objstore/store.h"

#define PAGE 4096u
#define SLACK (64u << 10) /* what a file system needs to remember where a file lies counts as the file's */

static unsigned findings;

static void found(const char *text, void *arg)
{
    (void)arg;
    findings++;
    printf("%s\n", text);
}

static void found_in(const char *path, const char *what)
{
    findings++;
    printf("%s: %s\n", path, what);
}

static int stop(const char *what, int error)
{
    fprintf(stderr, "store_check: %s: %s\n", what, cairn_strerror(error));
    return -1;
}

static int open_store(int count, char **drives, struct store **ret_store)
{
    char message[STORE_MESSAGE_MAX] = "";
    struct store_options options = {
        .drives = (const char *const *)drives, .drive_count = (size_t)count, .parity = STORE_PARITY_DEFAULT};
    int r = store_open(&options, ret_store, message, sizeof(message));
    if (message[0])
        fprintf(stderr, "store_check: %s\n", message);
    return r;
}

/* ---- segments ---- */

/* Bytes of the pages that the blobs of a segment touch: what its file may take of each drive. */
static int used_pages(struct index_txn *txn, uint64_t id, uint64_t *ret_bytes)
{
    struct index_cursor cursor;
    struct extent_record extent;
    struct span key, value;
    uint64_t segment, offset, end = 0;
    int r = index_cursor_open(txn, &cursor);

    *ret_bytes = 0;
    if (r < 0)
        return r;
    struct record_key from = key_place(TAG_EXTENT, id, 0);
    r = index_cursor_seek(&cursor, key_span(&from), &key, &value);
    while (r == 0 && key_parse_place(key, TAG_EXTENT, &segment, &offset) && segment == id) {
        r = extent_parse(value, &extent);
        if (r < 0)
            break;
        uint64_t first = offset / PAGE * PAGE, last = (offset + extent.length + PAGE - 1) / PAGE * PAGE;
        *ret_bytes += last - (first > end ? first : end);
        end = last;
        r = index_cursor_next(&cursor, &key, &value);
    }
    index_cursor_close(&cursor);
    return r == -ENOENT ? 0 : r;
}

static int check_file(struct index_txn *txn, const char *path, uint64_t id)
{
    char text[96];
    struct segment_record record;
    struct stat st;
    uint64_t used;
    int r = segment_get_record(txn, id, &record);

    if (r == -ENOENT) {
        found_in(path, "a segment that no record names");
        return 0;
    }
    if (r == 0)
        r = used_pages(txn, id, &used);
    if (r == 0 && stat(path, &st) < 0)
        r = -errno;
    if (r == 0 && (uint64_t)st.st_blocks * 512 > used + SLACK) {
        snprintf(text, sizeof(text), "takes %llu bytes for blobs of %llu", (unsigned long long)st.st_blocks * 512,
                 (unsigned long long)used);
        found_in(path, text);
    }
    return r;
}

static int check_drive(struct index_txn *txn, const char *drive)
{
    char path[4096];
    int r = 0;

    snprintf(path, sizeof(path), "%s/" DRIVE_DATA_FOLDER, drive);
    DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
        uint64_t id;
        if (!strstr(entry->d_name, ".seg") || span_hex_to_u64(span_make(entry->d_name, 16), &id) < 0)
            continue;
        snprintf(path, sizeof(path), "%s/" DRIVE_DATA_FOLDER "/%s", drive, entry->d_name);
        r = check_file(txn, path, id);
    }
    closedir(dir);
    return r;
}

static int check_drives(struct store *store, int count, char **drives)
{
    struct index_txn *txn = NULL;
    int r = index_read_begin(store_index(store), &txn);

    for (int i = 0; r == 0 && i < count; i++)
        r = check_drive(txn, drives[i]);
    if (txn)
        index_read_end(&txn);
    return r;
}

/* ---- all of it ---- */

static int reclaim(int count, char **drives)
{
    struct store *store = NULL;
    int r = open_store(count, drives, &store);

    if (r == 0)
        r = data_reclaim_wait(store_data(store));
    store_close(&store);
    return r;
}

int main(int argc, char **argv)
{
    struct store *store = NULL;
    int r = argc < 2 ? -EINVAL : reclaim(argc - 1, argv + 1);

    if (r < 0 || (r = open_store(argc - 1, argv + 1, &store)) < 0)
        return stop("the store does not open", r), 2;
    int64_t bad = ns_verify(store_ns(store), found, NULL);
    r = bad < 0 ? (int)bad : check_drives(store, argc - 1, argv + 1);
    store_close(&store);
    if (r < 0)
        return stop("it can't be checked", r), 2;
    return findings ? EXIT_FAILURE : EXIT_SUCCESS;
}
