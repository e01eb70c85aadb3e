/*
 * Superblocks of drives, damaged in any way, and the opening of a deployment from them. The input names which disks are
 * opened, then what becomes of their superblocks: {disk, offset (2 bytes), value}, where a disk with its highest bit
 * set is sealed anew, so that the checksum does not keep what is wrong from being looked at.
 *
 * Disks 0 to 3 are one deployment, 4 is empty, 5 has a file of somebody, 6 and 7 are another deployment. An open either
 * works, or says what is wrong; and a disk that is not surely of this deployment is never written to.
 */
#include <sys/stat.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/drive/format.h"
#include "objstore/drive/set.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/memory_drive.h"
#include "tests/support/scratch.h"

enum { DISKS = 8, OURS = 4, OCCUPIED = 5, THEIRS = 6, NAMED_MAX = 6 };

static struct memory_disk base[DISKS], disks[DISKS];
static char folders[DISKS][160]; /* there are such, but empty: formatting syncs their names */
static const char *names[DISKS];

static int open_disk(void *arg, const char *path, struct drive **ret_drive)
{
    size_t i = 0;
    (void)arg;
    while (strcmp(names[i], path) != 0)
        i++;
    return memory_drive_open(&disks[i], ret_drive);
}

static int open_named(const char *const *paths, size_t count, struct drives **ret_drives, struct buf *message)
{
    struct drives_options options = {.paths = paths, .count = count, .parity = -1, .open = open_disk};
    return drives_open(&options, ret_drives, message);
}

static void format(size_t first, size_t count)
{
    struct drives *drives;
    struct buf message = BUF_INIT;
    FUZZ_CHECK(open_named(names + first, count, &drives, &message) == 0 && drives_formatted(drives));
    drives_close(&drives);
    buf_release(&message);
}

static void prepare(void)
{
    struct drive *drive;
    struct drive_file *file;
    for (size_t i = 0; i < DISKS; i++) {
        memory_disk_init(&base[i]);
        memory_disk_init(&disks[i]);
        snprintf(folders[i], sizeof(folders[i]), "%s/%zu", scratch_folder(), i);
        FUZZ_CHECK(mkdir(folders[i], 0700) == 0);
        names[i] = folders[i];
    }
    FUZZ_CHECK(memory_drive_open(&disks[OCCUPIED], &drive) == 0);
    FUZZ_CHECK(drive_open(drive, "letters", DRIVE_CREATE, &file) == 0);
    drive_file_close(&file);
    drive_free(&drive);
    format(0, OURS);
    format(THEIRS, 2);
    for (size_t i = 0; i < DISKS; i++)
        memory_disk_copy(&base[i], &disks[i]);
}

/* ---- damage ---- */

static void seal(struct memory_disk *disk)
{
    struct buf *file = memory_disk_file(disk, SUPERBLOCK_FILE);
    size_t at = offsetof(struct superblock, checksum);
    if (file && file->len == sizeof(struct superblock))
        put_le64(file->ptr + at, xxh3(file->ptr, at, 0));
}

static void damage(struct span edits, bool *ret_damaged)
{
    bool sealed[DISKS] = {false};
    for (; edits.len >= 4; edits = span_from(edits, 4)) {
        uint8_t which = (uint8_t)edits.ptr[0];
        size_t off = get_le16(edits.ptr + 1);
        struct buf *file = memory_disk_file(&disks[which % DISKS], SUPERBLOCK_FILE);
        if (!file)
            continue;
        if (off < file->len)
            file->ptr[off] = edits.ptr[3];
        else if (off > 0x8000)
            file->len = off % (file->len + 1); /* cut */
        sealed[which % DISKS] = which & 0x80;
        ret_damaged[which % DISKS] = true;
    }
    for (size_t i = 0; i < DISKS; i++)
        if (sealed[i])
            seal(&disks[i]);
}

/* ---- what must hold ---- */

static void check_opened(const struct drives *drives, size_t named)
{
    const char *paths[DRIVE_SET_MAX];
    size_t places = 0, online = 0;
    for (size_t i = 0; i < drives_set_count(drives); i++) {
        struct drive_set *set = drives_sets(drives)[i];
        unsigned n = drive_set_size(set), k = drive_set_data(set);
        FUZZ_CHECK(n <= DRIVE_SET_MAX && k + drive_set_parity(set) == n && k >= drive_set_parity(set));
        FUZZ_CHECK((unsigned)__builtin_popcount(drive_set_online(set)) >= k && drive_set_quorum(set) <= n);
        for (unsigned place = 0; place < n; place++) {
            struct drive_status status;
            drive_set_status(set, place, &status);
            FUZZ_CHECK((status.state == DRIVE_ONLINE) == (drive_set_get(set, place) != NULL));
            online += status.state == DRIVE_ONLINE;
        }
        places += n;
    }
    FUZZ_CHECK(online <= named && online <= places);
    FUZZ_CHECK(drives_index_paths(drives, paths) <= DRIVE_SET_MAX);
}

/* Three whole drives of ours among those named: so it is our deployment that is opened, and the others' are not ours.
 */
static bool is_ours(const bool *damaged, const char *const *paths, size_t count)
{
    size_t whole = 0;
    for (size_t i = 0; i < OURS; i++) {
        bool named = false;
        for (size_t j = 0; j < count; j++)
            named |= strcmp(paths[j], names[i]) == 0;
        whole += named && !damaged[i];
    }
    return whole > OURS / 2;
}

static void check_unwritten(const uint64_t *before, bool ours)
{
    for (size_t i = 0; i < DISKS; i++)
        FUZZ_CHECK(disks[i].changes == before[i] || (i != OCCUPIED && (i < THEIRS || !ours)));
}

static void open_and_check(const char *const *paths, size_t count, bool ours)
{
    struct drives *drives = NULL;
    struct buf message = BUF_INIT;
    uint64_t before[DISKS];
    for (size_t i = 0; i < DISKS; i++)
        before[i] = disks[i].changes;
    int rc = open_named(paths, count, &drives, &message);
    FUZZ_CHECK(rc <= 0 && (rc == 0 || message.len > 0));
    if (rc == 0 && !drives_formatted(drives))
        check_opened(drives, count);
    if (rc < 0 || !drives_formatted(drives))
        check_unwritten(before, ours);
    if (rc == 0)
        drives_close(&drives);
    buf_release(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool prepared;
    const char *paths[NAMED_MAX];
    bool damaged[DISKS] = {false};
    struct span input = span_make(data, size);
    if (!prepared)
        prepare();
    prepared = true;
    if (size == 0)
        return 0;
    size_t count = data[0] % NAMED_MAX + 1;
    if (size < 1 + count)
        return 0;
    for (size_t i = 0; i < DISKS; i++)
        memory_disk_copy(&disks[i], &base[i]);
    for (size_t i = 0; i < count; i++)
        paths[i] = names[data[1 + i] % DISKS];
    damage(span_from(input, 1 + count), damaged);
    open_and_check(paths, count, is_ours(damaged, paths, count));
    return 0;
}
