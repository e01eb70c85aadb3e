/*
 * Test bed: the POSIX dialect's server on a store in a temporary folder, without HTTP: compounds go in and come out as
 * bytes. Everything asserts: a failure ends the test.
 */
#ifndef CAIRN_TESTS_POSIX_BED_H
#define CAIRN_TESTS_POSIX_BED_H

#include "objstore/namespace/namespace.h"
#include "objstore/store.h"
#include "server/posix/posix.h"
#include "server/wire/posix.h"

struct posix_bed {
    char root[64];
    struct store *store;
    struct posix *posix;
    uint64_t bucket; /* inode of the bucket "box" */
    struct {
        int fds[16], count;
    } index_files[3]; /* by drive, while they fail */
};

/* One session, as a client has it. */
struct posix_client {
    struct posix_bed *bed;
    struct posix_request head; /* slot and sequence of the next compound; sent moves the sequence on */
    struct span bucket, access_key;
    struct buf request, reply;
    struct posix_reply got;
    struct span results;
    uint64_t events; /* SESSION_OPEN's */
};

void posix_bed_init(struct posix_bed *bed);
void posix_bed_release(struct posix_bed *bed);
/* Ends the server and opens everything again, as after a restart; abrupt: without closing sessions, which is the same
 * here. */
void posix_bed_restart(struct posix_bed *bed);

/* From now on the index's commits fail, on every drive, for want of space; or no longer. */
void posix_bed_fail(struct posix_bed *bed, bool fail);

/* Opens a session with a lease of a minute. number makes its id. */
void client_init(struct posix_client *client, struct posix_bed *bed, uint8_t number);
void client_release(struct posix_client *client);

/* begin, add …, send: the reply's status, as a code. */
void client_begin(struct posix_client *client);
void client_add(struct posix_client *client, struct posix_op op);
int client_send(struct posix_client *client);
/* The same bytes again. */
int client_send_again(struct posix_client *client);
/* The next result's status, as a code. */
int client_next(struct posix_client *client, struct posix_result *ret_result);
/* A compound of one operation: the compound's error, or the operation's. */
int client_do(struct posix_client *client, struct posix_op op, struct posix_result *ret_result);

#endif
