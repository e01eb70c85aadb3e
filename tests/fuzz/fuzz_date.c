/* A date that parses is written and read back to the same second. */
#include "objstore/base/clock.h"
#include "server/wire/date.h"
#include "tests/fuzz/fuzz.h"

static int64_t second_of(int64_t ns)
{
    return ns / NS_PER_SEC - (ns % NS_PER_SEC < 0);
}

static void check_written(int64_t ns)
{
    char basic[DATE_BASIC_SIZE], ms[DATE_MS_SIZE], http[DATE_HTTP_SIZE];
    int64_t back;
    date_format_basic(ns, basic);
    date_format_ms(ns, ms);
    date_format_http(ns, http);
    if (ns < INT64_MIN + NS_PER_SEC) /* the second's beginning is out of reach */
        return;
    FUZZ_CHECK(date_parse_basic(span_cstr(basic), &back) == 0 && back == second_of(ns) * NS_PER_SEC);
    FUZZ_CHECK(date_parse_http(span_cstr(http), 0, &back) == 0 && back == second_of(ns) * NS_PER_SEC);
    FUZZ_CHECK(date_parse_iso(span_cstr(ms), &back) == 0 && second_of(back) == second_of(ns));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = span_make(data, size);
    int64_t ns;
    if (date_parse_basic(s, &ns) == 0)
        check_written(ns);
    if (date_parse_iso(s, &ns) == 0)
        check_written(ns);
    if (date_parse_http(s, 1700000000 * NS_PER_SEC, &ns) == 0)
        check_written(ns);
    if (size == sizeof(ns)) {
        memcpy(&ns, data, sizeof(ns));
        check_written(ns);
    }
    return 0;
}
