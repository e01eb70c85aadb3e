/* A large value that becomes smaller within one commit keeps its pages in LMDB; start-up must know. */
#include <criterion/criterion.h>

#include "tests/support/index_fixture.h"

TestSuite(index_shrink, .init = fixture_init, .fini = fixture_fini, .timeout = 60);

static int put_and_shrink(struct index_txn *txn, void *arg)
{
    static char bytes[40000];
    (void)arg;
    cr_assert_eq(index_put(txn, SPAN_LIT("large"), span_make(bytes, sizeof(bytes))), 0);
    cr_assert_eq(index_put(txn, SPAN_LIT("large"), span_make(bytes, 9000)), 0);
    cr_assert_eq(index_put(txn, SPAN_LIT("tiny"), span_make(bytes, 9000)), 0);
    return index_put(txn, SPAN_LIT("tiny"), SPAN_LIT("x"));
}

Test(index_shrink, an_index_with_values_that_shrank_opens_again)
{
    struct index *index = fixture_open(1);
    cr_assert_eq(index_apply(index, put_and_shrink, NULL, INDEX_DURABLE), 0);
    index_close(&index);
    index = fixture_open(1);
    cr_assert_eq(fixture_count(index), 2);
    index_close(&index);
}
