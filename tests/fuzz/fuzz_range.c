/* Ranges stay within their size; lists of tags and conditions are read without harm. The first line is a size. */
#include "server/wire/cond.h"
#include "server/wire/range.h"
#include "tests/fuzz/fuzz.h"

static void check_ranges(struct span header, uint64_t size)
{
    uint64_t off, len, total;
    enum range_kind kind = range_resolve(header, size, &off, &len);
    FUZZ_CHECK(off <= size && len <= size - off);
    if (kind == RANGE_PART) {
        char text[RANGE_CONTENT_SIZE];
        uint64_t off_back, len_back;
        FUZZ_CHECK(len > 0);
        range_format_content(off, len, size, text);
        FUZZ_CHECK(range_parse_content(span_cstr(text), &off_back, &len_back, &total) == 0);
        FUZZ_CHECK(off_back == off && len_back == len && total == size);
    }
    if (range_copy_source(header, size, &off, &len) == 0)
        FUZZ_CHECK(len > 0 && off < size && len <= size - off);
    if (range_parse_content(header, &off, &len, &total) == 0)
        FUZZ_CHECK(len > 0 && off + (len - 1) >= off);
}

static void check_tags(struct span list)
{
    const struct span etag = SPAN_LIT("abc");
    struct cond match = {.if_match = list}, none_match = {.if_none_match = list};
    bool strong = etag_in_list(list, etag, true);
    FUZZ_CHECK(!strong || etag_in_list(list, etag, false));
    FUZZ_CHECK(etag_bare(list).len <= list.len);
    FUZZ_CHECK(cond_check_read(&match, etag, 0) == (strong ? COND_OK : COND_FAILED));
    cond_check_write(&match, etag);
    cond_check_write(&none_match, etag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_make(data, size);
    uint64_t object_size;
    if (span_to_u64(span_cut(&input, '\n'), &object_size) < 0 || input.ptr == NULL)
        return 0;
    check_ranges(input, object_size);
    check_tags(input);
    return 0;
}
