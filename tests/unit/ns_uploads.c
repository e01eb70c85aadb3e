/* Multipart uploads from their start to the object, or to nothing. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "objstore/base/errors.h"
#include "tests/support/ns_fixture.h"

static uint64_t bucket;

static void setup(void)
{
    nsf_init();
    bucket = nsf_bucket("bucket");
}

TestSuite(ns_uploads, .init = setup, .fini = nsf_fini, .timeout = 120);

/* ---- calls ---- */

struct args {
    const char *key;
    char id[NS_UPLOAD_ID_MAX];
    uint32_t number;
    struct body_writer *body;
    uint64_t source, off, len;
    const uint32_t *numbers;
    size_t count;
    struct ns_put put;
    struct inode inode;
};

static int do_create(struct ns_txn *txn, void *arg)
{
    struct args *a = arg;
    struct ns_upload upload;
    int r = ns_upload_create(txn, bucket, span_cstr(a->key), SPAN_EMPTY, &upload);
    memcpy(a->id, upload.id, sizeof(a->id));
    return r;
}

static struct args begin(const char *key)
{
    struct args a = {.key = key};
    cr_assert_eq(nsf_apply(do_create, &a), 0);
    return a;
}

static int find(struct ns_txn *txn, struct args *a, struct ns_upload *ret_upload)
{
    return ns_upload_find(txn, bucket, span_cstr(a->key), span_cstr(a->id), ret_upload);
}

static int do_part(struct ns_txn *txn, void *arg)
{
    static const uint8_t md5[16] = {1, 2, 3};
    struct args *a = arg;
    struct ns_upload upload;
    int r = find(txn, a, &upload);
    if (r < 0)
        return r;
    if (a->source)
        return ns_upload_copy_part(txn, &upload, a->number, a->source, a->off, a->len, md5, SPAN_EMPTY);
    return ns_upload_put_part(txn, &upload, a->number, a->body, md5, SPAN_LIT(""));
}

static int part(struct args *a, uint32_t number, struct span bytes)
{
    a->number = number;
    a->source = 0;
    a->body = nsf_body(bytes);
    int r = nsf_apply(do_part, a);
    body_writer_free(&a->body);
    return r;
}

static int do_complete(struct ns_txn *txn, void *arg)
{
    struct args *a = arg;
    struct ns_upload upload;
    int r = find(txn, a, &upload);
    a->put.flags = INODE_ETAG_PARTS;
    return r < 0 ? r : ns_upload_complete(txn, bucket, &upload, a->numbers, a->count, &a->put, &a->inode);
}

static int complete(struct args *a, const uint32_t *numbers, size_t count)
{
    a->numbers = numbers;
    a->count = count;
    return nsf_apply(do_complete, a);
}

static int do_abort(struct ns_txn *txn, void *arg)
{
    struct ns_upload upload;
    int r = find(txn, arg, &upload);
    return r < 0 ? r : ns_upload_abort(txn, bucket, &upload);
}

/* ---- lifecycle ---- */

Test(ns_uploads, parts_become_an_object_in_their_order)
{
    static char large[200000];
    struct args a = begin("dir/object");
    char etag[INODE_ETAG_MAX];
    memset(large, 'L', sizeof(large));
    cr_assert_eq(part(&a, 7, SPAN_LIT("the end")), 0);
    cr_assert_eq(part(&a, 2, span_make(large, sizeof(large))), 0);
    cr_assert_eq(part(&a, 1, SPAN_LIT("replaced")), 0);
    cr_assert_eq(part(&a, 1, SPAN_LIT("start ")), 0);
    cr_assert_eq(part(&a, 3, SPAN_LIT("left out")), 0);
    cr_assert_null(nsf_get(bucket, "dir/object"));
    nsf_verify();
    cr_assert_eq(complete(&a, (uint32_t[]){1, 2, 7}, 3), 0);
    cr_assert_eq(a.inode.size, 6 + sizeof(large) + 7);
    inode_etag(&a.inode, etag);
    cr_assert_str_eq(etag + 32, "-3");
    const char *bytes = nsf_get(bucket, "dir/object");
    cr_assert_eq(strncmp(bytes, "start LLL", 9), 0);
    cr_assert_str_eq(bytes + 6 + sizeof(large) - 1, "Lthe end");
    cr_assert_eq(complete(&a, (uint32_t[]){1}, 1), CAIRN_ENOUPLOAD);
    cr_assert_str_eq(nsf_list(bucket, ""), "dir/object ");
}

