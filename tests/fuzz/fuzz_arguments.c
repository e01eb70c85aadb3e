/*
 * What the command line and the environment hold: patterns of drives, and values of options. A pattern stands for as
 * many drives as its ranges multiply to, and what it stands for is no pattern any more.
 */
#include "objstore/base/errors.h"
#include "objstore/base/options.h"
#include "server/volumes.h"
#include "tests/fuzz/fuzz.h"

/* How many drives an accepted pattern stands for. */
static uint64_t count_by_ranges(struct span pattern)
{
    uint64_t count = 1, from, to;
    ptrdiff_t open;
    while ((open = span_find(pattern, '{', 0)) >= 0) {
        struct span numbers = span_from(pattern, (size_t)open + 1);
        pattern = span_from(numbers, (size_t)span_find(numbers, '}', 0) + 1);
        numbers = span_head(numbers, (size_t)(pattern.ptr - numbers.ptr) - 1);
        FUZZ_CHECK(span_to_u64(span_cut(&numbers, '.'), &from) == 0 && span_starts(numbers, SPAN_LIT("..")));
        FUZZ_CHECK(span_to_u64(span_from(numbers, 2), &to) == 0 && from <= to);
        count *= to - from + 1;
    }
    return count;
}

static void check_volumes(struct span pattern)
{
    static struct volumes volumes, again;
    struct arena a = ARENA_INIT;
    volumes.count = again.count = 0;
    int rc = volumes_expand(pattern, &a, &volumes);
    FUZZ_CHECK(volumes.count <= VOLUMES_MAX);
    if (rc == 0) {
        FUZZ_CHECK(volumes.count == count_by_ranges(pattern));
        struct span last = span_cstr(volumes.paths[volumes.count - 1]);
        FUZZ_CHECK(span_find(last, '{', 0) < 0);
        FUZZ_CHECK(volumes_expand(last, &a, &again) == 0 && again.count == 1 && span_is(last, again.paths[0]));
    } else {
        FUZZ_CHECK(rc == -EINVAL || rc == -E2BIG || rc == -ENAMETOOLONG);
    }
    arena_release(&a);
}

static void check_values(const char *text)
{
    char again[32];
    uint64_t number, number_again;
    int64_t time, time_again;
    bool flag;
    if (option_value(OPTION_U64, text, &number) == 0) {
        snprintf(again, sizeof(again), "%llu", (unsigned long long)number);
        FUZZ_CHECK(option_value(OPTION_U64, again, &number_again) == 0 && number == number_again);
    }
    if (option_value(OPTION_MS, text, &time) == 0) {
        FUZZ_CHECK(time >= 0 && time % 1000000 == 0);
        snprintf(again, sizeof(again), "%lldms", (long long)(time / 1000000));
        FUZZ_CHECK(option_value(OPTION_MS, again, &time_again) == 0 && time == time_again);
    }
    (void)option_value(OPTION_FLAG, text, &flag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 8192 || memchr(data, 0, size)) /* arguments are strings */
        return 0;
    char *text = strndup((const char *)data, size);
    FUZZ_CHECK(text != NULL);
    check_volumes(span_cstr(text));
    check_values(text);
    free(text);
    return 0;
}
