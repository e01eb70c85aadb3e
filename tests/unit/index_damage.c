/* Flipped bits anywhere in a replica's database: never a crash, never wrong bytes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "tests/support/index_fixture.h"

static struct index *index_;
static char pristine[256];

static void teardown(void)
{
    index_close(&index_);
    fixture_fini();
}

TestSuite(index_damage, .init = fixture_init, .fini = teardown, .timeout = 120);

enum { RECORDS = 1500, ROUNDS = 100 };

/* Values of 0 to 9000 bytes that say whose they are. */
static struct span value_of(unsigned number, char bytes[9000])
{
    size_t len = number % 7 == 0 ? number * 13 % 9000 : number % 300;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(number + i * 31);
    return span_make(bytes, len);
}

static struct span key_of(unsigned number, char bytes[32])
{
    return span_make(bytes, (size_t)snprintf(bytes, 32, "%u/%u", number * 2654435761u, number));
}

static int put_some(struct index_txn *txn, void *arg)
{
    char key[32], value[9000];
    int rc = 0;
    for (unsigned i = *(unsigned *)arg; i < RECORDS && rc == 0; i += 10)
        rc = index_put(txn, key_of(i, key), value_of(i, value));
    return rc;
}

static int delete_some(struct index_txn *txn, void *arg)
{
    char key[32];
    for (unsigned i = *(unsigned *)arg; i < RECORDS; i += 3) {
        int rc = index_delete(txn, key_of(i, key));
        if (rc < 0 && rc != -ENOENT)
            return rc;
    }
    return 0;
}

/* Written in several commits, with deletes between, so that there are free pages, in several lists. */
static void fill(size_t replicas)
{
    index_ = fixture_open(replicas);
    for (unsigned i = 0; i < 10; i++) {
        cr_assert_eq(index_apply(index_, put_some, &i, INDEX_DURABLE), 0);
        if (i == 6)
            cr_assert_eq(index_apply(index_, delete_some, &i, INDEX_DURABLE), 0);
    }
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(index_apply(index_, put_some, &i, INDEX_DURABLE), 0);
    index_close(&index_);
    snprintf(pristine, sizeof(pristine), "%s.pristine", fixture_replica(0));
    fixture_copy_file(fixture_database(0), pristine);
}

static void flip_bits(const char *path, unsigned count)
{
    struct stat st;
    int fd = open(path, O_RDWR);
    cr_assert(fd >= 0 && fstat(fd, &st) == 0);
    for (unsigned i = 0; i < count; i++) {
        uint64_t where;
        uint8_t byte;
        random_bytes(&where, sizeof(where));
        off_t off = (off_t)(where / 8 % (uint64_t)st.st_size);
        cr_assert_eq(pread(fd, &byte, 1, off), 1);
        byte ^= (uint8_t)(1u << where % 8);
        cr_assert_eq(pwrite(fd, &byte, 1, off), 1);
    }
    close(fd);
}

/* Records that read as they should; any other must say that it is damaged. */
static unsigned count_good(void)
{
    char key[32], expected[9000];
    unsigned good = 0;
    struct index_txn *txn;
    struct span value;
    cr_assert_eq(index_read_begin(index_, &txn), 0);
    for (unsigned i = 0; i < RECORDS; i++) {
        int rc = index_get(txn, key_of(i, key), &value);
        cr_assert(rc == 0 || rc == CAIRN_ECORRUPT || rc == -ENOENT, "%d", rc);
        cr_assert(rc != 0 || span_eq(value, value_of(i, expected)), "wrong bytes");
        good += rc == 0;
    }
    index_read_end(&txn);
    return good;
}

/* ---- what is good ---- */

enum { HISTORY_KEYS = 3000, HISTORY_OPS = 2000, HISTORY_ROUNDS = 40 };

/* Puts, replaces and deletes at random, of keys of 1 to 400 bytes and values from nothing to some pages. */
static int change_at_random(struct index_txn *txn, void *arg)
{
    static const size_t limits[] = {8, 60, 300, 1500, 9000};
    static char bytes[9000];
    uint64_t *seed = arg;
    int rc = 0;
    for (unsigned i = 0; i < HISTORY_OPS && rc == 0; i++) {
        char key[400] = {1};
        uint64_t dice = *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        unsigned number = (unsigned)(dice >> 33) % HISTORY_KEYS;
        size_t key_len = 3 + number * 7 % 397 * (number % 5 == 0);
        key[1] = (char)(number >> 8);
        key[2] = (char)number;
        if (dice >> 20 & 1)
            rc = index_put(txn, span_make(key, key_len), span_make(bytes, (dice >> 8) % limits[(dice >> 24) % 5]));
        else
            rc = index_delete(txn, span_make(key, key_len));
        rc = rc == -ENOENT ? 0 : rc;
    }
    return rc;
}

