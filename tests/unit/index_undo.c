#include <criterion/criterion.h>

#include "objstore/base/errors.h"
#include "tests/support/index_fixture.h"

TestSuite(undo, .init = fixture_init, .fini = fixture_fini, .timeout = 60);

/* Writes, and then finds that it can't go on. */
static int fails_after_a_write(struct index_txn *txn, void *arg)
{
    (void)arg;
    cr_assert_eq(index_put(txn, SPAN_LIT("k"), SPAN_LIT("99")), 0);
    cr_assert_eq(index_delete(txn, SPAN_LIT("other")), 0);
    return CAIRN_ECORRUPT;
}

Test(undo, what_a_failed_mutation_wrote_is_undone)
{
    struct index *index = fixture_open(1);
    cr_assert_eq(fixture_put(index, "k", 1, INDEX_DURABLE), 0);
    cr_assert_eq(fixture_put(index, "other", 2, INDEX_APPLIED), 0);
    cr_assert_eq(index_apply(index, fails_after_a_write, NULL, INDEX_DURABLE), CAIRN_ECORRUPT);
    cr_assert_eq(fixture_get(index, "k"), 1);
    cr_assert_eq(fixture_get(index, "other"), 2);
    cr_assert_eq(fixture_put(index, "k", 3, INDEX_DURABLE), 0);
    cr_assert_eq(fixture_get(index, "k"), 3);
    index_close(&index);
}
