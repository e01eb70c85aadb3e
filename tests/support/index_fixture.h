/*
 * For tests of the index: a temporary folder with places for replicas, and small mutations. One per test process.
 */
#ifndef CAIRN_TESTS_INDEX_FIXTURE_H
#define CAIRN_TESTS_INDEX_FIXTURE_H

#include "objstore/index/index.h"

#define FIXTURE_REPLICAS 5

/* Makes the folder; removes it and what is in it. For TestSuite's .init and .fini. */
void fixture_init(void);
void fixture_fini(void);
/* The folder of replica i; the name of its database. They live as long as the fixture. */
const char *fixture_replica(size_t i);
const char *fixture_database(size_t i);

/* Opens count replicas; those in the bitmap missing as if their drive were. W = count / 2 + 1. */
int fixture_open_without(size_t count, unsigned missing, struct index **ret_index);
/* … all of them, which must succeed. */
struct index *fixture_open(size_t count);
/* In what is opened from now on a replica that fails is copied anew after so long; */
void fixture_rejoin_after(int64_t ns);
/* … and a primary whose drive takes so long for a commit is left behind. */
void fixture_late_after(int64_t ns);
/* What the last open had to say. */
const char *fixture_message(void);

/* One record put, durable or applied; its value; -ENOENT. Values are numbers as text. */
int fixture_put(struct index *index, const char *key, uint64_t value, enum index_wait wait);
int64_t fixture_get(struct index *index, const char *key);
/* The records of the index. */
size_t fixture_count(struct index *index);

/* The files of replica i that this process has open act as the device at path from now on ("/dev/full"); back with
 * NULL. Mapped pages stay. */
void fixture_replace_files(size_t i, const char *path);

void fixture_copy_file(const char *from, const char *to);
/* Waits until condition(arg) holds. Fails the test after a minute. */
void fixture_wait(bool (*condition)(void *arg), void *arg);

/* How replica i is. */
struct index_replica_status fixture_status(struct index *index, size_t i);
/* Waits until the first count replicas are healthy. */
void fixture_wait_healthy(struct index *index, size_t count);

#endif