Test(index_damage, pages_of_any_history_are_found_good)
{
    uint64_t seed;
    random_bytes(&seed, sizeof(seed));
    for (unsigned round = 0; round < HISTORY_ROUNDS; round++) {
        uint64_t began = seed;
        cr_assert_eq(fixture_open_without(1, 0, &index_), 0, "seed %llx", (unsigned long long)began);
        for (unsigned i = 0; i <= round % 4; i++)
            cr_assert_eq(index_apply(index_, change_at_random, &seed, INDEX_DURABLE), 0);
        index_close(&index_);
    }
}

/* ---- what is not ---- */

/* Adds to the length of the data of the record in every page that has it, free ones too. */
static void lengthen(const char *path, struct span key, uint8_t by)
{
    char *bytes = NULL;
    FILE *file = fopen(path, "r+");
    cr_assert(file && fseek(file, 0, SEEK_END) == 0);
    long len = ftell(file);
    bytes = malloc((size_t)len);
    rewind(file);
    cr_assert(bytes && fread(bytes, 1, (size_t)len, file) == (size_t)len);
    for (long i = 8; i + (long)key.len <= len; i++)
        if (memcmp(bytes + i, key.ptr, key.len) == 0 && get_le16(bytes + i - 2) == key.len)
            bytes[i - 8] = (char)(bytes[i - 8] + by); /* the node's head: length, flags, length of the key */
    rewind(file);
    cr_assert_eq(fwrite(bytes, 1, (size_t)len, file), (size_t)len);
    cr_assert_eq(fclose(file), 0);
    free(bytes);
}

/* The library would move other records over the page's end when it deletes that one. */
Test(index_damage, a_record_that_claims_the_bytes_of_others_makes_its_page_a_damaged_one)
{
    char key[32];
    fill(1);
    lengthen(fixture_database(0), key_of(15, key), 64);
    cr_assert_eq(fixture_open_without(1, 0, &index_), CAIRN_ECORRUPT);
}

/* Raises the last byte of the second key of every page that leads to others. */
static void raise_keys_of_branches(const char *path)
{
    uint8_t page[4096];
    int fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0);
    for (off_t off = 2 * sizeof(page); pread(fd, page, sizeof(page), off) == sizeof(page); off += sizeof(page)) {
        if (get_le16(page + 10) != 1 || get_le16(page + 12) < 20)
            continue;
        uint8_t *node = page + get_le16(page + 18);
        node[8 + get_le16(node + 6) - 1]++;
        cr_assert_eq(pwrite(fd, page, sizeof(page), off), sizeof(page));
    }
    close(fd);
}

/* A search would look for the first record of a page in the page before. */
Test(index_damage, a_way_that_misses_records_is_a_damaged_one)
{
    fill(1);
    raise_keys_of_branches(fixture_database(0));
    cr_assert_eq(fixture_open_without(1, 0, &index_), CAIRN_ECORRUPT);
}

Test(index_damage, a_replica_with_flipped_bits_is_replaced_or_harmless)
{
    fill(3);
    for (unsigned round = 0; round < ROUNDS; round++) {
        fixture_copy_file(pristine, fixture_database(1));
        flip_bits(fixture_database(1), 1 + round % 20);
        index_ = fixture_open(3);
        cr_assert_eq(count_good(), RECORDS);
        unsigned first = round % 10;
        cr_assert_eq(index_apply(index_, put_some, &first, INDEX_DURABLE), 0);
        index_close(&index_);
        fixture_copy_file(fixture_database(0), pristine);
    }
}

Test(index_damage, alone_it_is_refused_or_all_that_it_gives_is_right)
{
    unsigned refused = 0;
    fill(1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        fixture_copy_file(pristine, fixture_database(0));
        flip_bits(fixture_database(0), 1 + round % 10);
        int rc = fixture_open_without(1, 0, &index_);
        cr_assert(rc == 0 || rc == CAIRN_ECORRUPT || rc == CAIRN_EFORMAT, "%d", rc);
        refused += rc < 0;
        if (rc < 0)
            continue;
        cr_assert_geq(count_good(), RECORDS - 20);
        for (unsigned i = 0; i < 3; i++) /* into the free pages */
            cr_assert_eq(index_apply(index_, delete_some, &i, INDEX_DURABLE), 0);
        cr_assert_eq(count_good(), 0);
        index_close(&index_);
    }
    cr_expect_lt(refused, ROUNDS);
}
