/* Events: what is told, in which order, and by whom it was done; and conditions of a put. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>

#include "objstore/base/errors.h"
#include "tests/support/ns_fixture.h"

static uint64_t bucket;
static struct buf told; /* by the writer's thread; read after a flush */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void tell(const struct ns_event *event, void *arg)
{
    static const char *const kinds[] = {"entry", "data", "attr"};
    cr_assert_eq(arg, &told);
    pthread_mutex_lock(&lock);
    buf_printf(&told, "%s", kinds[event->kind]);
    if (event->kind == NS_EVENT_ENTRY)
        buf_printf(&told, " " SPAN_FMT "%s", SPAN_ARG(event->name), event->ino ? "" : "-");
    if (event->origin)
        buf_printf(&told, " by %lu", (unsigned long)event->origin);
    buf_add_cstr(&told, "; ");
    pthread_mutex_unlock(&lock);
}

static int do_nothing(struct ns_txn *txn, void *arg)
{
    (void)txn, (void)arg;
    return 0;
}

static void setup(void)
{
    nsf_init();
    bucket = nsf_bucket("bucket");
    cr_assert_eq(ns_apply(nsf_ns, do_nothing, NULL, INDEX_DURABLE), 0);
    ns_subscribe(nsf_ns, tell, &told);
}

static void teardown(void)
{
    ns_subscribe(nsf_ns, NULL, NULL);
    nsf_fini();
    buf_release(&told);
}

TestSuite(ns_events, .init = setup, .fini = teardown, .timeout = 120);

/* What was told since the last look. Who waits for durable is answered after the events. */
static void expect(const char *events)
{
    cr_assert_eq(ns_apply(nsf_ns, do_nothing, NULL, INDEX_DURABLE), 0);
    pthread_mutex_lock(&lock);
    buf_add_char(&told, 0);
    cr_assert_str_eq(told.ptr, events);
    buf_clear(&told);
    pthread_mutex_unlock(&lock);
}

Test(ns_events, changes_are_told_in_order)
{
    cr_assert_eq(nsf_put(bucket, "a/b", "x"), 0);
    expect("entry a; entry b; ");
    cr_assert_eq(nsf_put(bucket, "a/b", "y"), 0);
    expect("entry b; ");
    cr_assert_eq(nsf_write(nsf_ino(nsf_ino(bucket, "a"), "b"), 0, SPAN_LIT("z")), 0);
    expect("data; ");
    cr_assert_eq(nsf_delete(bucket, "a/b"), 0);
    expect("entry b-; entry a-; attr; ");
    nsf_mkdir(bucket, "d");
    nsf_mkfile(bucket, "f");
    expect("entry d; entry f; ");
    cr_assert_eq(nsf_rename(bucket, "f", nsf_ino(bucket, "d"), "g", 0), 0);
    expect("entry f-; entry g; attr; ");
    cr_assert_eq(nsf_unlink(nsf_ino(bucket, "d"), "g"), 0);
    expect("entry g-; ");
}

static int do_hold(struct ns_txn *txn, void *arg)
{
    return ns_hold(txn, *(uint64_t *)arg);
}

Test(ns_events, an_inode_that_loses_a_name_is_told_to_who_still_sees_it)
{
    nsf_mkdir(bucket, "d");
    uint64_t f = nsf_mkfile(bucket, "f");
    cr_assert_eq(nsf_link(f, bucket, "g"), 0);
    cr_assert_eq(nsf_link(f, bucket, "h"), 0);
    cr_assert_eq(nsf_apply(do_hold, &f), 0);
    expect("entry d; entry f; entry g; attr; entry h; attr; ");
    cr_assert_eq(nsf_put(bucket, "f", "by S3"), 0);
    expect("entry f; attr; ");
    cr_assert_eq(nsf_delete(bucket, "g"), 0);
    expect("entry g-; attr; ");
    cr_assert_eq(nsf_unlink(bucket, "h"), 0); /* held */
    expect("entry h-; attr; ");
    cr_assert_eq(nsf_unlink(bucket, "f"), 0); /* nobody sees it any more */
    expect("entry f-; ");
    cr_assert_eq(nsf_rmdir(bucket, "d"), 0); /* somebody may stand in it */
    expect("entry d-; attr; ");
    ns_unhold(nsf_ns, f);
}