Test(ns_uploads, the_parts_of_an_object_are_remembered)
{
    struct args a = begin("o");
    struct ns_part found;
    struct inode inode;
    uint64_t off;
    cr_assert_eq(part(&a, 10, SPAN_LIT("12345")), 0);
    cr_assert_eq(part(&a, 20, SPAN_LIT("678")), 0);
    cr_assert_eq(complete(&a, (uint32_t[]){10, 20}, 2), 0);
    struct ns_txn *txn = nsf_view();
    cr_assert_eq(ns_key_find(txn, bucket, SPAN_LIT("o"), &inode), 0);
    cr_assert_eq(inode.parts, 2);
    cr_assert_eq(ns_object_part(txn, &inode, 2, &off, &found), 0);
    cr_assert_eq(off, 5);
    cr_assert_eq(found.size, 3);
    cr_assert_eq(found.md5[1], 2);
    cr_assert_eq(ns_object_part(txn, &inode, 3, &off, &found), CAIRN_EBADPART);
    ns_view_end(&txn);
    cr_assert_eq(nsf_put(bucket, "plain", "abc"), 0);
    txn = nsf_view();
    cr_assert_eq(ns_key_find(txn, bucket, SPAN_LIT("plain"), &inode), 0);
    cr_assert_eq(ns_object_part(txn, &inode, 1, &off, &found), 0);
    cr_assert_eq(found.size, 3);
    cr_assert_eq(ns_object_part(txn, &inode, 2, &off, &found), CAIRN_EBADPART);
    ns_view_end(&txn);
}

Test(ns_uploads, a_posix_write_ends_the_parts_of_an_object)
{
    struct args a = begin("o");
    char etag[INODE_ETAG_MAX];
    struct inode inode;
    cr_assert_eq(part(&a, 1, SPAN_LIT("12345")), 0);
    cr_assert_eq(complete(&a, (uint32_t[]){1}, 1), 0);
    cr_assert_eq(nsf_write(a.inode.ino, 2, SPAN_LIT("x")), 0);
    cr_assert_eq(nsf_find(bucket, "o", &inode), 0);
    cr_assert_eq(inode.parts, 0);
    inode_etag(&inode, etag);
    cr_assert_str_eq(etag + 32, "-1");
    cr_assert_str_eq(nsf_get(bucket, "o"), "12x45");
}

Test(ns_uploads, parts_are_copied_from_objects)
{
    static char large[100000];
    struct args a = begin("o");
    memset(large, 'c', sizeof(large));
    large[50000] = 'X';
    cr_assert_eq(nsf_put_span(bucket, SPAN_LIT("source"), span_make(large, sizeof(large))), 0);
    a.source = nsf_ino(bucket, "source");
    a.number = 1;
    a.off = 49999;
    a.len = 3;
    cr_assert_eq(nsf_apply(do_part, &a), 0);
    a.off = sizeof(large) - 1;
    cr_assert_eq(nsf_apply(do_part, &a), CAIRN_EBADRANGE);
    cr_assert_eq(nsf_delete(bucket, "source"), 0);
    cr_assert_eq(part(&a, 2, SPAN_LIT("!")), 0);
    cr_assert_eq(complete(&a, (uint32_t[]){1, 2}, 2), 0);
    cr_assert_str_eq(nsf_get(bucket, "o"), "cXc!");
}

Test(ns_uploads, what_can_not_be_completed_changes_nothing)
{
    struct args a = begin("o");
    cr_assert_eq(part(&a, 0, SPAN_LIT("x")), CAIRN_EBADPART);
    cr_assert_eq(part(&a, NS_PART_MAX + 1, SPAN_LIT("x")), CAIRN_EBADPART);
    cr_assert_eq(part(&a, 1, SPAN_LIT("x")), 0);
    cr_assert_eq(part(&a, 2, SPAN_LIT("y")), 0);
    cr_assert_eq(complete(&a, (uint32_t[]){1, 3}, 2), CAIRN_EBADPART);
    cr_assert_eq(complete(&a, (uint32_t[]){2, 1}, 2), CAIRN_EPARTORDER);
    cr_assert_eq(complete(&a, NULL, 0), CAIRN_EBADPART);
    cr_assert_eq(complete(&a, (uint32_t[]){1, 2}, 2), 0);
}

Test(ns_uploads, an_abort_takes_the_parts_away)
{
    static char large[20000];
    struct args a = begin("o");
    for (uint32_t i = 1; i <= 100; i++)
        cr_assert_eq(part(&a, i, span_make(large, i % 10 ? 10 : sizeof(large))), 0);
    cr_assert_eq(nsf_apply(do_abort, &a), 0);
    cr_assert_eq(nsf_apply(do_abort, &a), CAIRN_ENOUPLOAD);
    cr_assert_eq(part(&a, 1, SPAN_LIT("late")), CAIRN_ENOUPLOAD);
    nsf_verify();
}

Test(ns_uploads, uploads_do_not_keep_a_bucket_from_being_deleted)
{
    uint64_t kept = bucket;
    bucket = nsf_bucket("doomed");
    for (int i = 0; i < 100; i++) {
        char key[20];
        snprintf(key, sizeof(key), "key%d", i);
        struct args a = begin(key);
        cr_assert_eq(part(&a, 1, SPAN_LIT("x")), 0);
    }
    cr_assert_eq(nsf_bucket_delete("doomed"), 0);
    bucket = kept;
    nsf_verify();
}

