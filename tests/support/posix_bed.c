#include "tests/support/posix_bed.h"

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "server/posix/posix_priv.h"
#include "tests/support/descriptors.h"

enum { DRIVES = sizeof(((struct posix_bed *)0)->index_files) / sizeof(((struct posix_bed *)0)->index_files[0]) };

/* ---- the server ---- */

static void open_all(struct posix_bed *bed)
{
    char paths[DRIVES][96], message[STORE_MESSAGE_MAX];
    const char *drives[DRIVES];
    for (int i = 0; i < DRIVES; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/d%d", bed->root, i);
        mkdir(paths[i], 0700);
        drives[i] = paths[i];
    }
    struct store_options options = {
        .drives = drives, .drive_count = DRIVES, .parity = STORE_PARITY_DEFAULT, .reserve = 1, .scrub_period = -1};
    int rc = store_open(&options, &bed->store, message, sizeof(message));
    if (rc < 0)
        fprintf(stderr, "%s\n", message);
    assert(rc == 0);
    rc = posix_new(store_ns(bed->store), store_index(bed->store), NULL, &bed->posix);
    assert(rc == 0);
}

static int make_bucket(struct ns_txn *txn, void *arg)
{
    struct posix_bed *bed = arg;
    struct inode inode;
    struct ns_owner owner = {.mode = 0755};
    int rc = ns_bucket_create(txn, SPAN_LIT("box"), owner, SPAN_EMPTY, &inode);
    bed->bucket = inode.ino;
    return rc;
}

void posix_bed_init(struct posix_bed *bed)
{
    *bed = (struct posix_bed){0};
    snprintf(bed->root, sizeof(bed->root), "/tmp/cairn-posix-XXXXXX");
    char *made = mkdtemp(bed->root);
    assert(made);
    open_all(bed);
    int rc = ns_apply(store_ns(bed->store), make_bucket, bed, INDEX_DURABLE);
    assert(rc == 0);
}

static void close_all(struct posix_bed *bed)
{
    posix_free(&bed->posix);
    store_close(&bed->store);
}

void posix_bed_restart(struct posix_bed *bed)
{
    close_all(bed);
    open_all(bed);
}

/* Not the descriptor of the two meta pages, which LMDB opens with O_DSYNC: they are written over in place, and a full
 * disk does not keep that from them. */
static int find_index_file(const char *path, int *ret_fds, int cap)
{
    int found = descriptors_of(path, ret_fds, cap), count = 0;
    for (int i = 0; i < found; i++)
        if (!(fcntl(ret_fds[i], F_GETFL) & O_DSYNC))
            ret_fds[count++] = ret_fds[i];
    return count;
}

void posix_bed_fail(struct posix_bed *bed, bool fail)
{
    for (int i = 0; i < DRIVES; i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/d%d/index/data.mdb", bed->root, i);
        if (fail)
            bed->index_files[i].count = find_index_file(path, bed->index_files[i].fds, 16);
        assert(bed->index_files[i].count > 0);
        for (int k = 0; k < bed->index_files[i].count; k++)
            descriptor_replace(bed->index_files[i].fds[k], fail ? "/dev/full" : path);
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void posix_bed_release(struct posix_bed *bed)
{
    close_all(bed);
    nftw(bed->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- a client ---- */

void client_begin(struct posix_client *client)
{
    posix_request_begin(&client->request, &client->head);
}

void client_add(struct posix_client *client, struct posix_op op)
{
    int rc = posix_op_add(&client->request, &op);
    assert(rc == 0);
}

int client_send_again(struct posix_client *client)
{
    struct posix_caller caller = {client->bucket, client->access_key};
    int rc = posix_compound(client->bed->posix, &caller, buf_span(&client->request), &client->reply);
    assert(rc == 0);
    rc = posix_reply_decode(buf_span(&client->reply), &client->got, &client->results);
    assert(rc == 0);
    return posix_status_code(client->got.status);
}

int client_send(struct posix_client *client)
{
    posix_request_end(&client->request);
    client->head.sequence++;
    return client_send_again(client);
}

int client_next(struct posix_client *client, struct posix_result *ret_result)
{
    int rc = posix_result_next(&client->results, ret_result);
    assert(rc == 1);
    return posix_status_code(ret_result->status);
}

int client_do(struct posix_client *client, struct posix_op op, struct posix_result *ret_result)
{
    client_begin(client);
    client_add(client, op);
    int rc = client_send(client);
    return rc < 0 ? rc : client_next(client, ret_result);
}

void client_init(struct posix_client *client, struct posix_bed *bed, uint8_t number)
{
    struct posix_result result;
    *client = (struct posix_client){.bed = bed, .bucket = SPAN_LIT("box"), .access_key = SPAN_LIT("key")};
    memset(client->head.session, number, POSIX_SESSION_ID);
    client->head.slot = 0;
    int rc = client_do(client, (struct posix_op){.code = POSIX_SESSION_OPEN, .name = SPAN_LIT("test"), .count = 60000},
                       &result);
    assert(rc == 0);
    client->head.generation = result.value;
    client->head.sequence = 1;
    client->events = result.events;
}

void client_release(struct posix_client *client)
{
    buf_release(&client->request);
    buf_release(&client->reply);
}