Test(ns_events, names_are_told_as_a_mount_shows_them)
{
    cr_assert_eq(nsf_put(bucket, "a", "x"), 0);
    expect("entry a; ");
    cr_assert_eq(nsf_put(bucket, "a/b", "x"), 0);
    expect("entry a-; entry @cairn.object.a; entry a; entry b; ");
    cr_assert_eq(nsf_delete(bucket, "a/b"), 0);
    expect("entry b-; entry a-; entry @cairn.object.a-; entry a; attr; ");
}

static int do_put_as(struct ns_txn *txn, void *arg)
{
    struct ns_put put = {.body = NULL};
    struct inode inode;
    ns_txn_set_origin(txn, *(uint64_t *)arg);
    return ns_key_put(txn, bucket, SPAN_LIT("k"), &put, &inode);
}

Test(ns_events, the_origin_of_a_change_is_told)
{
    uint64_t origin = 42;
    cr_assert_eq(nsf_apply(do_put_as, &origin), 0);
    expect("entry k by 42; ");
}

static int refuse(const struct inode *current, void *arg)
{
    *(bool *)arg = current != NULL;
    return CAIRN_EPRECONDITION;
}

struct put_args {
    const char *key;
    bool there;
};

static int do_put_if(struct ns_txn *txn, void *arg)
{
    struct put_args *a = arg;
    struct ns_put put = {.check = refuse, .check_arg = &a->there};
    struct inode inode;
    return ns_key_put(txn, bucket, span_cstr(a->key), &put, &inode);
}

static int do_delete_if(struct ns_txn *txn, void *arg)
{
    struct put_args *a = arg;
    return ns_key_delete(txn, bucket, span_cstr(a->key), refuse, &a->there);
}

Test(ns_events, a_refused_put_tells_nothing_and_changes_nothing)
{
    struct put_args a = {.key = "x/y"};
    cr_assert_eq(nsf_apply(do_put_if, &a), CAIRN_EPRECONDITION);
    cr_assert_not(a.there);
    expect("");
    cr_assert_str_eq(nsf_readdir(bucket), "");
    cr_assert_eq(nsf_put(bucket, "x/y", ""), 0);
    cr_assert_eq(nsf_apply(do_put_if, &a), CAIRN_EPRECONDITION);
    cr_assert(a.there);
    cr_assert_eq(nsf_apply(do_delete_if, &a), CAIRN_EPRECONDITION);
    a.key = "x/";
    cr_assert_eq(nsf_apply(do_put_if, &a), CAIRN_EPRECONDITION);
    cr_assert_not(a.there);
    expect("entry x; entry y; ");
}

static int do_put_then_fail(struct ns_txn *txn, void *arg)
{
    int r = do_put_as(txn, arg);
    return r < 0 ? r : CAIRN_ECORRUPT;
}

Test(ns_events, a_mutation_that_fails_late_is_undone_and_tells_nothing)
{
    uint64_t origin = 1;
    uint64_t before = nsf_inodes();
    cr_assert_eq(nsf_apply(do_put_then_fail, &origin), CAIRN_ECORRUPT);
    expect("");
    cr_assert_eq(nsf_inodes(), before);
    cr_assert_null(nsf_get(bucket, "k"));
}

static int do_hold_unlink_fail(struct ns_txn *txn, void *arg)
{
    struct inode inode;
    int r = ns_unlink(txn, bucket, SPAN_LIT("f"), &inode);
    (void)arg;
    return r < 0 ? r : CAIRN_ECORRUPT;
}

Test(ns_events, an_undone_unlink_does_not_keep_the_inode_from_being_held)
{
    uint64_t f = nsf_mkfile(bucket, "f");
    struct ns_txn *txn = nsf_view();
    cr_assert_eq(nsf_apply(do_hold_unlink_fail, NULL), CAIRN_ECORRUPT);
    cr_assert_eq(ns_hold(txn, f), 0);
    ns_view_end(&txn);
    ns_unhold(nsf_ns, f);
}

/* ---- many writers ---- */

static void *put_many(void *arg)
{
    char key[40];
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof(key), "t%zu/%d", (size_t)arg, i % 50);
        if (i % 3 == 2)
            nsf_delete(bucket, key);
        else
            cr_assert_eq(nsf_put(bucket, key, "x"), 0);
    }
    return NULL;
}

Test(ns_events, writers_of_many_threads_agree)
{
    pthread_t threads[8];
    ns_subscribe(nsf_ns, NULL, NULL);
    for (size_t i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, put_many, (void *)i);
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    nsf_verify();
}