Test(ns_uploads, an_upload_is_found_by_bucket_key_and_id_only)
{
    struct args a = begin("o"), other = begin("other"), wrong = a;
    wrong.key = "p";
    cr_assert_eq(nsf_apply(do_abort, &wrong), CAIRN_ENOUPLOAD);
    wrong = a;
    wrong.id[3] = wrong.id[3] == '0' ? '1' : '0';
    cr_assert_eq(nsf_apply(do_abort, &wrong), CAIRN_ENOUPLOAD);
    strcpy(wrong.id, "nonsense");
    cr_assert_eq(nsf_apply(do_abort, &wrong), CAIRN_ENOUPLOAD);
    memcpy(wrong.id, other.id, sizeof(wrong.id));
    cr_assert_eq(nsf_apply(do_abort, &wrong), CAIRN_ENOUPLOAD);
    cr_assert_eq(nsf_apply(do_abort, &a), 0);
}

/* ---- listing ---- */

Test(ns_uploads, uploads_are_listed_by_key_then_time)
{
    const char *keys[] = {"b", "a/b", "a", "a!", "b", "a"};
    const char *sorted[] = {"a", "a", "a!", "a/b", "b", "b"};
    struct args made[6];
    struct arena arena = ARENA_INIT;
    struct ns_upload upload = {.key = SPAN_EMPTY}, second;
    struct span after_id = SPAN_EMPTY;
    int64_t last = 0;
    for (size_t i = 0; i < 6; i++)
        made[i] = begin(keys[i]);
    struct ns_txn *txn = nsf_view();
    for (size_t i = 0; i < 6; i++) {
        cr_assert_eq(ns_upload_next(txn, bucket, upload.key, after_id, &arena, &upload), 0);
        cr_assert(span_is(upload.key, sorted[i]));
        cr_assert(i == 0 || strcmp(sorted[i], sorted[i - 1]) != 0 || upload.initiated > last);
        last = upload.initiated;
        after_id = arena_dup(&arena, span_cstr(upload.id));
    }
    cr_assert_eq(ns_upload_next(txn, bucket, upload.key, after_id, &arena, &upload), CAIRN_ENOUPLOAD);
    cr_assert_eq(ns_upload_next(txn, bucket, SPAN_LIT("a"), SPAN_EMPTY, &arena, &second), 0);
    cr_assert(span_is(second.key, "a!"));
    cr_assert_eq(ns_upload_next(txn, bucket, SPAN_LIT("a"), span_cstr(made[2].id), &arena, &second), 0);
    cr_assert_str_eq(second.id, made[5].id);
    ns_view_end(&txn);
    arena_release(&arena);
}

Test(ns_uploads, parts_are_listed_by_number)
{
    struct args a = begin("o");
    struct ns_upload upload;
    struct ns_part found = {.number = 0};
    const uint32_t numbers[] = {5, 10000, 1, 300};
    const uint32_t sorted[] = {1, 5, 300, 10000};
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(part(&a, numbers[i], SPAN_LIT("0123456789")), 0);
    struct ns_txn *txn = nsf_view();
    cr_assert_eq(find(txn, &a, &upload), 0);
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(ns_upload_part_next(txn, &upload, found.number, &found), 0);
        cr_assert_eq(found.number, sorted[i]);
        cr_assert_eq(found.size, 10);
    }
    cr_assert_eq(ns_upload_part_next(txn, &upload, found.number, &found), CAIRN_ENOUPLOAD);
    ns_view_end(&txn);
}

Test(ns_uploads, uploads_of_long_keys_are_kept_apart)
{
    char key[NS_KEY_MAX + 1];
    struct args made[3];
    memset(key, 'k', sizeof(key));
    key[NS_KEY_MAX] = 0;
    for (size_t i = 0; i < 3; i++) {
        made[i] = begin(key);
        cr_assert_eq(part(&made[i], 1, SPAN_LIT("bytes")), 0);
    }
    cr_assert_eq(nsf_apply(do_abort, &made[1]), 0);
    cr_assert_eq(complete(&made[2], (uint32_t[]){1}, 1), 0);
    cr_assert_eq(nsf_apply(do_abort, &made[0]), 0);
    cr_assert_str_eq(nsf_get(bucket, key), "bytes");
}

Test(ns_uploads, ten_thousand_parts_are_completed)
{
    static uint32_t numbers[NS_PART_MAX];
    struct args a = begin("o");
    for (uint32_t i = 0; i < NS_PART_MAX; i++) {
        numbers[i] = i + 1;
        cr_assert_eq(part(&a, i + 1, SPAN_LIT("x")), 0);
    }
    cr_assert_eq(complete(&a, numbers, NS_PART_MAX), 0);
    cr_assert_eq(a.inode.size, NS_PART_MAX);
}
